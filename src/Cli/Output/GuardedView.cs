using System.Runtime.ExceptionServices;
using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Output;

/// <summary>A view that may fail: from then on nothing is shown, which is told once, and the training continues.</summary>
internal sealed class GuardedView(ITrainingView view) : ITrainingView
{
    private volatile bool _failed;

    public TrainingOutcome Run(Func<TrainingOutcome> train)
    {
        TrainingOutcome? outcome = null;
        ExceptionDispatchInfo? failure = null;
        bool begun = false;
        TrainingOutcome Train()
        {
            begun = true;
            try
            {
                return outcome = train();
            }
            catch (Exception exception)
            {
                failure = ExceptionDispatchInfo.Capture(exception);
                throw;
            }
        }

        try
        {
            view.Run(Train);
        }
        catch (Exception exception)
        {
            failure?.Throw();
            Fail(exception);
        }

        return begun ? outcome! : Train();
    }

    public void Step(in TrainingProgress progress)
    {
        if (_failed)
        {
            return;
        }

        try
        {
            view.Step(progress);
        }
        catch (Exception exception)
        {
            Fail(exception);
        }
    }

    public void Epoch(EpochReport epoch) => Attempt(() => view.Epoch(epoch));

    public void Note(string text) => Attempt(() => view.Note(text));

    private void Attempt(Action show)
    {
        if (_failed)
        {
            return;
        }

        try
        {
            show();
        }
        catch (Exception exception)
        {
            Fail(exception);
        }
    }

    private void Fail(Exception exception)
    {
        _failed = true;
        StandardError.Warn($"the progress cannot be shown ({FileErrors.Cause(exception)}); the run continues without it");
    }
}
