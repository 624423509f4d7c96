using OrthoNative.Cli.Output;
using OrthoNative.Cli.Training;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Cli;

/// <summary>Runs of the tool's tasks that end early or whose progress cannot be shown.</summary>
internal sealed class TaskRunTests
{
    private static readonly TrainingTask s_copy = Tasks.All.Single(task => task.Name == "copy");

    /// <summary>Three epochs, of which the last is cut short.</summary>
    private static readonly TrainSettings s_settings = TaskDefaults.Copy with
    {
        Length = 5,
        Hidden = 16,
        Batch = 8,
        Epochs = null,
        StepsPerEpoch = 8,
        Steps = 20,
        StopAt = null,
        TestSamples = 10,
    };

    [Test]
    public void What_was_learnt_is_kept_where_the_last_test_fails()
    {
        using var folder = new TemporaryFolder();

        Assert.That(() => Run(folder, new FailingView()), Throws.TypeOf<InsufficientMemoryException>());

        Assert.That(File.ReadAllText(folder.File("run/run.json")), Does.Contain("\"status\": \"interrupted\""));
        using var model = new TaskModel(s_copy, s_settings, Device.Default);
        model.Model.Load(folder.File("run/model.safetensors"));
        Assert.That(File.ReadLines(folder.File("run/loss.csv")).Count(), Is.EqualTo(21));
    }

    [Test]
    public void A_view_that_fails_shows_nothing_and_the_training_continues([Values] bool before, [Values] bool after)
    {
        using var folder = new TemporaryFolder();

        TrainingResult result = Run(folder, new GuardedView(new FailingView(before, after)));

        Assert.That((result.Status, result.Steps), Is.EqualTo((TrainingStatus.Completed, 20L)));
    }

    [Test]
    public void What_ends_the_training_passes_a_view()
    {
        var view = new GuardedView(new FailingView());

        Assert.That(() => view.Run(() => throw new InvalidOperationException("training")), Throws.InvalidOperationException.With.Message.EqualTo("training"));
    }

    private static TrainingResult Run(TemporaryFolder folder, ITrainingView view)
    {
        using RunFolder runFolder = RunFolder.Open(
            folder.File("run"), "--out", RunFolder.Weights, RunFolder.Picture, RunFolder.OptimizerState, RunFolder.BestWeights, RunFolder.Losses, RunFolder.Epochs, RunFolder.Report);
        using var model = new TaskModel(s_copy, s_settings, Device.Default);
        var record = new TaskRecord(s_copy, model, DateTimeOffset.Now, Machine.Describe(Device.Default), view);
        using TrainingRun run = model.Trainer.Prepare(runFolder, record, null, model.TrainingData, null);
        return view.Run(() => run.Execute(null, CancellationToken.None));
    }

    /// <summary>Fails as the last test begins, and before or after the training.</summary>
    private sealed class FailingView(bool before = false, bool after = false) : ITrainingView
    {
        public TrainingResult Run(Func<TrainingResult> train)
        {
            TrainingResult? result = before ? throw new InvalidOperationException("no terminal") : train();
            return after ? throw new InvalidOperationException("no terminal") : result;
        }

        public void Step(in TrainingProgress progress)
        {
        }

        public void Epoch(EpochResult epoch)
        {
        }

        public void Note(string text) => throw new InsufficientMemoryException("no memory for the test");
    }
}
