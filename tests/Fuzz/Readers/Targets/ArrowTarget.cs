using Apache.Arrow;
using Apache.Arrow.Compression;
using Apache.Arrow.Ipc;
using Apache.Arrow.Types;
using OrthoNative.Arrow;

namespace OrthoNative.Fuzz.Readers;

/// <summary>Reads Arrow files and streams.</summary>
internal sealed class ArrowTarget(WorkingFolder folder) : Target(folder, "arrow")
{
    private static readonly TableOptions[] s_options =
    [
        new() { SequenceColumn = "id", TimeColumn = "time", LabelColumn = "label", FeatureColumns = ["x", "y", "on"], MissingValues = MissingValues.Zero },
        new() { Form = TableForm.Wide, FeatureColumns = ["list"], MissingValues = MissingValues.Zero },
    ];

    public override IReadOnlyList<byte[]> Seeds { get; } = [Write(true, null), Write(false, null), Write(false, CompressionCodecType.Zstd), Write(true, CompressionCodecType.Lz4Frame)];

    /// <summary>Data of 2^10 bytes for each byte of the file, as they are and as values, in each of two ways of reading.</summary>
    protected override long BytesForByte => 1 << 16;

    protected override void Read()
    {
        InvalidDataException? refused = null;
        foreach (TableOptions options in s_options)
        {
            try
            {
                SequenceTables.Check(ArrowSequences.Read(FilePath, options));
            }
            catch (InvalidDataException exception)
            {
                refused = exception;
            }
        }

        if (refused is not null)
        {
            throw refused;
        }
    }

    private static byte[] Write(bool isFile, CompressionCodecType? codec)
    {
        const int Rows = 30;
        var id = new StringArray.Builder();
        var time = new TimestampArray.Builder(new TimestampType(TimeUnit.Microsecond, "UTC"));
        var x = new DoubleArray.Builder();
        var y = new FloatArray.Builder();
        var on = new BooleanArray.Builder();
        var index = new Int8Array.Builder();
        var list = new ListArray.Builder(FloatType.Default);
        for (int i = 0; i < Rows; i++)
        {
            id.Append(i < 10 ? "a" : "b");
            time.Append(DateTimeOffset.UnixEpoch.AddMinutes(i));
            x.Append(i / 7.0);
            on.Append(i % 2 == 0);
            index.Append((sbyte)(i < 10 ? 0 : 1));
            list.Append();
            ((FloatArray.Builder)list.ValueBuilder).Append(i);
            if (i % 5 == 0)
            {
                y.AppendNull();
            }
            else
            {
                y.Append(i);
            }
        }

        var label = new DictionaryArray(new DictionaryType(Int8Type.Default, StringType.Default, false), index.Build(), new StringArray.Builder().Append("up").Append("down").Build());
        using RecordBatch batch = new RecordBatch.Builder().Append("id", false, id.Build()).Append("time", false, time.Build()).Append("x", false, x.Build())
            .Append("y", true, y.Build()).Append("on", false, on.Build()).Append("label", false, label).Append("list", false, list.Build()).Build();
        using var stream = new MemoryStream();
        IpcOptions options = new() { CompressionCodec = codec, CompressionCodecFactory = new CompressionCodecFactory() };
        using (ArrowStreamWriter writer = isFile ? new ArrowFileWriter(stream, batch.Schema, true, options) : new ArrowStreamWriter(stream, batch.Schema, true, options))
        {
            writer.WriteRecordBatch(batch);
            writer.WriteEnd();
        }

        return stream.ToArray();
    }
}
