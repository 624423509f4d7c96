namespace OrthoNative;

/// <summary>Options of a <see cref="TensorBoardCallback"/>.</summary>
public sealed record TensorBoardOptions
{
    /// <summary>Steps from one that is written to the next, at least 0: those whose number is a multiple of it are; 0: no steps, epochs alone. A step takes about 130 bytes. Default 10.</summary>
    public int StepInterval { get; init; } = 10;

    internal void Validate() => Check.AtLeast(StepInterval, 0, $"options.{nameof(StepInterval)}");
}
