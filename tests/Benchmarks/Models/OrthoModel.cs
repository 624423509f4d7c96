namespace OrthoNative.Benchmarks.Models;

/// <summary>This library, through its public interface: whole sequences of one length.</summary>
internal sealed class OrthoModel : ITimedModel
{
    private readonly Device _device;
    private readonly Sequential _model;
    private readonly CrossEntropyLoss _loss = new();
    private readonly Adam _optimizer;
    private readonly Tensor _inputs;
    private readonly int[] _targets;

    /// <summary>The model of the comparisons: every number is that of <paramref name="data"/>.</summary>
    public OrthoModel(Workload workload, ModelData data)
        : this(workload, data, LayerFor(workload, data))
    {
    }

    /// <summary>Options of the model of the comparisons but for its filter.</summary>
    public static RoaRnnOptions OptionsFor(Workload workload) => new()
    {
        Alpha = ModelData.Alpha,
        Beta = ModelData.Beta,
        Checkpointing = CheckpointingFor(workload),
    };

    /// <summary>This library's side of a comparison.</summary>
    public static ITimedModel Create(Workload workload, ModelData data) =>
        workload.Mode == Mode.Stream ? new OrthoStreams(workload, data)
        : workload.Lengths ? new OrthoSequences(workload, data)
        : new OrthoModel(workload, data);

    /// <summary>The recurrent layer of a comparison.</summary>
    public static RecurrentLayer LayerFor(Workload workload, ModelData data)
    {
        Checkpointing checkpointing = CheckpointingFor(workload);
        return workload.Cell switch
        {
            CellKind.Elman => new Elman(Workload.Inputs, workload.Hidden, new ElmanOptions { Checkpointing = checkpointing }),
            CellKind.Gru => new Gru(Workload.Inputs, workload.Hidden, new GruOptions { Checkpointing = checkpointing }),
            CellKind.Lstm => new Lstm(Workload.Inputs, workload.Hidden, new LstmOptions { Checkpointing = checkpointing }),
            _ => new RoaRnn(Workload.Inputs, workload.Hidden, OptionsFor(workload) with
            {
                Filter = workload.Filter switch
                {
                    FilterKind.Cycle => Filter.Cycle,
                    FilterKind.Permutation => Filter.Permutation,
                    FilterKind.Identity => Filter.Identity,
                    _ => Filter.FromMatrix(data.Filter),
                },
            }),
        };
    }

    /// <summary>Gives the recurrent layer of a model its numbers.</summary>
    public static void FillLayer(Layer layer, ModelData data) => Fill(layer, data.Weight, data.Bias, data.InputWeight);

    /// <summary>Gives the readout of a model its numbers.</summary>
    public static void FillReadout(Layer layer, ModelData data) => Fill(layer, data.ReadoutWeight, data.ReadoutBias, []);

    private static Checkpointing CheckpointingFor(Workload workload) =>
        workload.StateMiB is { } limit ? Checkpointing.Auto(limit << 20) : Checkpointing.None;

    private static void Fill(Layer layer, float[] weight, float[] bias, float[] inputWeight)
    {
        foreach (Parameter parameter in layer.Parameters)
        {
            parameter.Value.CopyFrom<float>(parameter.Name[(parameter.Name.IndexOf('.') + 1)..] switch
            {
                "weight" => weight,
                "bias" => bias,
                "input_weight" => inputWeight,
                _ => throw new NotSupportedException($"The model has a parameter {parameter}, for which there is no data."),
            });
        }
    }

    /// <summary>A model with other options, for comparisons of this library with itself.</summary>
    public OrthoModel(Workload workload, ModelData data, RoaRnnOptions options)
        : this(workload, data, new RoaRnn(Workload.Inputs, workload.Hidden, options))
    {
    }

    private OrthoModel(Workload workload, ModelData data, RecurrentLayer layer)
    {
        _device = Device.Cpu(workload.Threads);
        _model = new Sequential(_device, ModelData.Seed, layer, new Dense(workload.Hidden, Workload.Classes));
        FillLayer(layer, data);
        FillReadout(_model.Layers[^1], data);
        _optimizer = new Adam(_model, Workload.LearningRate);
        _inputs = Tensor.From<float>(_device, data.Inputs, workload.Steps, workload.Batch, Workload.Inputs);
        _targets = data.Targets;
    }

    public double Step()
    {
        _model.Training = true;
        double loss = _loss.Forward(_model.Forward(_inputs), _targets);
        _model.Backward(_loss.Gradient);
        _optimizer.Step();
        return loss;
    }

    public double Infer()
    {
        _model.Training = false;
        return _loss.Evaluate(_model.Forward(_inputs), _targets);
    }

    public double Stream() => throw new NotSupportedException($"{nameof(OrthoStreams)} times streams.");

    public void Dispose()
    {
        _inputs.Dispose();
        _optimizer.Dispose();
        _loss.Dispose();
        _model.Dispose();
        _device.Dispose();
    }
}
