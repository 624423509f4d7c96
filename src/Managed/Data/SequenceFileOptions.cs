namespace OrthoNative;

/// <summary>The layout of a file that a <see cref="SequenceFileReader"/> reads.</summary>
public sealed record SequenceFileOptions
{
    /// <summary>Number D of inputs in a row, 1 to 1048576. Default 1.</summary>
    public int Features { get; init; } = 1;

    /// <summary>Number C of classes, 1 to 16777216, or of values to predict, 1 to 1048576. Default 1.</summary>
    public int Outputs { get; init; } = 1;

    /// <summary>True: a row has a class, 0 to <see cref="Outputs"/> - 1, behind the inputs; false (the default): it has <see cref="Outputs"/> values.</summary>
    public bool IsClassification { get; init; }

    /// <summary>False: rows have inputs alone. Default true.</summary>
    public bool HasTargets { get; init; } = true;

    /// <summary>Bytes before the first row, not negative: those of the header of an NPY file, say. Default 0.</summary>
    public long Offset { get; init; }

    /// <summary>Number of rows, at least 1. Default: null, all up to the end of the file.</summary>
    public long? Steps { get; init; }
}
