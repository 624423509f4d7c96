using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OrthoNative.Benchmarks.Compare;
using OrthoNative.Benchmarks.Plots;
using ScottPlot;

namespace OrthoNative.Benchmarks.Lengths;

/// <summary>A training step of this library over sequences of one length.</summary>
/// <param name="Steps">Time steps T.</param>
/// <param name="StateMiB">What states may take; null: all are kept.</param>
/// <param name="Ms">Median time in milliseconds.</param>
/// <param name="PeakBytes">Peak resident memory of the process.</param>
internal sealed record LengthRow(int Steps, long? StateMiB, double Ms, long PeakBytes);

/// <summary><c>lengths</c>: time and memory of a training step over the length of its sequences, with and without recomputed states.</summary>
internal static class LengthsCommand
{
    public const string FileName = "lengths.json";
    public const string PictureName = "benchmark-lengths.png";

    private const int Hidden = 64;
    private const int Batch = 1;
    private const double MiB = 1024 * 1024;
    private static readonly JsonSerializerOptions s_json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    public static Command Create()
    {
        Option<int[]> steps = CompareCommand.Sizes("--steps", "Time steps T", 1_000, 10_000, 100_000, 1_000_000);
        var states = new Option<long>("--state-mib") { Description = "MiB that states may take where they are recomputed", DefaultValueFactory = _ => 64 };
        var output = new Option<DirectoryInfo>("--output")
        {
            Description = $"Folder for {FileName} and {PictureName}",
            DefaultValueFactory = _ => new DirectoryInfo("docs"),
        };
        var command = new Command("lengths", $"Time and memory of a training step up to a million time steps, N = {Hidden}, B = {Batch}, one thread")
        {
            steps, states, output,
        };
        command.SetAction(result =>
        {
            Execute(result.GetValue(steps)!, result.GetValue(states), seconds: 3, repetitions: 3, result.GetValue(output)!.FullName);
            return 0;
        });
        return command;
    }

    /// <summary>Measures, prints, writes and draws.</summary>
    public static List<LengthRow> Execute(IReadOnlyList<int> steps, long stateMiB, double seconds, int repetitions, string folder)
    {
        Directory.CreateDirectory(folder);
        var rows = new List<LengthRow>();
        Console.WriteLine("| T | states | ms | µs a step | peak MiB |\n|---:|---|---:|---:|---:|");
        foreach (int count in steps)
        {
            foreach (long? limit in (long?[])[null, stateMiB])
            {
                WorkerAnswer answer = Worker.Run(new WorkerRequest(
                    WorkerTask.Length, new Workload(Mode.Train, Hidden, Batch, count, 1, limit), Seconds: seconds, Repetitions: repetitions));
                var row = new LengthRow(count, limit, Math.Round(answer.OursMs, 4), answer.PeakBytes);
                rows.Add(row);
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {count:#,0} | {NameOf(limit)} | {row.Ms:0.0} | {1000 * row.Ms / count:0.00} | {row.PeakBytes / MiB:0} |"));
            }
        }

        File.WriteAllText(Path.Combine(folder, FileName), $"[\n{string.Join(",\n", rows.Select(row => "  " + JsonSerializer.Serialize(row, s_json)))}\n]\n");
        Draw(rows, Path.Combine(folder, PictureName));
        return rows;
    }

    private static string NameOf(long? stateMiB) => stateMiB is null ? "all kept" : $"recomputed, at most {stateMiB} MiB";

    private static void Draw(IReadOnlyList<LengthRow> rows, string path)
    {
        var multiplot = new Multiplot();
        multiplot.AddPlots(2);
        multiplot.Layout = new ScottPlot.MultiplotLayouts.Columns();
        DrawOne(multiplot.GetPlot(0), rows, "seconds", row => row.Ms / 1000);
        DrawOne(multiplot.GetPlot(1), rows, "peak memory of the process, MiB", row => row.PeakBytes / MiB);
        multiplot.SavePng(path, 1200, 500);
    }

    private static void DrawOne(Plot plot, IReadOnlyList<LengthRow> rows, string title, Func<LengthRow, double> value)
    {
        LogPlot.SetUp(plot, $"Training step, N = {Hidden}, B = {Batch}", "time steps T", title);
        LogPlot.SetTicks(plot.Axes.Bottom);
        LogPlot.SetTicks(plot.Axes.Left);
        foreach (IGrouping<long?, LengthRow> plan in rows.GroupBy(row => row.StateMiB))
        {
            ScottPlot.Plottables.Scatter line = plot.Add.Scatter(
                plan.Select(row => Math.Log10(row.Steps)).ToArray(), plan.Select(row => Math.Log10(value(row))).ToArray());
            line.LegendText = $"states {NameOf(plan.Key)}";
            line.LineWidth = 3;
        }

        // Whole decades, so that every axis has labels.
        plot.Axes.SetLimitsY(Math.Floor(rows.Min(row => Math.Log10(value(row)))), Math.Ceiling(rows.Max(row => Math.Log10(value(row)))));
        plot.ShowLegend(Alignment.UpperLeft);
    }
}
