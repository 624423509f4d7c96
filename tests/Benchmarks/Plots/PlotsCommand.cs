using System.CommandLine;
using System.Globalization;
using OrthoNative.Benchmarks.Compare;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace OrthoNative.Benchmarks.Plots;

/// <summary><c>plots</c>: draws the pictures of the documentation.</summary>
internal static class PlotsCommand
{
    private const int Width = 1000;
    private const int Height = 600;
    private const string Ours = "OrthoNative";

    public static Command Create()
    {
        var inputs = new Argument<FileInfo[]>("results") { Description = "Files that compare wrote (compare.json)", Arity = ArgumentArity.OneOrMore };
        inputs.AcceptExistingOnly();
        var output = new Option<DirectoryInfo>("--output") { Description = "Folder for the pictures", DefaultValueFactory = _ => new DirectoryInfo("docs") };
        var command = new Command("plots", "Draw time against N, B, T and threads from results of compare") { inputs, output };
        command.SetAction(result =>
        {
            ComparisonRow[] rows = [.. result.GetValue(inputs)!.SelectMany(file => Comparison.Load(file.FullName))];
            foreach (string path in Draw(rows, result.GetValue(output)!.FullName))
            {
                Console.WriteLine(path);
            }

            return 0;
        });
        return command;
    }

    /// <summary>
    /// For each mode a picture over each quantity that the rows vary; all others, the cell among them, are held at the value that has most rows.
    /// </summary>
    /// <returns>Paths of the pictures.</returns>
    public static IReadOnlyList<string> Draw(IReadOnlyList<ComparisonRow> rows, string folder)
    {
        Directory.CreateDirectory(folder);
        Axis[] axes =
        [
            new("hidden", "N", "units N", row => row.Hidden),
            new("batch", "B", "sequences B", row => row.Batch),
            new("steps", "T", "time steps T", row => row.Steps),
            new("threads", "threads", "threads", row => row.Threads),
        ];
        var paths = new List<string>();
        foreach (IGrouping<string, ComparisonRow> mode in rows.GroupBy(row => row.Mode))
        {
            foreach (Axis axis in axes)
            {
                Axis[] others = [.. axes.Where(other => other != axis)];
                ComparisonRow[] held = [.. mode
                    .GroupBy(row => (string.Join(", ", others.Select(other => $"{other.Symbol} = {other.Of(row)}")), row.Cell, row.Filter, row.Lengths))
                    .MaxBy(group => group.Select(axis.Of).Distinct().Count())!];
                if (held.Select(axis.Of).Distinct().Count() < 2)
                {
                    continue;
                }

                string path = Path.Combine(folder, $"benchmark-{mode.Key}-{axis.Name}.png");
                string title = $"{TitleOf(mode.Key)}, {string.Join(", ", others.Select(other => $"{other.Symbol} = {other.Of(held[0])}"))}";
                Draw(held, axis, title, path);
                paths.Add(path);
            }
        }

        return paths;
    }

    private static string TitleOf(string mode) => mode switch
    {
        "train" => "Training step",
        "infer" => "Inference",
        _ => "Streams",
    };

    private static void Draw(ComparisonRow[] rows, Axis axis, string title, string path)
    {
        using var plot = new Plot();
        LogPlot.SetUp(plot, title, axis.Title, "milliseconds");
        AddLine(plot, Ours, rows, axis, row => row.OursMs, width: 4);
        foreach (IGrouping<string, ComparisonRow> peer in rows.GroupBy(row => row.Peer))
        {
            AddLine(plot, $"TorchSharp {peer.Key}", peer, axis, row => row.PeerMs, width: 1.5f);
        }

        double[] positions = [.. rows.Select(axis.Of).Distinct().Order().Select(value => (double)value)];
        plot.Axes.Bottom.TickGenerator = new NumericManual(
            [.. positions.Select(Math.Log2)], [.. positions.Select(value => value.ToString(CultureInfo.InvariantCulture))]);
        LogPlot.SetTicks(plot.Axes.Left);
        plot.ShowLegend(Edge.Right);
        plot.SavePng(path, Width, Height);
    }

    /// <summary>Both axes are logarithmic: a straight line is a power of the size.</summary>
    private static void AddLine(Plot plot, string name, IEnumerable<ComparisonRow> rows, Axis axis, Func<ComparisonRow, double> time, float width)
    {
        (double X, double Y)[] points =
        [
            .. rows.GroupBy(axis.Of).OrderBy(group => group.Key)
                .Select(group => (Math.Log2(group.Key), Math.Log10(Median(group.Select(time))))),
        ];
        ScottPlot.Plottables.Scatter line = plot.Add.Scatter(
            points.Select(point => point.X).ToArray(), points.Select(point => point.Y).ToArray());
        line.LegendText = name;
        line.LineWidth = width;
        if (name.EndsWith("+avx512", StringComparison.Ordinal))
        {
            line.LinePattern = LinePattern.Dashed;
        }
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>A quantity that rows vary.</summary>
    private sealed record Axis(string Name, string Symbol, string Title, Func<ComparisonRow, int> Of);
}
