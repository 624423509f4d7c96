using System.Text.Json;
using System.Text.Json.Serialization;
using OrthoNative.Benchmarks.Models;

namespace OrthoNative.Benchmarks.Compare;

/// <summary>One row of <c>compare.json</c>.</summary>
/// <param name="Peer">Name of the peer; "+avx512" is appended where MKL was made to take its AVX-512 path.</param>
/// <param name="Mode">"train", "infer" or "stream".</param>
/// <param name="Hidden">Units N.</param>
/// <param name="Batch">Sequences B.</param>
/// <param name="Steps">Time steps T.</param>
/// <param name="Threads">Threads of each side.</param>
/// <param name="OursMs">Median time of this library in milliseconds.</param>
/// <param name="PeerMs">Median time of the peer in milliseconds.</param>
/// <param name="Ratio">Peer's time by ours: above 1 this library is faster.</param>
/// <param name="OursPeakBytes">Peak resident memory of a process that runs this library alone.</param>
/// <param name="PeerPeakBytes">Peak resident memory of a process that runs the peer alone.</param>
/// <param name="StateMiB">What states of this library might take, the others being recomputed; null, and not in the file: all were kept.</param>
/// <param name="Cell">"roa", "elman", "gru" or "lstm".</param>
/// <param name="Filter">"haar", "cycle", "permutation" or "identity"; "haar" for cells without a filter.</param>
/// <param name="Lengths">Whether sequences had lengths, uniform in 1 to T.</param>
/// <param name="RatioLow">First quartile of the ratios of single turns; 0 in older files.</param>
/// <param name="RatioHigh">Third quartile.</param>
/// <param name="ProcessorTime">Whether times are those that the process ran, not those of the clock.</param>
internal sealed record ComparisonRow(
    string Peer, string Mode, int Hidden, int Batch, int Steps, int Threads,
    double OursMs, double PeerMs, double Ratio, long OursPeakBytes, long PeerPeakBytes, long? StateMiB = null,
    string Cell = "roa", string Filter = "haar", bool Lengths = false, double RatioLow = 0, double RatioHigh = 0,
    bool ProcessorTime = false);

/// <summary>A side to compare with: a peer and which path MKL takes.</summary>
internal sealed record Opponent(Peer Peer, bool ForceAvx512)
{
    public string Name => Peer.Name + (ForceAvx512 ? "+avx512" : "");
}

/// <summary>Measures rows, and keeps them in <c>compare.json</c>.</summary>
internal static class Comparison
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = false,
        NumberHandling = JsonNumberHandling.Strict,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    /// <summary>Measures every workload against every opponent that can run it.</summary>
    /// <param name="workloads">The cases.</param>
    /// <param name="opponents">What to compare with.</param>
    /// <param name="seconds">Time to spend on the repetitions of a row.</param>
    /// <param name="repetitions">Fewest repetitions of a row.</param>
    /// <param name="processorTime">Whether to take the time that the process ran, not that of the clock.</param>
    public static IEnumerable<ComparisonRow> Measure(
        IEnumerable<Workload> workloads, IReadOnlyList<Opponent> opponents, double seconds, int repetitions, bool processorTime)
    {
        foreach (Workload workload in workloads)
        {
            Opponent[] able = [.. opponents.Where(opponent => opponent.Peer.Supports(workload))];
            if (able.Length == 0)
            {
                continue;
            }

            long ourPeak = Worker.Run(new WorkerRequest(WorkerTask.Memory, workload)).PeakBytes;
            foreach (Opponent opponent in able)
            {
                WorkerAnswer time = Worker.Run(new WorkerRequest(
                    WorkerTask.Time, workload, opponent.Peer.Name, opponent.ForceAvx512, seconds, repetitions, processorTime));
                long peerPeak = Worker.Run(new WorkerRequest(
                    WorkerTask.Memory, workload, opponent.Peer.Name, opponent.ForceAvx512)).PeakBytes;
                yield return new ComparisonRow(
                    opponent.Name, NameOf(workload.Mode), workload.Hidden, workload.Batch, workload.Steps, workload.Threads,
                    Math.Round(time.OursMs, 4), Math.Round(time.PeerMs, 4), Math.Round(time.PeerMs / time.OursMs, 3), ourPeak, peerPeak, workload.StateMiB,
                    NameOf(workload.Cell), NameOf(workload.Filter), workload.Lengths, Math.Round(time.RatioLow, 3), Math.Round(time.RatioHigh, 3),
                    processorTime);
            }
        }
    }

    public static string NameOf<T>(T value) where T : struct, Enum => value.ToString().ToLowerInvariant();

    /// <summary>Writes rows as a JSON array, a row a line.</summary>
    public static void Save(string path, IEnumerable<ComparisonRow> rows) =>
        File.WriteAllText(path, $"[\n{string.Join(",\n", rows.Select(row => "  " + JsonSerializer.Serialize(row, s_json)))}\n]\n");

    /// <summary>Reads rows that <see cref="Save"/> wrote.</summary>
    public static ComparisonRow[] Load(string path) =>
        JsonSerializer.Deserialize<ComparisonRow[]>(File.ReadAllText(path), s_json) ?? [];
}
