using System.Globalization;

namespace OrthoNative;

/// <summary>Writes a line for each epoch and each warning: <c>new TrainerOptions { Callbacks = [new EpochWriter(Console.Out)] }</c>.</summary>
public sealed class EpochWriter : TrainingCallback
{
    private readonly TextWriter _output;

    /// <summary>Creates a callback.</summary>
    /// <param name="output">Where the lines go. Belongs to the caller.</param>
    public EpochWriter(TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        _output = output;
    }

    /// <inheritdoc/>
    public override void OnEpochEnd(TrainingState state, EpochResult epoch)
    {
        string line = string.Create(CultureInfo.InvariantCulture, $"epoch {epoch.Epoch}  step {epoch.Step}/{state.Steps}  loss {epoch.Loss:G4}");
        if (epoch.Validation is { } validation)
        {
            line += string.Create(CultureInfo.InvariantCulture, $"  validation loss {validation.Loss:G4}");
            foreach ((string name, double value) in validation.Metrics)
            {
                line += string.Create(CultureInfo.InvariantCulture, $"  {name} {value:G4}");
            }
        }

        _output.WriteLine(line + string.Create(CultureInfo.InvariantCulture, $"  {epoch.SamplesPerSecond:F0} samples/s"));
    }

    /// <inheritdoc/>
    public override void OnWarning(string message) => _output.WriteLine($"warning: {message}");
}
