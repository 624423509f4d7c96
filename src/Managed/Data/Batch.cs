namespace OrthoNative;

/// <summary>Samples side by side, in memory that the <see cref="DataLoader"/> owns and reuses for later batches.</summary>
public sealed class Batch
{
    private readonly int[] _classes;

    internal Batch(Dataset dataset, long size, Device device, DType dtype)
    {
        Inputs = new Tensor(device, dtype, dataset.Steps, size, dataset.Features);
        long targets = dataset.TargetSteps * size;
        _classes = dataset.IsClassification ? new int[targets] : [];
        if (!dataset.IsClassification)
        {
            Values = dataset.TargetSteps == 1
                ? new Tensor(device, dtype, size, dataset.Outputs)
                : new Tensor(device, dtype, dataset.TargetSteps, size, dataset.Outputs);
        }
    }

    /// <summary>Number B of samples.</summary>
    public long Size => Inputs.Shape[1];

    /// <summary>The sequences, <c>[T, B, D]</c>.</summary>
    public Tensor Inputs { get; }

    /// <summary>Target classes, <c>[K, B]</c> in the order of time; empty if the targets are values.</summary>
    public ReadOnlySpan<int> Classes => _classes;

    /// <summary>
    /// Target values, <c>[B, C]</c> where the last step alone has targets, otherwise <c>[K, B, C]</c> in the order of time; null
    /// if the targets are classes.
    /// </summary>
    public Tensor? Values { get; }

    internal Span<int> ClassBuffer => _classes;

    internal void Release()
    {
        Inputs.Dispose();
        Values?.Dispose();
    }
}
