using System.Runtime.CompilerServices;
using TorchSharp;
using static OrthoNative.TorchSharp.Tests.Reference;
using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp.Tests;

/// <summary>The modules compute, differentiate and train as the same model written in torch's operations does.</summary>
[NonParallelizable] // counts live objects
internal sealed class ModuleTests
{
    // Float64: at most 30 terms (5 + 2 + 1 a step, 21 rows of a sum) in each of 7 steps, forward and back, so 420 roundings of 1.1e-16,
    // of numbers up to 100 times as large as the largest result: 4.6e-12.
    private const double Tolerance = 4.6e-12;

    private static readonly RoaRnnOptions s_options = Options;

    private static RoaRnn Recurrent(RoaRnnOptions? options = null, bool batchFirst = false) => Module(options, batchFirst);

    private static void AssertClose(TorchTensor actual, TorchTensor expected, string what) => Reference.AssertClose(actual, expected, Tolerance, what);

    private static IEnumerable<TestCaseData> Variants()
    {
        foreach (bool batchFirst in (bool[])[false, true])
        {
            foreach (bool withInitial in (bool[])[false, true])
            {
                foreach (Filter filter in (Filter[])[Filter.Haar, Filter.Permutation])
                {
                    foreach (Activation activation in (Activation[])[Activation.Tanh, Activation.Relu])
                    {
                        yield return new TestCaseData(batchFirst, withInitial, s_options with { Filter = filter, Activation = activation })
                            .SetArgDisplayNames(batchFirst ? "batch first" : "time first", withInitial ? "initial" : "zeros", filter.ToString(), activation.ToString());
                    }
                }
            }
        }
    }

    [TestCaseSource(nameof(Variants))]
    public void Outputs_and_gradients_are_those_of_the_model_in_torch_operations(bool batchFirst, bool withInitial, RoaRnnOptions options)
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Recurrent(options, batchFirst);
        TorchTensor timeMajor = Random(1, Steps, Rows, Inputs);
        TorchTensor inputs = (batchFirst ? timeMajor.transpose(0, 1).contiguous() : timeMajor.clone()).requires_grad_();
        TorchTensor expectedInputs = timeMajor.clone().requires_grad_();
        TorchTensor? initial = withInitial ? Random(2, Rows, Units).requires_grad_() : null;
        TorchTensor? expectedInitial = initial?.detach().clone().requires_grad_();
        TorchTensor outputGradient = Random(4, Steps, Rows, Units);

        TorchTensor output = module.forward(inputs, initial);
        (output * (batchFirst ? outputGradient.transpose(0, 1) : outputGradient)).sum().backward();
        TorchTensor[] gradients = [.. module.parameters().Select(parameter => parameter.grad!.clone())];
        module.zero_grad();
        TorchTensor expected = Reference.Recurrent(module, FilterOf(options), expectedInputs, expectedInitial, options.Activation == Activation.Relu);
        (expected * outputGradient).sum().backward();

        AssertClose(batchFirst ? output.transpose(0, 1) : output, expected, "output");
        AssertClose(batchFirst ? inputs.grad!.transpose(0, 1) : inputs.grad!, expectedInputs.grad!, "inputs");
        foreach (((string name, _), TorchTensor gradient) in module.named_parameters().Zip(gradients))
        {
            AssertClose(gradient, module.get_parameter(name)!.grad!, name);
        }

        if (initial is not null)
        {
            AssertClose(initial.grad!, expectedInitial!.grad!, "initial");
        }
    }

    [Test]
    public void Feedforward_outputs_and_gradients_are_those_of_the_model_in_torch_operations()
    {
        const long Layers = 4;
        using DisposeScope scope = NewDisposeScope();
        var options = new RoaFnnOptions { Alpha = 0.9, Beta = 0.3 };
        using var module = new RoaFnn(Units, Layers, options, seed: 3, dtype: ScalarType.Float64);
        TorchTensor inputs = Random(1, 2, Rows, Units).requires_grad_();
        TorchTensor expectedInputs = inputs.detach().clone().requires_grad_();
        TorchTensor outputGradient = Random(4, 2, Rows, Units);

        TorchTensor output = module.forward(inputs);
        (output * outputGradient).sum().backward();
        TorchTensor[] gradients = [.. module.parameters().Select(parameter => parameter.grad!.clone())];
        module.zero_grad();
        TorchTensor expected = Feedforward(module, FiltersOf(Layers, options), expectedInputs);
        (expected * outputGradient).sum().backward();

        AssertClose(output, expected, "output");
        AssertClose(inputs.grad!, expectedInputs.grad!, "inputs");
        foreach (((string name, _), TorchTensor gradient) in module.named_parameters().Zip(gradients))
        {
            AssertClose(gradient, module.get_parameter(name)!.grad!, name);
        }
    }

    [Test]
    public void The_same_seed_gives_the_bits_of_the_layer_of_OrthoNative()
    {
        using DisposeScope scope = NewDisposeScope();
        RoaRnnOptions options = s_options with { Output = SequenceOutput.Last };
        using var module = new RoaRnn(Inputs, Units, options, seed: 3);
        using var model = new OrthoNative.Sequential(Device.Default, seed: 3, new OrthoNative.RoaRnn(Inputs, Units, options));
        TorchTensor inputs = Random(1, Steps, Rows, Inputs).to(ScalarType.Float32);
        using var values = OrthoNative.Tensor.From<float>(Device.Default, inputs.data<float>().ToArray(), Steps, Rows, Inputs);

        Assert.That(module.forward(inputs).data<float>().ToArray(), Is.EqualTo(model.Forward(values).ToArray<float>()));
    }

    [Test]
    public void A_state_dictionary_carries_the_filter_to_a_module_of_another_seed()
    {
        using DisposeScope scope = NewDisposeScope();
        string path = Path.GetTempFileName();
        try
        {
            using RoaRnn module = Recurrent();
            using var other = new RoaRnn(Inputs, Units, s_options, seed: 99, dtype: ScalarType.Float64);
            TorchTensor inputs = Random(1, Steps, Rows, Inputs);
            TorchTensor expected = module.forward(inputs);
            Assert.That(module.state_dict().Keys, Is.EquivalentTo(["weight", "bias", "input_weight", "filter"]));
            Assert.That(other.forward(inputs).allclose(expected), Is.False);

            _ = module.save(path);
            _ = other.load(path);

            Assert.That(other.forward(inputs).equal(expected).all().item<bool>());
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Test]
    public void A_filter_of_another_kind_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Recurrent();
        using RoaRnn cycle = Recurrent(s_options with { Filter = Filter.Cycle });
        _ = cycle.load_state_dict(module.state_dict());

        Assert.That(
            () => cycle.forward(Random(1, Steps, Rows, Inputs)),
            Throws.InvalidOperationException.With.Message.Contains("kind 0").And.Message.Contains("Cycle"));
    }

    [Test]
    public void Several_passes_may_await_their_backward_passes()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Recurrent();
        TorchTensor filter = FilterOf(s_options);
        TorchTensor first = Random(1, Steps, Rows, Inputs), second = Random(2, Steps, Rows, Inputs);

        (module.forward(first).sum() + 2 * module.forward(second).pow(2).sum()).backward();
        TorchTensor gradient = module.get_parameter("weight")!.grad!.clone();
        module.zero_grad();
        (Reference.Recurrent(module, filter, first, null).sum() + 2 * Reference.Recurrent(module, filter, second, null).pow(2).sum()).backward();

        AssertClose(gradient, module.get_parameter("weight")!.grad!, "weight");
    }

    [Test]
    public void Nothing_is_kept_without_gradients_and_nothing_leaks()
    {
        Collect();
        long before = SystemInfo.LiveObjects;
        using (DisposeScope scope = NewDisposeScope())
        {
            using RoaRnn module = Recurrent();
            using (no_grad())
            {
                Assert.That(module.forward(Random(1, Steps, Rows, Inputs)).requires_grad, Is.False);
            }

            // One chain, back in its place.
            Assert.That(SystemInfo.LiveObjects, Is.EqualTo(before + 1));
            Forget(module);
            for (int i = 0; i < 5; i++)
            {
                module.forward(Random(1, Steps, Rows, Inputs)).sum().backward();
            }
        }

        Collect();
        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(before));
    }

    [Test]
    public void A_training_step_in_a_dispose_scope_leaves_no_tensor_behind()
    {
        using RoaRnn module = Recurrent();
        Collect();
        long before = 0;
        for (int i = 0; i < 3; i++)
        {
            using (DisposeScope scope = NewDisposeScope())
            {
                module.zero_grad();
                module.forward(Random(1, Steps, Rows, Inputs).requires_grad_()).sum().backward();
            }

            // The first step makes the gradients.
            before = i == 0 ? TorchTensor.TotalCount : before;
        }

        Assert.That(TorchTensor.TotalCount, Is.LessThanOrEqualTo(before));
    }

    [Test]
    public void A_filter_that_is_loaded_before_a_backward_pass_keeps_to_later_passes()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Recurrent();
        using var other = new RoaRnn(Inputs, Units, s_options, seed: 99, dtype: ScalarType.Float64);
        TorchTensor inputs = Random(1, Steps, Rows, Inputs).requires_grad_();
        TorchTensor expected = autograd.grad([module.forward(inputs).sum()], [inputs])[0];
        TorchTensor loss = module.forward(inputs).sum();

        // The filter alone: parameters that are loaded in between are refused like all that are changed in place.
        using (no_grad())
        {
            _ = module.get_buffer("filter")!.copy_(other.get_buffer("filter")!);
        }

        TorchTensor later = module.forward(inputs);

        Assert.That(autograd.grad([loss], [inputs])[0].equal(expected).all().item<bool>());
        AssertClose(later, Reference.Recurrent(module, FilterOf(s_options, seed: 99), inputs, null), "later");
    }

    [Test]
    public void Values_that_are_not_finite_pass_through_as_in_torch()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Recurrent();
        TorchTensor inputs = Random(1, Steps, Rows, Inputs);
        inputs[0, 0, 0] = double.NaN;

        TorchTensor output = module.forward(inputs);
        output.sum().backward();

        Assert.That(output[Steps - 1, 0].isnan().all().item<bool>());
        Assert.That(output[Steps - 1, 1].isnan().any().item<bool>(), Is.False);
        Assert.That(module.get_parameter("weight")!.grad!.isnan().any().item<bool>());
    }

    [Test]
    public void The_element_type_can_be_changed()
    {
        using DisposeScope scope = NewDisposeScope();
        using var module = new RoaRnn(Inputs, Units, s_options, seed: 3);
        TorchTensor inputs = Random(1, Steps, Rows, Inputs);
        TorchTensor single = module.forward(inputs.to(ScalarType.Float32));

        _ = module.to(ScalarType.Float64);
        TorchTensor result = module.forward(inputs);

        Assert.That(result.dtype, Is.EqualTo(ScalarType.Float64));
        // Seven steps, each with sums of 12 numbers of size 1 in float32.
        Assert.That((result - single).abs().max().item<double>(), Is.LessThan(7 * 12 * 6e-8));
    }

    [Test]
    public void Bad_input_is_named()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Recurrent();
        using var feedforward = new RoaFnn(Units, 2);
        TorchTensor inputs = Random(1, Steps, Rows, Inputs);

        Assert.Multiple(() =>
        {
            Assert.That(() => module.forward(null!), Throws.ArgumentNullException);
            Assert.That(() => module.forward(inputs[0]), Throws.ArgumentException.With.Message.Contains("input has shape [3, 2]; it must be [T, B, 2] without empty dimensions"));
            Assert.That(() => module.forward(inputs.to(ScalarType.Float32)), Throws.ArgumentException.With.Message.Contains("input has the element type Float32; it must be Float64"));
            Assert.That(() => module.forward(inputs, Random(1, 2, 2)), Throws.ArgumentException.With.Message.Contains("initial has shape [2, 2]; it must be [3, 5]"));
            Assert.That(() => Recurrent(new RoaRnnOptions { Output = SequenceOutput.LastSteps(9) }).forward(inputs), Throws.ArgumentException.With.Message.Contains("at least 9 are required"));
            Assert.That(() => module.forward(inputs.to_sparse()), Throws.ArgumentException.With.Message.Contains("input is sparse; it must be dense"));
            Assert.That(() => feedforward.forward(zeros(2, 4)), Throws.ArgumentException.With.Message.Contains("input has shape [2, 4]; it must be [..., 5]"));
            Assert.That(() => new RoaRnn(0, 1), Throws.InstanceOf<ArgumentException>());
            Assert.That(
                () => new RoaFnn(2, 3, new RoaFnnOptions { Filter = Filter.FromMatrix(new double[,] { { 1, 0.5 }, { 0, 1 } }) }),
                Throws.ArgumentException.With.Message.StartsWith("options.Filter (number 0) is 0.5 away from orthogonal").And.Property("ParamName").EqualTo("options"));
            Assert.That(
                () => new RoaFnn(1, 3, new RoaFnnOptions { Alpha = 1e39 }),
                Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("options.Alpha[0] is 1E+39; it must be finite in Float32"));
            Assert.That(() => new RoaRnn(1, 1, dtype: ScalarType.Int32), Throws.ArgumentException.With.Message.Contains("dtype is Int32; it must be Float32 or Float64"));
            Assert.That(() => module.forward(zeros(Steps, Rows, Inputs, device: META, dtype: ScalarType.Float64)), Throws.TypeOf<NotSupportedException>());
        });
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(RoaRnn module)
    {
        using DisposeScope scope = NewDisposeScope();
        _ = module.forward(Random(1, Steps, Rows, Inputs));
    }
}
