namespace OrthoNative.Benchmarks;

/// <summary>What is timed.</summary>
internal enum Mode
{
    /// <summary>Forward pass, backward pass and optimizer step.</summary>
    Train,

    /// <summary>Forward pass alone.</summary>
    Infer,
}

/// <summary>One case: the same for both sides of a comparison.</summary>
/// <param name="Mode">What is timed.</param>
/// <param name="Hidden">Units N.</param>
/// <param name="Batch">Sequences B.</param>
/// <param name="Steps">Time steps T.</param>
/// <param name="Threads">Threads that each side works with.</param>
/// <param name="StateMiB">What states of this library may take in training, the others being recomputed; null: all are kept.</param>
internal sealed record Workload(Mode Mode, int Hidden, int Batch, int Steps, int Threads, long? StateMiB = null)
{
    /// <summary>Inputs of a step: one pixel.</summary>
    public const int Inputs = 1;

    /// <summary>Classes of the readout: ten digits.</summary>
    public const int Classes = 10;

    /// <summary>So small that the loss after a step is near the one before: sums over many time steps make larger steps magnify roundings.</summary>
    public const double LearningRate = 1e-5;
}
