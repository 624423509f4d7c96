using System.Diagnostics;

namespace OrthoNative;

/// <summary>Samples side by side, in memory that the <see cref="DataLoader"/> owns and reuses for later batches.</summary>
public sealed class Batch
{
    private readonly int[] _classes;
    private readonly int[] _lengths;
    private readonly float[] _weights;
    private readonly bool _everyStepHasTarget;
    private bool _isPadded;

    /// <summary>Takes memory for sequences of the data set's largest length, so that no later batch needs more.</summary>
    internal Batch(Dataset dataset, long size, long firstSample, Device device, DType dtype)
    {
        FirstSample = firstSample;
        bool isInteger = dataset.InputType == DType.Int32;

        // Integers lie in the host's memory, also for a model on a GPU.
        Device inputDevice = isInteger && device.Kind != DeviceKind.Cpu ? Device.Default : device;
        Inputs = Tensor.CreateOwned(inputDevice, isInteger ? DType.Int32 : dtype, dataset.Steps, size, dataset.Features);
        HasTargets = dataset.HasTargets;
        TargetSteps = HasTargets ? dataset.TargetSteps : 0;
        long targets = TargetSteps * size;
        _everyStepHasTarget = TargetSteps == dataset.Steps;
        _lengths = dataset.HasLengths ? new int[size] : [];
        _classes = dataset.HasClasses ? new int[targets] : [];
        _weights = HasTargets && dataset.HasWeights ? new float[targets] : [];
        if (dataset.HasValues)
        {
            try
            {
                Values = TargetSteps == 1
                    ? Tensor.CreateOwned(device, dtype, size, dataset.Outputs)
                    : Tensor.CreateOwned(device, dtype, TargetSteps, size, dataset.Outputs);
            }
            catch
            {
                Inputs.Release();
                throw;
            }
        }
    }

    /// <summary>True if the samples have targets; false: there are inputs alone.</summary>
    public bool HasTargets { get; }

    /// <summary>Number B of samples.</summary>
    public long Size => Inputs.Shape[1];

    /// <summary>
    /// Number of the first sample in the whole batch, of which this is a part if the loader has <see cref="DataLoaderOptions.ShardCount"/>; otherwise 0. For
    /// <see cref="ForwardOptions.FirstSample"/>.
    /// </summary>
    public long FirstSample { get; }

    /// <summary>
    /// The sequences, <c>[T, B, D]</c>: T is the longest length of the samples; beyond a sample's length are zeros. Of <see cref="DType.Int32"/>, and on a
    /// CPU device, if the data set gives indices.
    /// </summary>
    public Tensor Inputs { get; }

    /// <summary>Lengths of the sequences, <c>[B]</c>, each 1 to T; empty if all are T.</summary>
    public ReadOnlySpan<int> Lengths => _isPadded ? _lengths : [];

    /// <summary>
    /// Target classes, <c>[K, B]</c> in the order of time, of the last K steps of each sample; empty if the targets are values, or there are none. If all
    /// steps have targets, K is T, and classes beyond a sample's length are 0.
    /// </summary>
    public ReadOnlySpan<int> Classes => ClassBuffer;

    /// <summary>
    /// Target values, <c>[B, C]</c> where the last step alone has targets, otherwise <c>[K, B, C]</c> in the order of time; null
    /// if the targets are classes, or there are none. If all steps have targets, K is T, and values beyond a sample's length are 0.
    /// </summary>
    public Tensor? Values { get; }

    /// <summary>
    /// Weights of the targets, <c>[K, B]</c>, in the host's memory; empty if the data set has none. If all steps have targets, those beyond a sample's
    /// length are 0.
    /// </summary>
    public ReadOnlySpan<float> Weights => WeightBuffer;

    /// <summary>
    /// The targets with their lengths and weights, as a <see cref="Loss"/> or a <see cref="Metric"/> takes them. Lengths are those of the sequences where all
    /// steps have targets; otherwise there are none, since each sample has K targets.
    /// </summary>
    /// <exception cref="InvalidOperationException">The data set has no targets: <see cref="HasTargets"/> is false.</exception>
    public Targets Targets => HasTargets
        ? (Values is null ? OrthoNative.Targets.Of(Classes) : OrthoNative.Targets.Of(Values)) with
        {
            Lengths = HasPaddedTargets ? Lengths : [],
            Weights = Weights,
        }
        : throw new InvalidOperationException("The batch has no targets, as its data set has none; it can be predicted on, but not trained on or evaluated.");

    internal Span<float> WeightBuffer => _weights.AsSpan(0, _weights.Length == 0 ? 0 : (int)(TargetSteps * Size));

    internal Span<int> ClassBuffer => _classes.AsSpan(0, _classes.Length == 0 ? 0 : (int)(TargetSteps * Size));

    /// <summary>The lengths to be written before <see cref="FitToLengths"/>; empty if the data set has none.</summary>
    internal Span<int> LengthBuffer => _lengths;

    /// <summary>Number K of target steps; 0 where there are no targets.</summary>
    internal long TargetSteps { get; private set; }

    /// <summary>Whether the rows of targets are those of the inputs, padding included.</summary>
    internal bool HasPaddedTargets => _everyStepHasTarget && _isPadded;

    /// <summary>Gives the tensors the T of the lengths.</summary>
    internal void FitToLengths()
    {
        int longest = 0;
        int shortest = int.MaxValue;
        foreach (int length in _lengths)
        {
            longest = Math.Max(longest, length);
            shortest = Math.Min(shortest, length);
        }

        Debug.Assert(longest > 0, "A batch has samples.");
        _isPadded = shortest < longest;
        Inputs.Resize([longest, Size, Inputs.Shape[2]]);
        if (_everyStepHasTarget)
        {
            TargetSteps = longest;
            if (Values is { Rank: 3 } values)
            {
                values.Resize([longest, Size, values.Shape[2]]);
            }
        }
    }

    internal void Release()
    {
        Inputs.Release();
        Values?.Release();
    }
}
