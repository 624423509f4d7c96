using OrthoNative.Arrow;
using Parquet;
using Parquet.Schema;

namespace OrthoNative.Tests.Data;

internal sealed class ParquetSequencesTests
{
    private static readonly TableOptions s_long = new() { SequenceColumn = "id", TimeColumn = "time", LabelColumn = "label", FeatureColumns = ["x", "y", "on"], MissingValues = MissingValues.Zero };

    [TestCase(CompressionMethod.None), TestCase(CompressionMethod.Snappy), TestCase(CompressionMethod.Gzip), TestCase(CompressionMethod.Zstd), TestCase(CompressionMethod.Brotli), TestCase(CompressionMethod.LZ4)]
    public void Long_form_round_trips(CompressionMethod compression)
    {
        byte[] file = LongFile(compression);
        foreach (Stream stream in (Stream[])[new MemoryStream(file), new Unseekable(file)])
        {
            SequenceData data = ParquetSequences.Read(stream, "f.parquet", s_long);

            Assert.That(data.Ids, Is.EqualTo(["7", "10"]));
            Assert.That(data.ChannelNames, Is.EqualTo(["x", "y", "on"]));
            Assert.That(data.Values(0).ToArray(), Is.EqualTo([3, float.NaN, 1, 1.5f, -2, 0]));
            Assert.That(data.Values(1).ToArray(), Is.EqualTo([5f, 6, 0, 7, 8, 1]));
            Assert.That(data.TimeStamps(0).ToArray(), Is.EqualTo([1577836800.25, 1577836801.0]));
            Assert.That((data.ClassNames[data.ClassOf(0)], data.ClassNames[data.ClassOf(1)]), Is.EqualTo(("up", "down")));
        }
    }

    [Test]
    public void Numbers_without_another_use_are_inputs()
    {
        SequenceData data = ParquetSequences.Read(new MemoryStream(LongFile(CompressionMethod.Snappy)), "f", new TableOptions { TimeColumn = "time", MissingValues = MissingValues.Mean });

        Assert.That(data.ChannelNames, Is.EqualTo(["id", "x", "y"]));
    }

    [Test]
    public void Lists_are_channels_of_the_wide_form()
    {
        byte[] file = ListFile();
        TableOptions options = new() { Form = TableForm.Wide, FeatureColumns = ["a", "b"], LabelColumn = "label", MissingValues = MissingValues.Zero };

        SequenceData data = ParquetSequences.Read(new MemoryStream(file), "f", options);

        Assert.That(data.ChannelNames, Is.EqualTo(["a", "b"]));
        Assert.That(data.Values(0).ToArray(), Is.EqualTo([1, 10, 2, float.NaN, 3, 30]));
        Assert.That(data.Values(1).ToArray(), Is.EqualTo([4f, 40]));
        Assert.That(() => ParquetSequences.Read(new MemoryStream(file), "f", options with { FeatureColumns = ["a", "n"] }), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo(
            "f: column 3 ('n') has numbers; expected lists of numbers, as the first input is."));
        Assert.That(() => ParquetSequences.Read(new MemoryStream(file), "f", options with { MissingValues = MissingValues.Refuse }), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo(
            "f: row 1, column 2 ('b'): the value is missing; expected a number, or options.MissingValues other than Refuse."));
    }

    [Test]
    public void Faults_have_row_and_column()
    {
        byte[] file = LongFile(CompressionMethod.Snappy);

        Fails(file, s_long with { MissingValues = MissingValues.Refuse }, "f: row 2, column 4 ('y'): the value is missing; expected a number, or options.MissingValues other than Refuse.");
        Fails(file, s_long with { LabelColumn = "lable" }, "f: there is no column 'lable', which options.LabelColumn gives (perhaps 'label'); the columns are 'id', 'time', 'x', 'y', 'on', 'label'.");
        Fails(file, s_long with { FeatureColumns = ["label"] }, "f: column 6 ('label') has text; expected numbers.");
        Fails(file, s_long with { TimeColumn = "label" }, "f: row 1, column 6 ('label'): found 'up'; expected a number or a date of ISO 8601.");
    }

    [Test]
    public void Damaged_files_are_refused()
    {
        byte[] file = LongFile(CompressionMethod.Snappy);

        Fails([], s_long, "f: found no 'PAR1' at both ends; expected a Parquet file.");
        Fails(file[..^1], s_long, "f: found no 'PAR1' at both ends; expected a Parquet file.");
        byte[] long1 = [.. file];
        BitConverter.GetBytes(int.MaxValue).CopyTo(long1, file.Length - 8);
        Fails(long1, s_long, $"f: the footer has 2147483647 bytes; expected at most {file.Length - 12}.");
        int footer = BitConverter.ToInt32(file, file.Length - 8);
        byte[] zeros = [.. file];
        Array.Clear(zeros, file.Length - 8 - footer, footer);
        Fails(zeros, s_long, "f: the schema has 0 elements; expected 2 to 65536.");
        byte[] data = [.. file];
        Array.Fill(data, (byte)0xFF, 4, 40);
        Assert.That(() => ParquetSequences.Read(new MemoryStream(data), "f", s_long), Throws.TypeOf<InvalidDataException>().With.Message.StartsWith("f: row group 1, column "));
    }

    [Test]
    public void Progress_is_told_and_cancellation_ends()
    {
        List<double> told = [];
        ParquetSequences.Read(new MemoryStream(LongFile(CompressionMethod.None)), "f", s_long, new Reports(told.Add), default);

        Assert.That(told, Is.EqualTo([0.5, 1]));
        Assert.That(
            () => ParquetSequences.Read(new MemoryStream(LongFile(CompressionMethod.None)), "f", s_long, null, new CancellationToken(true)), Throws.InstanceOf<OperationCanceledException>());
    }

    private static void Fails(byte[] file, TableOptions options, string message) =>
        Assert.That(() => ParquetSequences.Read(new MemoryStream(file), "f", options), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo(message));

    /// <summary>Two row groups of two sequences.</summary>
    internal static byte[] LongFile(CompressionMethod compression)
    {
        var id = new DataField<long>("id");
        var time = new DateTimeDataField("time", DateTimeFormat.DateAndTimeMicros);
        var x = new DataField<double>("x");
        var y = new DataField<float?>("y");
        var on = new DataField<bool>("on");
        var label = new DataField<string>("label");
        using var stream = new MemoryStream();
        Write().GetAwaiter().GetResult();
        return stream.ToArray();

        async Task Write()
        {
            await using ParquetWriter writer = await ParquetWriter.CreateAsync(new ParquetSchema(id, time, x, y, on, label), stream, new ParquetOptions { CompressionMethod = compression });
            DateTime start = new(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc);
            await WriteGroup(writer, [7, 7], [start.AddSeconds(1), start.AddSeconds(0.25)], [1.5, 3], [-2, null], [false, true], ["up", "up"]);
            await WriteGroup(writer, [10, 10], [start, start.AddDays(1)], [5, 7], [6, 8], [false, true], ["down", "down"]);
        }

        async Task WriteGroup(ParquetWriter writer, long[] ids, DateTime[] times, double[] xs, float?[] ys, bool[] ons, string[] labels)
        {
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            await group.WriteAsync<long>(id, ids);
            await group.WriteAsync<DateTime>(time, times);
            await group.WriteAsync<double>(x, xs);
            await group.WriteAsync<float>(y, ys);
            await group.WriteAsync<bool>(on, ons);
            await group.WriteAsync(label, labels);
        }
    }

    /// <summary>Lists of numbers.</summary>
    internal static byte[] ListFile()
    {
        var a = new ListField("a", new DataField<float>("element"));
        var b = new ListField("b", new DataField<double?>("element"));
        var n = new DataField<int>("n");
        var label = new DataField<string>("label");
        using var stream = new MemoryStream();
        Write().GetAwaiter().GetResult();
        return stream.ToArray();

        async Task Write()
        {
            await using ParquetWriter writer = await ParquetWriter.CreateAsync(new ParquetSchema(a, b, n, label), stream);
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            int[] repetitions = [0, 1, 1, 0], whole = [2, 2, 2, 2], withNull = [3, 2, 3, 3], numbers = [1, 2];
            float[] floats = [1, 2, 3, 4];
            double[] doubles = [10, 30, 40];
            await group.WriteAllPartsAsync<float>((DataField)a.Item, floats, whole, repetitions, default);
            await group.WriteAllPartsAsync<double>((DataField)b.Item, doubles, withNull, repetitions, default);
            await group.WriteAsync<int>(n, numbers);
            await group.WriteAsync(label, ["u", "v"]);
        }
    }

    private sealed class Reports(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);
    }

    /// <summary>A stream that cannot seek.</summary>
    private sealed class Unseekable(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
