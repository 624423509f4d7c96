using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Training;

/// <summary>What the tool adds to every run: the curve of the loss, what the run is told to say, and where its files are.</summary>
/// <param name="view">Told what is done.</param>
internal abstract class ToolRecord(ITrainingView view) : RunRecord
{
    private RunState? _saved;

    /// <summary>Loss of every step.</summary>
    protected LossCurve Curve { get; } = new();

    /// <summary>The state that was saved last, for the pictures that are drawn after it.</summary>
    protected RunState Latest { get; private set; } = new(TrainingStatus.Running, [], 0);

    /// <summary>What came out, once it is known.</summary>
    protected string? Conclusion { get; set; }

    public sealed override void Write(string path, RunState state)
    {
        Latest = state;
        Save(path, state);
    }

    public override void OnLoss(double loss) => Curve.Add(loss);

    public override void AfterRequestedSave(long step) => Note(Texts.Format($"saved at step {step:#,0}"));

    public override void AfterLastSave(RunState state) => _saved = state;

    public override void OnWarning(string message, bool isOnTheWay)
    {
        if (isOnTheWay)
        {
            Note(message);
        }
        else
        {
            StandardError.Warn(message);
        }
    }

    /// <summary>Says what came out, where it is saved, and what can be done with it; nothing where the run ended before.</summary>
    public void Tell(RunFolder folder)
    {
        if (Conclusion is not null)
        {
            Console.Out.WriteLine(Conclusion);
        }

        if (_saved is null)
        {
            return;
        }

        string shown = ForeignText.CleanPath(folder.Path);
        IEnumerable<string> pictures = Pictures.Select(picture => picture.Name).Where(name => File.Exists(folder.PathOf(name)));
        Console.Out.WriteLine(string.Join(", ", [ForeignText.CleanPath(Path.Combine(folder.Path, RunFolder.Report)), RunFolder.Weights, .. pictures]));
        string? next = _saved.HasEnded ? NextOf(shown) : $"the same command with --out '{shown}' --resume, and without --overwrite, continues it";
        if (next is not null)
        {
            Console.Out.WriteLine(next);
        }
    }

    /// <summary>Writes run.json.</summary>
    protected abstract void Save(string path, RunState state);

    /// <summary>What can be done with the files of a run that has ended; null: nothing is said.</summary>
    /// <param name="folder">The folder, for messages.</param>
    protected virtual string? NextOf(string folder) => null;

    /// <summary>Says what is done.</summary>
    protected void Note(string text) => view.Note(text);
}
