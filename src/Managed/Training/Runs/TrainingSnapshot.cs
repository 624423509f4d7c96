namespace OrthoNative;

/// <summary>Parameters of a model and state of its optimizer, to be given back bit for bit.</summary>
internal sealed class TrainingSnapshot : IDisposable
{
    private readonly Model _model;
    private readonly Optimizer _optimizer;
    private readonly Optimizer.Snapshot _state;
    private readonly Tensor _weights;
    private readonly Tensor _gradients;
    private readonly long _passes;

    public TrainingSnapshot(Model model, Optimizer optimizer)
    {
        (_model, _optimizer, _passes) = (model, optimizer, model.TrainingPasses);
        _state = optimizer.TakeSnapshot();
        _weights = Copy(model.ParameterData);
        _gradients = Copy(model.GradientData);
    }

    /// <summary>Gives the model and the optimizer what they had.</summary>
    public void Restore()
    {
        _model.ParameterData.CopyFrom(_weights);
        _model.GradientData.CopyFrom(_gradients);
        _model.TrainingPasses = _passes;
        _optimizer.Restore(_state);
    }

    public void Dispose()
    {
        _weights.Release();
        _gradients.Release();
        _state.Dispose();
    }

    private static Tensor Copy(Tensor source)
    {
        Tensor copy = Tensor.CreateOwned(source.Device, source.DType, source.Shape);
        copy.CopyFrom(source);
        return copy;
    }
}
