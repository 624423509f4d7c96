using OrthoNative.Data;

namespace OrthoNative.Fuzz.Readers;

/// <summary>Reads files of the UCR archive.</summary>
internal sealed class UcrTarget(WorkingFolder folder) : Target(folder, "ucr")
{
    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        "2\t-0.6478854\t-0.64199155\t-0.63818632\n1\t1\t2\t3\n"u8.ToArray(),
        "-1\t1.5\tNaN\t3\tNaN\tNaN\r\n1\t4\t5\t6\t7\t8\r\n"u8.ToArray(),
        "1,0.5,0.25\n"u8.ToArray(),
    ];

    /// <summary>A short row takes a sequence, a class and their places in lists.</summary>
    protected override long BytesForByte => 1000;

    protected override void Read() => SequenceTables.Check(UcrFile.Read(FilePath, new UcrOptions { MissingValues = MissingValues.Interpolate }));
}
