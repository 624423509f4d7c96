using System.Runtime.ExceptionServices;

namespace OrthoNative.Cli.Output;

/// <summary>A view that may fail: from then on nothing is shown, which is told once, and the training continues.</summary>
internal sealed class GuardedView(ITrainingView view) : ITrainingView
{
    private volatile bool _failed;

    public TrainingResult Run(Func<TrainingResult> train)
    {
        TrainingResult? outcome = null;
        ExceptionDispatchInfo? failure = null;
        bool begun = false;
        TrainingResult Train()
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

    public void Epoch(EpochResult epoch) => Attempt(() => view.Epoch(epoch));

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
