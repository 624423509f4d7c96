using Microsoft.Extensions.Logging;
using OrthoNative.Extensions;
using OrthoNative.Tests.Training;

namespace OrthoNative.Tests.Extensions;

/// <summary>A training in the log of a program.</summary>
internal sealed class LoggingCallbackTests
{
    private static readonly ArrayDataset s_training = TrainingSetup.Data(50, seed: 1);
    private static readonly ArrayDataset s_validation = TrainingSetup.Data(30, seed: 2);

    [Test]
    public void Steps_epochs_validations_and_the_end_are_logged_with_their_values()
    {
        var logger = new Logger();
        var losses = new List<double>();
        using var setup = new TrainingSetup(new TrainerOptions
        {
            BatchSize = 8,
            Epochs = 2,
            ValidationInterval = 2,
            Metrics = [new Accuracy()],
            Callbacks = [new LoggingCallback(logger, stepInterval: 5), new Callback { Step = state => losses.Add(state.Loss) }],
        });
        TrainingResult result = setup.Trainer.Fit(s_training, s_validation);

        Assert.That(
            logger.Entries.Select(entry => (entry.Event.Id, entry.Event.Name, entry.Level)),
            Is.EqualTo(((int, string?, LogLevel)[])
            [
                (1, "Step", LogLevel.Debug), (2, "Epoch", LogLevel.Information), (1, "Step", LogLevel.Debug), (2, "Epoch", LogLevel.Information), (3, "Validation", LogLevel.Information),
                (4, "End", LogLevel.Information),
            ]));
        Assert.That(logger.Entries[0].Values["Step"], Is.EqualTo(5L));
        Assert.That(logger.Entries[0].Values["Steps"], Is.EqualTo(14L));
        Assert.That(logger.Entries[0].Values["Loss"], Is.EqualTo(losses[4]));
        Assert.That(logger.Entries[1].Values["Loss"], Is.EqualTo(result.Epochs[0].Loss));
        Assert.That(logger.Entries[2].Values["Step"], Is.EqualTo(10L));
        Assert.That(logger.Entries[2].Values["Epoch"], Is.EqualTo(2));
        Assert.That(logger.Entries[4].Values["ValidationLoss"], Is.EqualTo(result.Epochs[1].Validation!.Loss));
        Assert.That(logger.Entries[4].Values["ValidationMetrics"], Is.EqualTo(FormattableString.Invariant($"accuracy {result.Epochs[1].Validation!["accuracy"]:G6}")));
        Assert.That(logger.Entries[5].Text, Does.Match(@"^Training ended \(Completed\) after 14 steps in \d+\.\d s; best epoch 2$"));
    }

    [Test]
    [SetCulture("de-DE")]
    public void Numbers_are_written_as_everywhere()
    {
        var logger = new Logger();
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 50, Epochs = 1, Callbacks = [new LoggingCallback(logger, 1)] }, learningRate: 0.25);
        setup.Trainer.Fit(s_training);
        Assert.That(logger.Entries[0].Text, Does.Match(@"^Step 1 of 1, epoch 1: loss \d\.\d+, metric \d\.\d+, gradient norm \d\.\d+, learning rate 0\.25$"));
        Assert.That(logger.Entries[1].Text, Does.Match(@"^Epoch 1 ended at step 1: loss \d\.\d+, metric \d\.\d+, \d[\d.E+]* samples/s$"));
    }

    [Test]
    public void An_interruption_and_warnings_are_warnings()
    {
        var logger = new Logger();
        var callback = new LoggingCallback(logger, stepInterval: 0);
        callback.OnWarning("the run continues {unsaved}");
        using var cancellation = new CancellationTokenSource();
        cancellation.Cancel();
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 8, Callbacks = [callback] });
        setup.Trainer.Fit(s_training, cancellationToken: cancellation.Token);

        Assert.That(logger.Entries.Select(entry => (entry.Event.Id, entry.Event.Name, entry.Level)), Is.EqualTo(((int, string?, LogLevel)[])[(6, "Warning", LogLevel.Warning), (5, "Interrupted", LogLevel.Warning)]));
        Assert.That(logger.Entries[0].Text, Is.EqualTo("the run continues {unsaved}"));
        Assert.That(logger.Entries[1].Text, Does.StartWith("Training was interrupted after 1 steps in "));
    }

    [Test]
    public void What_is_not_wanted_is_not_logged()
    {
        var logger = new Logger { Lowest = LogLevel.Warning };
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 8, Epochs = 1, Callbacks = [new LoggingCallback(logger, 1)] });
        setup.Trainer.Fit(s_training, s_validation);
        Assert.That(logger.Entries, Is.Empty);
    }

    [Test]
    public void Arguments_that_make_no_sense_are_refused()
    {
        Assert.That(() => new LoggingCallback(null!), Throws.ArgumentNullException);
        Assert.That(() => new LoggingCallback(new Logger(), -1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("stepInterval is -1; it must be at least 0."));
    }

    private sealed record Entry(EventId Event, LogLevel Level, string Text, Dictionary<string, object?> Values);

    private sealed class Logger : ILogger
    {
        public List<Entry> Entries { get; } = [];

        public LogLevel Lowest { get; init; } = LogLevel.Trace;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= Lowest;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Entries.Add(new Entry(eventId, logLevel, formatter(state, exception), new((IReadOnlyList<KeyValuePair<string, object?>>)state!)));
    }
}
