using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using OrthoNative.Benchmarks.Compare;
using OrthoNative.Benchmarks.Lengths;
using OrthoNative.Benchmarks.Micro;
using OrthoNative.Benchmarks.Models;
using OrthoNative.Benchmarks.Plots;

namespace OrthoNative.Benchmarks;

/// <summary><c>--check</c>: runs everything with small sizes, so that it does not rot. Times mean nothing then.</summary>
internal static class QuickCheck
{
    public static int Execute()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("orthonative-benchmarks-");
        try
        {
            CheckRefusals();
            CheckComparison(folder.FullName);
            CheckLengths(folder.FullName);
            CheckMicroBenchmarks(folder.FullName);
        }
        catch (InvalidOperationException exception)
        {
            Console.Error.WriteLine(exception.Message);
            return 1;
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        Console.WriteLine("All benchmarks run.");
        return 0;
    }

    private static void CheckComparison(string folder)
    {
        CellKind[] cells = Enum.GetValues<CellKind>();
        Workload[] workloads =
        [
            new(Mode.Train, 9, 3, 5, 1), new(Mode.Train, 300, 16, 60, 1, StateMiB: 1), new(Mode.Infer, 17, 3, 5, 2),
            .. cells[1..].Select(cell => new Workload(Mode.Train, 17, 5, 30, 1, Cell: cell)),
            .. cells.Select(cell => new Workload(Mode.Train, 17, 5, 30, 1, Cell: cell, Lengths: true)),
            .. cells.Select(cell => new Workload(Mode.Stream, 17, 5, 30, 1, Cell: cell)),
            .. Enum.GetValues<FilterKind>()[1..].Select(filter => new Workload(Mode.Train, 17, 5, 30, 1, Filter: filter)),
            new(Mode.Infer, 17, 5, 30, 1, Cell: CellKind.Lstm, Lengths: true), new(Mode.Stream, 17, 5, 30, 1, Filter: FilterKind.Permutation),
        ];
        // Every peer, and one with MKL's other path: each row takes two processes.
        Opponent[] opponents = [.. CompareCommand.Opponents(Peer.All).Where(opponent => !opponent.ForceAvx512 || opponent.Peer.Name == "manual")];
        List<ComparisonRow> rows = CompareCommand.Execute(workloads, opponents, seconds: 0, repetitions: 2, folder);
        int expected = workloads.Sum(workload => opponents.Count(opponent => opponent.Peer.Supports(workload)));
        Require(rows.Count == expected, $"compare gave {rows.Count} rows; {expected} were expected.");
        Require(
            rows.All(row => row.OursMs > 0 && row.PeerMs > 0 && row.OursPeakBytes > 0 && row.PeerPeakBytes > 0),
            "compare gave a row without a number.");
        Require(Comparison.Load(Path.Combine(folder, "compare.json")).SequenceEqual(rows), "compare.json does not hold the rows that were measured.");
        IReadOnlyList<string> plots = PlotsCommand.Draw([.. rows, .. rows.Select(row => row with { Hidden = 2 * row.Hidden })], folder);
        Require(plots.Count == 3 && plots.All(path => new FileInfo(path).Length > 0), $"plots drew {plots.Count} pictures; 3 were expected.");
    }

    private static void CheckRefusals()
    {
        string[] refused =
        [
            "--cell lstm --peer loop", "--cell lstm --filter cycle", "--filter cycle --peer manual", "--lengths --peer gru", "--peer lstmcell --cell lstm",
            "--stream --mode infer", "--stream --lengths", "--mode stream", "--cell lstms", "--filter haars", "--peer nobody",
            "--processor-time --threads 1 2",
        ];
        foreach (string line in refused)
        {
            Require(CompareCommand.Create().Parse(line).Errors.Count > 0, $"compare {line} gave no error.");
        }

        string[] accepted = ["", "--processor-time --threads 1", "--processor-time", "--cell lstm --peer lstm --lengths", "--cell gru --stream --peer grucell", "--filter permutation --peer loop --stream"];
        foreach (string line in accepted)
        {
            Require(CompareCommand.Create().Parse(line).Errors.Count == 0, $"compare {line} gave an error.");
        }
    }

    private static void CheckLengths(string folder)
    {
        List<LengthRow> rows = LengthsCommand.Execute([100, 200], stateMiB: 1, seconds: 0, repetitions: 1, folder);
        Require(rows.Count == 4 && rows.All(row => row.Ms > 0 && row.PeakBytes > 0), "lengths gave a row without a number.");
        Require(new FileInfo(Path.Combine(folder, LengthsCommand.PictureName)).Length > 0, "lengths drew no picture.");
    }

    private static void CheckMicroBenchmarks(string folder)
    {
        MicroBenchmarks.Quick = true;
        Summary[] summaries = BenchmarkRunner.Run(MicroBenchmarks.All, MicroBenchmarks.Configuration(folder));
        foreach (Summary summary in summaries)
        {
            Require(!summary.HasCriticalValidationErrors, $"{summary.Title} could not run.");
            Require(summary.Reports.Length > 0 && summary.Reports.All(report => report.Success), $"A benchmark of {summary.Title} failed.");
        }
    }

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new InvalidOperationException(message);
        }
    }
}
