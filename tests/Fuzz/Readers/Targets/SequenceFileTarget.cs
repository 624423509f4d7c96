namespace OrthoNative.Fuzz.Readers;

/// <summary>Files of rows of numbers.</summary>
internal sealed class SequenceFileTarget(WorkingFolder folder) : Target(folder, "sequence-file")
{
    private static readonly SequenceFileOptions s_options = new() { Features = 2, Outputs = 3, IsClassification = true, Offset = 4 };

    public override IReadOnlyList<byte[]> Seeds { get; } =
        [[0, 0, 0, 0, .. Enumerable.Range(0, 60).SelectMany(i => BitConverter.GetBytes(i % 3 == 2 ? i % 4 % 3 : i / 7f))], [0, 0, 0, 0, .. new byte[12]]];

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
