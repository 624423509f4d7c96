namespace OrthoNative.Benchmarks.Models;

/// <summary>A model with its data, ready to be timed. Both calls return when all work is done.</summary>
internal interface ITimedModel : IDisposable
{
    /// <summary>One training step: forward, backward, Adam.</summary>
    /// <returns>The loss before the step.</returns>
    double Step();

    /// <summary>One forward pass.</summary>
    /// <returns>The loss.</returns>
    double Infer();

    /// <summary>One forward pass with a call for each time step.</summary>
    /// <returns>The loss.</returns>
    double Stream();
}
