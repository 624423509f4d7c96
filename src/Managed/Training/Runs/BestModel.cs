namespace OrthoNative;

/// <summary>The weights that were best by validation, and how long ago that was.</summary>
/// <param name="model">The model.</param>
/// <param name="options">What is compared.</param>
internal sealed class BestModel(Model model, TrainerOptions options) : IDisposable
{
    private readonly bool _higherIsBetter =
        options.Metrics.FirstOrDefault(metric => options.Monitor is null || metric.Name == options.Monitor)?.HigherIsBetter ?? false;

    private Tensor? _weights;
    private double _reference = double.NaN;
    private int _withoutImprovement;

    /// <summary>Name of what is compared.</summary>
    public string Name { get; } = options.Monitor ?? (options.Metrics.Count > 0 ? options.Metrics[0].Name : EvaluationResult.LossName);

    /// <summary>The epoch; null: none was validated.</summary>
    public EpochResult? Epoch { get; private set; }

    /// <summary>True if the best weights have changed since they were last saved.</summary>
    public bool HasChanged { get; set; }

    /// <summary>True where <see cref="EarlyStopping"/> ends the training.</summary>
    public bool IsStuck => options.EarlyStopping is { } stopping && _withoutImprovement >= stopping.Patience;

    /// <summary>True if there are weights to give back.</summary>
    public bool HasWeights { get; private set; }

    /// <summary>Takes notice of an epoch in which the model was validated.</summary>
    /// <returns>True: it is the best so far.</returns>
    public bool Observe(EpochResult epoch)
    {
        double value = ValueOf(epoch);
        bool improves = !double.IsNaN(value) && (double.IsNaN(_reference) || (_higherIsBetter
            ? value > _reference + (options.EarlyStopping?.MinimumChange ?? 0)
            : value < _reference - (options.EarlyStopping?.MinimumChange ?? 0)));
        _withoutImprovement = improves ? 0 : _withoutImprovement + 1;
        _reference = improves ? value : _reference;
        bool isBest = !double.IsNaN(value) && (Epoch is not { } best || (_higherIsBetter ? value > ValueOf(best) : value < ValueOf(best)));
        Epoch = isBest ? epoch : Epoch;
        return isBest;
    }

    /// <summary>Tells whether a result has the value that is compared.</summary>
    public bool IsIn(EvaluationResult validation) => Name == EvaluationResult.LossName || validation.Metrics.ContainsKey(Name);

    /// <summary>The value by which epochs are compared.</summary>
    public double ValueOf(EpochResult epoch) => epoch.Validation![Name];

    /// <summary>Takes the memory for weights.</summary>
    public void Reserve() => Tensor.Ensure(ref _weights, model.Device, model.DType, model.ParameterData.Shape);

    /// <summary>Keeps the weights that the model has now.</summary>
    public void Keep()
    {
        Reserve();
        _weights!.CopyFrom(model.ParameterData);
        HasWeights = HasChanged = true;
    }

    /// <summary>Gives the model the best weights.</summary>
    public void Restore() => model.ParameterData.CopyFrom(_weights!);

    /// <summary>Saves the best weights of a model that has others now.</summary>
    public void Save(string path)
    {
        Tensor current = Tensor.CreateOwned(model.Device, model.DType, model.ParameterData.Shape);
        try
        {
            current.CopyFrom(model.ParameterData);
            Restore();
            try
            {
                model.Save(path);
            }
            finally
            {
                model.ParameterData.CopyFrom(current);
            }
        }
        finally
        {
            current.Release();
        }
    }

    public void Dispose() => _weights?.Release();
}
