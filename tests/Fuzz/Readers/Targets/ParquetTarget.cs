using OrthoNative.Arrow;
using Parquet;
using Parquet.Schema;

namespace OrthoNative.Fuzz.Readers;

/// <summary>Reads Parquet files.</summary>
internal sealed class ParquetTarget(WorkingFolder folder) : Target(folder, "parquet")
{
    private static readonly TableOptions[] s_options =
    [
        new() { SequenceColumn = "id", TimeColumn = "time", LabelColumn = "label", FeatureColumns = ["x", "y", "on"], MissingValues = MissingValues.Zero },
        new() { Form = TableForm.Wide, FeatureColumns = ["list"], MissingValues = MissingValues.Zero },
    ];

    public override IReadOnlyList<byte[]> Seeds { get; } =
        [.. ((CompressionMethod[])[CompressionMethod.None, CompressionMethod.Snappy, CompressionMethod.Gzip, CompressionMethod.Zstd, CompressionMethod.LZ4]).Select(Write)];

    /// <summary>2^10 values for each byte of the file, in each of two ways of reading, and pages of 2^10 times their compressed form.</summary>
    protected override long BytesForByte => 1 << 18;

    protected override void Read()
    {
        InvalidDataException? refused = null;
        foreach (TableOptions options in s_options)
        {
            try
            {
                SequenceTables.Check(ParquetSequences.Read(FilePath, options));
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

    private static byte[] Write(CompressionMethod compression)
    {
        var id = new DataField<int>("id");
        var time = new DateTimeDataField("time", DateTimeFormat.DateAndTimeMicros);
        var x = new DataField<double>("x");
        var y = new DataField<float?>("y");
        var on = new DataField<bool>("on");
        var label = new DataField<string>("label");
        var list = new ListField("list", new DataField<float>("element"));
        using var stream = new MemoryStream();
        WriteAll().GetAwaiter().GetResult();
        return stream.ToArray();

        async Task WriteAll()
        {
            ParquetOptions options = new() { CompressionMethod = compression };
            await using ParquetWriter writer = await ParquetWriter.CreateAsync(new ParquetSchema(id, time, x, y, on, label, list), stream, options);
            const int Rows = 30;
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            int[] numbers = [.. Enumerable.Range(0, Rows)];
            await group.WriteAsync<int>(id, Array.ConvertAll(numbers, i => i / 10));
            await group.WriteAsync<DateTime>(time, Array.ConvertAll(numbers, i => DateTime.UnixEpoch.AddMinutes(i)));
            await group.WriteAsync<double>(x, Array.ConvertAll(numbers, i => i / 7.0));
            await group.WriteAsync<float>(y, Array.ConvertAll(numbers, i => i % 5 == 0 ? (float?)null : i));
            await group.WriteAsync<bool>(on, Array.ConvertAll(numbers, i => i % 2 == 0));
            await group.WriteAsync(label, Array.ConvertAll(numbers, i => i < 10 ? "up" : "down"));
            await group.WriteAllPartsAsync<float>((DataField)list.Item, Array.ConvertAll(numbers, i => (float)i), Array.ConvertAll(numbers, _ => 2), Array.ConvertAll(numbers, _ => 0), default);
        }
    }
}
