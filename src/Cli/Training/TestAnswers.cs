namespace OrthoNative.Cli.Training;

/// <summary>Answers to a test where every step has a target; part of run.json.</summary>
/// <param name="Steps">Steps of all samples.</param>
/// <param name="CorrectSteps">Steps with the right answer.</param>
/// <param name="Samples">Samples.</param>
/// <param name="CorrectLastSteps">Samples with the right answer at the last step.</param>
internal sealed record TestAnswers(long Steps, long CorrectSteps, long Samples, long CorrectLastSteps);

/// <summary>A test.</summary>
/// <param name="Metric">Metric on the test samples.</param>
/// <param name="Answers">The answers where every step has a target; otherwise null.</param>
internal sealed record TestResult(double Metric, TestAnswers? Answers);
