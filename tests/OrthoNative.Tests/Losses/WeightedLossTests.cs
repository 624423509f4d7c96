using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Losses;

/// <summary>Every loss, with lengths, weights and ignored targets, against its definition.</summary>
internal sealed class WeightedLossTests(DeviceKind kind) : DeviceTests(kind)
{
    private const int Steps = 5;
    private const int Batch = 4;
    private const int Ignored = -100;

    private static readonly int[] s_lengths = [4, 0, 5, 2];

    private static readonly bool[] s_both = [false, true];

    private static IEnumerable<TestCaseData> Cases =>
        from loss in LossCase.All
        from lengths in s_both
        from weights in s_both
        select new TestCaseData(loss, lengths, weights);

    [TestCaseSource(nameof(Cases))]
    public void Value_is_the_weighted_mean_of_the_rows_that_count(LossCase loss, bool lengths, bool weights)
    {
        RequireCpuForCustom(loss);
        using var problem = new Problem(Device, loss, lengths, weights, DType.Float64);
        using Loss measure = loss.Make();

        double value = measure.Forward(problem.Outputs, problem.Targets);
        double expected = problem.Expected();

        // Sums of at most 20 rows of 6 terms, each of a few functions, and of magnitude below 10.
        Assert.That(value, Is.EqualTo(expected).Within(120 * 10 * 1.2e-16));
        Assert.That(measure.WeightSum, Is.EqualTo(problem.WeightSum).Within(20 * 10 * 1.2e-16));
        Assert.That(measure.Evaluate(problem.Outputs, problem.Targets), Is.EqualTo(value));
        byte[] gradient = Bytes(measure.Gradient);
        using var other = new Problem(Device, loss, false, false, DType.Float64);
        measure.Forward(other.Outputs, other.Targets);
        measure.Differentiate(problem.Outputs, problem.Targets);
        Assert.That(Bytes(measure.Gradient), Is.EqualTo(gradient));
        Assert.That(measure.WeightSum, Is.EqualTo(problem.WeightSum).Within(20 * 10 * 1.2e-16));
    }

    [TestCaseSource(nameof(Cases))]
    public void Gradient_matches_central_differences(LossCase loss, bool lengths, bool weights)
    {
        RequireCpuForCustom(loss);
        using var problem = new Problem(Device, loss, lengths, weights, DType.Float64);
        using Loss measure = loss.Make();
        measure.Forward(problem.Outputs, problem.Targets);
        double[] gradient = Values(measure.Gradient);
        double[] outputs = Values(problem.Outputs);
        const double Step = 1e-6;
        for (int i = 0; i < outputs.Length; i++)
        {
            if (problem.WeightOf(i / loss.Outputs) == 0)
            {
                Assert.That(gradient[i], Is.Zero, $"{i}");
                continue;
            }

            double Loss(double change)
            {
                double[] moved = [.. outputs];
                moved[i] += change;
                SetValues(problem.Outputs, moved);
                return measure.Evaluate(problem.Outputs, problem.Targets);
            }

            // The differences' own error: Step² times a third derivative below 10, and roundings of a mean below 10 by Step. No output is within
            // a step of its target, where some losses have a kink.
            Assert.That(gradient[i], Is.EqualTo((Loss(Step) - Loss(-Step)) / (2 * Step)).Within(1e-11 + (32 * 10 * 1.2e-16 / Step)), $"{i}");
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void Float32_rounds_what_float64_gives(LossCase loss, bool lengths, bool weights)
    {
        RequireCpuForCustom(loss);
        using var twice = new Problem(Device, loss, lengths, weights, DType.Float64);
        using var single = new Problem(Device, loss, lengths, weights, DType.Float32);
        using Loss measure = loss.Make();
        double expected = measure.Forward(twice.Outputs, twice.Targets);
        double[] gradient = Values(measure.Gradient);

        // Outputs and targets below 4 are rounded, which moves a loss by at most its slope, below 10 for errors below 8, times 4 roundings each.
        double tolerance = 2 * 4 * 10 * 6e-8;
        Assert.That(measure.Forward(single.Outputs, single.Targets), Is.EqualTo(expected).Within(tolerance));
        Assert.That(Values(measure.Gradient), Is.EqualTo(gradient).Within(tolerance));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Ignored_targets_are_rows_of_weight_0(bool inside)
    {
        int ignored = inside ? 2 : Ignored;
        LossCase loss = LossCase.All[3];
        using var problem = new Problem(Device, loss, true, true, DType.Float64);
        int[] classes = [.. problem.Classes];
        float[] weights = [.. problem.Weights];
        for (int row = 0; row < classes.Length; row++)
        {
            if (!inside && row % 4 == 0)
            {
                classes[row] = ignored;
            }

            weights[row] = classes[row] == ignored ? 0 : weights[row];
        }

        using Loss plain = loss.Make();
        double value = plain.Forward(problem.Outputs, problem.Targets with { Classes = classes, Weights = weights });
        using var measure = new CrossEntropyLoss(new CrossEntropyOptions { ClassWeights = [0.5, 0, 3, 1], LabelSmoothing = 0.2, IgnoreIndex = ignored });
        Assert.That(measure.Forward(problem.Outputs, problem.Targets with { Classes = classes }), Is.EqualTo(value));
        Assert.That(Bytes(measure.Gradient), Is.EqualTo(Bytes(plain.Gradient)));
        Assert.That(measure.WeightSum, Is.EqualTo(plain.WeightSum));
        Assert.That(measure.Correct, Is.EqualTo(((CrossEntropyLoss)plain).Correct));
    }

    [Test]
    public void An_index_that_no_target_has_changes_no_bit()
    {
        using var problem = new Problem(Device, LossCase.All[0], true, false, DType.Float32);
        using var plain = new CrossEntropyLoss();
        using var measure = new CrossEntropyLoss(new CrossEntropyOptions { IgnoreIndex = 77 });

        Assert.That(measure.Forward(problem.Outputs, problem.Targets), Is.EqualTo(plain.Forward(problem.Outputs, problem.Targets)));
        Assert.That(Bytes(measure.Gradient), Is.EqualTo(Bytes(plain.Gradient)));
    }

    [Test]
    public void Batches_put_together_by_their_weights_are_the_whole()
    {
        foreach (LossCase loss in LossCase.All)
        {
            if (loss.Name == "log-cosh")
            {
                continue;
            }

            using var problem = new Problem(Device, loss, false, true, DType.Float64);
            using Loss measure = loss.Make();
            double whole = measure.Evaluate(problem.Outputs, problem.Targets) * measure.WeightSum;
            double total = 0;
            for (int step = 0; step < Steps; step++)
            {
                Targets row = problem.RowsOf(step, out Tensor outputs);
                total += measure.Evaluate(outputs, row) * measure.WeightSum;
                outputs.Dispose();
                row.Values?.Dispose();
            }

            // The same terms in another order.
            Assert.That(total, Is.EqualTo(whole).Within(2 * 120 * 10 * 10 * 1.2e-16), loss.Name);
        }
    }

    [Test]
    public void Large_outputs_give_losses_that_are_numbers()
    {
        float[] large = [1e30f, -1e30f, 3e38f, -3e38f, 1e30f, 0];
        using Tensor outputs = Tensor.From<float>(Device, large, 2, 3);
        using Tensor targets = Tensor.From<float>(Device, [0, 1, 1, 0, 0.5f, 1], 2, 3);
        using var binary = new BinaryCrossEntropyLoss();
        using var huber = new HuberLoss();
        using var quantiles = new QuantileLoss(0.5);
        foreach (Loss loss in (Loss[])[binary, huber, quantiles])
        {
            Assert.That(double.IsFinite(loss.Forward(outputs, Targets.Of(targets))), Is.True, loss.GetType().Name);
            Assert.That(Values(loss.Gradient), Has.All.Matches<double>(double.IsFinite), loss.GetType().Name);
        }

        using var entropy = new CrossEntropyLoss(new CrossEntropyOptions { ClassWeights = [1, 0, 1], LabelSmoothing = 0.1 });
        Assert.That(double.IsFinite(entropy.Forward(outputs, [0, 2])), Is.True);
        Assert.That(Values(entropy.Gradient), Has.All.Matches<double>(double.IsFinite));
    }

    [Test]
    public void Quantiles_of_a_constant_are_those_of_the_targets()
    {
        // The loss of quantile 0.25 of the targets 1 to 4 is smallest from 1 to 2, where its slope is 0.25 - 0.25.
        using Tensor targets = ToTensor(Device, [1, 2, 3, 4], DType.Float64, 4, 1);
        using Tensor outputs = ToTensor(Device, [1.5, 1.5, 1.5, 1.5], DType.Float64, 4, 1);
        using var loss = new QuantileLoss(0.25);

        Assert.That(loss.Forward(outputs, targets), Is.EqualTo(((0.75 * 0.5) + (0.25 * (0.5 + 1.5 + 2.5))) / 4).Within(1e-15));
        Assert.That(Values(loss.Gradient).Sum(), Is.Zero.Within(1e-16));
    }

    [Test]
    public void Weights_that_do_not_fit_are_refused_in_plain_words()
    {
        using var outputs = new Tensor(Device, DType.Float32, 2, 3, 4);
        using var values = new Tensor(Device, DType.Float32, 2, 3, 4);
        using var entropy = new CrossEntropyLoss();
        using var error = new MeanSquaredErrorLoss();
        int[] classes = new int[6];
        foreach ((float[] weights, string problem) in (ReadOnlySpan<(float[], string)>)
            [
                ([1, 2], "targets.Weights has 2 elements; it must have 6, one for each row of outputs."),
                ([1, 1, 1, -1, 1, 1], "targets.Weights[3] is -1; it must be finite and not negative."),
                ([1, 1, 1, 1, 1, float.NaN], "targets.Weights[5] is NaN; it must be finite and not negative."),
                ([float.PositiveInfinity, 1, 1, 1, 1, 1], "targets.Weights[0] is Infinity; it must be finite and not negative."),
                ([0, 0, 0, 0, 0, 0], "targets.Weights has zeros only; at least one must be above 0."),
                ([0, 0, 1e-40f, 0, 0, 0], "targets.Weights has zeros only; at least one must be above 0."),
            ])
        {
            entropy.Forward(outputs, classes);
            ArgumentException exception = Assert.Catch<ArgumentException>(() => entropy.Forward(outputs, Targets.Of(classes) with { Weights = weights }))!;
            Assert.That(exception.Message, Does.StartWith(problem));
            Assert.That(exception.ParamName, Is.EqualTo("targets"));
            Assert.That(() => entropy.Gradient, Throws.InvalidOperationException);
            Assert.That(() => error.Evaluate(outputs, Targets.Of(values) with { Weights = weights }), Throws.InstanceOf<ArgumentException>().With.Message.StartsWith(problem));
        }

        // What lies beyond a length is not read.
        Assert.That(() => entropy.Forward(outputs, Targets.Of(classes) with { Lengths = [1, 1, 2], Weights = [1, 1, 1, -1, float.NaN, 1] }), Throws.Nothing);
    }

    [Test]
    public void Targets_that_do_not_fit_are_refused_in_plain_words()
    {
        using var outputs = new Tensor(Device, DType.Float32, 2, 4);
        using var other = new Tensor(Device, DType.Float32, 2, 3);
        using var wide = new Tensor(Device, DType.Float64, 2, 4);
        using Tensor probabilities = Tensor.From<float>(Device, [0, 1, 0.5f, 0, 0, 1.5f, 0, 0], 2, 4);
        using var entropy = new CrossEntropyLoss(new CrossEntropyOptions { ClassWeights = [1, 0, 1, 1], IgnoreIndex = -1 });
        using var fewer = new CrossEntropyLoss(new CrossEntropyOptions { ClassWeights = [1, 1] });
        using var quantiles = new QuantileLoss(0.25, 0.5, 0.75);
        using var pairs = new QuantileLoss(0.25, 0.75);
        using var binary = new BinaryCrossEntropyLoss(new BinaryCrossEntropyOptions { PositiveWeights = [1, 1, 1, 1] });
        using var error = new MeanAbsoluteErrorLoss();

        AssertRefused(() => entropy.Forward(outputs, Targets.Of([0])), "targets.Classes has 1 elements; it must have 2, one for each row of outputs.");
        AssertRefused(() => entropy.Forward(outputs, Targets.Of([4, 0])), "targets.Classes[0] is 4; it must be from 0 to 3.");
        AssertRefused(() => entropy.Forward(outputs, Targets.Of([-1, -2])), "targets.Classes[1] is -2; it must be from 0 to 3.");
        AssertRefused(() => entropy.Forward(outputs, Targets.Of([-1, -1])), "targets.Classes is -1 in all rows that count; at least one must not be ignored.");
        AssertRefused(() => entropy.Forward(outputs, Targets.Of([1, 1])), "targets.Classes has classes of weight 0 only; at least one must have a weight.");
        AssertRefused(() => fewer.Forward(outputs, Targets.Of([1, 1])), "outputs has shape [2, 4]; it must be [..., 2], the number of class weights.", "outputs");
        AssertRefused(() => entropy.Forward(outputs, Targets.Of(outputs)), "targets.Classes has 0 elements;");
        AssertRefused(() => error.Forward(outputs, Targets.Of([0, 1])), "targets.Values is null; it must be given.");
        AssertRefused(() => error.Forward(outputs, Targets.Of(other)), "targets.Values has shape [2, 3]; it must be [2, 4].");
        AssertRefused(() => error.Forward(outputs, Targets.Of(wide)), "targets.Values has element type Float64; it must be Float32.");
        AssertRefused(() => error.Forward(outputs, Targets.Of(outputs) with { Lengths = [1, 1] }), "outputs has shape [2, 4]; with targets.Lengths it must be [T, B, C].", "outputs");
        AssertRefused(() => quantiles.Forward(outputs, Targets.Of(outputs)), "outputs has shape [2, 4]; the last size must be a multiple of 3, the number of quantiles.", "outputs");
        AssertRefused(() => pairs.Forward(outputs, Targets.Of(outputs)), "targets.Values has shape [2, 4]; it must be [2, 2].");
        AssertRefused(() => binary.Forward(other, Targets.Of(other)), "outputs has shape [2, 3]; it must be [..., 4], the number of positive weights.", "outputs");
        if (Device.Kind == DeviceKind.Cpu)
        {
            AssertRefused(() => binary.Forward(outputs, Targets.Of(probabilities)), "targets[5] is 1.5; it must be from 0 to 1");
        }
        else
        {
            using var elsewhere = new Tensor(Device.Default, DType.Float32, 2, 4);
            AssertRefused(() => error.Forward(outputs, Targets.Of(elsewhere)), "targets.Values lies on the device '");
        }
    }

    [Test]
    public void Options_out_of_range_are_refused_in_plain_words()
    {
        AssertRefused(() => _ = new CrossEntropyLoss(new CrossEntropyOptions { ClassWeights = [1, -0.5] }), "options.ClassWeights[1] is -0.5; it must be finite in Float32 and not negative.", "options");
        AssertRefused(() => _ = new CrossEntropyLoss(new CrossEntropyOptions { ClassWeights = [1e39] }), "options.ClassWeights[0] is 1E+39;", "options");
        AssertRefused(() => _ = new CrossEntropyLoss(new CrossEntropyOptions { ClassWeights = [0, 0] }), "options.ClassWeights has zeros only; at least one must be above 0.", "options");
        AssertRefused(() => _ = new CrossEntropyLoss(new CrossEntropyOptions { ClassWeights = [] }), "options.ClassWeights has no elements;", "options");
        AssertRefused(() => _ = new CrossEntropyLoss(null!), "", "options");
        AssertRefused(() => _ = new HuberLoss(0), "delta is 0; it must be finite and above 0.", "delta");
        AssertRefused(() => _ = new HuberLoss(double.PositiveInfinity), "delta is Infinity;", "delta");
        AssertRefused(() => _ = new QuantileLoss(), "quantiles is empty; at least one is required.", "quantiles");
        AssertRefused(() => _ = new QuantileLoss(0.5, 1), "quantiles[1] is 1; it must be above 0 and below 1.", "quantiles");
        AssertRefused(() => _ = new QuantileLoss(0), "quantiles[0] is 0; it must be above 0 and below 1.", "quantiles");
        AssertRefused(() => _ = new QuantileLoss(double.NaN), "quantiles[0] is NaN;", "quantiles");
        AssertRefused(() => _ = new BinaryCrossEntropyLoss(new BinaryCrossEntropyOptions { PositiveWeights = [1, -1] }), "options.PositiveWeights[1] is -1; it must be finite and not negative.", "options");
        AssertRefused(() => _ = new BinaryCrossEntropyLoss(new BinaryCrossEntropyOptions { PositiveWeights = [] }), "options.PositiveWeights has no elements;", "options");
    }

    [Test]
    public void A_loss_of_ones_own_keeps_the_rules_of_a_loss()
    {
        using var outputs = new Tensor(Device.Default, DType.Float32, 2, 3);
        using var targets = new Tensor(Device.Default, DType.Float32, 2, 3);
        targets.Fill(1);
        var loss = new Outside.LogCoshLoss();

        Assert.That(() => loss.Gradient, Throws.InvalidOperationException);
        Assert.That(loss.Forward(outputs, Targets.Of(targets)), Is.EqualTo(Math.Log(Math.Cosh(1))).Within(1e-7));
        Assert.That(() => loss.Forward(outputs, Targets.Of([1, 2])), Throws.ArgumentException);
        Assert.That(() => loss.Gradient, Throws.InvalidOperationException);
        loss.Differentiate(outputs, Targets.Of(targets));
        Assert.That(loss.Gradient.Shape.ToArray(), Is.EqualTo((long[])[2, 3]));
        loss.Dispose();
        Assert.That(() => loss.Gradient, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => loss.Evaluate(outputs, Targets.Of(targets)), Throws.TypeOf<ObjectDisposedException>());
    }

    private static void AssertRefused(Action call, string message, string argument = "targets")
    {
        ArgumentException exception = Assert.Catch<ArgumentException>(call)!;
        Assert.That(exception.Message, Does.StartWith(message));
        Assert.That(exception.ParamName, Is.EqualTo(argument));
    }

    /// <summary>A loss of one's own reads spans, which a tensor on a GPU has not.</summary>
    private void RequireCpuForCustom(LossCase loss)
    {
        if (Device.Kind != DeviceKind.Cpu && loss.Name == "log-cosh")
        {
            Assert.Ignore("computes on a CPU");
        }
    }

    /// <summary>Outputs and targets; rows that do not count hold what must not be read.</summary>
    private sealed class Problem : IDisposable
    {
        private readonly LossCase _loss;
        private readonly bool _hasLengths;
        private readonly bool _hasWeights;
        private readonly double[] _outputs;
        private readonly double[][] _targets;
        private readonly Tensor? _values;

        public Problem(Device device, LossCase loss, bool lengths, bool weights, DType dtype)
        {
            var random = new Random(3);
            _loss = loss;
            _hasLengths = lengths;
            _hasWeights = weights;
            Weights = [.. Enumerable.Range(0, Steps * Batch).Select(row => row % 3 == 1 ? 0 : 0.25f * (1 + (row * 5 % 7)))];
            _outputs = Uniform(random, Steps * Batch * loss.Outputs, 3);
            _targets = [.. Enumerable.Range(0, Steps * Batch).Select(_ => loss.Values == 0
                ? [random.Next(loss.Outputs)]
                : loss.Probabilities ? Array.ConvertAll(Uniform(random, loss.Values), x => Math.Clamp((x + 0.5), 0, 1)) : Uniform(random, loss.Values, 3))];
            for (int row = 0; row < _targets.Length; row++)
            {
                if (WeightOf(row) == 0)
                {
                    _outputs.AsSpan(row * loss.Outputs, loss.Outputs).Fill(double.NaN);
                    Array.Fill(_targets[row], loss.Values == 0 ? -7 : double.NaN);
                }
            }

            Outputs = ToTensor(device, _outputs, dtype, Steps, Batch, loss.Outputs);
            Classes = loss.Values == 0 ? [.. _targets.Select(target => (int)target[0])] : [];
            _values = loss.Values == 0 ? null : ToTensor(device, [.. _targets.SelectMany(target => target)], dtype, Steps, Batch, loss.Values);
        }

        public Tensor Outputs { get; }

        public int[] Classes { get; }

        public float[] Weights { get; }

        public Targets Targets => (_values is null ? Targets.Of(Classes) : Targets.Of(_values)) with
        {
            Lengths = _hasLengths ? s_lengths : [],
            Weights = _hasWeights ? Weights : [],
        };

        public double WeightSum => Rows().Sum(row => WeightOf(row) * _loss.RowWeight(_targets[row]));

        public double WeightOf(int row) => _hasLengths && row / Batch >= s_lengths[row % Batch] ? 0 : _hasWeights ? Weights[row] : 1;

        public double Expected() =>
            Rows().Sum(row => WeightOf(row) * _loss.RowLoss(_outputs[(row * _loss.Outputs)..((row + 1) * _loss.Outputs)], _targets[row])) / WeightSum;

        /// <summary>The rows of a step as a batch of its own.</summary>
        public Targets RowsOf(int step, out Tensor outputs)
        {
            int first = step * Batch;
            outputs = ToTensor(Outputs.Device, _outputs[(first * _loss.Outputs)..((first + Batch) * _loss.Outputs)], Outputs.DType, Batch, _loss.Outputs);
            double[] values = [.. _targets[first..(first + Batch)].SelectMany(target => target)];
            return (_values is null ? Targets.Of(Classes.AsSpan(first, Batch)) : Targets.Of(ToTensor(Outputs.Device, values, Outputs.DType, Batch, _loss.Values))) with
            {
                Weights = Weights.AsSpan(first, Batch),
            };
        }

        public void Dispose()
        {
            Outputs.Dispose();
            _values?.Dispose();
        }

        private IEnumerable<int> Rows() => Enumerable.Range(0, Steps * Batch).Where(row => WeightOf(row) > 0);
    }
}
