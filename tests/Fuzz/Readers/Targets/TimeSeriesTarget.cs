using System.IO.Compression;
using System.Text;

namespace OrthoNative.Fuzz.Readers;

/// <summary>Time series in the .ts format, plain and compressed.</summary>
internal sealed class TimeSeriesTarget(WorkingFolder folder) : Target(folder, "ts")
{
    private static readonly byte[] s_classes = Encoding.UTF8.GetBytes("""
        # naïve
        @problemName Small
        @timeStamps false
        @missing true
        @univariate false
        @dimensions 2
        @equalLength false
        @classLabel true up down
        @data
        1,2,-3.5e-1:4,?,6:up
        7:8:down
        """);

    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        s_classes,
        Compress(s_classes),
        "@univariate true\n@equalLength true\n@seriesLength 3\n@targetLabel true\n@data\n1,2,3:0.5\n4,NaN,6:-7e3\n"u8.ToArray(),
        "@timeStamps true\r\n@classLabel true 1 2\r\n@data\r\n(0,1.5),(2,?):(3,4):1\r\n?:(7,8):2\r\n"u8.ToArray(),
        "@timestamps true\n@data\n(2007-01-01 00:00:00,1),(2007-01-01 00:01:00,2)\n"u8.ToArray(),
    ];

    /// <summary>A value of two bytes takes up to 8, in lists that double; a class of two bytes up to 200; deflate makes 1,032 bytes of one.</summary>
    protected override long BytesForByte => 200 * 1032;

    protected override void Read()
    {
        TimeSeriesFile file = TimeSeriesFile.Read(FilePath);
        int longest = 0;
        bool isMissing = false;
        for (int i = 0; i < file.Count; i++)
        {
            int length = 0;
            for (int channel = 0; channel < file.Channels; channel++)
            {
                ReadOnlySpan<float> values = file.Values(i, channel);
                length = Math.Max(length, values.Length);
                foreach (float value in values)
                {
                    isMissing |= float.IsNaN(value);
                    Require(!float.IsInfinity(value), "an infinite value");
                }

                Require(file.TimeStamps(i, channel).Length == (file.HasTimeStamps ? values.Length : 0), "values without time stamps");
            }

            Require(length > 0 && length == file.LengthOf(i), "a length that is not that of the longest channel");
            longest = Math.Max(longest, length);
        }

        Require(longest == file.Steps, "a number of steps that is not the longest length");
        Require(isMissing == file.HasMissingValues, "missing values are not told");
        Require(file.Classes.Length == (file.ClassNames.Count > 0 ? file.Count : 0), "cases without classes");
        Require(file.Targets.Length == 0 || (file.Targets.Length == file.Count && file.Classes.Length == 0), "cases without targets");
        foreach (int number in file.Classes)
        {
            Require(number >= 0 && number < file.ClassNames.Count, "a class that has no name");
        }
    }

    private static void Require(bool condition, string problem)
    {
        if (!condition)
        {
            throw new FindingException(problem);
        }
    }

    private static byte[] Compress(byte[] content)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Optimal))
        {
            gzip.Write(content);
        }

        return target.ToArray();
    }
}
