using OrthoNative.Interop;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests;

/// <summary>A forward and a backward call of a chain with the numbers of a golden case of sequences; has their results.</summary>
internal sealed unsafe class GoldenSequences : IDisposable
{
    private readonly List<Tensor> _tensors = [];
    private readonly Device _device;
    private readonly DType _dtype;

    /// <param name="device">Where it runs.</param>
    /// <param name="golden">The case.</param>
    /// <param name="dtype">Element type of everything.</param>
    /// <param name="inputs">u, <c>[T, B, D]</c>.</param>
    /// <param name="lengths">Steps of each sample; null: the call has no lengths.</param>
    /// <param name="checkpointEvery">Steps between states that are kept; 0: all are.</param>
    public GoldenSequences(Device device, Golden golden, DType dtype, double[] inputs, int[]? lengths, long checkpointEvery = 0)
    {
        (_device, _dtype) = (device, dtype);
        (long t, long b, long d, long n) = (golden.Size("T"), golden.Size("B"), golden.Size("D"), golden.Size("N"));
        using ChainHandle handle = MakeChain(golden, d, n, checkpointEvery);
        Tensor weights = Given(golden.Numbers("W"), n, n);
        Tensor inputWeights = Given(golden.Numbers("V"), n, d);
        Tensor bias = Given(golden.Numbers("b"), n);
        Tensor u = Given(inputs, t, b, d);
        Tensor initial = Given(golden.Numbers("x0"), b, n);
        Tensor stateGradients = Given(Cotangent(golden), t, b, n);
        States = Written(t, b, n);
        WeightGradient = Written(n, n);
        InputWeightGradient = Written(n, d);
        BiasGradient = Written(n);
        InputGradient = Written(t, b, d);
        InitialGradient = Written(b, n);

        using HandleScope<ortho_chain> chain = handle.Borrow();
        using BufferScope weightValues = weights.Borrow(), inputWeightValues = inputWeights.Borrow(), biasValues = bias.Borrow();
        using BufferScope inputValues = u.Borrow(), initialValues = initial.Borrow(), outputGradient = stateGradients.Borrow();
        using BufferScope outputs = States.BorrowToWrite();
        using BufferScope weightGradient = WeightGradient.BorrowToWrite(), inputWeightGradient = InputWeightGradient.BorrowToWrite();
        using BufferScope biasGradient = BiasGradient.BorrowToWrite();
        using BufferScope inputGradient = InputGradient.BorrowToWrite(), initialGradient = InitialGradient.BorrowToWrite();
        fixed (int* steps = lengths)
        {
            NativeMethods.ortho_chain_forward(
                chain.Pointer, t, b, steps, null, t, 1,
                weightValues.Address, inputWeightValues.Address, biasValues.Address, inputValues.Address, initialValues.Address, outputs.Address, null)
                .ThrowOnFailure();
        }

        NativeMethods.ortho_chain_backward(
            chain.Pointer, 0,
            weightValues.Address, inputWeightValues.Address, biasValues.Address, inputValues.Address, outputGradient.Address, null,
            weightGradient.Address, inputWeightGradient.Address, biasGradient.Address, inputGradient.Address, initialGradient.Address)
            .ThrowOnFailure();
    }

    public Tensor States { get; }

    public Tensor WeightGradient { get; }

    public Tensor InputWeightGradient { get; }

    public Tensor BiasGradient { get; }

    public Tensor InputGradient { get; }

    public Tensor InitialGradient { get; }

    /// <summary>The bits of all results.</summary>
    public byte[] AllBytes =>
        [.. ((Tensor[])[States, WeightGradient, InputWeightGradient, BiasGradient, InputGradient, InitialGradient]).SelectMany(Bytes)];

    /// <summary>The gradient at all states of <c>sum(cotangent * states) + sum(cotangent_last * states[T-1])</c>, <c>[T, B, N]</c>.</summary>
    public static double[] Cotangent(Golden golden)
    {
        double[] all = golden.Numbers("cotangent");
        double[] last = golden.Numbers("cotangent_last");
        for (int i = 0; i < last.Length; i++)
        {
            all[all.Length - last.Length + i] += last[i];
        }

        return all;
    }

    public void Dispose()
    {
        foreach (Tensor tensor in _tensors)
        {
            tensor.Dispose();
        }
    }

    private ChainHandle MakeChain(Golden golden, long inputSize, long hiddenSize, long checkpointEvery)
    {
        fixed (double* alpha = golden.Alpha.Span, beta = golden.Beta.Span, filter = golden.Numbers("O"))
        {
            return ChainHandle.Create(
                _device.Handle,
                new ortho_chain_options
                {
                    dtype = _dtype.ToNative(),
                    model = (int)ortho_chain_model.ORTHO_RECURRENT,
                    activation = (int)golden.Activation,
                    filter = (int)ortho_filter_kind.ORTHO_FILTER_CUSTOM,
                    hidden_size = hiddenSize,
                    input_size = inputSize,
                    check_finite = 1,
                    alpha = alpha,
                    alpha_count = golden.Alpha.Count,
                    beta = beta,
                    beta_count = golden.Beta.Count,
                    filter_matrix = filter,
                    checkpoint_every = checkpointEvery,
                },
                "golden",
                "");
        }
    }

    private Tensor Given(double[] values, params ReadOnlySpan<long> shape) => Keep(ToTensor(_device, values, _dtype, shape));

    /// <summary>Memory for a result; an element that is not written stays NaN.</summary>
    private Tensor Written(params ReadOnlySpan<long> shape)
    {
        Tensor tensor = Keep(new Tensor(_device, _dtype, shape));
        tensor.Fill(double.NaN);
        return tensor;
    }

    private Tensor Keep(Tensor tensor)
    {
        _tensors.Add(tensor);
        return tensor;
    }
}
