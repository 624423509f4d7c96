namespace OrthoNative;

/// <summary>A tensor that an optimizer keeps: one number for each parameter, 0 before the first step.</summary>
/// <param name="Name">Name in files, in <see cref="StepContext.State(string)"/> and, with spaces for underscores, in messages: <c>second_moment</c>.</param>
/// <param name="IsSquare">True for squares and means of them: a file with a negative one is refused. Default false.</param>
public sealed record OptimizerState(string Name, bool IsSquare = false);
