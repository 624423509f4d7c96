using System.Collections.ObjectModel;

namespace OrthoNative.Diagnostics;

/// <summary>Gradient norms along a chain in one step of training.</summary>
/// <param name="Pass">Number of the backward pass, from 1.</param>
/// <param name="LogNorms">log₁₀ ‖g_k‖ of the first sample for k = 0..K, in double precision; g_k is that at h and c of an <see cref="Lstm"/>.</param>
public sealed record GradientRecord(long Pass, IReadOnlyList<double> LogNorms);

/// <summary>Records the norm of the gradient at every step or layer of a chain while a model is trained, at chosen intervals.</summary>
/// <remarks>
/// It records the gradient of the first sample of the batch, recomputed in double precision from the model's parameters: a
/// record takes about as long as a few single-threaded passes of one sample, the passes between nothing. A pass is counted if the recording
/// began before its forward half. Where the first sample has no step, there is no record.
/// </remarks>
public sealed class GradientRecorder : IDisposable
{
    private readonly Model _model;
    private readonly ChainLayer _layer;
    private readonly long _interval;
    private readonly List<GradientRecord> _records = [];
    private readonly ReadOnlyCollection<GradientRecord> _readOnlyRecords;
    private double[] _firstInputs = [];
    private bool _forwardWasSeen;
    private long _passes;

    /// <summary>Begins to record.</summary>
    /// <param name="model">The model that is trained.</param>
    /// <param name="layer">A layer of the model, in whatever container.</param>
    /// <param name="interval">Backward passes from record to record, at least 1; the first one is recorded.</param>
    /// <exception cref="ArgumentException">The layer is not one of the model's.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="interval"/> is less than 1.</exception>
    public GradientRecorder(Model model, ChainLayer layer, long interval)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(layer);
        Check.AtLeast(interval, 1);
        if (!model.AllLayers.Contains(layer))
        {
            throw new ArgumentException($"{nameof(layer)} is not part of the model; it must be one of its layers.", nameof(layer));
        }

        _model = model;
        _layer = layer;
        _interval = interval;
        _readOnlyRecords = _records.AsReadOnly();
        model.LayerForward += ObserveForward;
        model.LayerBackward += Observe;
    }

    /// <summary>The recorded norms, oldest first.</summary>
    public IReadOnlyList<GradientRecord> Records => _readOnlyRecords;

    /// <summary>Ends the recording; what was recorded stays.</summary>
    public void Dispose()
    {
        _model.LayerForward -= ObserveForward;
        _model.LayerBackward -= Observe;
    }

    /// <summary>Inputs are the caller's, who may write them before the backward pass.</summary>
    private void ObserveForward(Layer layer, Tensor inputs)
    {
        if (layer != _layer)
        {
            return;
        }

        _forwardWasSeen = true;
        bool records = _passes % _interval == 0;
        _firstInputs = records ? FirstSample(inputs, layer is RecurrentLayer ? StepsOf(layer, inputs.Shape[0]) : 1) : [];
    }

    private void Observe(Layer layer, Tensor outputGradient)
    {
        if (layer != _layer || !_forwardWasSeen)
        {
            return;
        }

        _forwardWasSeen = false;
        if (_passes++ % _interval != 0 || _firstInputs.Length == 0)
        {
            return;
        }

        LinearizedChain chain = layer is RoaFnn feedforward
            ? LinearizedChain.Of(feedforward, _firstInputs)
            : LinearizedChain.Of((RecurrentLayer)layer, _firstInputs, ((RecurrentLayer)layer).InitialStateOfFirstSample());

        // Of some last steps, those of a shorter sample are the last rows.
        long rows = layer is RecurrentLayer && outputGradient.Rank == 3 ? outputGradient.Shape[0] : 1;
        long steps = long.Min(rows, StepsOf(layer, rows));
        bool isAll = layer is RecurrentLayer { Output: var output } && output == SequenceOutput.All;
        _records.Add(new GradientRecord(_passes, chain.LogGradientNorms(FirstSample(outputGradient, steps, isAll ? 0 : rows - steps))));
    }

    /// <summary>Steps of the first sample.</summary>
    private static long StepsOf(Layer layer, long steps) => layer.Memory.Lengths.IsEmpty ? steps : layer.Memory.Lengths.Span[0];

    /// <summary>The rows of the first sample at some time steps; of a batch without time, its first row.</summary>
    private static double[] FirstSample(Tensor tensor, long steps, long first = 0)
    {
        int size = checked((int)tensor.Shape[^1]);
        long stride = tensor.Rank == 3 ? tensor.Shape[1] * size : 0;
        var values = new double[steps * size];
        for (int t = 0; t < steps; t++)
        {
            DenseMath.Widen(tensor, (first + t) * stride, values.AsSpan(t * size, size));
        }

        return values;
    }
}
