using TorchSharp;
using static OrthoNative.TorchSharp.Tests.Reference;
using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp.Tests;

/// <summary>How many chains passes hold, and how often the filter is drawn.</summary>
[NonParallelizable] // counts live objects
internal sealed class ChainPoolTests
{
    [SetUp]
    public void CollectBefore() => Collect();

    [TestCase(false)]
    [TestCase(true)]
    public void Passes_without_a_backward_pass_share_one_chain_and_one_filter(bool disposeOutputs)
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor inputs = Random(1, Steps, Rows, Inputs);
        long before = SystemInfo.LiveObjects;
        for (int i = 0; i < 20; i++)
        {
            TorchTensor output = module.forward(inputs);
            Assert.That(output.requires_grad);
            if (disposeOutputs)
            {
                output.Dispose();
            }
        }

        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(before + 1));
        Assert.That(module.Chains!.FilterDraws, Is.EqualTo(1));
    }

    [Test]
    public void Passes_that_lost_their_chains_have_the_gradients_of_others()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor[] inputs = [.. Enumerable.Range(0, 5).Select(i => Random((ulong)i, Steps, 1 + (i % 3), Inputs).requires_grad_())];
        TorchTensor[] expected = [.. inputs.Select(input => autograd.grad([module.forward(input).pow(2).sum()], [input])[0])];

        TorchTensor[] losses = [.. inputs.Select(input => module.forward(input).pow(2).sum())];

        // In an order that is neither that of the passes nor its reverse.
        foreach (int i in (int[])[2, 0, 4, 1, 3])
        {
            Assert.That(autograd.grad([losses[i]], [inputs[i]])[0].equal(expected[i]).all().item<bool>(), $"pass {i}");
        }
    }

    [TestCase(2)]
    [TestCase(3)]
    [TestCase(7)]
    public void A_program_that_holds_several_passes_recomputes_in_its_first_step_alone(int passes)
    {
        using RoaRnn module = Module();
        long before = SystemInfo.LiveObjects;
        for (int step = 0; step < 4; step++)
        {
            int recomputed = module.Chains?.Recomputations ?? 0;
            using DisposeScope scope = NewDisposeScope();
            TorchTensor loss = Enumerable.Range(0, passes).Select(i => module.forward(Random((ulong)i, Steps, Rows, Inputs)).pow(2).sum()).Aggregate((a, b) => a + b);
            loss.backward();
            Assert.That(module.Chains!.Recomputations - recomputed, Is.EqualTo(step == 0 ? passes - 1 : 0), $"step {step}");
        }

        Assert.That(SystemInfo.LiveObjects - before, Is.LessThanOrEqualTo(passes));

        // One draw for the first chain, one to copy it.
        Assert.That(module.Chains!.FilterDraws, Is.EqualTo(2));
    }

    [Test]
    public void Passes_hold_no_more_chains_than_the_limit()
    {
        using RoaRnn module = Module();
        long before = SystemInfo.LiveObjects;
        for (int step = 0; step < 3; step++)
        {
            using DisposeScope scope = NewDisposeScope();
            TorchTensor state = zeros(Rows, Units, dtype: ScalarType.Float64);
            for (int t = 0; t < 2 * ChainPool.MaximumChains; t++)
            {
                state = module.forward(Random((ulong)t, 1, Rows, Inputs), state)[0];
            }

            state.pow(2).sum().backward();
        }

        Assert.That(SystemInfo.LiveObjects - before, Is.EqualTo(ChainPool.MaximumChains));
        Assert.That(module.Chains!.FilterDraws, Is.EqualTo(2));
    }

    [Test]
    public void A_copied_filter_gives_the_bits_of_the_drawn_one()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor inputs = Random(1, Steps, Rows, Inputs);
        TorchTensor expected = module.forward(inputs);
        (expected.sum() + module.forward(inputs).sum()).backward();
        Assert.That(module.Chains!.Matrix, Is.Null);

        // Two passes at once, each in a chain of its own.
        TorchTensor[] outputs = [module.forward(inputs), module.forward(inputs)];

        Assert.That(module.Chains!.Matrix, Is.Not.Null);
        Assert.That(outputs, Has.All.Matches((TorchTensor output) => output.equal(expected).all().item<bool>()));
    }

    [Test]
    public void A_cast_module_copies_the_filter_that_it_has()
    {
        using DisposeScope scope = NewDisposeScope();
        using RoaRnn module = Module();
        TorchTensor inputs = Random(1, Steps, Rows, Inputs).requires_grad_();
        TorchTensor gradient = autograd.grad([module.forward(inputs).pow(2).sum()], [inputs], retain_graph: true, create_graph: true)[0];
        gradient.sum().backward();
        Assert.That(module.Chains!.Matrix, Is.Not.Null);

        _ = module.to(ScalarType.Float32);
        _ = module.forward(inputs.to(ScalarType.Float32));

        Assert.That(module.Chains!.FilterDraws, Is.Zero);
    }

    [Test]
    public void Disposing_a_module_frees_the_chains_of_its_waiting_passes()
    {
        using DisposeScope scope = NewDisposeScope();
        long before = SystemInfo.LiveObjects;
        using (RoaRnn module = Module())
        {
            _ = module.forward(Random(1, Steps, Rows, Inputs));
            Assert.That(SystemInfo.LiveObjects, Is.EqualTo(before + 1));
        }

        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(before));
    }

    [Test]
    public void Modules_that_are_dropped_instead_of_disposed_are_collected()
    {
        // 16 MiB of states in each of them, which the garbage collector does not see by itself.
        const long Count = 60;
        using TorchTensor inputs = zeros(256, 1024, 1);
        long before = SystemInfo.LiveObjects;
        for (int i = 0; i < Count; i++)
        {
            Drop(inputs);
        }

        // Frees what collections have found, and collects nothing itself.
        GC.WaitForPendingFinalizers();
        Assert.That(SystemInfo.LiveObjects - before, Is.LessThan(Count));
    }

    private static void Drop(TorchTensor inputs)
    {
        using DisposeScope scope = NewDisposeScope();
        var module = new RoaRnn(1, 16, new RoaRnnOptions { Filter = Filter.Identity });
        _ = module.forward(inputs);
    }
}
