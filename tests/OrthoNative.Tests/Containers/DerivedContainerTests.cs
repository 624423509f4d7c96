using OrthoNative.Diagnostics;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Containers;

/// <summary>Layers and containers of a user's, right and wrong.</summary>
internal sealed class DerivedContainerTests
{
    private static readonly int[] s_lengths = [2, 4, 0];

    [Test]
    public void A_container_of_ones_own_runs_its_layers_and_passes_on_their_lengths()
    {
        using var model = new Sequential(
            Device.Default, new SequentialOptions { DType = DType.Float64, ComputeInputGradient = true }, new Twice(new Conv1D(2, 3, 2)), new Pooling(3, PoolingKind.Mean), new Dense(3, 2));
        Assert.That(model.Parameters[0].Name, Is.EqualTo("0.0.weight"));
        using Tensor inputs = UniformTensor(new Random(1), 1, 4, 3, 2);
        GradientCheckResult result = GradientCheck.Run(model, inputs, new ForwardOptions { Lengths = s_lengths });
        Assert.That(result.Passed, Is.True, result.ToString());
    }

    [Test]
    public void A_layer_that_drops_time_without_a_word_is_refused_with_lengths()
    {
        using var model = new Sequential(Device.Default, new SequentialOptions { DType = DType.Float64 }, new Dense(2, 3), new FirstStep(3));
        using Tensor inputs = UniformTensor(new Random(1), 1, 4, 3, 2);
        Assert.That(() => model.Forward(inputs), Throws.Nothing);
        Assert.That(
            () => model.Forward(inputs, s_lengths),
            Throws.InvalidOperationException.With.Message.Contains("layer 1 (FirstStep) returned Float64 [3, 3] with 3 lengths").And.Message.Contains("SetOutputLengths"));
    }

    [Test]
    public void Misuse_of_inner_layers_is_refused()
    {
        using Tensor inputs = UniformTensor(new Random(1), 1, 4, 3, 2);
        Refuses<InvalidOperationException>(inner => new Wrong(inner, (in context, layer, x) => { context.Forward(layer, x); return context.Forward(layer, x); }), "runs a second time in one pass");
        Refuses<ArgumentException>(inner => new Wrong(inner, (in context, layer, x) => context.Forward(new Dense(2, 2), x)), "is not inside");
        Refuses<ArgumentException>(inner => new Wrong(inner, (in context, layer, x) => context.Forward(layer.Parent!, x)), "is not inside");
        Refuses<InvalidOperationException>(inner => new Wrong(inner, (in context, layer, x) => { context.Behind(layer); return x; }), "did not run");
        Refuses<InvalidOperationException>(inner => new Wrong(inner, (in context, layer, x) => null!), "returned null");
        Refuses<InvalidOperationException>(inner => new Wrong(inner, (in context, layer, x) => new Tensor(Device.Default, DType.Float32, x.Shape)), "outputs must be Float64");
        Refuses<ArgumentException>(inner => new Wrong(inner, (in context, layer, x) => context.Forward(layer, new Tensor(Device.Default, DType.Float32, x.Shape))), "inputs has element type Float32");
        Refuses<ArgumentException>(inner => new Wrong(inner, (in context, layer, x) => context.Forward(layer, new Tensor(Device.Default, DType.Float64, 4, 2, 2))), "there are 3 lengths");

        void Refuses<T>(Func<Layer, Container> make, string message) where T : Exception
        {
            using var model = new Sequential(Device.Default, new SequentialOptions { DType = DType.Float64 }, make(new Dense(2, 2)));
            Assert.That(() => model.Forward(inputs, s_lengths), Throws.InstanceOf<T>().With.Message.Contains(message));
        }
    }

    [Test]
    public void Gradients_of_another_type_or_shape_are_refused()
    {
        using Tensor inputs = UniformTensor(new Random(1), 1, 4, 3, 2);
        foreach (Tensor wrong in (Tensor[])[new(Device.Default, DType.Float32, 4, 3, 2), new(Device.Default, DType.Float64, 4, 2, 2)])
        {
            using var model = new Sequential(
                Device.Default, new SequentialOptions { DType = DType.Float64 }, new Wrong(new Dense(2, 2), (in context, layer, x) => context.Forward(layer, x), wrong));
            using Tensor gradient = UniformTensor(new Random(2), 1, 4, 3, 2);
            model.Forward(inputs);
            Assert.That(() => model.Backward(gradient), Throws.ArgumentException.With.Message.Contains("inputGradient has"));
            wrong.Dispose();
        }
    }

    [Test]
    public void Two_parameters_of_one_name_are_refused_when_the_model_is_made() =>
        Assert.That(() => new Sequential(Device.Default, 1, new SameNames()), Throws.ArgumentException.With.Message.Contains("layers[0] has a second parameter '0.scale'; names must be unique"));

    [Test]
    public void Containers_with_dots_in_their_names_keep_their_own_parameters()
    {
        using var model = new Sequential(Device.Default, 1, new Residual(new Dense(2, 2)) { Name = "a" }, new Dense(2, 2) { Name = "a.b" });
        Assert.That(model.Layers[0].Parameters.Select(parameter => parameter.Name), Is.EqualTo((string[])["a.0.weight", "a.0.bias"]));
    }

    [Test]
    public void Parts_of_a_batch_draw_what_the_whole_batch_draws_and_count_as_one_pass()
    {
        using Sequential whole = Make(), parts = Make();
        double[] values = Uniform(new Random(1), 4 * 5 * 2);
        using Tensor inputs = Tensor.From<double>(Device.Default, values, 4, 5, 2);
        using Tensor first = Part(0, 2), second = Part(2, 5);
        for (int pass = 0; pass < 3; pass++)
        {
            double[] expected = Values(whole.Forward(inputs));
            double[] one = Values(parts.Forward(first));
            double[] two = Values(parts.Forward(second, new ForwardOptions { FirstSample = 2, SamePass = true }));
            for (int t = 0; t < 4; t++)
            {
                Assert.That(one.Skip(t * 2 * 2).Take(4).Concat(two.Skip(t * 3 * 2).Take(6)), Is.EqualTo(expected.Skip(t * 10).Take(10)), $"pass {pass}, step {t}");
            }
        }

        Sequential Make() => new(Device.Default, new SequentialOptions { DType = DType.Float64 }, new Dropout(2, 0.5), new GaussianNoise(2, 0.1), new Dense(2, 2));

        Tensor Part(int begin, int end) => Tensor.From<double>(
            Device.Default, [.. Enumerable.Range(0, 4).SelectMany(t => values.Skip(((t * 5) + begin) * 2).Take((end - begin) * 2))], 4, end - begin, 2);
    }

    [Test]
    public void The_state_of_a_sample_without_steps_is_the_initial_one([Values(0, 2)] int lastSteps)
    {
        using var model = new Sequential(
            Device.Default, new SequentialOptions { DType = DType.Float64 },
            new RoaRnn(2, 3, new RoaRnnOptions { Output = lastSteps == 0 ? SequenceOutput.Last : SequenceOutput.LastSteps(lastSteps) }));
        using Tensor inputs = UniformTensor(new Random(1), 1, 4, 3, 2);
        using Tensor state = UniformTensor(new Random(2), 1, 3, 3);
        model.Forward(inputs, new ForwardOptions { Lengths = s_lengths, InitialStates = new Dictionary<string, Tensor> { ["0.state"] = state } });
        Assert.That(Values(model.GetFinalStates()["0.state"])[6..], Is.EqualTo(Values(state)[6..]));
    }

    [Test]
    public void Outputs_that_become_an_input_stay_as_they_are_while_they_are_read()
    {
        Sequential Make() => new(Device.Default, new SequentialOptions { DType = DType.Float64, Gradients = false }, new Branches(new Dense(2, 2), new Dense(4, 2)));
        using Sequential model = Make(), other = Make();
        using Tensor x = UniformTensor(new Random(1), 1, 1, 3, 2);
        using Tensor start = UniformTensor(new Random(2), 1, 1, 3, 4);
        Tensor y = model.Forward([x, start], new ForwardOptions());
        using Tensor copy = Tensor.From<double>(Device.Default, Values(y), 1, 3, 4);
        Assert.That(Values(model.Forward([x, y], new ForwardOptions())), Is.EqualTo(Values(other.Forward([x, copy], new ForwardOptions()))));
    }

    [Test]
    public void Several_inputs_with_lengths_have_the_same_steps_and_samples()
    {
        using var model = new Sequential(Device.Default, new SequentialOptions { DType = DType.Float64 }, new Branches(new Dense(3, 4), new Dense(40, 4)));
        using var first = new Tensor(Device.Default, DType.Float64, 1, 2, 3);
        using var second = new Tensor(Device.Default, DType.Float64, 2, 40);
        Assert.That(
            () => model.Forward([first, second], new ForwardOptions { Lengths = (int[])[0, 1] }),
            Throws.ArgumentException.With.Message.Contains("inputs[1] has shape [2, 40]; with lengths it must be [T, B, ...]"));
    }

    [Test]
    public void A_model_without_gradients_runs_and_refuses_training()
    {
        using var model = new Sequential(Device.Default, new SequentialOptions { Gradients = false }, new Dropout(2, 0.5), new RoaRnn(2, 3));
        Assert.That(model.Training, Is.False);
        using Tensor inputs = Tensor.From<float>(Device.Default, new float[12], 3, 2, 2);
        Assert.That(model.Forward(inputs).Shape.ToArray(), Is.EqualTo((long[])[2, 3]));
        Assert.That(() => model.Training = true, Throws.InvalidOperationException.With.Message.Contains("made without gradients"));
        Assert.That(() => model.GradientData, Throws.InvalidOperationException);
        Assert.That(() => model.Parameters[0].Gradient, Throws.InvalidOperationException);
        Assert.That(() => new Adam(model, 0.1), Throws.InvalidOperationException.With.Message.Contains("made without gradients"));
        Assert.That(model.Summary(2, 3, optimizer: new SgdOptions()).GradientBytes, Is.Zero);
    }

    [Test]
    public void Creating_saving_and_loading_report_progress_and_can_be_cancelled()
    {
        var seen = new List<double>();
        var progress = new Reporter(seen.Add);
        using var source = new CancellationTokenSource();
        Layer[] layers = [new Dense(2, 4), new RoaFnn(4, 300_000), new Dense(4, 2)];
        var cancelling = new Reporter(part =>
        {
            if (part > 0.3)
            {
                source.Cancel();
            }
        });
        Assert.That(() => new Sequential(Device.Default, new SequentialOptions(), layers, cancelling, source.Token), Throws.InstanceOf<OperationCanceledException>());

        // W has 4,800,000 numbers, which are drawn in two parts. Layers of a model that was given up may become part of another one.
        using var model = new Sequential(Device.Default, new SequentialOptions(), layers, progress);
        Assert.That(seen, Is.Ordered.And.Count.GreaterThan(6));
        Assert.That(seen[^1], Is.EqualTo(1));
        using var again = new Sequential(Device.Default, 0, new Dense(2, 4), new RoaFnn(4, 300_000), new Dense(4, 2));
        Assert.That(Bytes(model.ParameterData), Is.EqualTo(Bytes(again.ParameterData)));

        using var folder = new Data.TemporaryFolder();
        string path = folder.File("model.safetensors");
        using var ended = new CancellationTokenSource();
        ended.Cancel();
        Assert.That(() => model.Save(path, null, null, ended.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(File.Exists(path), Is.False);
        seen.Clear();
        model.Save(path, null, progress);
        Assert.That(seen[^1], Is.EqualTo(1));
        again.ParameterData.Fill(0.5);
        byte[] before = Bytes(again.ParameterData);
        Assert.That(() => again.Load(path, layers: null, cancellationToken: ended.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Bytes(again.ParameterData), Is.EqualTo(before));
        again.Load(path, layers: null, progress: progress);
        Assert.That(Bytes(again.ParameterData), Is.EqualTo(Bytes(model.ParameterData)));
    }

    private sealed class Reporter(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);

    }

    /// <summary>y = 2 f(x).</summary>
    private sealed class Twice(Layer layer) : Container(layer)
    {
        public override long InputSize => Layers[0].InputSize;

        public override long OutputSize => Layers[0].OutputSize;

        protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
        {
            Tensor inner = context.Forward(Layers[0], inputs);
            context.SetOutputLengthsOf(Layers[0]);
            return Double(inner, context.Outputs(inner.Shape));
        }

        protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient) =>
            context.Backward(Layers[0], Double(outputGradient, context.Buffer(0, outputGradient.Shape)), inputGradient);

        private static Tensor Double(Tensor from, Tensor to)
        {
            Span<double> x = from.AsSpan<double>(), y = to.AsSpan<double>();
            for (int i = 0; i < x.Length; i++)
            {
                y[i] = 2 * x[i];
            }

            return to;
        }
    }

    private sealed class FirstStep(long size) : Layer
    {
        public override long InputSize => size;

        public override long OutputSize => size;

        protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
        {
            Tensor outputs = context.Outputs(inputs.Shape[1], size);
            inputs.AsSpan<double>(0, (int)outputs.Count).CopyTo(outputs.AsSpan<double>());
            return outputs;
        }

        protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient) => throw new NotSupportedException();
    }

    private delegate Tensor Run(in ForwardContext context, Layer inner, Tensor inputs);

    private sealed class Wrong(Layer layer, Run run, Tensor? inputGradientOfInner = null) : Container(layer)
    {
        public override long InputSize => Layers[0].InputSize;

        public override long OutputSize => Layers[0].OutputSize;

        protected internal override Tensor Forward(in ForwardContext context, Tensor inputs) => run(context, Layers[0], inputs);

        protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient) =>
            context.Backward(Layers[0], outputGradient, inputGradientOfInner);
    }

    private sealed class SameNames : Layer
    {
        public override long InputSize => 2;

        public override long OutputSize => 2;

        protected internal override IReadOnlyList<ParameterDefinition> Definitions => [ParameterDefinition.Constant("scale", [2], 1), ParameterDefinition.Normal("scale", [2], 1)];

        protected internal override Tensor Forward(in ForwardContext context, Tensor inputs) => inputs;

        protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient) => inputGradient?.CopyFrom(outputGradient);
    }
}
