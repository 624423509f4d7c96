using System.Runtime.InteropServices;
using TorchSharp;
using static OrthoNative.TorchSharp.Tests.Reference;
using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp.Tests;

/// <summary>What autograd can ask of a function beside one plain backward pass.</summary>
[NonParallelizable] // counts live objects
internal sealed class AutogradTests
{
    // Float64: a second derivative takes four passes instead of two, so 840 roundings of 1.1e-16, and a third one eight; their terms
    // have factors that go up to 1000 times the largest result. 1680 x 1.1e-16 x 1000.
    private const double Tolerance = 1.9e-10;

    private static readonly string[] s_arguments = ["input", "initial", "weight", "bias", "input_weight"];

    /// <summary>The arguments of a pass in the order of <see cref="s_arguments"/>.</summary>
    private static TorchTensor[] Arguments(RoaRnn module, ulong seed = 1) =>
    [
        Random(seed, Steps, Rows, Inputs).requires_grad_(),
        Random(seed + 1, Rows, Units).requires_grad_(),
        module.get_parameter("weight")!,
        module.get_parameter("bias")!,
        module.get_parameter("input_weight")!,
    ];

    private static IEnumerable<TestCaseData> Variants()
    {
        foreach ((string name, RoaRnnOptions options) in ((string, RoaRnnOptions)[])
        [
            ("all states", Options),
            ("last state", Options with { Output = SequenceOutput.Last }),
            ("relu", Options with { Activation = Activation.Relu }),
            ("permutation", Options with { Filter = Filter.Permutation, Output = SequenceOutput.LastSteps(3) }),
        ])
        {
            yield return new TestCaseData(options, true).SetArgDisplayNames(name, "initial");
            yield return new TestCaseData(options, false).SetArgDisplayNames(name, "zeros");
        }
    }

    [SetUp]
    public void CollectBefore() => Collect();

    [TestCaseSource(nameof(Variants))]
    public void Gradients_can_be_differentiated_again(RoaRnnOptions options, bool withInitial)
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module(options);
        TorchTensor filter = FilterOf(options);
        TorchTensor[] arguments = Arguments(module);
        TorchTensor[] wanted = withInitial ? arguments : [arguments[0], .. arguments[2..]];

        TorchTensor[] actual = SecondDerivatives(() => module.forward(arguments[0], withInitial ? arguments[1] : null), wanted);
        TorchTensor[] expected = SecondDerivatives(
            () =>
            {
                TorchTensor states = Recurrent(module, filter, arguments[0], withInitial ? arguments[1] : null, options.Activation == Activation.Relu);
                TorchTensor[] last = [.. Enumerable.Range(0, (int)Steps).Select(t => states[t])];
                return options.Output == SequenceOutput.Last ? last[^1] : options.Output == SequenceOutput.All ? states : stack(last[^3..]);
            },
            wanted);

        AssertClose(actual, expected);
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Gradients_of_a_feedforward_network_can_be_differentiated_again(bool filterPerLayer)
    {
        const long Layers = 4;
        using DisposeScope scope = NewDisposeScope();
        var options = new RoaFnnOptions { Alpha = 0.9, Beta = 0.3, FilterPerLayer = filterPerLayer };
        using var module = new RoaFnn(Units, Layers, options, seed: Seed, dtype: ScalarType.Float64);
        TorchTensor[] filters = FiltersOf(Layers, options);
        TorchTensor inputs = Random(1, 2, Rows, Units).requires_grad_();
        TorchTensor[] wanted = [inputs, .. module.parameters()];

        AssertClose(
            SecondDerivatives(() => module.forward(inputs), wanted),
            SecondDerivatives(() => Feedforward(module, filters, inputs), wanted));
    }

    [Test]
    public void Third_derivatives_are_those_of_the_model_in_torch_operations()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor filter = FilterOf(Options);
        TorchTensor[] arguments = Arguments(module);

        AssertClose(
            ThirdDerivatives(() => module.forward(arguments[0], arguments[1]), arguments),
            ThirdDerivatives(() => Recurrent(module, filter, arguments[0], arguments[1]), arguments));
    }

    [Test]
    public void A_gradient_penalty_trains_as_in_torch_operations()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor filter = FilterOf(Options);
        TorchTensor inputs = Random(1, Steps, Rows, Inputs).requires_grad_();

        TorchTensor[] Gradients(Func<TorchTensor> model)
        {
            module.zero_grad();
            TorchTensor output = model().sum();
            TorchTensor gradient = autograd.grad([output], [inputs], retain_graph: true, create_graph: true)[0];
            (output + (10 * gradient.pow(2).sum())).backward();
            return [.. module.parameters().Select(parameter => parameter.grad!.clone())];
        }

        AssertClose(Gradients(() => module.forward(inputs)), Gradients(() => Recurrent(module, filter, inputs, null)));
    }

    [Test]
    public void A_graph_of_the_gradients_changes_none_of_their_bits()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor[] arguments = Arguments(module);
        TorchTensor output = module.forward(arguments[0], arguments[1]).pow(2).sum();

        IList<TorchTensor> plain = autograd.grad([output], arguments, retain_graph: true);
        IList<TorchTensor> differentiable = autograd.grad([output], arguments, retain_graph: true, create_graph: true);

        AssertSame(differentiable, plain);
        Assert.That(differentiable, Has.All.Matches((TorchTensor gradient) => gradient.requires_grad));
        Assert.That(plain, Has.None.Matches((TorchTensor gradient) => gradient.requires_grad));
    }

    [Test]
    public void Every_backward_pass_through_a_graph_gives_the_same_bits()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor[] arguments = Arguments(module);
        TorchTensor output = module.forward(arguments[0], arguments[1]).sum();

        IList<TorchTensor> first = autograd.grad([output], arguments, retain_graph: true);
        IList<TorchTensor> second = autograd.grad([output], arguments, retain_graph: true);
        // Torch's own functions free what they saved here; this one has it still.
        IList<TorchTensor> third = autograd.grad([output], arguments);
        IList<TorchTensor> fourth = autograd.grad([output], arguments);

        AssertSame(second, first);
        AssertSame(third, first);
        AssertSame(fourth, first);
    }

    [Test]
    public void Gradients_are_the_same_whichever_arguments_need_one()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor[] arguments = Arguments(module);
        IList<TorchTensor> expected = autograd.grad([module.forward(arguments[0], arguments[1]).pow(2).sum()], arguments);
        for (int subset = 1; subset < 1 << s_arguments.Length; subset++)
        {
            module.zero_grad();
            for (int i = 0; i < arguments.Length; i++)
            {
                arguments[i].grad = null;
                _ = arguments[i].requires_grad_((subset & (1 << i)) != 0);
            }

            module.forward(arguments[0], arguments[1]).pow(2).sum().backward();

            for (int i = 0; i < arguments.Length; i++)
            {
                TorchTensor? gradient = arguments[i].grad;
                Assert.That(gradient is not null, Is.EqualTo((subset & (1 << i)) != 0), $"{s_arguments[i]} of subset {subset}");
                Assert.That(gradient is null || gradient.equal(expected[i]).all().item<bool>(), $"{s_arguments[i]} of subset {subset}");
            }
        }
    }

    [Test]
    public void Second_derivatives_are_the_same_whichever_arguments_need_one()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor filter = FilterOf(Options);
        TorchTensor[] arguments = Arguments(module);
        for (int subset = 1; subset < 1 << s_arguments.Length; subset++)
        {
            for (int i = 0; i < arguments.Length; i++)
            {
                _ = arguments[i].requires_grad_((subset & (1 << i)) != 0);
            }

            TorchTensor[] wanted = [.. arguments.Where(argument => argument.requires_grad)];
            AssertClose(
                SecondDerivatives(() => module.forward(arguments[0], arguments[1]), wanted),
                SecondDerivatives(() => Recurrent(module, filter, arguments[0], arguments[1]), wanted));
        }
    }

    private static IEnumerable<TestCaseData> Layouts()
    {
        yield return new TestCaseData((TorchTensor x) => x.transpose(0, 1).contiguous().transpose(0, 1)).SetArgDisplayNames("transposed");
        yield return new TestCaseData((TorchTensor x) => stack([x, x * 2], dim: 3).select(3, 0)).SetArgDisplayNames("every second element");
        yield return new TestCaseData((TorchTensor x) => cat([x * 3, x]).narrow(0, Steps, Steps)).SetArgDisplayNames("behind others");
        yield return new TestCaseData((TorchTensor x) => x.flip(0).flip(0)).SetArgDisplayNames("flipped twice");
        yield return new TestCaseData((TorchTensor x) => complex(zeros_like(x), -x).conj().imag).SetArgDisplayNames("negative bit");
    }

    [TestCaseSource(nameof(Layouts))]
    public void Views_give_the_bits_of_tensors_of_their_own(Func<TorchTensor, TorchTensor> view)
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor inputs = Random(1, Steps, Rows, Inputs).requires_grad_();
        TorchTensor viewed = view(inputs);
        TorchTensor own = empty(viewed.shape, dtype: viewed.dtype).copy_(viewed.detach()).requires_grad_();

        TorchTensor output = module.forward(viewed);
        TorchTensor gradient = autograd.grad([output.pow(2).sum()], [inputs])[0];

        TorchTensor expected = module.forward(own);
        AssertSame([output, gradient], [expected, autograd.grad([expected.pow(2).sum()], [own])[0]]);
    }

    [Test]
    public void Expanded_inputs_and_gradients_give_the_bits_of_full_ones()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor one = Random(1, Steps, 1, Inputs), initial = Random(2, 1, Units);
        TorchTensor outputGradient = Random(3, Units);
        TorchTensor[] expanded = [one.expand(Steps, Rows, Inputs), initial.expand(Rows, Units), outputGradient.expand(Steps, Rows, Units)];
        TorchTensor[] full = [.. expanded.Select(tensor => tensor.contiguous())];

        TorchTensor[] Gradients(TorchTensor[] tensors)
        {
            TorchTensor inputs = tensors[0].detach().requires_grad_(), state = tensors[1].detach().requires_grad_();
            TorchTensor output = module.forward(inputs, state);
            return [output, .. autograd.grad([output], [inputs, state, .. module.parameters()], [tensors[2]])];
        }

        Assert.That(expanded, Has.None.Matches((TorchTensor tensor) => tensor.is_contiguous()));
        AssertSame(Gradients(expanded), Gradients(full));
    }

    [Test]
    public void Hooks_see_and_replace_inputs_and_outputs()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor inputs = Random(1, Steps, Rows, Inputs).requires_grad_();
        TorchTensor expected = module.forward(2 * inputs) * 3;
        TorchTensor gradient = autograd.grad([expected.sum()], [inputs])[0];
        _ = module.register_forward_pre_hook((_, input) => input * 2);
        _ = module.register_forward_hook((_, _, output) => output * 3);

        TorchTensor output = module.call(inputs);

        AssertSame([output, autograd.grad([output.sum()], [inputs])[0]], [expected, gradient]);
    }

    private static IEnumerable<TestCaseData> Changes()
    {
        for (int argument = 0; argument < s_arguments.Length; argument++)
        {
            yield return new TestCaseData(argument, false, new Action<TorchTensor>(tensor => tensor.mul_(2))).SetArgDisplayNames(s_arguments[argument], "multiplied");
            yield return new TestCaseData(argument, true, new Action<TorchTensor>(tensor => tensor.mul_(2))).SetArgDisplayNames(s_arguments[argument], "multiplied, differentiable");
            yield return new TestCaseData(argument, false, new Action<TorchTensor>(tensor => tensor.view(-1).narrow(0, 1, 1).zero_()))
                .SetArgDisplayNames(s_arguments[argument], "one element through a view");
        }
    }

    [TestCaseSource(nameof(Changes))]
    public void An_argument_that_was_changed_in_place_is_refused_by_backward(int argument, bool differentiable, Action<TorchTensor> change)
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor[] arguments = Arguments(module);
        TorchTensor loss = module.forward(arguments[0], arguments[1]).sum();
        using (no_grad())
        {
            change(arguments[argument]);
        }

        Assert.That(() => loss.backward(null, create_graph: differentiable), Throws.InstanceOf<ExternalException>().With.Message.Contains("invalid gradient"));

        Assert.That(arguments.Select(tensor => tensor.grad), Has.All.Null);
        Assert.That(module.BackwardError?.Message, Does.Contain("modified by an inplace operation"));
        AssertReportedOnce(module, "modified by an inplace operation");
    }

    [Test]
    public void An_input_is_refused_that_was_changed_behind_its_view()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module(batchFirst: true);
        TorchTensor sequences = Random(1, Rows, Steps + 2, Inputs);
        TorchTensor loss = module.forward(sequences.narrow(1, 1, Steps)).sum();
        _ = sequences.zero_();

        Assert.That(loss.backward, Throws.InstanceOf<ExternalException>());
        AssertReportedOnce(module, "modified by an inplace operation");
    }

    [Test]
    public void A_gradient_is_refused_that_was_changed_before_it_is_differentiated()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor inputs = Random(1, Steps, Rows, Inputs).requires_grad_();
        TorchTensor outputGradient = Random(2, Steps, Rows, Units);
        TorchTensor gradient = autograd.grad([module.forward(inputs)], [inputs], [outputGradient], retain_graph: true, create_graph: true)[0];
        _ = outputGradient.zero_();

        Assert.That(gradient.sum().backward, Throws.InstanceOf<ExternalException>());
        AssertReportedOnce(module, "modified by an inplace operation");
    }

    [Test]
    public void An_optimizer_step_between_forward_and_backward_is_refused_and_leaves_the_weights_alone()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        using var sgd = optim.SGD(module.parameters(), 0.1);
        TorchTensor inputs = Random(1, Steps, Rows, Inputs);
        TorchTensor late = module.forward(inputs).sum();
        module.forward(inputs).sum().backward();
        _ = sgd.step();
        TorchTensor[] weights = [.. module.parameters().Select(parameter => parameter.detach().clone())];
        sgd.zero_grad();

        Assert.That(late.backward, Throws.InstanceOf<ExternalException>());
        _ = sgd.step();

        AssertSame([.. module.parameters()], weights);
    }

    [Test]
    public void The_output_may_be_changed_in_place()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor inputs = Random(1, Steps, Rows, Inputs).requires_grad_();
        TorchTensor once = autograd.grad([module.forward(inputs).sum()], [inputs])[0];

        TorchTensor output = module.forward(inputs);
        _ = output.mul_(2);

        AssertSame([autograd.grad([output.sum()], [inputs])[0]], [2 * once]);
    }

    [Test]
    public void Where_TorchSharp_cannot_throw_gradients_are_not_a_number()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor[] arguments = Arguments(module);
        TorchTensor loss = module.forward(arguments[0], arguments[1]).sum();
        using (no_grad())
        {
            _ = arguments[0].zero_();
        }

        // An error of torch's engine would end the process here.
        IList<TorchTensor> gradients = autograd.grad([loss], arguments);

        Assert.That(gradients.Select(gradient => gradient.shape), Is.EqualTo(arguments.Select(argument => argument.shape)));
        Assert.That(gradients, Has.All.Matches((TorchTensor gradient) => gradient.isnan().all().item<bool>()));
        AssertReportedOnce(module, "modified by an inplace operation");
    }

    [Test]
    public void A_failure_is_noticed_where_every_tensor_has_one_element()
    {
        using DisposeScope scope = NewDisposeScope();
        using var module = new RoaRnn(1, 1, Options);
        TorchTensor inputs = ones(1, 1, 1);
        TorchTensor loss = module.forward(inputs).sum();
        _ = inputs.zero_();

        // A gradient of another shape would be summed to one of one element.
        Assert.That(loss.backward, Throws.InstanceOf<ExternalException>());
    }

    [Test]
    public void The_first_of_several_failures_is_reported()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor[] inputs = [Random(1, Steps, 1, Inputs), Random(1, Steps, 2, Inputs)];
        TorchTensor[] losses = [.. inputs.Select(input => module.forward(input).sum())];
        foreach ((TorchTensor input, TorchTensor loss) in inputs.Zip(losses))
        {
            _ = input.zero_();
            Assert.That(loss.backward, Throws.InstanceOf<ExternalException>());
        }

        AssertReportedOnce(module, "[7, 1, 2]");
    }

    [Test]
    public void Inference_mode_gives_the_values_and_no_history()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor inputs = Random(1, Steps, Rows, Inputs);
        TorchTensor expected = module.forward(inputs);
        using (inference_mode())
        {
            TorchTensor output = module.forward(inputs);

            Assert.That(output.requires_grad, Is.False);
            AssertSame([output], [expected]);
        }
    }

    [Test]
    public void A_tensor_of_inference_mode_is_refused_where_gradients_are_recorded_and_nothing_is_lost()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor inputs;
        using (inference_mode())
        {
            inputs = Random(1, Steps, Rows, Inputs).clone();
        }

        long before = SystemInfo.LiveObjects;
        for (int i = 0; i < 3; i++)
        {
            Assert.That(() => module.forward(inputs), Throws.InstanceOf<ExternalException>().With.Message.Contains("Inference tensors cannot be saved"));
        }

        AssertClose([module.forward(inputs.clone())], [Recurrent(module, FilterOf(Options), inputs.clone(), null)]);
        Assert.That(SystemInfo.LiveObjects, Is.LessThanOrEqualTo(before + 1));
    }

    [Test]
    public void A_pass_under_no_grad_has_no_history_whatever_follows()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor inputs = Random(1, Steps, Rows, Inputs).requires_grad_();
        TorchTensor output;
        using (no_grad())
        {
            output = module.forward(inputs);
        }

        _ = output.requires_grad_();
        (output.sum() + module.forward(inputs.detach()).sum()).backward();

        Assert.That(output.grad!.eq(1).all().item<bool>());
        Assert.That(inputs.grad, Is.Null);
    }

    [Test]
    public void A_pass_whose_module_was_cast_goes_back_to_the_parameters_it_was_made_with()
    {
        using DisposeScope scope = NewDisposeScope();
        using var module = new RoaRnn(Inputs, Units, Options, seed: Seed);
        TorchTensor inputs = Random(1, Steps, Rows, Inputs).to(ScalarType.Float32).requires_grad_();
        TorchTensor expected = autograd.grad([module.forward(inputs).sum()], [inputs])[0];
        TorchTensor loss = module.forward(inputs).sum();

        _ = module.to(ScalarType.Float64);
        TorchTensor doubled = module.forward(inputs.to(ScalarType.Float64)).sum();
        loss.backward();

        AssertSame([inputs.grad!], [expected]);
        Assert.That(module.get_parameter("weight")!.grad, Is.Null);
        doubled.backward();
        Assert.That(module.get_parameter("weight")!.grad!.dtype, Is.EqualTo(ScalarType.Float64));
    }

    [Test]
    public void A_pass_outlives_its_module()
    {
        using DisposeScope scope = NewDisposeScope();
        TorchTensor inputs = Random(1, Steps, Rows, Inputs).requires_grad_();
        RoaRnn module = Module();
        TorchTensor expected = autograd.grad([module.forward(inputs).sum()], [inputs])[0];
        TorchTensor loss = module.forward(inputs).sum();
        module.Dispose();

        AssertSame([autograd.grad([loss], [inputs], retain_graph: true)[0], autograd.grad([loss], [inputs])[0]], [expected, expected]);
        Assert.That(() => module.forward(inputs), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void A_graph_outlives_the_dispose_scope_of_a_backward_pass()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor inputs = Random(1, Steps, Rows, Inputs).requires_grad_();
        TorchTensor loss;
        using (NewDisposeScope())
        {
            loss = module.forward(inputs * 1).sum().MoveToOuterDisposeScope();
            loss.backward(retain_graph: true);
        }

        TorchTensor once = inputs.grad!.clone();
        inputs.grad!.zero_();
        loss.backward(retain_graph: true);

        AssertSame([inputs.grad!], [once]);
    }

    [Test]
    public void A_device_that_is_gone_is_reported_by_backward()
    {
        using DisposeScope scope = NewDisposeScope();
        using var device = Device.Cpu(1);
        using var module = new RoaRnn(Inputs, Units, Options, dtype: ScalarType.Float64, device: device);
        TorchTensor loss = module.forward(Random(1, Steps, Rows, Inputs)).sum();
        loss.backward(retain_graph: true);
        module.Dispose();
        device.Dispose();

        Assert.That(() => loss.backward(retain_graph: true), Throws.InstanceOf<ExternalException>());
        Assert.That(module.BackwardError, Is.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Checkpointing_changes_no_bit()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        using RoaRnn sparing = Module(Options with { Checkpointing = Checkpointing.Every(3) });
        TorchTensor inputs = Random(1, Steps, Rows, Inputs).requires_grad_();

        AssertSame(
            autograd.grad([sparing.forward(inputs).pow(2).sum()], [inputs, .. sparing.parameters()]),
            autograd.grad([module.forward(inputs).pow(2).sum()], [inputs, .. module.parameters()]));
    }

    [Test]
    public void Second_derivatives_leave_nothing_behind()
    {
        using RoaRnn module = Module();
        long tensors = 0, objects = 0;
        for (int i = 0; i < 3; i++)
        {
            using (DisposeScope scope = NewDisposeScope())
            {
                module.zero_grad();
                TorchTensor inputs = Random(1, Steps, Rows, Inputs).requires_grad_();
                TorchTensor gradient = autograd.grad([module.forward(inputs).pow(2).sum()], [inputs], retain_graph: true, create_graph: true)[0];
                gradient.pow(2).sum().backward();
            }

            // The first step makes gradients and chains.
            (tensors, objects) = i == 0 ? (TorchTensor.TotalCount, SystemInfo.LiveObjects) : (tensors, objects);
        }

        Assert.That(TorchTensor.TotalCount, Is.LessThanOrEqualTo(tensors));
        Assert.That(SystemInfo.LiveObjects, Is.LessThanOrEqualTo(objects));
    }

    private static TorchTensor[] SecondDerivatives(Func<TorchTensor> model, TorchTensor[] arguments)
    {
        TorchTensor output = model();
        IList<TorchTensor> gradients = autograd.grad([output.pow(2).sum()], arguments, retain_graph: true, create_graph: true);
        TorchTensor sum = output.sum() + gradients.Select((gradient, i) => (i + 1) * gradient.pow(2).sum()).Aggregate((a, b) => a + b);
        return [.. gradients, .. autograd.grad([sum], arguments)];
    }

    private static TorchTensor[] ThirdDerivatives(Func<TorchTensor> model, TorchTensor[] arguments)
    {
        IList<TorchTensor> first = autograd.grad([model().pow(2).sum()], arguments, retain_graph: true, create_graph: true);
        TorchTensor sum = first.Select((gradient, i) => (i + 1) * gradient.pow(2).sum()).Aggregate((a, b) => a + b);
        IList<TorchTensor> second = autograd.grad([sum], arguments, retain_graph: true, create_graph: true);
        TorchTensor next = second.Select((gradient, i) => 0.01 * (i + 1) * gradient.pow(2).sum()).Aggregate((a, b) => a + b);
        return [.. autograd.grad([next], arguments)];
    }

    /// <summary>The next call throws the reason of a failure, and the one after it works.</summary>
    private static void AssertReportedOnce(RoaRnn module, string reason)
    {
        TorchTensor next = module.get_parameter("weight")!.new_zeros([Steps, Steps, Inputs]);
        Assert.That(
            () => module.forward(next),
            Throws.InvalidOperationException.With.Message.Contains("last backward pass").And.Message.Contains(reason).And.InnerException.Not.Null);
        Assert.That(module.BackwardError, Is.Null);
        Assert.That(() => module.forward(next), Throws.Nothing);
    }

    private static void AssertClose(TorchTensor[] actual, TorchTensor[] expected)
    {
        Assert.That(actual, Has.Length.EqualTo(expected.Length));
        for (int i = 0; i < expected.Length; i++)
        {
            Reference.AssertClose(actual[i], expected[i], Tolerance, $"number {i}");
        }
    }

    private static void AssertSame(IList<TorchTensor> actual, IList<TorchTensor> expected)
    {
        Assert.That(actual, Has.Count.EqualTo(expected.Count));
        for (int i = 0; i < expected.Count; i++)
        {
            Assert.That(actual[i].shape, Is.EqualTo(expected[i].shape), $"number {i}");
            Assert.That(actual[i].equal(expected[i]).all().item<bool>(), $"number {i}");
        }
    }
}
