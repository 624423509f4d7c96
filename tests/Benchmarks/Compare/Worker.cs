using System.Diagnostics;
using System.Text.Json;
using OrthoNative.Benchmarks.Models;
using OrthoNative.Libtorch;

namespace OrthoNative.Benchmarks.Compare;

/// <summary>What a child process is asked to do.</summary>
internal enum WorkerTask
{
    /// <summary>Times both sides in turns.</summary>
    Time,

    /// <summary>Runs one side and reports the peak memory of the process.</summary>
    Memory,

    /// <summary>Times this library alone and reports the peak memory of the process.</summary>
    Length,

    /// <summary>Measures how fast MKL multiplies.</summary>
    Product,

    /// <summary>Finds out which side flushes subnormal numbers to zero.</summary>
    Subnormals,
}

/// <param name="Task">What to do.</param>
/// <param name="Workload">The case.</param>
/// <param name="Peer">Name of a <see cref="Models.Peer"/>; null: this library alone.</param>
/// <param name="ForceAvx512">Whether MKL is to take its AVX-512 path.</param>
/// <param name="Seconds">Time to spend, at least <paramref name="Repetitions"/> repetitions.</param>
/// <param name="Repetitions">Fewest repetitions.</param>
/// <param name="ProcessorTime">Whether times are those that the process ran, not those of the clock.</param>
internal sealed record WorkerRequest(
    WorkerTask Task, Workload Workload, string? Peer = null, bool ForceAvx512 = false, double Seconds = 0, int Repetitions = 1,
    bool ProcessorTime = false);

/// <param name="OursMs">Median time of this library in milliseconds.</param>
/// <param name="PeerMs">Median time of the peer in milliseconds.</param>
/// <param name="PeakBytes">Peak resident memory of the process.</param>
/// <param name="Gflops">Speed of a product in 10⁹ operations a second.</param>
/// <param name="ChainsFlush">Whether chains of this library flush subnormal numbers.</param>
/// <param name="PeerFlushes">Whether the peer does.</param>
/// <param name="RatioLow">First quartile of the ratios of single turns, peer's time by ours.</param>
/// <param name="RatioHigh">Third quartile.</param>
internal sealed record WorkerAnswer(
    double OursMs = 0, double PeerMs = 0, long PeakBytes = 0, double Gflops = 0, bool ChainsFlush = false, bool PeerFlushes = false,
    double RatioLow = 0, double RatioHigh = 0);

/// <summary>
/// A child process for one measurement: libtorch decides once a process which instructions it uses, and peak memory is that
/// of a process.
/// </summary>
internal static class Worker
{
    public const string CommandName = "worker";

    private const int MostRepetitions = 201;

    /// <summary>Of a loss; one below 1 is a difference of larger numbers, which are rounded.</summary>
    private const double LossTolerance = 1e-4;

    /// <summary>
    /// Pause between the two sides, until threads that spin for more work of their side have gone to sleep.
    /// </summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Runs a child process.</summary>
    /// <exception cref="InvalidOperationException">It failed; the message is what it printed.</exception>
    public static WorkerAnswer Run(WorkerRequest request)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, [CommandName, JsonSerializer.Serialize(request)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string[] lines = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        process.WaitForExit();
        if (process.ExitCode != 0 || lines.Length == 0)
        {
            throw new InvalidOperationException(
                $"{request}: exit code {process.ExitCode}\n{string.Join('\n', lines)}\n{error.Result}");
        }

        return JsonSerializer.Deserialize<WorkerAnswer>(lines[^1])!;
    }

    /// <summary>The child process itself.</summary>
    public static int Execute(string requestText)
    {
        WorkerRequest request = JsonSerializer.Deserialize<WorkerRequest>(requestText)!;
        Peer? peer = request.Peer is null ? null : Peer.Named(request.Peer);
        if (peer is not null)
        {
            TorchRuntime.Prepare();
            if (request.ForceAvx512)
            {
                TorchRuntime.ForceAvx512();
            }
        }

        WorkerAnswer answer = request.Task switch
        {
            WorkerTask.Time => Time(request, peer!),
            WorkerTask.Memory => MeasureMemory(request, peer),
            WorkerTask.Length => MeasureLength(request),
            WorkerTask.Subnormals => new WorkerAnswer(ChainsFlush: Subnormals.ChainsFlush(), PeerFlushes: Subnormals.TorchFlushes()),
            _ => new WorkerAnswer(Gflops: TorchProduct.Measure(request.Workload)),
        };
        Console.WriteLine(JsonSerializer.Serialize(answer));
        return 0;
    }

    private static WorkerAnswer Time(WorkerRequest request, Peer peer)
    {
        var data = new ModelData(request.Workload);
        using ITimedModel ours = OrthoModel.Create(request.Workload, data);
        using ITimedModel theirs = peer.Create(request.Workload, data);
        CheckLosses(request.Workload, peer, ours, theirs);

        var oursMs = new List<double>();
        var theirsMs = new List<double>();
        long begin = Stopwatch.GetTimestamp();
        while (oursMs.Count < request.Repetitions ||
            (oursMs.Count < MostRepetitions && Stopwatch.GetElapsedTime(begin).TotalSeconds < request.Seconds))
        {
            oursMs.Add(TimeOnce(request, ours));
            theirsMs.Add(TimeOnce(request, theirs));
        }

        List<double> ratios = [.. theirsMs.Zip(oursMs, (theirs, ours) => theirs / ours)];
        return new WorkerAnswer(Median(oursMs), Median(theirsMs), RatioLow: Quantile(ratios, 0.25), RatioHigh: Quantile(ratios, 0.75));
    }

    private static WorkerAnswer MeasureMemory(WorkerRequest request, Peer? peer)
    {
        var data = new ModelData(request.Workload);
        using ITimedModel model = peer?.Create(request.Workload, data) ?? OrthoModel.Create(request.Workload, data);
        for (int i = 0; i < 2; i++)
        {
            Run(request.Workload.Mode, model);
        }

        return new WorkerAnswer(PeakBytes: PeakMemory());
    }

    private static WorkerAnswer MeasureLength(WorkerRequest request)
    {
        using var model = new OrthoModel(request.Workload, new ModelData(request.Workload), OrthoModel.OptionsFor(request.Workload));
        model.Step();
        var times = new List<double>();
        long begin = Stopwatch.GetTimestamp();
        while (times.Count < request.Repetitions || Stopwatch.GetElapsedTime(begin).TotalSeconds < request.Seconds)
        {
            times.Add(TimeOnce(request, model));
        }

        return new WorkerAnswer(OursMs: Median(times), PeakBytes: PeakMemory());
    }

    private static long PeakMemory()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    /// <summary>Warms both sides up. In training the second loss also follows from the gradients and from Adam.</summary>
    private static void CheckLosses(Workload workload, Peer peer, ITimedModel ours, ITimedModel theirs)
    {
        for (int step = 1; step <= 2; step++)
        {
            double ourLoss = Run(workload.Mode, ours);
            double theirLoss = Run(workload.Mode, theirs);
            bool agree = peer.IsSameModel(workload)
                ? Math.Abs(ourLoss - theirLoss) <= LossTolerance * Math.Max(1, Math.Abs(theirLoss))
                : double.IsFinite(ourLoss) && double.IsFinite(theirLoss);
            if (!agree)
            {
                throw new InvalidOperationException(FormattableString.Invariant(
                    $"{workload.Mode} step {step}: our loss is {ourLoss:G9}, that of {peer.Name} {theirLoss:G9}; they must differ by at most {LossTolerance}, relative where losses are above 1."));
            }
        }
    }

    private static double TimeOnce(WorkerRequest request, ITimedModel model)
    {
        Thread.Sleep(s_pause);
        TimeSpan beginOfProcessor = Environment.CpuUsage.TotalTime;
        long begin = Stopwatch.GetTimestamp();
        Run(request.Workload.Mode, model);
        return request.ProcessorTime
            ? (Environment.CpuUsage.TotalTime - beginOfProcessor).TotalMilliseconds
            : Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
    }

    private static double Run(Mode mode, ITimedModel model) => mode switch
    {
        Mode.Train => model.Step(),
        Mode.Infer => model.Infer(),
        _ => model.Stream(),
    };

    private static double Median(List<double> values) => Quantile(values, 0.5);

    /// <summary>A quantile, linear between the two values beside it.</summary>
    private static double Quantile(IEnumerable<double> values, double fraction)
    {
        double[] sorted = [.. values.Order()];
        double place = fraction * (sorted.Length - 1);
        int below = (int)place;
        int above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((place - below) * (sorted[above] - sorted[below]));
    }
}
