using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp.Tests;

/// <summary>The modules compute, differentiate and train as the same model written in torch's operations does.</summary>
[NonParallelizable] // counts live objects
internal sealed class ModuleTests
{
    private const long Steps = 7, Batch = 3, Inputs = 2, Units = 5;

    // Float64: at most 30 terms (5 + 2 + 1 a step, 21 rows of a sum) in each of 7 steps, forward and back, so 420 roundings of 1.1e-16,
    // of numbers up to 100 times as large as the largest result: 4.6e-12.
    private const double Tolerance = 4.6e-12;

    private static readonly RoaRnnOptions s_options = new() { Alpha = 0.9, Beta = 0.3, Output = SequenceOutput.All };

    private static TorchTensor Random(ulong seed, params long[] shape)
    {
        using var generator = new Generator(seed);
        return randn(shape, dtype: ScalarType.Float64, generator: generator);
    }

    private static RoaRnn Recurrent(RoaRnnOptions? options = null, bool batchFirst = false) =>
        new(Inputs, Units, options ?? s_options, seed: 3, batchFirst: batchFirst, dtype: ScalarType.Float64);

    /// <summary>O as the layer of OrthoNative with the same seed has it.</summary>
    private static TorchTensor FilterOf(RoaRnnOptions options)
    {
        var layer = new OrthoNative.RoaRnn(Inputs, Units, options);
        using var model = new OrthoNative.Sequential(Device.Default, new SequentialOptions { Seed = 3, DType = DType.Float64 }, layer);
        return from_array(layer.GetFilter());
    }

    /// <summary>The recurrent model in torch's operations; all states [T, B, N].</summary>
    private static TorchTensor Reference(RoaRnn module, TorchTensor filter, TorchTensor inputs, TorchTensor? initial, bool relu = false)
    {
        TorchTensor state = initial ?? zeros(inputs.shape[1], Units, dtype: ScalarType.Float64);
        var states = new List<TorchTensor>();
        for (long t = 0; t < inputs.shape[0]; t++)
        {
            TorchTensor z = state.matmul(module.get_parameter("weight")!.t())
                + inputs[t].matmul(module.get_parameter("input_weight")!.t())
                + module.get_parameter("bias")!;
            state = 0.9 * state.matmul(filter.t()) + 0.3 * (relu ? z.relu() : z.tanh());
            states.Add(state);
        }

        return stack(states);
    }

    private static void AssertClose(TorchTensor actual, TorchTensor expected, string what)
    {
        Assert.That(actual.shape, Is.EqualTo(expected.shape), what);
        double scale = Math.Max(1, expected.abs().max().item<double>());
        Assert.That((actual - expected).abs().max().item<double>() / scale, Is.LessThan(Tolerance), what);
    }

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
        TorchTensor timeMajor = Random(1, Steps, Batch, Inputs);
        TorchTensor inputs = (batchFirst ? timeMajor.transpose(0, 1).contiguous() : timeMajor.clone()).requires_grad_();
        TorchTensor expectedInputs = timeMajor.clone().requires_grad_();
        TorchTensor? initial = withInitial ? Random(2, Batch, Units).requires_grad_() : null;
        TorchTensor? expectedInitial = initial?.detach().clone().requires_grad_();
        TorchTensor outputGradient = Random(4, Steps, Batch, Units);

        TorchTensor output = module.forward(inputs, initial);
        (output * (batchFirst ? outputGradient.transpose(0, 1) : outputGradient)).sum().backward();
        TorchTensor[] gradients = [.. module.parameters().Select(parameter => parameter.grad!.clone())];
        module.zero_grad();
        TorchTensor expected = Reference(module, FilterOf(options), expectedInputs, expectedInitial, options.Activation == Activation.Relu);
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
        TorchTensor inputs = Random(1, 2, Batch, Units).requires_grad_();
        TorchTensor expectedInputs = inputs.detach().clone().requires_grad_();
        TorchTensor outputGradient = Random(4, 2, Batch, Units);

        TorchTensor output = module.forward(inputs);
        (output * outputGradient).sum().backward();
        TorchTensor[] gradients = [.. module.parameters().Select(parameter => parameter.grad!.clone())];
        module.zero_grad();
        var layer = new OrthoNative.RoaFnn(Units, Layers, options);
        using var model = new OrthoNative.Sequential(Device.Default, new SequentialOptions { Seed = 3, DType = DType.Float64 }, layer);
        TorchTensor filter = from_array(layer.GetFilter());
        TorchTensor expected = expectedInputs;
        for (int l = 0; l < Layers; l++)
        {
            TorchTensor z = expected.matmul(module.get_parameter("weight")![l].t()) + module.get_parameter("bias")![l];
            expected = 0.9 * expected.matmul(filter.t()) + 0.3 * z.tanh();
        }

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
        TorchTensor inputs = Random(1, Steps, Batch, Inputs).to(ScalarType.Float32);
        using var values = OrthoNative.Tensor.From<float>(Device.Default, inputs.data<float>().ToArray(), Steps, Batch, Inputs);

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
            TorchTensor inputs = Random(1, Steps, Batch, Inputs);
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
            () => cycle.forward(Random(1, Steps, Batch, Inputs)),
            Throws.InvalidOperationException.With.Message.Contains("kind 0").And.Message.Contains("Cycle"));
    }

    [Test]
    public void Several_passes_may_await_their_backward_passes()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Recurrent();
        TorchTensor filter = FilterOf(s_options);
        TorchTensor first = Random(1, Steps, Batch, Inputs), second = Random(2, Steps, Batch, Inputs);

        (module.forward(first).sum() + 2 * module.forward(second).pow(2).sum()).backward();
        TorchTensor gradient = module.get_parameter("weight")!.grad!.clone();
        module.zero_grad();
        (Reference(module, filter, first, null).sum() + 2 * Reference(module, filter, second, null).pow(2).sum()).backward();

        AssertClose(gradient, module.get_parameter("weight")!.grad!, "weight");
    }

    [Test]
    public void A_graph_may_be_passed_back_through_twice()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Recurrent();
        TorchTensor loss = module.forward(Random(1, Steps, Batch, Inputs)).pow(2).sum();

        loss.backward(retain_graph: true);
        TorchTensor once = module.get_parameter("weight")!.grad!.clone();
        loss.backward();

        AssertClose(module.get_parameter("weight")!.grad!, 2 * once, "weight");
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
                Assert.That(module.forward(Random(1, Steps, Batch, Inputs)).requires_grad, Is.False);
            }

            // One chain, back in its place.
            Assert.That(SystemInfo.LiveObjects, Is.EqualTo(before + 1));
            Forget(module);
            for (int i = 0; i < 5; i++)
            {
                module.forward(Random(1, Steps, Batch, Inputs)).sum().backward();
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
                module.forward(Random(1, Steps, Batch, Inputs).requires_grad_()).sum().backward();
            }

            // The first step makes the gradients.
            before = i == 0 ? TorchTensor.TotalCount : before;
        }

        Assert.That(TorchTensor.TotalCount, Is.LessThanOrEqualTo(before));
    }

    [Test]
    public void Contiguous_tensors_are_used_where_they_lie()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Recurrent();
        TorchTensor inputs = Random(1, Steps, Batch, Inputs).requires_grad_();
        TorchTensor output = module.forward(inputs);

        // The pass remembers the memory of the inputs, not a copy: what is written there before the backward pass counts.
        using (no_grad())
        {
            _ = inputs.zero_();
        }

        output.sum().backward();
        Assert.That(module.get_parameter("input_weight")!.grad!.abs().max().item<double>(), Is.Zero);
    }

    [Test]
    public void A_backward_pass_that_fails_leaves_no_numbers_and_is_reported_at_the_next_call()
    {
        using DisposeScope scope = NewDisposeScope();
        TorchTensor inputs = Random(1, Steps, Batch, Inputs).requires_grad_();
        RoaRnn module = Recurrent();
        TorchTensor loss = module.forward(inputs).sum();
        loss.backward(retain_graph: true);
        module.Dispose();

        // The states are gone, and a disposed module cannot compute them anew. No exception can pass through torch's engine.
        loss.backward();

        Assert.That(inputs.grad!.isnan().all().item<bool>());
        Assert.That(module.Failure, Is.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_second_backward_pass_behind_the_dispose_scope_of_the_first_is_reported()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Recurrent();
        TorchTensor loss = module.forward(Random(1, Steps, Batch, Inputs)).sum();
        using (NewDisposeScope())
        {
            loss.backward(retain_graph: true);
        }

        loss.backward();

        Assert.That(
            () => module.forward(Random(1, Steps, Batch, Inputs)),
            Throws.InvalidOperationException.With.Message.Contains("last backward pass"));
    }

    [Test]
    public void A_filter_that_is_loaded_before_a_backward_pass_keeps_to_later_passes()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Recurrent();
        using var other = new RoaRnn(Inputs, Units, s_options, seed: 99, dtype: ScalarType.Float64);
        TorchTensor inputs = Random(1, Steps, Batch, Inputs);
        TorchTensor loss = module.forward(inputs).sum();
        _ = module.load_state_dict(other.state_dict());
        _ = module.forward(inputs);

        // The chain of the first pass still has the first filter and must not serve the next one.
        loss.backward();

        Assert.That(module.forward(inputs).equal(other.forward(inputs)).all().item<bool>());
    }

    [Test]
    public void Values_that_are_not_finite_pass_through_as_in_torch()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Recurrent();
        TorchTensor inputs = Random(1, Steps, Batch, Inputs);
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
        TorchTensor inputs = Random(1, Steps, Batch, Inputs);
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
        TorchTensor inputs = Random(1, Steps, Batch, Inputs);

        Assert.Multiple(() =>
        {
            Assert.That(() => module.forward(null!), Throws.ArgumentNullException);
            Assert.That(() => module.forward(inputs[0]), Throws.ArgumentException.With.Message.Contains("input has shape [3, 2]; [T, B, 2]"));
            Assert.That(() => module.forward(inputs.to(ScalarType.Float32)), Throws.ArgumentException.With.Message.Contains("input has the element type Float32; Float64"));
            Assert.That(() => module.forward(inputs, Random(1, 2, 2)), Throws.ArgumentException.With.Message.Contains("initial has shape [2, 2]; [3, 5]"));
            Assert.That(() => Recurrent(new RoaRnnOptions { Output = SequenceOutput.LastSteps(9) }).forward(inputs), Throws.ArgumentException.With.Message.Contains("at least 9"));
            Assert.That(() => feedforward.forward(zeros(2, 4)), Throws.ArgumentException.With.Message.Contains("input has shape [2, 4]; [..., 5]"));
            Assert.That(() => new RoaRnn(0, 1), Throws.InstanceOf<ArgumentException>());
            Assert.That(() => new RoaRnn(1, 1, dtype: ScalarType.Int32), Throws.ArgumentException.With.Message.Contains("dtype is Int32; Float32 and Float64"));
            Assert.That(() => module.forward(zeros(Steps, Batch, Inputs, device: META, dtype: ScalarType.Float64)), Throws.TypeOf<NotSupportedException>());
        });
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(RoaRnn module)
    {
        using DisposeScope scope = NewDisposeScope();
        _ = module.forward(Random(1, Steps, Batch, Inputs));
    }

    private static void Collect()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }
}
