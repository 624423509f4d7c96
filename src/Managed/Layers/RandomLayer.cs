using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A layer that changes its inputs at random in training, and passes them on unchanged otherwise: <see cref="Dropout"/>, <see cref="GaussianNoise"/>.</summary>
/// <remarks>
/// Inputs and outputs <c>[T, B, size]</c> or <c>[B, size]</c>, no parameters. What is drawn follows from the model's seed, the layer's place among the model's layers, the number of the
/// training pass, and the numbers of the sample in the whole batch (<see cref="ForwardOptions.FirstSample"/>), the step and the unit. So it is the same on a CPU and on a
/// GPU, for any number of threads and wherever a batch is cut, and a model that was saved and loaded continues counting its passes. Nothing that was drawn is stored: the backward pass
/// draws it again. While <see cref="Model.Training"/> is false the outputs are the inputs' own tensor.
/// </remarks>
public abstract unsafe class RandomLayer : Layer
{
    private const long MaximumSize = 1 << 20;

    private PassNumbers _numbers;

    /// <param name="size">Size of the last dimension.</param>
    private protected RandomLayer(long size)
    {
        Check.InRange(size, 1, MaximumSize);
        InputSize = size;
    }

    /// <inheritdoc/>
    public sealed override long InputSize { get; }

    /// <inheritdoc/>
    public sealed override long OutputSize => InputSize;

    /// <inheritdoc/>
    protected internal sealed override bool ReadsInputsAgain => false;

    /// <summary>True if the layer never changes anything.</summary>
    private protected abstract bool IsIdle { get; }

    /// <summary>True if files of version 0.1 may have the layer.</summary>
    private protected virtual bool IsOfVersion01 => false;

    /// <inheritdoc/>
    protected internal sealed override bool IsStepwise => true;

    /// <inheritdoc/>
    protected internal sealed override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        RowsOf(inputs);
        if (!context.Training || IsIdle)
        {
            return inputs;
        }

        Tensor outputs = context.Outputs(inputs.Shape);
        Draw(context.Device, context.Pass, context.FirstSample, inputs, outputs, nameof(inputs));
        return outputs;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient) =>
        inputGradient?.CopyFrom(outputGradient);

    /// <inheritdoc/>
    protected internal sealed override long GetActivationBytes(long steps, long batch) => IsIdle ? 0 : base.GetActivationBytes(steps, batch);

    internal sealed override void SaveState(IDictionary<string, string> metadata, string name) => _numbers.Save(metadata, name, Owner.TrainingPasses);

    internal sealed override LoadedState? LoadState(IReadOnlyDictionary<string, string> metadata, string name) =>
        PassNumbers.Load(metadata, name, IsOfVersion01, Owner.TrainingPasses, numbers => _numbers = numbers);

    private protected sealed override void OnAttach(ulong seed, uint filterIndex) => _numbers = new PassNumbers(seed, LeafIndex);

    /// <summary>Draws, and changes a tensor with it.</summary>
    private protected void Draw(Device device, long pass, long firstSample, Tensor source, Tensor target, string argument)
    {
        (long steps, long batch) = source.StepsAndBatch;
        using BufferScope x = source.Borrow();
        using BufferScope y = target.BorrowToWrite();
        using HandleScope<ortho_device> scope = device.Handle.Borrow();
        Draw(scope.Pointer, target.DType.ToNative(), _numbers, _numbers.Of(pass), firstSample, steps, batch, x.Address, y.Address).ThrowOnFailure(argument);
    }

    /// <summary>The native call.</summary>
    private protected abstract ortho_status Draw(
        ortho_device* device, int dtype, in PassNumbers numbers, ulong pass, long firstSample, long steps, long batch, void* x, void* y);
}
