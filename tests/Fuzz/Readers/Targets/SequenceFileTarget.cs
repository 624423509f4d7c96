namespace OrthoNative.Fuzz.Readers;

/// <summary>Files of rows of numbers.</summary>
internal sealed class SequenceFileTarget(WorkingFolder folder) : Target(folder, "sequence-file")
{
    private static readonly SequenceFileOptions s_options = new() { Features = 2, Outputs = 3, IsClassification = true, Offset = 4 };

    /// <summary>Read as the length of the header of another format, they say that there is none.</summary>
    private static readonly byte[] s_skipped = [0xFF, 0xFF, 0xFF, 0xFF];

    public override IReadOnlyList<byte[]> Seeds { get; } =
        [[.. s_skipped, .. Enumerable.Range(0, 60).SelectMany(i => BitConverter.GetBytes(i % 3 == 2 ? i % 4 % 3 : i / 7f))], [.. s_skipped, .. new byte[12]]];

    /// <summary>The buffer of the reader, inputs and classes.</summary>
    protected override long BytesForByte => 4;

    protected override void Read()
    {
        using var reader = new SequenceFileReader(FilePath, s_options);
        int steps = (int)reader.Steps;
        float[] inputs = new float[2 * steps];
        int[] classes = new int[steps];
        reader.Read(0, steps, inputs, classes, []);
        if (!inputs.All(float.IsFinite) || classes.Any(index => index is < 0 or > 2))
        {
            throw new FindingException("a number is not finite, or no class");
        }
    }
}
