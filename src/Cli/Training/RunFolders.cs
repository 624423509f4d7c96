using System.Text.Json;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Training;

/// <summary>Takes the folder of a run, and does not let a run that is there be lost by mistake.</summary>
internal static class RunFolders
{
    private const string OutOption = "--out";

    private static readonly string[] s_files =
    [
        RunFolder.Weights, RunFolder.Picture, RunFolder.ReportPage, RunFolder.OptimizerState, RunFolder.BestWeights, RunFolder.Losses, RunFolder.Epochs, RunFolder.Report,
    ];

    /// <summary>Takes the folder until it is disposed of.</summary>
    /// <param name="path">What --out says; null: a new folder below runs.</param>
    /// <param name="resume">True: --resume is given.</param>
    /// <param name="overwrite">True: --overwrite is given.</param>
    /// <param name="name">Name of what is run, for a new folder.</param>
    /// <param name="started">When it was started.</param>
    /// <exception cref="CliException">The folder has a run already, and neither option says what to do with it.</exception>
    public static RunFolder Open(string? path, bool resume, bool overwrite, string name, DateTimeOffset started)
    {
        if (resume && path is null)
        {
            throw CliException.Usage("--resume is given without --out; it requires the --out of the run to resume");
        }

        if (resume && overwrite)
        {
            throw CliException.Usage("--resume and --overwrite are given; only one of the two may be given");
        }

        if (path is null)
        {
            return RunFolder.OpenNew(RunFolder.NewName(name, started), OutOption, s_files);
        }

        RunFolder folder = RunFolder.Open(path, OutOption, s_files);
        try
        {
            string report = folder.PathOf(RunFolder.Report);
            if (!resume && !overwrite && File.Exists(report))
            {
                throw CliException.Usage(IsInterrupted(report)
                    ? $"{OutOption} is '{ForeignText.CleanPath(path)}', which has an interrupted run; --resume continues it, --overwrite replaces it"
                    : $"{OutOption} is '{ForeignText.CleanPath(path)}', which has a run already; choose another folder, or add --overwrite to replace it");
            }

            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Tells whether a run can be resumed. A file that cannot be read is of a run that cannot.</summary>
    private static bool IsInterrupted(string report)
    {
        const string Status = "status";
        if (FileStatus.Of(report, follow: true) is { IsDevice: true })
        {
            // Opening a pipe would wait for someone to write into it.
            return false;
        }

        try
        {
            using FileStream file = File.OpenRead(report);
            using JsonDocument content = JsonDocument.Parse(file);
            return content.RootElement.ValueKind == JsonValueKind.Object && content.RootElement.TryGetProperty(Status, out JsonElement status) && status.ValueKind == JsonValueKind.String &&
                status.GetString() is "interrupted" or "running";
        }
        catch (Exception exception) when (FileErrors.Is(exception) || exception is JsonException)
        {
            return false;
        }
    }
}
