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
/// began before its forward half.
/// </remarks>
public sealed class GradientRecorder : IDisposable
{
    private readonly Sequential _model;
    private readonly ChainLayer _layer;
    private readonly long _interval;
    private readonly List<GradientRecord> _records = [];
    private readonly ReadOnlyCollection<GradientRecord> _readOnlyRecords;
    private double[] _firstInputs = [];
    private double[] _initialState = [];
    private bool _forwardWasSeen;
    private long _passes;

    /// <summary>Begins to record.</summary>
    /// <param name="model">The model that is trained.</param>
    /// <param name="layer">A layer of the model.</param>
    /// <param name="interval">Backward passes from record to record, at least 1; the first one is recorded.</param>
    /// <exception cref="ArgumentException">The layer is not one of the model's.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="interval"/> is less than 1.</exception>
    public GradientRecorder(Sequential model, ChainLayer layer, long interval)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(layer);
        Check.AtLeast(interval, 1);
        if (!model.Layers.Contains(layer))
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

    /// <summary>Inputs and initial state are the caller's, who may write or replace them before the backward pass.</summary>
    private void ObserveForward(Layer layer, Tensor inputs)
    {
        if (layer != _layer)
        {
            return;
        }

        _forwardWasSeen = true;
        bool records = _passes % _interval == 0;
        _firstInputs = records ? FirstSample(inputs, hasTime: layer is RecurrentLayer) : [];

        _initialState = records && layer is RecurrentLayer recurrent ? InitialState(recurrent) : [];
    }

    private void Observe(Layer layer, Tensor outputGradient)
    {
        if (layer != _layer || !_forwardWasSeen)
        {
            return;
        }

        _forwardWasSeen = false;
        if (_passes++ % _interval != 0)
        {
            return;
        }

        LinearizedChain chain = layer is RoaFnn feedforward
            ? LinearizedChain.Of(feedforward, _firstInputs)
            : LinearizedChain.Of((RecurrentLayer)layer, _firstInputs, _initialState);
        bool outputHasTime = layer is RecurrentLayer && outputGradient.Rank == 3;
        _records.Add(new GradientRecord(_passes, chain.LogGradientNorms(FirstSample(outputGradient, outputHasTime))));
    }

    /// <summary>What the first sample starts from: all vectors that are carried; empty: zeros.</summary>
    private static double[] InitialState(RecurrentLayer layer)
    {
        if (layer.Carried.All(carried => carried.Initial is null))
        {
            return [];
        }

        int units = (int)layer.HiddenSize;
        var state = new double[layer.Carried.Count * units];
        for (int i = 0; i < layer.Carried.Count; i++)
        {
            // One of another shape is refused by the layer.
            if (layer.Carried[i].Initial is { Rank: 2 } initial && initial.Shape[1] == units)
            {
                DenseMath.Widen(initial, 0, state.AsSpan(i * units, units));
            }
        }

        return state;
    }

    /// <summary>The first row of a batch, or the first one at every time step.</summary>
    private static double[] FirstSample(Tensor tensor, bool hasTime)
    {
        int size = checked((int)tensor.Shape[^1]);
        long steps = hasTime ? tensor.Shape[0] : 1;
        long stride = hasTime ? tensor.Count / steps : 0;
        var values = new double[steps * size];
        for (int t = 0; t < steps; t++)
        {
            DenseMath.Widen(tensor, t * stride, values.AsSpan(t * size, size));
        }

        return values;
    }
}
