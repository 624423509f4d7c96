using System.Numerics.Tensors;

namespace OrthoNative.Cli.Training;

/// <summary>Counts right answers of samples of one length, where every step has a target: at all steps, and at the last one.</summary>
internal sealed class AnswerCount : Metric
{
    private float[] _logits = [];
    private long _steps;
    private long _correct;
    private long _samples;
    private long _correctLast;

    public override string Name => "answers";

    public override bool HigherIsBetter => true;

    public override double Value => (double)_correct / _steps;

    /// <summary>What was counted.</summary>
    public TestAnswers Answers => new(_steps, _correct, _samples, _correctLast);

    public override void Reset() => _steps = _correct = _samples = _correctLast = 0;

    protected override void Update(Tensor outputs, in Targets targets)
    {
        int classes = (int)outputs.Shape[2], samples = (int)outputs.Shape[1], rows = targets.Classes.Length;
        if (_logits.Length < outputs.Count)
        {
            _logits = new float[outputs.Count];
        }

        outputs.CopyTo(0, _logits.AsSpan(0, (int)outputs.Count));
        for (int row = 0; row < rows; row++)
        {
            bool correct = TensorPrimitives.IndexOfMax(_logits.AsSpan(row * classes, classes)) == targets.Classes[row];
            _correct += correct ? 1 : 0;
            _correctLast += correct && row >= rows - samples ? 1 : 0;
        }

        _steps += rows;
        _samples += samples;
    }
}
