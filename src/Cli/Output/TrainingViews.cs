using Spectre.Console;

namespace OrthoNative.Cli.Output;

/// <summary>Creates the view of a training that suits where it is shown.</summary>
internal static class TrainingViews
{
    /// <summary>A progress bar on a terminal, lines elsewhere. What fails in it does not end the training.</summary>
    /// <param name="metric">Name of the metric that is shown.</param>
    /// <param name="epochs">Epochs planned.</param>
    /// <param name="measured">Name of the data that are measured after epochs: "validation" or "test".</param>
    public static GuardedView Create(string metric, int epochs, string measured)
    {
        try
        {
            if (AnsiConsole.Profile.Out.IsTerminal && AnsiConsole.Profile.Capabilities.Ansi)
            {
                return new GuardedView(new TerminalView(AnsiConsole.Console, metric, epochs, measured));
            }
        }
        // Whatever is wrong with the terminal, lines can be written.
        catch (Exception exception)
        {
            StandardError.Warn($"the progress bar cannot be shown ({FileErrors.Cause(exception)})");
        }

        return new GuardedView(new PlainView(Console.Out, metric, epochs, measured));
    }
}

/// <summary>Shows steps and epochs.</summary>
internal sealed class ViewProgress(ITrainingView view) : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value)
    {
        if (value.EpochResult is { } epoch)
        {
            view.Epoch(epoch);
        }
        else
        {
            view.Step(value);
        }
    }
}
