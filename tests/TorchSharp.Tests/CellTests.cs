using TorchSharp;
using static OrthoNative.TorchSharp.Tests.Reference;
using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp.Tests;

/// <summary><see cref="Gru"/> and <see cref="Lstm"/> of OrthoNative compute and differentiate as torch's modules with the same weights do.</summary>
internal sealed class CellTests
{
    private static IEnumerable<TestCaseData> Sizes =>
    [
        new(1, 1, 1, 1),
        new(7, 5, 3, 9),
        new(13, 33, 2, 17),
    ];

    [TestCaseSource(nameof(Sizes))]
    public void A_Gru_is_the_GRU_of_torch(int steps, int batch, int inputs, int units)
    {
        foreach (int layers in (int[])[1, 2])
        {
            using DisposeScope scope = NewDisposeScope();
            using global::TorchSharp.Modules.GRU module = nn.GRU(inputs, units, layers, dtype: ScalarType.Float64);
            TorchTensor u = Random(1, steps, batch, inputs).requires_grad_();
            TorchTensor h0 = Random(2, layers, batch, units).requires_grad_();
            Compare(
                module, u, h0, null, (x, h, _) =>
                {
                    (TorchTensor output, TorchTensor last) = module.forward(x, h);
                    return (output, last, null);
                },
                (size, index) => new Gru(size, units, new GruOptions { Output = SequenceOutput.All }), layers);
        }
    }

    [TestCaseSource(nameof(Sizes))]
    public void An_Lstm_is_the_LSTM_of_torch(int steps, int batch, int inputs, int units)
    {
        foreach (int layers in (int[])[1, 2])
        {
            using DisposeScope scope = NewDisposeScope();
            using global::TorchSharp.Modules.LSTM module = nn.LSTM(inputs, units, layers, dtype: ScalarType.Float64);
            TorchTensor u = Random(1, steps, batch, inputs).requires_grad_();
            TorchTensor h0 = Random(2, layers, batch, units).requires_grad_();
            TorchTensor c0 = Random(3, layers, batch, units).requires_grad_();
            Compare(
                module, u, h0, c0, (x, h, c) =>
                {
                    (TorchTensor output, TorchTensor last, TorchTensor cell) = module.forward(x, (h, c!));
                    return (output, last, cell);
                },
                (size, index) => new Lstm(size, units, new LstmOptions { Output = SequenceOutput.All }), layers);
        }
    }

    /// <summary>Runs both forward and backward and compares outputs, last states and all gradients.</summary>
    private static void Compare(
        nn.Module module, TorchTensor u, TorchTensor h0, TorchTensor? c0,
        Func<TorchTensor, TorchTensor, TorchTensor?, (TorchTensor Output, TorchTensor H, TorchTensor? C)> run,
        Func<long, int, RecurrentLayer> create, int layers)
    {
        long steps = u.shape[0], batch = u.shape[1], units = h0.shape[2];
        (TorchTensor output, TorchTensor last, TorchTensor? cell) = run(u, h0, c0);
        TorchTensor cotangent = Random(4, steps, batch, units);
        (output * cotangent).sum().backward();

        RecurrentLayer[] cells = [.. Enumerable.Range(0, layers).Select(index => create(index == 0 ? u.shape[2] : units, index))];
        using var model = new OrthoNative.Sequential(
            Device.Default, new SequentialOptions { DType = DType.Float64, ComputeInputGradient = true }, [.. cells]);
        var kept = new List<OrthoNative.Tensor>();
        var initial = new Dictionary<string, OrthoNative.Tensor>();
        for (int index = 0; index < layers; index++)
        {
            Parameter[] parameters = [.. cells[index].Parameters];
            parameters[0].Value.CopyFrom<double>(Numbers(Of($"weight_hh_l{index}")));
            parameters[1].Value.CopyFrom<double>([.. Numbers(Of($"bias_ih_l{index}")), .. Numbers(Of($"bias_hh_l{index}"))]);
            parameters[2].Value.CopyFrom<double>(Numbers(Of($"weight_ih_l{index}")));
            initial.Add($"{index}.state", Given(h0[index]));
            if (c0 is not null)
            {
                initial.Add($"{index}.cell_state", Given(c0[index]));
            }
        }

        OrthoNative.Tensor states = model.Forward(Given(u), new ForwardOptions { InitialStates = initial });
        model.Backward(Given(cotangent));
        Dictionary<string, OrthoNative.Tensor> final = model.GetFinalStates();
        Dictionary<string, OrthoNative.Tensor> gradients = model.GetInitialStateGradients();
        kept.AddRange(final.Values);
        kept.AddRange(gradients.Values);
        Assert.That(final.Keys, Is.EquivalentTo(initial.Keys));
        Assert.That(gradients.Keys, Is.EquivalentTo(initial.Keys));

        // Float64: forward, sums of at most D + N + 2 terms and some 10 more operations in each of T steps and of L layers, and backward of 4 N terms; sums over
        // T B rows at the end. All of them roundings of 2⁻⁵³ of numbers up to ten times as large as the largest result.
        double tolerance = 10 * Math.Pow(2, -53) * ((steps * layers * ((5 * units) + u.shape[2] + 20)) + (steps * batch));
        Check(states, output, "output");
        Check(model.InputGradient, u.grad!, "inputs");
        for (int index = 0; index < layers; index++)
        {
            Check(final[$"{index}.state"], last[index], $"last state {index}");
            Check(gradients[$"{index}.state"], h0.grad![index], $"initial state {index}");
            Check(cells[index].Parameters[0].Gradient, Of($"weight_hh_l{index}").grad!, $"weight {index}");
            Check(cells[index].Parameters[1].Gradient, Both(Of($"bias_ih_l{index}").grad!, Of($"bias_hh_l{index}").grad!), $"bias {index}");
            Check(cells[index].Parameters[2].Gradient, Of($"weight_ih_l{index}").grad!, $"input weight {index}");
            if (c0 is not null)
            {
                Check(final[$"{index}.cell_state"], cell![index], $"last cell state {index}");
                Check(gradients[$"{index}.cell_state"], c0.grad![index], $"initial cell state {index}");
            }
        }

        kept.ForEach(tensor => tensor.Dispose());

        TorchTensor Of(string name) => module.get_parameter(name)!;

        OrthoNative.Tensor Given(TorchTensor tensor)
        {
            var given = OrthoNative.Tensor.From<double>(Device.Default, Numbers(tensor), tensor.shape);
            kept.Add(given);
            return given;
        }

        void Check(OrthoNative.Tensor actual, TorchTensor expected, string what) =>
            AssertClose(tensor(actual.ToArray<double>(), actual.Shape.ToArray()), expected.detach(), tolerance, what);

        static TorchTensor Both(TorchTensor first, TorchTensor second) => stack([first, second]);
    }

    private static double[] Numbers(TorchTensor tensor) => tensor.detach().contiguous().data<double>().ToArray();
}
