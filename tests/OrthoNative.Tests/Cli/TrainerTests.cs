using OrthoNative.Cli.Output;
using OrthoNative.Cli.Training;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Cli;

/// <summary>Runs that are interrupted at chosen moments.</summary>
internal sealed class TrainerTests
{
    /// <summary>Three epochs, of which the last is cut short, with a test after each and one at the end.</summary>
    private static readonly TrainSettings s_byCount = TaskDefaults.Copy with
    {
        Length = 5,
        Hidden = 16,
        Batch = 8,
        Epochs = null,
        StepsPerEpoch = 8,
        Steps = 20,
        StopAt = null,
        // More than one batch.
        TestSamples = TaskDefaults.TestBatch + 1,
        TestEveryEpoch = true,
    };

    /// <summary>The same by a goal that any accuracy reaches, once there are as many steps as it is averaged over.</summary>
    private static readonly TrainSettings s_byGoal = s_byCount with { Steps = 100, StopAt = 0 };

    [Test]
    public void A_run_that_is_interrupted_in_a_test_makes_it_up([Values] bool goal, [Values(1, 2, 3, 4)] int test)
    {
        AssertResumedAsStraight(goal ? s_byGoal : s_byCount, test, step: null);
    }

    [Test]
    public void A_run_that_is_interrupted_before_a_test_makes_it_up([Values] bool goal, [Values(8, 16, 19, 20)] int step)
    {
        AssertResumedAsStraight(goal ? s_byGoal : s_byCount, test: null, step);
    }

    /// <summary>In the midst of an epoch, and in the test after one.</summary>
    [Test]
    public void A_run_of_any_model_is_resumed_with_the_same_bits([Values] ModelChoice model, [Values] bool inTest)
    {
        TrainSettings settings = TaskDefaults.Of("copy", s_byCount, model) with { Hidden = 16 };

        AssertResumedAsStraight(settings, test: inTest ? 2 : null, step: inTest ? null : 11);
    }

    [Test]
    public void A_run_that_is_interrupted_again_in_the_test_that_it_makes_up_makes_it_up()
    {
        using var folder = new TemporaryFolder();
        (TrainingOutcome straight, float[] expected, _) = Run(folder, s_byCount, resumed: null);
        (TrainingOutcome part, _, _) = Run(folder, s_byCount, resumed: null, test: 2);
        (TrainingOutcome again, _, _) = Run(folder, s_byCount, part, test: 1);

        (TrainingOutcome resumed, float[] weights, _) = Run(folder, s_byCount, again);

        Assert.That(again.Status, Is.EqualTo(RunStatus.Interrupted));
        Assert.That(again.Steps, Is.EqualTo(part.Steps));
        Assert.That(Tests(resumed), Is.EqualTo(Tests(straight)));
        Assert.That(weights, Is.EqualTo(expected));
    }

    [Test]
    public void What_was_learnt_is_kept_where_the_last_test_fails()
    {
        using var trainer = new Trainer(Tasks.All.Single(task => task.Name == "copy"), s_byCount with { TestEveryEpoch = false }, Device.Default);

        TrainingOutcome outcome = trainer.Run(new FailingView(), _ => true, CancellationToken.None);

        Assert.That((outcome.Status, outcome.Steps), Is.EqualTo((RunStatus.Interrupted, 20L)));
        Assert.That(() => outcome.Failure!.Throw(), Throws.TypeOf<InsufficientMemoryException>());
    }

    [Test]
    public void A_view_that_fails_shows_nothing_and_the_training_continues([Values] bool before, [Values] bool after)
    {
        using var trainer = new Trainer(Tasks.All.Single(task => task.Name == "copy"), s_byCount, Device.Default);
        var view = new GuardedView(new FailingView(before, after));

        TrainingOutcome outcome = view.Run(() => trainer.Run(view, _ => true, CancellationToken.None));

        Assert.That((outcome.Status, outcome.Steps, outcome.Failure), Is.EqualTo((RunStatus.Completed, 20L, (object?)null)));
    }

    [Test]
    public void What_ends_the_training_passes_a_view()
    {
        var view = new GuardedView(new FailingView());

        Assert.That(() => view.Run(() => throw new InvalidOperationException("training")), Throws.InvalidOperationException.With.Message.EqualTo("training"));
    }

    /// <summary>Fails as the last test begins, and before or after the training.</summary>
    private sealed class FailingView(bool before = false, bool after = false) : ITrainingView
    {
        public TrainingOutcome Run(Func<TrainingOutcome> train)
        {
            TrainingOutcome? outcome = before ? throw new InvalidOperationException("no terminal") : train();
            return after ? throw new InvalidOperationException("no terminal") : outcome;
        }

        public void Step(in TrainingProgress progress)
        {
        }

        public void Epoch(EpochReport epoch)
        {
        }

        public void Note(string text) => throw new InsufficientMemoryException("no memory for the test");
    }

    private static void AssertResumedAsStraight(TrainSettings settings, int? test, int? step)
    {
        using var folder = new TemporaryFolder();
        (TrainingOutcome straight, float[] expected, string losses) = Run(folder, settings, resumed: null);
        (TrainingOutcome part, _, _) = Run(folder, settings, resumed: null, test, step);

        (TrainingOutcome resumed, float[] weights, string resumedLosses) = Run(folder, settings, part);

        Assert.That(straight.Steps, Is.EqualTo(20));
        Assert.That(Tests(straight).Select(epoch => epoch.Step), Is.EqualTo((long[])[8, 16, 20]));
        Assert.That(Tests(straight).Select(epoch => epoch.Metric), Has.None.Null);
        Assert.That(part.Status, Is.EqualTo(RunStatus.Interrupted));
        Assert.That(resumed.Status, Is.EqualTo(straight.Status));
        Assert.That(Tests(resumed), Is.EqualTo(Tests(straight)));
        Assert.That(resumed.Test, Is.EqualTo(straight.Test));
        Assert.That(resumedLosses, Is.EqualTo(losses));
        Assert.That(weights, Is.EqualTo(expected));
    }

    private static (int Number, long Step, double? Metric)[] Tests(TrainingOutcome outcome) =>
        [.. outcome.Epochs.Select(epoch => (epoch.Epoch, epoch.Step, epoch.TestMetric))];

    /// <summary>A run, or the rest of one, until it is interrupted in a test or a step, counted from 1.</summary>
    private static (TrainingOutcome Outcome, float[] Weights, string Losses) Run(
        TemporaryFolder folder, TrainSettings settings, TrainingOutcome? resumed, int? test = null, int? step = null)
    {
        string weights = folder.File("weights"), optimizer = folder.File("optimizer"), losses = folder.File("losses");
        using var interruption = new CancellationTokenSource();
        using var trainer = new Trainer(new InterruptedTask(interruption, test), settings, Device.Default);
        if (resumed is not null)
        {
            trainer.Resume(weights, optimizer, losses, mark: null, resumed.Epochs, resumed.Seconds);
        }

        TrainingOutcome outcome = trainer.Run(new InterruptingView(interruption, step), _ => true, interruption.Token);
        trainer.Model.Save(weights);
        trainer.SaveOptimizer(optimizer);
        File.Delete(losses);
        trainer.Losses.WriteWhole(losses);
        return (outcome, trainer.Model.ParameterData.ToArray<float>(), File.ReadAllText(losses));
    }

    /// <summary>The copying-memory task, whose test samples interrupt the run when they are read for the test of a number.</summary>
    private sealed class InterruptedTask(CancellationTokenSource interruption, int? test) : TrainingTask
    {
        private readonly TrainingTask _task = Tasks.All.Single(task => task.Name == "copy");

        public override string Name => _task.Name;

        public override string Summary => _task.Summary;

        public override TrainSettings Defaults => _task.Defaults;

        public override string Metric => _task.Metric;

        public override double ChanceLoss(long outputs) => _task.ChanceLoss(outputs);

        public override bool Generated => _task.Generated;

        public override int StepsOf(TrainSettings settings) => _task.StepsOf(settings);

        public override string Describe(TrainSettings settings) => _task.Describe(settings);

        public override Dataset OpenTraining(TrainSettings settings, long count) => _task.OpenTraining(settings, count);

        public override (Dataset Samples, double Baseline) OpenTest(TrainSettings settings)
        {
            (Dataset samples, double baseline) = _task.OpenTest(settings);
            return (new InterruptingSamples(samples, interruption, test), baseline);
        }
    }

    private sealed class InterruptingSamples(Dataset dataset, CancellationTokenSource interruption, int? test) : Dataset
    {
        private int _tests;

        public override long Count => dataset.Count;

        public override long Steps => dataset.Steps;

        public override long Features => dataset.Features;

        public override long TargetSteps => dataset.TargetSteps;

        public override long Outputs => dataset.Outputs;

        public override bool IsClassification => dataset.IsClassification;

        public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
        {
            if (samples[0] == 0 && ++_tests == test)
            {
                interruption.Cancel();
            }

            dataset.Read(samples, inputs, classes, values);
        }
    }

    /// <summary>Shows nothing, and interrupts the run after a step.</summary>
    private sealed class InterruptingView(CancellationTokenSource interruption, int? step) : ITrainingView
    {
        public TrainingOutcome Run(Func<TrainingOutcome> train) => train();

        public void Step(in TrainingProgress progress)
        {
            if (progress.Step == step)
            {
                interruption.Cancel();
            }
        }

        public void Epoch(EpochReport epoch)
        {
        }

        public void Note(string text)
        {
        }
    }
}
