using OrthoNative.Data;

namespace OrthoNative.Fuzz.Readers;

/// <summary>Reads tables of text in the long and in the wide form.</summary>
internal sealed class CsvTarget(WorkingFolder folder) : Target(folder, "csv")
{
    private static readonly CsvOptions[] s_options =
    [
        new() { SequenceColumn = "id", TimeColumn = "time", LabelColumn = "label", GroupColumn = "group", MissingValues = MissingValues.Interpolate },
        new() { SequenceColumn = "id", LabelColumn = "label", LabelPerStep = true, FeatureColumns = ["x", "y"] },
        new() { SequenceColumn = "id", TargetColumns = ["y"], TargetPerStep = true, HasQuotes = false, Comment = null },
        new() { Form = TableForm.Wide, SequenceColumn = "id", ChannelPattern = "{channel}_{step}", MissingValues = MissingValues.Mask },
        new() { MissingValues = MissingValues.Mean },
        new() { Form = TableForm.Wide, DecimalSeparator = ',', TargetColumns = [0], MissingValues = MissingValues.Zero },
    ];

    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        "id,time,x,y,label,group\nb,0.5,1,-2.5,up,g\nb,1.5,2,1e-3,up,g\na,2.5,7,,down,h\n"u8.ToArray(),
        "\uFEFF# c\nid;time;x;y;label;group\r\n1;2020-01-01T00:00:00.5Z;1;2;u;g\r\n1;2020-01-01 00:00:01+02:00;?;2;u;g\r\n\"1\";1999-12;3;\"4\";\"u\";g\r\n"u8.ToArray(),
        "id,x_0,x_1,y_0,y_1\np,1,2,3,4\nq,5,,NA,\n\"r, \"\"s\"\"\",1,2,3,4\n"u8.ToArray(),
        "1,5;2;3,25e1\n-1;4\n2;NaN;7;8\n"u8.ToArray(),
    ];

    /// <summary>A column of two bytes takes a name, its entries in tables, a place in a pattern; each of six ways of reading has them.</summary>
    protected override long BytesForByte => 4000;

    protected override void Read()
    {
        InvalidDataException? refused = null;
        bool wasRead = false;
        foreach (CsvOptions options in s_options)
        {
            try
            {
                SequenceTables.Check(CsvSequences.Read(FilePath, options));
                wasRead = true;
            }
            catch (InvalidDataException exception)
            {
                refused = exception;
            }
        }

        if (!wasRead)
        {
            throw refused!;
        }
    }
}
