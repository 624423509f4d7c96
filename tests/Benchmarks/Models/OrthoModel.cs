namespace OrthoNative.Benchmarks.Models;

/// <summary>This library, through its public interface.</summary>
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
        : this(workload, data, OptionsFor(workload) with { Filter = Filter.FromMatrix(data.Filter) })
    {
    }

    /// <summary>Options of the model of the comparisons but for its filter.</summary>
    public static RoaRnnOptions OptionsFor(Workload workload) => new()
    {
        Alpha = ModelData.Alpha,
        Beta = ModelData.Beta,
        Checkpointing = workload.StateMiB is { } limit ? Checkpointing.Auto(limit << 20) : Checkpointing.None,
    };

    /// <summary>A model with other options, for comparisons of this library with itself.</summary>
    public OrthoModel(Workload workload, ModelData data, RoaRnnOptions options)
    {
        _device = Device.Cpu(workload.Threads);
        _model = new Sequential(_device, seed: 1, new RoaRnn(Workload.Inputs, workload.Hidden, options), new Dense(workload.Hidden, Workload.Classes));
        foreach (Parameter parameter in _model.Parameters)
        {
            parameter.Value.CopyFrom<float>(parameter.Name switch
            {
                "0.weight" => data.Weight,
                "0.input_weight" => data.InputWeight,
                "0.bias" => data.Bias,
                "1.weight" => data.ReadoutWeight,
                "1.bias" => data.ReadoutBias,
                _ => throw new NotSupportedException($"The model has a parameter {parameter}, for which there is no data."),
            });
        }

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

    public void Dispose()
    {
        _inputs.Dispose();
        _optimizer.Dispose();
        _loss.Dispose();
        _model.Dispose();
        _device.Dispose();
    }
}
