using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using OrthoNative.Benchmarks.Models;
using OrthoNative.Libtorch;

namespace OrthoNative.Benchmarks.Micro;

/// <summary>What the benchmarks of BenchmarkDotNet share.</summary>
internal static class MicroBenchmarks
{
    public static Type[] All { get; } =
        [typeof(SizeBenchmarks), typeof(PartBenchmarks), typeof(FilterBenchmarks), typeof(CheckpointingBenchmarks), typeof(TorchBenchmarks)];

    /// <summary>Whether sizes are small: the check that everything runs.</summary>
    public static bool Quick { get; set; }

    /// <summary>
    /// In this process: a step is native code from end to end, and a second program would have to find the same native libraries.
    /// </summary>
    /// <param name="folder">Where reports go.</param>
    public static IConfig Configuration(string folder) =>
        ManualConfig.CreateEmpty()
            .AddJob((Quick ? Job.Dry : Job.ShortRun).WithToolchain(InProcessEmitToolchain.Instance))
            .AddLogger(ConsoleLogger.Default)
            .AddColumnProvider(DefaultColumnProviders.Instance)
            .AddDiagnoser(BenchmarkDotNet.Diagnosers.MemoryDiagnoser.Default)
            .AddExporter(MarkdownExporter.GitHub)
            .WithArtifactsPath(folder)
            .WithOptions(ConfigOptions.DisableOptimizationsValidator);

    /// <summary>Sizes as they are, or one that takes no time.</summary>
    public static IEnumerable<int> Sizes(int quick, params int[] sizes) => Quick ? [quick] : sizes;

    /// <summary>The case that benchmarks vary which are not about sizes.</summary>
    public static Workload Usual(int hidden) =>
        Quick ? new Workload(Mode.Train, hidden, 3, 5, 1) : new Workload(Mode.Train, hidden, 128, 784, 1);
}

/// <summary>A benchmark that times a training step of one model of this library.</summary>
public abstract class TrainBenchmarks : IDisposable
{
    private protected OrthoModel? Model { get; private set; }

    [GlobalSetup]
    public void Setup() => Model = CreateModel();

    [GlobalCleanup]
    public void Dispose()
    {
        Model?.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public double Train() => Model!.Step();

    private protected abstract OrthoModel CreateModel();
}

/// <summary>A training step and a forward pass over the sizes of a model.</summary>
public class SizeBenchmarks : TrainBenchmarks
{
    [ParamsSource(nameof(HiddenSizes))]
    public int Hidden { get; set; }

    [ParamsSource(nameof(BatchSizes))]
    public int Batch { get; set; }

    [ParamsSource(nameof(StepCounts))]
    public int Steps { get; set; }

    [ParamsSource(nameof(ThreadCounts))]
    public int Threads { get; set; }

    public static IEnumerable<int> HiddenSizes => MicroBenchmarks.Sizes(9, 64, 128, 256, 512, 1024);

    public static IEnumerable<int> BatchSizes => MicroBenchmarks.Sizes(3, 1, 16, 128);

    public static IEnumerable<int> StepCounts => MicroBenchmarks.Sizes(5, 784);

    public static IEnumerable<int> ThreadCounts => MicroBenchmarks.Sizes(1, 1, 2);

    [Benchmark]
    public double Infer() => Model!.Infer();

    private protected override OrthoModel CreateModel()
    {
        var workload = new Workload(Mode.Train, Hidden, Batch, Steps, Threads);
        return new OrthoModel(workload, new ModelData(workload));
    }
}

/// <summary>The parts of a training step: the chain, and all that follows it.</summary>
public class PartBenchmarks : IDisposable
{
    private readonly CrossEntropyLoss _loss = new();
    private readonly List<IDisposable> _owned = [];
    private Sequential? _chain;
    private Sequential? _readout;
    private Adam? _chainOptimizer;
    private Adam? _readoutOptimizer;
    private Tensor? _inputs;
    private Tensor? _states;
    private Tensor? _stateGradient;
    private int[] _targets = [];

    [ParamsSource(nameof(HiddenSizes))]
    public int Hidden { get; set; }

    public static IEnumerable<int> HiddenSizes => MicroBenchmarks.Sizes(9, 128, 256, 512);

    [GlobalSetup]
    public void Setup()
    {
        Workload workload = MicroBenchmarks.Usual(Hidden);
        var data = new ModelData(workload);
        Device device = Own(Device.Cpu(workload.Threads));
        _chain = Own(new Sequential(device, seed: 1, new RoaRnn(Workload.Inputs, Hidden, OrthoModel.OptionsFor(workload))));
        _readout = Own(new Sequential(
            device, new SequentialOptions { Seed = 1, ComputeInputGradient = true }, new Dense(Hidden, Workload.Classes)));
        _chainOptimizer = Own(new Adam(_chain, Workload.LearningRate));
        _readoutOptimizer = Own(new Adam(_readout, Workload.LearningRate));
        _inputs = Own(Tensor.From<float>(device, data.Inputs, workload.Steps, workload.Batch, Workload.Inputs));
        float[] values = Enumerable.Range(0, workload.Batch * Hidden).Select(i => MathF.Sin(i)).ToArray();
        _states = Own(Tensor.From<float>(device, values, workload.Batch, Hidden));
        _stateGradient = Own(Tensor.From<float>(device, values, workload.Batch, Hidden));
        _targets = data.Targets;
        Chain();
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _loss.Dispose();
        for (int i = _owned.Count - 1; i >= 0; i--)
        {
            _owned[i].Dispose();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Forward and backward through time, the input projection included.</summary>
    [Benchmark]
    public void Chain()
    {
        _chain!.Forward(_inputs!);
        _chain.Backward(_stateGradient!);
    }

    /// <summary>Readout, loss, the gradients of both, clipping, and Adam for all parameters.</summary>
    [Benchmark]
    public double Rest()
    {
        double loss = _loss.Forward(_readout!.Forward(_states!), _targets);
        _readout.Backward(_loss.Gradient);
        _chain!.ClipGradients(1);
        _readout.ClipGradients(1);
        _chainOptimizer!.Step();
        _readoutOptimizer!.Step();
        return loss;
    }

    private T Own<T>(T value)
        where T : IDisposable
    {
        _owned.Add(value);
        return value;
    }
}

/// <summary>Filters of each kind: the structured ones need no product.</summary>
public class FilterBenchmarks : TrainBenchmarks
{
    [ParamsSource(nameof(HiddenSizes))]
    public int Hidden { get; set; }

    [Params("Haar", "Cycle", "Permutation", "Identity")]
    public string Kind { get; set; } = "";

    public static IEnumerable<int> HiddenSizes => MicroBenchmarks.Sizes(9, 128, 256, 512);

    private protected override OrthoModel CreateModel()
    {
        Filter filter = Kind switch
        {
            "Haar" => Filter.Haar,
            "Cycle" => Filter.Cycle,
            "Permutation" => Filter.Permutation,
            _ => Filter.Identity,
        };
        Workload workload = MicroBenchmarks.Usual(Hidden);
        return new OrthoModel(workload, new ModelData(workload), new RoaRnnOptions { Beta = ModelData.Beta, Filter = filter });
    }
}

/// <summary>What it costs to keep fewer states.</summary>
public class CheckpointingBenchmarks : TrainBenchmarks
{
    [ParamsSource(nameof(HiddenSizes))]
    public int Hidden { get; set; }

    /// <summary>Steps between kept states; 0: all are kept.</summary>
    [ParamsSource(nameof(Intervals))]
    public int Interval { get; set; }

    public static IEnumerable<int> HiddenSizes => MicroBenchmarks.Sizes(9, 128, 256, 512);

    public static IEnumerable<int> Intervals => MicroBenchmarks.Quick ? [0, 2] : [0, 8, 28, 112];

    private protected override OrthoModel CreateModel()
    {
        Workload workload = MicroBenchmarks.Usual(Hidden);
        return new OrthoModel(workload, new ModelData(workload), new RoaRnnOptions
        {
            Beta = ModelData.Beta,
            Checkpointing = Interval > 0 ? Checkpointing.Every(Interval) : Checkpointing.None,
        });
    }
}

/// <summary>TorchSharp, each peer by itself; <c>compare</c> times it in turns with this library, and memory too.</summary>
public class TorchBenchmarks : IDisposable
{
    private ITimedModel? _model;

    [ParamsSource(nameof(HiddenSizes))]
    public int Hidden { get; set; }

    [ParamsSource(nameof(PeerNames))]
    public string PeerName { get; set; } = "";

    public static IEnumerable<int> HiddenSizes => MicroBenchmarks.Sizes(9, 128, 256);

    public static IEnumerable<string> PeerNames => Peer.All.Where(peer => peer.Supports(MicroBenchmarks.Usual(1))).Select(peer => peer.Name);

    [GlobalSetup]
    public void Setup()
    {
        TorchRuntime.Prepare();
        Workload workload = MicroBenchmarks.Usual(Hidden);
        _model = Peer.Named(PeerName).Create(workload, new ModelData(workload));
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _model?.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public double Train() => _model!.Step();
}
