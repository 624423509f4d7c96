namespace OrthoNative;

/// <summary>Lays all steps of a sequence side by side: one row for each sequence, for a layer that weighs every step by itself.</summary>
/// <remarks>
/// Inputs <c>[T, B, size]</c> give outputs <c>[B, T size]</c>, step by step. All sequences must have T steps. No parameters. Elements are copied by the host; for a model on a GPU they travel
/// there and back.
/// </remarks>
public sealed unsafe class Flatten : Layer
{
    private const long MaximumSize = 1 << 20;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="steps">T, the steps of every sequence, 1 to 1048576.</param>
    /// <param name="size">Size of a step, 1 to 1048576.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range, or there are more than 1048576 outputs.</exception>
    public Flatten(long steps, long size)
    {
        Check.InRange(steps, 1, MaximumSize);
        Check.InRange(size, 1, MaximumSize);
        Check.That(steps * size <= MaximumSize, steps, $"at most {MaximumSize / size} with a size of {size}", nameof(steps));
        Steps = steps;
        InputSize = size;
    }

    /// <summary>T, the steps of every sequence.</summary>
    public long Steps { get; }

    /// <inheritdoc/>
    public override long InputSize { get; }

    /// <inheritdoc/>
    public override long OutputSize => Steps * InputSize;

    /// <inheritdoc/>
    protected internal override bool ReadsInputsAgain => false;

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings => [new("steps", Steps.ToString(System.Globalization.CultureInfo.InvariantCulture))];

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => new LayerDescription(nameof(Flatten)).Add("steps", Steps).Add("size", InputSize);

    internal static Flatten Read(LayerReader reader) => new(reader.GetInt64("steps"), reader.GetInt64("size"));

    /// <summary>The layer in a few words: <c>Flatten 14 x 64</c>.</summary>
    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{nameof(Flatten)} {Steps} x {InputSize}");

    /// <inheritdoc/>
    protected internal override long GetOutputSteps(long steps) => 1;

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        RequireTime(inputs);
        RequireWholeSequences(context.Lengths, inputs, Steps);
        Tensor outputs = context.Outputs(inputs.Shape[1], OutputSize);
        using HostMemory x = HostMemory.Read(inputs), y = HostMemory.Write(outputs);
        Copy((byte*)x.Address, (byte*)y.Address, inputs.Shape[1], inputs.DType.Bytes(), toRows: true);
        context.SetOutputLengths(default);
        return outputs;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        if (inputGradient is null)
        {
            return;
        }

        using HostMemory y = HostMemory.Read(outputGradient), x = HostMemory.Write(inputGradient);
        Copy((byte*)y.Address, (byte*)x.Address, outputGradient.Shape[0], outputGradient.DType.Bytes(), toRows: false);
    }

    /// <summary>Copies [T, B, size] to [B, T size], or back.</summary>
    private void Copy(byte* source, byte* target, long batch, long elementBytes, bool toRows)
    {
        long bytes = InputSize * elementBytes;
        for (long step = 0; step < Steps; step++)
        {
            for (long row = 0; row < batch; row++)
            {
                long inTime = ((step * batch) + row) * bytes, inRows = ((row * Steps) + step) * bytes;
                Buffer.MemoryCopy(source + (toRows ? inTime : inRows), target + (toRows ? inRows : inTime), bytes, bytes);
            }
        }
    }
}
