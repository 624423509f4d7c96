namespace OrthoNative.Data;

/// <summary>Options of reading a file of the UCR archive.</summary>
public sealed record UcrOptions
{
    /// <summary>Handling of missing values between those of a case. Default: <see cref="MissingValues.Refuse"/>.</summary>
    public MissingValues MissingValues { get; init; } = MissingValues.Refuse;

    /// <summary>
    /// Names of the classes in the order of their numbers; a class that is none of them is refused: those of the training file, for a test file that lacks some. Default: null, those of the file, by number.
    /// </summary>
    public IReadOnlyList<string>? ClassNames { get; init; }
}
