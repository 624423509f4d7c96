using System.Collections.ObjectModel;

namespace OrthoNative.Diagnostics;

/// <summary>Gradient norms at the outputs of a model's layers in one step of training.</summary>
/// <param name="Pass">Number of the backward pass, from 1.</param>
/// <param name="Norms">Euclidean norm of the gradient at the outputs of each layer, all samples and steps together, by the layer's path; in the order of the layers.</param>
public sealed record LayerGradientRecord(long Pass, IReadOnlyList<KeyValuePair<string, double>> Norms);

/// <summary>Records the norm of the gradient at the outputs of every layer of a model while it is trained, at chosen intervals.</summary>
/// <remarks>
/// Layers inside containers are recorded, too, and containers themselves. A record reads each gradient once, and waits for a GPU; passes between records cost nothing. The norms tell whether
/// gradients reach the first blocks of a stack. <see cref="GradientRecorder"/> records them along the steps of one layer.
/// </remarks>
public sealed class LayerGradientRecorder : IDisposable
{
    private readonly Model _model;
    private readonly long _interval;
    private readonly List<LayerGradientRecord> _records = [];
    private readonly ReadOnlyCollection<LayerGradientRecord> _readOnlyRecords;
    private readonly Dictionary<string, double> _norms = [];
    private long _passes;

    /// <summary>Begins to record.</summary>
    /// <param name="model">The model that is trained; a whole one, no part of another.</param>
    /// <param name="interval">Backward passes from record to record, at least 1; the first one is recorded.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="interval"/> is less than 1.</exception>
    /// <exception cref="InvalidOperationException">The model has no device of its own.</exception>
    public LayerGradientRecorder(Model model, long interval)
    {
        ArgumentNullException.ThrowIfNull(model);
        Check.AtLeast(interval, 1);
        _ = model.ParameterData;
        _model = model;
        _interval = interval;
        _readOnlyRecords = _records.AsReadOnly();
        model.LayerBackward += Observe;
        model.BackwardEnded += End;
    }

    /// <summary>The recorded norms, oldest first.</summary>
    public IReadOnlyList<LayerGradientRecord> Records => _readOnlyRecords;

    /// <summary>Ends the recording; what was recorded stays.</summary>
    public void Dispose()
    {
        _model.LayerBackward -= Observe;
        _model.BackwardEnded -= End;
    }

    private void Observe(Layer layer, Tensor outputGradient)
    {
        if (_passes % _interval == 0)
        {
            _norms[layer.Path] = _model.NormOf(outputGradient);
        }
    }

    private void End()
    {
        if (_passes++ % _interval == 0)
        {
            _records.Add(new LayerGradientRecord(
                _passes, [.. _model.AllLayers.Where(layer => _norms.ContainsKey(layer.Path)).Select(layer => KeyValuePair.Create(layer.Path, _norms[layer.Path]))]));
            _norms.Clear();
        }
    }
}
