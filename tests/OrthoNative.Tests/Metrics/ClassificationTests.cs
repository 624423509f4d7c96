using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Metrics;

internal sealed class ClassificationTests
{
    [Test]
    public void The_area_is_that_over_all_pairs([Values(1, 2, 5)] int levels)
    {
        var random = new Random(levels);
        double[] scores = [.. Enumerable.Range(0, 50).Select(_ => (double)random.Next(levels))];
        int[] classes = [.. Enumerable.Range(0, 50).Select(_ => random.Next(2))];
        float[] weights = [.. Enumerable.Range(0, 50).Select(_ => (float)random.Next(4))];
        double pairs = 0;
        double ordered = 0;
        for (int i = 0; i < 50; i++)
        {
            for (int j = 0; j < 50; j++)
            {
                if (classes[i] == 1 && classes[j] == 0)
                {
                    pairs += weights[i] * weights[j];
                    ordered += weights[i] * weights[j] * (scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0);
                }
            }
        }

        using Tensor outputs = ToTensor(scores, DType.Float64, 50, 1);
        var area = new AreaUnderRoc();
        area.Add(outputs, Targets.Of(classes) with { Weights = weights });

        Assert.That(area.Value, Is.EqualTo(ordered / pairs));
    }

    [Test]
    public void Classes_without_rows_or_without_others_have_no_area()
    {
        using Tensor outputs = Tensor.From<float>(Device.Default, [3, 0, 0, 2, 0, 0, 0, 1, 0], 3, 3);
        var area = new AreaUnderRoc();
        area.Add(outputs, Targets.Of([2, 2, 2]));
        Assert.That(area.Value, Is.NaN);

        area.Reset();
        area.Add(outputs, Targets.Of([0, 0, 1]));
        Assert.That(area.Value, Is.EqualTo(1));
    }

    [Test]
    public void An_area_tells_apart_probabilities_that_round_to_one()
    {
        // Softmax is 1 - 1e-22 and 1 - 1e-26: both are 1 in double.
        using Tensor outputs = Tensor.From<double>(Device.Default, [60, 0, 0, 50, 0, 0], 2, 3);
        var area = new AreaUnderRoc();
        area.Add(outputs, Targets.Of([0, 1]));

        // Class 0 in its order, class 1 in its order: the first row has the smaller probability of it.
        Assert.That(area.Value, Is.EqualTo(1));
    }

    [Test]
    public void Targets_of_an_area_stay_of_their_kind()
    {
        using Tensor outputs = Tensor.From<float>(Device.Default, [1, 0], 2, 1);
        using Tensor half = Tensor.From<float>(Device.Default, [1, 0.5f], 2, 1);
        using Tensor labels = Tensor.From<float>(Device.Default, [1, 0], 2, 1);
        var area = new AreaUnderRoc();
        area.Add(outputs, Targets.Of([1, 0]));

        Assert.That(
            () => area.Add(outputs, Targets.Of(labels)),
            Throws.ArgumentException.With.Message.StartsWith("targets.Values is given; since the last reset the targets are classes, and must be."));
        area.Reset();
        Assert.That(
            () => area.Add(outputs, Targets.Of(half)),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("targets.Values[1] is 0.5; it must be 0 or 1."));
        area.Add(outputs, Targets.Of(labels));
        Assert.That(area.Value, Is.EqualTo(1));
    }

    [Test]
    public void Log_loss_is_precise_for_probabilities_near_0_and_1()
    {
        using Tensor two = Tensor.From<double>(Device.Default, [100, 0], 1, 2);
        using Tensor one = Tensor.From<double>(Device.Default, [100], 1, 1);
        using Tensor huge = Tensor.From<double>(Device.Default, [1e300, -1e300], 1, 2);

        // log(1 + e^-100) is e^-100 but for its square.
        Assert.That(Loss(two, 0), Is.EqualTo(Math.Exp(-100)));
        Assert.That(Loss(one, 1), Is.EqualTo(Math.Exp(-100)));
        Assert.That(Loss(two, 1), Is.EqualTo(100));
        Assert.That(Loss(one, 0), Is.EqualTo(100));
        Assert.That(Loss(huge, 0), Is.Zero);
        Assert.That(Loss(huge, 1), Is.EqualTo(2e300));

        static double Loss(Tensor outputs, int target)
        {
            var loss = new LogLoss();
            loss.Add(outputs, Targets.Of([target]));
            return loss.Value;
        }
    }

    [Test]
    public void Log_loss_is_the_mean_of_the_loss()
    {
        using Tensor outputs = UniformTensor(new Random(1), 3, 40, 6);
        using Tensor labels = ToTensor([.. Uniform(new Random(2), 240).Select(Math.Abs)], DType.Float64, 40, 6);
        int[] classes = [.. Enumerable.Range(0, 40).Select(i => i % 6)];
        using var entropy = new CrossEntropyLoss();
        using var binary = new BinaryCrossEntropyLoss();
        var loss = new LogLoss();

        loss.Add(outputs, Targets.Of(classes));
        Assert.That(loss.Value, Is.EqualTo(entropy.Evaluate(outputs, classes)).Within(1e-14));
        loss.Reset();
        loss.Add(outputs, Targets.Of(labels));
        Assert.That(loss.Value, Is.EqualTo(binary.Evaluate(outputs, labels)).Within(1e-14));
        SetValues(labels, [.. Enumerable.Range(0, 240).Select(i => i == 7 ? 1.25 : 0.25)]);
        Assert.That(
            () => loss.Add(outputs, Targets.Of(labels)),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("targets.Values[7] is 1.25; it must be from 0 to 1."));
    }

    [Test]
    public void Top_k_takes_lower_classes_first_among_equals()
    {
        using Tensor outputs = Tensor.From<float>(Device.Default, [1, 1, 1, 1], 1, 4);
        Assert.That((Value(0, 2), Value(1, 2), Value(2, 2), Value(3, 2)), Is.EqualTo((1, 1, 0, 0)));
        Assert.That(Value(3, 9), Is.EqualTo(1));
        Assert.That(() => new TopKAccuracy(0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("k is 0; it must be at least 1."));
        Assert.That(new TopKAccuracy(5).K, Is.EqualTo(5));

        double Value(int target, int k)
        {
            var metric = new TopKAccuracy(k);
            metric.Add(outputs, Targets.Of([target]));
            return metric.Value;
        }
    }

    [Test]
    public void A_class_that_is_only_predicted_counts_in_macro_f1_and_not_in_balanced_accuracy()
    {
        // Predictions 0 1 2 2, targets 0 0 2 2; class 3 does not occur.
        using Tensor outputs = Tensor.From<float>(Device.Default, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0], 4, 4);
        var f1 = new MacroF1();
        var balanced = new BalancedAccuracy();
        f1.Add(outputs, Targets.Of([0, 0, 2, 2]));
        balanced.Add(outputs, Targets.Of([0, 0, 2, 2]));

        Assert.That(f1.Value, Is.EqualTo(((2.0 / 3) + 0 + 1) / 3).Within(1e-15));
        Assert.That(balanced.Value, Is.EqualTo(0.75));
    }

    [Test]
    public void A_confusion_matrix_is_a_table()
    {
        using Tensor outputs = Tensor.From<float>(Device.Default, [1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0], 4, 3);
        var matrix = new ConfusionMatrix(["cat", "a dog", "e\u001bel"]);
        Assert.That(matrix.ToString(), Is.EqualTo("confusion_matrix: no rows"));
        Assert.That(() => matrix[0, 0], Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("target is 0, but there is no batch yet."));

        matrix.Add(outputs, Targets.Of([0, 0, 0, 1]) with { Weights = [1, 2, 0.25f, 1] });

        string expected = """
            target \ predicted   cat  a dog  e\u001Bel  recall
            cat                 1.25      2          0   0.385
            a dog                  0      1          0       1
            e\u001Bel              0      0          0       -
            precision              1  0.333          -

            """;
        Assert.That(matrix.ToString(), Is.EqualTo(expected.ReplaceLineEndings("\n")));
        Assert.That(matrix[0, 1], Is.EqualTo(2));
        Assert.That((matrix.ClassCount, matrix.TargetWeight(0), matrix.PredictedWeight(1)), Is.EqualTo((3, 3.25, 3.0)));
        Assert.That(matrix.F1(1), Is.EqualTo(0.5));
        Assert.That(matrix.Recall(2), Is.NaN);
        Assert.That(() => matrix[3, 0], Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("target is 3; it must be from 0 to 2."));
        Assert.That(() => matrix[0, -1], Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("predicted is -1; it must be from 0 to 2."));
        Assert.That(() => matrix.Recall(3), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Class_names_must_be_those_of_the_outputs()
    {
        using Tensor outputs = Tensor.From<float>(Device.Default, [1, 0], 1, 2);
        var matrix = new ConfusionMatrix(["a", "b", "c"]);

        Assert.That(() => matrix.Add(outputs, Targets.Of([0])), Throws.ArgumentException.With.Message.StartsWith("outputs has shape [1, 2]; it must be [..., 3], the number of class names."));
        Assert.That(matrix.ClassCount, Is.Zero);
        Assert.That(() => new ConfusionMatrix([]), Throws.ArgumentException.With.Message.StartsWith("classNames is empty; at least one is required."));
        Assert.That(() => new ConfusionMatrix(["a", null!]), Throws.ArgumentNullException.With.Message.StartsWith("classNames[1] is null; it must be given."));
    }
}
