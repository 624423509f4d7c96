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
        GoldenCell cell = GoldenCell.Of(golden);
        using ChainHandle handle = MakeChain(golden, cell, d, n, checkpointEvery);
        Tensor weights = Given(cell.Weights, cell.Gates * n, n);
        Tensor inputWeights = Given(cell.InputWeights, cell.Gates * n, d);
        Tensor bias = Given(cell.Bias, cell.Biases, cell.Gates * n);
        Tensor u = Given(inputs, t, b, d);
        Tensor initial = Given(cell.Initial, cell.Vectors, b, n);
        Tensor stateGradients = Given(Cotangent(golden), t, b, n);
        States = Written(t, b, n);
        FinalStates = Written(cell.Vectors, b, n);
        WeightGradient = Written(cell.Gates * n, n);
        InputWeightGradient = Written(cell.Gates * n, d);
        BiasGradient = Written(cell.Biases, cell.Gates * n);
        InputGradient = Written(t, b, d);
        InitialGradient = Written(cell.Vectors, b, n);

        using HandleScope<ortho_chain> chain = handle.Borrow();
        using BufferScope weightValues = weights.Borrow(), inputWeightValues = inputWeights.Borrow(), biasValues = bias.Borrow();
        using BufferScope inputValues = u.Borrow(), initialValues = initial.Borrow(), outputGradient = stateGradients.Borrow();
        using BufferScope outputs = States.BorrowToWrite(), last = FinalStates.BorrowToWrite();
        using BufferScope weightGradient = WeightGradient.BorrowToWrite(), inputWeightGradient = InputWeightGradient.BorrowToWrite();
        using BufferScope biasGradient = BiasGradient.BorrowToWrite();
        using BufferScope inputGradient = InputGradient.BorrowToWrite(), initialGradient = InitialGradient.BorrowToWrite();
        fixed (int* steps = lengths)
        {
            NativeMethods.ortho_chain_forward(
                chain.Pointer, t, b, steps, null, t, 1,
                weightValues.Address, inputWeightValues.Address, biasValues.Address, inputValues.Address, initialValues.Address, outputs.Address, last.Address)
                .ThrowOnFailure();
        }

        NativeMethods.ortho_chain_backward(
            chain.Pointer, 0,
            weightValues.Address, inputWeightValues.Address, biasValues.Address, inputValues.Address, outputGradient.Address, null,
            weightGradient.Address, inputWeightGradient.Address, biasGradient.Address, inputGradient.Address, initialGradient.Address)
            .ThrowOnFailure();
    }

    public Tensor States { get; }

    /// <summary>After the last steps, [S, B, N].</summary>
    public Tensor FinalStates { get; }

    public Tensor WeightGradient { get; }

    public Tensor InputWeightGradient { get; }

    public Tensor BiasGradient { get; }

    public Tensor InputGradient { get; }

    public Tensor InitialGradient { get; }

    /// <summary>The bits of all results.</summary>
    public byte[] AllBytes =>
        [.. ((Tensor[])[States, FinalStates, WeightGradient, InputWeightGradient, BiasGradient, InputGradient, InitialGradient]).SelectMany(Bytes)];

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

    private ChainHandle MakeChain(Golden golden, GoldenCell cell, long inputSize, long hiddenSize, long checkpointEvery)
    {
        var options = new ortho_chain_options
        {
            dtype = _dtype.ToNative(),
            model = (int)ortho_chain_model.ORTHO_RECURRENT,
            hidden_size = hiddenSize,
            input_size = inputSize,
            check_finite = 1,
            checkpoint_every = checkpointEvery,
            cell = (int)cell.Kind,
            recurrent_bias = cell.Biases - 1,
        };
        if (cell.Kind != ortho_cell.ORTHO_CELL_FILTER)
        {
            return ChainHandle.Create(_device.Handle, options, "golden", "");
        }

        fixed (double* alpha = golden.Alpha.Span, beta = golden.Beta.Span, filter = golden.Numbers("O"))
        {
            options.activation = (int)golden.Activation;
            options.filter = (int)ortho_filter_kind.ORTHO_FILTER_CUSTOM;
            options.alpha = alpha;
            options.alpha_count = golden.Alpha.Count;
            options.beta = beta;
            options.beta_count = golden.Beta.Count;
            options.filter_matrix = filter;
            return ChainHandle.Create(_device.Handle, options, "golden", "");
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

/// <summary>The parameters and initial states of a golden case of sequences, as the C interface takes them.</summary>
/// <param name="Kind">Kind of cell.</param>
/// <param name="Gates">G.</param>
/// <param name="Vectors">S, the vectors of a state.</param>
/// <param name="Biases">1, or 2 with a recurrent bias.</param>
/// <param name="Weights">[G, N, N].</param>
/// <param name="InputWeights">[G, N, D].</param>
/// <param name="Bias">[Biases, G, N].</param>
/// <param name="Initial">[S, B, N].</param>
internal sealed record GoldenCell(
    ortho_cell Kind, int Gates, int Vectors, int Biases, double[] Weights, double[] InputWeights, double[] Bias, double[] Initial)
{
    public static GoldenCell Of(Golden golden) => golden.Text("model") switch
    {
        "gru" => new(ortho_cell.ORTHO_CELL_GRU, 3, 1, 2, golden.Numbers("w_hh"), golden.Numbers("w_ih"), Both(golden, "b_ih", "b_hh"), golden.Numbers("h0")),
        "lstm" => new(ortho_cell.ORTHO_CELL_LSTM, 4, 2, 2, golden.Numbers("w_hh"), golden.Numbers("w_ih"), Both(golden, "b_ih", "b_hh"), Both(golden, "h0", "c0")),
        _ => new(ortho_cell.ORTHO_CELL_FILTER, 1, 1, 1, golden.Numbers("W"), golden.Numbers("V"), golden.Numbers("b"), golden.Numbers("x0")),
    };

    /// <summary>Two arrays, one after the other.</summary>
    public static double[] Both(Golden golden, string first, string second) => [.. golden.Numbers(first), .. golden.Numbers(second)];
}
