using Apache.Arrow;
using Apache.Arrow.Compression;
using Apache.Arrow.Ipc;
using Apache.Arrow.Types;
using OrthoNative.Arrow;

namespace OrthoNative.Tests.Data;

internal sealed class ArrowSequencesTests
{
    private static readonly TableOptions s_long = new() { SequenceColumn = "id", TimeColumn = "time", LabelColumn = "label", FeatureColumns = ["x", "y", "on"], MissingValues = MissingValues.Zero };

    [Test]
    public void Long_form_round_trips([Values] bool isFile, [Values] CompressionCodecType? codec)
    {
        SequenceData data = ArrowSequences.Read(new MemoryStream(LongFile(isFile, codec)), "f.arrow", s_long);

        Assert.That(data.Ids, Is.EqualTo(["a", "b"]));
        Assert.That(data.ChannelNames, Is.EqualTo(["x", "y", "on"]));
        Assert.That(data.Values(0).ToArray(), Is.EqualTo([3, float.NaN, 1, 1.5f, -2, 0]));
        Assert.That(data.Values(1).ToArray(), Is.EqualTo([1.5f, -2, 0, 3, float.NaN, 1]));
        Assert.That(data.TimeStamps(0).ToArray(), Is.EqualTo([1577836800.25, 1577836801.0]));
        Assert.That((data.ClassNames[data.ClassOf(0)], data.ClassNames[data.ClassOf(1)]), Is.EqualTo(("up", "down")));
    }

    [Test]
    public void Lists_are_channels_of_the_wide_form()
    {
        byte[] file = ListFile();
        TableOptions options = new() { Form = TableForm.Wide, FeatureColumns = ["a", "b"] };

        SequenceData data = ArrowSequences.Read(new MemoryStream(file), "f", options);

        Assert.That(data.Values(0).ToArray(), Is.EqualTo([1f, 10, 2, 20]));
        Assert.That(data.Values(1).ToArray(), Is.EqualTo([3f, 30]));
        Assert.That(() => ArrowSequences.Read(new MemoryStream(file), "f", options with { FeatureColumns = ["a", "c"] }), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo(
            "f: row 1, column 3 ('c'): found a list of 1 values; expected 2, as the first list of the row has."));
    }

    [Test]
    public void Faults_have_row_and_column()
    {
        byte[] file = LongFile(true, null);

        Fails(file, s_long with { MissingValues = MissingValues.Refuse }, "f: row 2, column 4 ('y'): the value is missing; expected a number, or options.MissingValues other than Refuse.");
        Fails(file, s_long with { FeatureColumns = ["y", "z"] }, "f: there is no column 'z', which options.FeatureColumns gives (perhaps 'x'); the columns are 'id', 'time', 'x', 'y', 'on', 'label'.");
        Fails(file, s_long with { FeatureColumns = ["label"] }, "f: column 6 ('label') has text; expected numbers.");
    }

    [Test]
    public void Damaged_files_are_refused()
    {
        byte[] file = LongFile(true, null);

        Fails([], s_long, "f: the file has 0 bytes; expected an Arrow file or stream.");
        Fails([.. "FEA1"u8, 0, 0, 0, 0], s_long, "f: the file is of Feather version 1; expected version 2, which is an Arrow file.");
        byte[] damaged = [.. file];
        BitConverter.GetBytes(int.MaxValue).CopyTo(damaged, 12);
        Fails(damaged, s_long, $"f: byte 8: the description of a message has 2147483647 bytes; expected at most {file.Length - 16}.");
        damaged = [.. file];
        BitConverter.GetBytes(-4).CopyTo(damaged, 16);
        Fails(damaged, s_long, "f: byte 8: the description of a message is damaged.");

        // Compressed data that say to be of 2 GiB.
        byte[] compressed = LongFile(false, CompressionCodecType.Zstd);
        for (int i = 0; i < compressed.Length - 12; i++)
        {
            if (BitConverter.ToUInt32(compressed, i + 8) == 0xFD2FB528)
            {
                BitConverter.GetBytes((long)int.MaxValue).CopyTo(compressed, i);
            }
        }

        Assert.That(() => ArrowSequences.Read(new MemoryStream(compressed), "f", s_long), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo("f: record batch 1: the values cannot be decoded (InvalidDataException)."));
    }

    [Test]
    public void Progress_is_told_and_cancellation_ends()
    {
        List<double> told = [];
        ArrowSequences.Read(new MemoryStream(LongFile(true, null)), "f", s_long, new Reports(told.Add), default);

        Assert.That(told, Is.Ordered);
        Assert.That(told[^1], Is.EqualTo(1));
        Assert.That(() => ArrowSequences.Read(new MemoryStream(LongFile(true, null)), "f", s_long, null, new CancellationToken(true)), Throws.InstanceOf<OperationCanceledException>());
    }

    private static void Fails(byte[] file, TableOptions options, string message) =>
        Assert.That(() => ArrowSequences.Read(new MemoryStream(file), "f", options), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo(message));

    /// <summary>Two record batches of a sequence each.</summary>
    internal static byte[] LongFile(bool isFile, CompressionCodecType? codec)
    {
        IpcOptions options = new() { CompressionCodec = codec, CompressionCodecFactory = new CompressionCodecFactory() };
        RecordBatch[] batches = [Batch("a", "up"), Batch("b", "down")];
        return Write(batches, isFile, options);

        static RecordBatch Batch(string id, string label)
        {
            DateTimeOffset start = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);
            TimestampArray times = new TimestampArray.Builder(new TimestampType(TimeUnit.Microsecond, "UTC"))
                .Append(start.AddSeconds(1)).Append(id == "a" ? start.AddSeconds(0.25) : start.AddDays(1)).Build();
            var number = new Int8Array.Builder().Append((sbyte)(label == "up" ? 1 : 0)).Append((sbyte)(label == "up" ? 1 : 0));
            var labels = new DictionaryArray(new DictionaryType(Int8Type.Default, StringType.Default, false), number.Build(), new StringArray.Builder().Append("down").Append("up").Build());
            return new RecordBatch.Builder()
                .Append("id", false, new StringArray.Builder().Append(id).Append(id).Build())
                .Append("time", false, times)
                .Append("x", false, new DoubleArray.Builder().Append(1.5).Append(3).Build())
                .Append("y", true, new FloatArray.Builder().Append(-2).AppendNull().Build())
                .Append("on", false, new BooleanArray.Builder().Append(false).Append(true).Build())
                .Append("label", false, labels)
                .Build();
        }
    }

    /// <summary>Lists of numbers.</summary>
    internal static byte[] ListFile()
    {
        return Write([new RecordBatch.Builder().Append("a", false, Lists([1, 2], [3])).Append("b", false, Lists([10, 20], [30])).Append("c", false, Lists([5], [6])).Build()], true, new IpcOptions());

        static ListArray Lists(params float[][] rows)
        {
            var lists = new ListArray.Builder(FloatType.Default);
            var values = (FloatArray.Builder)lists.ValueBuilder;
            foreach (float[] row in rows)
            {
                lists.Append();
                values.AppendRange(row);
            }

            return lists.Build();
        }
    }

    private static byte[] Write(RecordBatch[] batches, bool isFile, IpcOptions options)
    {
        using var stream = new MemoryStream();
        using (ArrowStreamWriter writer = isFile ? new ArrowFileWriter(stream, batches[0].Schema, true, options) : new ArrowStreamWriter(stream, batches[0].Schema, true, options))
        {
            foreach (RecordBatch batch in batches)
            {
                writer.WriteRecordBatch(batch);
            }

            writer.WriteEnd();
        }

        return stream.ToArray();
    }

    private sealed class Reports(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);
    }
}
