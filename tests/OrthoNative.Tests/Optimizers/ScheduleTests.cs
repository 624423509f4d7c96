using System.Globalization;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Optimizers;

/// <summary>Schedules, as numbers, and their state in files.</summary>
internal sealed class ScheduleTests
{
    /// <summary>A cosine and a few operations on numbers of magnitude 1.</summary>
    private const double Rounding = 1e-15;

    [Test]
    public void Schedules_follow_their_formulas()
    {
        Assert.That(new ConstantSchedule(0.3).At(1000), Is.EqualTo(0.3));
        Assert.That(Rates(new CosineSchedule(1, 4, 0.2), 0, 1, 2, 4, 9), Is.EqualTo((double[])[1, 0.6 + (0.4 * Math.Sqrt(0.5)), 0.6, 0.2, 0.2]).Within(Rounding));
        Assert.That(Rates(new StepDecaySchedule(1, 3, 0.5), 0, 2, 3, 6), Is.EqualTo((double[])[1, 1, 0.5, 0.25]).Within(Rounding));
        Assert.That(Rates(new ExponentialDecaySchedule(1, 0.9), 0, 1, 2), Is.EqualTo((double[])[1, 0.9, 0.81]).Within(Rounding));
        Assert.That(
            Rates(new WarmupSchedule(4, new StepDecaySchedule(1, 2)), 0, 1, 3, 4, 5, 6),
            Is.EqualTo((double[])[0.25, 0.5, 1, 1, 1, 0.1]).Within(Rounding));
    }

    [Test]
    public void One_cycle_rises_and_falls_along_cosines()
    {
        // The peak is at step 0.3 * 10 - 1 = 2, the end at step 9: halves and quarters of the way are whole steps or thirds of them.
        double first = 1.0 / 25;
        double last = first / 1e4;
        Assert.That(
            Rates(new OneCycleSchedule(1, 10), 0, 1, 2, 9, 10, 1000),
            Is.EqualTo((double[])[first, (1 + first) / 2, 1, last, last, last]).Within(Rounding));

        // Peak at step 3, end at step 7: step 5 is in the middle.
        Assert.That(
            Rates(new OneCycleSchedule(2, 8, warmup: 0.5, initialDivisor: 4, finalDivisor: 10), 0, 1, 2, 3, 4, 5, 7),
            Is.EqualTo((double[])[0.5, 0.5 + (1.5 * 0.25), 0.5 + (1.5 * 0.75), 2, 0.05 + (1.95 * (1 + Math.Sqrt(0.5)) / 2), 0.05 + (1.95 / 2), 0.05]).Within(Rounding));

        // Without a warm-up the peak is before step 0, as PyTorch has it; with nothing but a warm-up it stays.
        Assert.That(Rates(new OneCycleSchedule(1, 2, warmup: 0, finalDivisor: 1), 0, 1), Is.EqualTo((double[])[(1 + first) / 2, first]).Within(Rounding));
        Assert.That(Rates(new OneCycleSchedule(1, 3, warmup: 1), 0, 1, 2, 3), Is.EqualTo((double[])[first, (1 + first) / 2, 1, 1]).Within(Rounding));
    }

    [Test]
    public void Warm_restarts_begin_anew_and_their_periods_grow()
    {
        double quarter = (1 + Math.Sqrt(0.5)) / 2;
        Assert.That(
            Rates(new WarmRestartsSchedule(1, 4), 0, 1, 2, 3, 4, 6, 4_000_000_000_002),
            Is.EqualTo((double[])[1, quarter, 0.5, 1 - quarter, 1, 0.5, 0.5]).Within(Rounding));

        // Periods of 2, 6 and 18 steps begin at 0, 2 and 8.
        Assert.That(
            Rates(new WarmRestartsSchedule(1, 2, factor: 3, lowestLearningRate: 0.2), 0, 1, 2, 4, 5, 8, 17, 26),
            Is.EqualTo((double[])[1, 0.6, 1, 0.2 + (0.8 * 0.75), 0.6, 1, 0.6, 1]).Within(Rounding));
        Assert.That(new WarmRestartsSchedule(1, 1, factor: long.MaxValue).At(1), Is.EqualTo(1));
        Assert.That(new WarmRestartsSchedule(1, 1, factor: long.MaxValue).At(long.MaxValue), Is.InRange(0, 1e-15));
    }

    [Test]
    public void A_plateau_reduces_the_learning_rate_after_the_patience()
    {
        var schedule = new ReduceOnPlateauSchedule(1, new ReduceOnPlateauOptions { Factor = 0.5, Patience = 1, Threshold = 0.1, Cooldown = 2, LowestLearningRate = 0.2 });

        // 0.95 is not a tenth below 1, 0.89 is. After a reduction two metrics are not counted.
        Assert.That(
            Observed(schedule, 1, 0.95, 0.89, 0.85, 0.85, 0.85, 0.85, 0.85, 0.85, 0.85, 0.85, 0.85, 0.85, 0.85, 0.85),
            Is.EqualTo((double[])[1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2]));
        Assert.That((schedule.At(0), schedule.At(1000)), Is.EqualTo((0.2, 0.2)));
    }

    [Test]
    public void A_plateau_of_an_accuracy_is_one_that_does_not_rise()
    {
        var schedule = new ReduceOnPlateauSchedule(1, new ReduceOnPlateauOptions { Factor = 0.1, Patience = 0, Threshold = 0, LowerIsBetter = false });
        Assert.That(Observed(schedule, 0.5, 0.6, 0.6, 0.7, double.NegativeInfinity), Is.EqualTo((double[])[1, 1, 0.1, 0.1, 0.01]).Within(Rounding));
    }

    [Test]
    public void A_threshold_is_a_part_of_the_size_of_negative_metrics_too()
    {
        var schedule = new ReduceOnPlateauSchedule(1, new ReduceOnPlateauOptions { Patience = 0, Threshold = 0.1 });
        Assert.That(Observed(schedule, -1, -1.2, -1.21), Is.EqualTo((double[])[1, 1, 0.1]));
    }

    [Test]
    public void A_learning_rate_below_the_lowest_is_not_raised()
    {
        var schedule = new ReduceOnPlateauSchedule(0.01, new ReduceOnPlateauOptions { Patience = 0, LowestLearningRate = 0.1 });
        Assert.That(Observed(schedule, 1, 1), Is.EqualTo((double[])[0.01, 0.01]));
    }

    [Test]
    public void Bad_arguments_are_refused_in_plain_words()
    {
        Refused(() => new OneCycleSchedule(-1, 10), "peakLearningRate is -1");
        Refused(() => new OneCycleSchedule(1, 1), "steps is 1; it must be at least 2");
        Refused(() => new OneCycleSchedule(1, 10, warmup: 1.1), "warmup is 1.1; it must be from 0 to 1");
        Refused(() => new OneCycleSchedule(1, 10, initialDivisor: 0), "initialDivisor is 0");
        Refused(() => new OneCycleSchedule(1, 10, finalDivisor: double.NaN), "finalDivisor is NaN");
        Refused(() => new WarmRestartsSchedule(double.NaN, 1), "learningRate is NaN");
        Refused(() => new WarmRestartsSchedule(1, 0), "period is 0");
        Refused(() => new WarmRestartsSchedule(1, 1, 0), "factor is 0");
        Refused(() => new WarmRestartsSchedule(1, 1, 1, -1), "lowestLearningRate is -1");
        Refused(() => new ReduceOnPlateauSchedule(-1), "learningRate is -1");
        Refused(() => new ReduceOnPlateauSchedule(1, new ReduceOnPlateauOptions { Factor = 1 }), "options.Factor is 1; it must be above 0 and below 1");
        Refused(() => new ReduceOnPlateauSchedule(1, new ReduceOnPlateauOptions { Patience = -1 }), "options.Patience is -1");
        Refused(() => new ReduceOnPlateauSchedule(1, new ReduceOnPlateauOptions { Threshold = -1 }), "options.Threshold is -1");
        Refused(() => new ReduceOnPlateauSchedule(1, new ReduceOnPlateauOptions { Cooldown = -1 }), "options.Cooldown is -1");
        Refused(() => new ReduceOnPlateauSchedule(1, new ReduceOnPlateauOptions { LowestLearningRate = -1 }), "options.LowestLearningRate is -1");
        Assert.That(() => new ReduceOnPlateauSchedule(1).Observe(double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("metric is NaN; it must be a number"));

        static void Refused(Func<object> make, string message) =>
            Assert.That(() => make(), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains(message));
    }

    [Test]
    public void A_plateau_continues_from_a_file_where_it_was([Values] bool warmup)
    {
        double[] metrics = [1, 0.8, 0.8, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7];
        using var folder = new TemporaryFolder();
        for (int cut = 0; cut < metrics.Length; cut++)
        {
            using Sequential model = Model();
            using var optimizer = new Sgd(model, 1);
            var schedule = new ReduceOnPlateauSchedule(0.3, new ReduceOnPlateauOptions { Factor = 0.7, Patience = 1, Cooldown = 1 });
            optimizer.Schedule = warmup ? new WarmupSchedule(2, schedule) : schedule;
            Observed(schedule, metrics[..cut]);
            optimizer.Save(folder.File("state"));
            double[] expected = Observed(schedule, metrics[cut..]);

            using var resumed = new Sgd(model, 1);
            var loaded = new ReduceOnPlateauSchedule(0.9, new ReduceOnPlateauOptions { Factor = 0.7, Patience = 1, Cooldown = 1 });
            resumed.Schedule = warmup ? new WarmupSchedule(2, loaded) : loaded;
            resumed.Load(folder.File("state"));
            Assert.That(Observed(loaded, metrics[cut..]), Is.EqualTo(expected), $"cut at {cut}");
        }
    }

    [Test]
    public void The_state_of_another_schedule_is_left_alone()
    {
        using Sequential model = Model();
        using var folder = new TemporaryFolder();
        using var optimizer = new Sgd(model, 1) { Schedule = new ReduceOnPlateauSchedule(0.3) };
        optimizer.Save(folder.File("plateau"));
        optimizer.Schedule = new ConstantSchedule(0.5);
        optimizer.Load(folder.File("plateau"));
        optimizer.Save(folder.File("constant"));
        Assert.That(SafeTensors.LoadMetadata(folder.File("constant")).Keys, Has.None.StartsWith("schedule"));

        foreach (LearningRateSchedule other in (LearningRateSchedule[])[new ReduceOnPlateauSchedule(0.7), new WarmupSchedule(1, new ReduceOnPlateauSchedule(0.7))])
        {
            optimizer.Schedule = other;
            optimizer.Load(folder.File("constant"));
            Assert.That(other.At(1), Is.EqualTo(0.7));
        }

        optimizer.Load(folder.File("plateau"));
        Assert.That(optimizer.Schedule!.At(1), Is.EqualTo(0.7), "a plateau within a warm-up is another schedule than one without");
    }

    [TestCase("best", null, "schedule.best is missing; a number is expected")]
    [TestCase("best", "NaN", "schedule.best is 'NaN'; a number is expected")]
    [TestCase("learning_rate", "-1", "schedule.learning_rate is '-1'; a number that is finite and not negative is expected")]
    [TestCase("not_better", "1.5", "schedule.not_better is '1.5'; a whole number is expected")]
    [TestCase("cooldown_left", "x", "schedule.cooldown_left is 'x'; a whole number is expected")]
    public void A_damaged_state_is_refused_and_changes_nothing(string key, string? value, string message)
    {
        using Sequential model = Model();
        using var folder = new TemporaryFolder();
        using var optimizer = new Sgd(model, 1) { Schedule = new ReduceOnPlateauSchedule(0.3) };
        optimizer.Step();
        optimizer.Save(folder.File("good"));
        var metadata = new Dictionary<string, string>(SafeTensors.LoadMetadata(folder.File("good")));
        metadata.Remove($"schedule.{key}");
        if (value is not null)
        {
            metadata[$"schedule.{key}"] = value;
        }

        SafeTensors.Save(folder.File("bad"), [], metadata);
        var schedule = new ReduceOnPlateauSchedule(0.7);
        using var loaded = new Sgd(model, 1) { Schedule = schedule };
        Assert.That(() => loaded.Load(folder.File("bad")), Throws.TypeOf<InvalidDataException>().With.Message.Contains(message));
        Assert.That((loaded.StepCount, schedule.LearningRate), Is.EqualTo((0, 0.7)));
    }

    [Test]
    public void A_schedule_of_a_users_has_a_state_too()
    {
        using Sequential model = Model();
        using var folder = new TemporaryFolder();
        var counting = new Counting();
        using var optimizer = new Sgd(model, 1) { Schedule = counting };
        optimizer.Step();
        optimizer.Step();
        optimizer.Save(folder.File("state"));

        var resumed = new Counting();
        using var other = new Sgd(model, 1) { Schedule = resumed };
        other.Load(folder.File("state"));
        Assert.That(resumed.Calls, Is.EqualTo(2));
    }

    private static Sequential Model() => new(Device.Default, 1, new Dense(2, 2));

    private static double[] Rates(LearningRateSchedule schedule, params long[] steps) => Array.ConvertAll(steps, schedule.At);

    private static double[] Observed(ReduceOnPlateauSchedule schedule, params double[] metrics) => Array.ConvertAll(metrics, metric =>
    {
        schedule.Observe(metric);
        return schedule.LearningRate;
    });

    private sealed class Counting : LearningRateSchedule
    {
        public int Calls { get; private set; }

        public override double At(long stepsDone) => 1.0 / ++Calls;

        protected internal override IEnumerable<KeyValuePair<string, string>> SaveState() => [new("calls", Calls.ToString(CultureInfo.InvariantCulture))];

        protected internal override void LoadState(IReadOnlyDictionary<string, string> state) => Calls = int.Parse(state["calls"], CultureInfo.InvariantCulture);
    }
}
