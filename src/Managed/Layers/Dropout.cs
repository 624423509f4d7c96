using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// Sets elements of its inputs to 0 in training, each with probability <see cref="Rate"/>, and divides the others by 1 - <see cref="Rate"/>,
/// against overfitting (Srivastava et al., JMLR 15, 2014); passes its inputs on unchanged otherwise.
/// </summary>
/// <remarks>
/// Inputs and outputs <c>[..., size]</c>, no parameters. Every training pass drops other elements; the n-th pass of a model of the same seed
/// drops the same, on a CPU and on a GPU, and a model that was saved and loaded continues counting. Layers of different index in their model, and
/// models of different seed, drop elements independently. Which were dropped is not stored: the backward pass draws them again.
/// While <see cref="Sequential.Training"/> is false the outputs are the inputs' own tensor.
/// </remarks>
public sealed unsafe class Dropout : Layer
{
    private const long MaximumSize = 1 << 20;

    private Tensor? _outputs;
    private PassNumbers _numbers;

    /// <summary>The numbers of the last training pass; null: it dropped nothing.</summary>
    private PassNumbers? _dropped;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="size">Size of the last dimension, 1 to 1048576.</param>
    /// <param name="rate">Probability with which an element is dropped, 0 to 1, 1 excluded.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public Dropout(long size, double rate)
    {
        Check.InRange(size, 1, MaximumSize);
        Check.Fraction(rate);
        InputSize = size;
        Rate = rate;
    }

    /// <summary>Probability with which an element is dropped.</summary>
    public double Rate { get; }

    /// <inheritdoc/>
    public override long InputSize { get; }

    /// <inheritdoc/>
    public override long OutputSize => InputSize;

    internal override IReadOnlyList<ParameterDefinition> Definitions => [];

    /// <summary>The layer in a few words: <c>Dropout 0.3</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{nameof(Dropout)} {Rate}");

    internal override Tensor Forward(Tensor inputs, bool training)
    {
        RowsOf(inputs);
        _dropped = null;
        if (!training || Rate == 0)
        {
            return inputs;
        }

        Tensor outputs = Tensor.Ensure(ref _outputs, inputs.Device, inputs.DType, inputs.Shape, source: inputs);
        Drop(_numbers, inputs, outputs, nameof(inputs));
        _dropped = _numbers;
        _numbers.Advance();
        return outputs;
    }

    internal override void Backward(Tensor inputs, Tensor outputGradient, Tensor? inputGradient, bool accumulate)
    {
        if (inputGradient is null)
        {
            return;
        }

        if (_dropped is { } numbers)
        {
            Drop(numbers, outputGradient, inputGradient, nameof(outputGradient));
        }
        else
        {
            inputGradient.CopyFrom(outputGradient);
        }
    }

    internal override long ActivationBytes(long steps, long batch) => Rate == 0 ? 0 : steps * batch * InputSize * Model.DType.Bytes();

    internal override void SaveState(IDictionary<string, string> metadata, string name) => _numbers.Save(metadata, name);

    internal override LoadedState? LoadState(IReadOnlyDictionary<string, string> metadata, string name) =>
        PassNumbers.Load(metadata, name, fromVersion01: false, numbers => _numbers = numbers);

    private protected override void OnAttach(ulong seed, uint filterIndex) => _numbers = new PassNumbers(seed, LayerIndex);

    private protected override void OnDispose()
    {
        _outputs?.Dispose();
        _outputs = null;
    }

    private void Drop(in PassNumbers numbers, Tensor source, Tensor target, string argument)
    {
        using BufferScope x = source.Borrow();
        using BufferScope y = target.BorrowToWrite();
        using HandleScope<ortho_device> device = source.Device.Handle.Borrow();
        NativeMethods.ortho_dropout(
            device.Pointer, source.DType.ToNative(), numbers.Seed, numbers.Source, numbers.Passes, Rate, source.Count, x.Address, y.Address)
            .ThrowOnFailure(argument);
    }
}
