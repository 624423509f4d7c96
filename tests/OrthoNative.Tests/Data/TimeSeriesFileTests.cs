using System.Globalization;
using System.Text;

namespace OrthoNative.Tests.Data;

internal sealed class TimeSeriesFileTests
{
    /// <summary>A valid file with every key; tests change parts of it.</summary>
    private const string Whole = """
        # two channels
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
        """;

    [Test]
    public void Every_header_key_and_every_case_come_back()
    {
        TimeSeriesFile file = Read(Whole);

        Assert.That((file.ProblemName, file.Count, file.Channels, file.Steps), Is.EqualTo(("Small", 2, 2, 3)));
        Assert.That((file.HasTimeStamps, file.HasMissingValues, file.HasEqualLengths), Is.EqualTo((false, true, false)));
        Assert.That(file.ClassNames, Is.EqualTo((string[])["up", "down"]));
        Assert.That(file.Classes.ToArray(), Is.EqualTo((int[])[0, 1]));
        Assert.That(file.Targets.Length, Is.Zero);
        Assert.That((file.LengthOf(0), file.LengthOf(1)), Is.EqualTo((3, 1)));
        Assert.That(file.Values(0, 0).ToArray(), Is.EqualTo((float[])[1, 2, -0.35f]));
        Assert.That(file.Values(0, 1).ToArray(), Is.EqualTo((float[])[4, float.NaN, 6]));
        Assert.That(file.Values(1, 0).ToArray(), Is.EqualTo((float[])[7]));
        Assert.That(file.Values(1, 1).ToArray(), Is.EqualTo((float[])[8]));
        Assert.That(file.TimeStamps(0, 0).Length, Is.Zero);
    }

    [Test]
    public void Keys_are_of_any_case_and_blanks_comments_line_ends_and_other_keys_do_not_matter()
    {
        string text = Whole.Replace("@problemName", "@PROBLEMNAME", StringComparison.Ordinal)
            .Replace("@timeStamps false", "\t@timestamps\tFALSE  ", StringComparison.Ordinal)
            .Replace("@missing true", "@path somewhere else\n%# old comment\n\n@Missing True", StringComparison.Ordinal)
            .Replace("@dimensions", "@dimension", StringComparison.Ordinal)
            .Replace("1,2,-3.5e-1:4,?,6:up", " 1 , 2,-3.5e-1 :4, NaN,\t6 : up \n\n# between cases", StringComparison.Ordinal)
            .ReplaceLineEndings("\r\n");

        AssertSame(Read(text), Read(Whole));
        AssertSame(Read($"{text}\r\n  \r\n"), Read(Whole));
        AssertSame(TimeSeriesFile.Read(new MemoryStream([0xEF, 0xBB, 0xBF, .. Encoding.UTF8.GetBytes(text)]), "test.ts"), Read(Whole));
    }

    [Test]
    public void Channels_are_counted_in_the_first_case_if_the_header_does_not_tell()
    {
        TimeSeriesFile file = Read("@classLabel true 1 2\n@data\n1,2:3,4:5,6:2\n7:8:9:1");

        Assert.That((file.Channels, file.Count, file.ProblemName), Is.EqualTo((3, 2, "")));
        Assert.That(file.Classes.ToArray(), Is.EqualTo((int[])[1, 0]));
        Assert.That(Message("@classLabel true 1 2\n@data\n1,2:3,4:5,6:2\n7:8:1"), Does.Contain("line 4, column 1: found 2 dimension(s); expected 3"));
    }

    [Test]
    public void Cases_without_labels_are_read()
    {
        foreach (string header in (string[])["", "@classLabel false\n", "@targetLabel false\n"])
        {
            TimeSeriesFile file = Read($"{header}@data\n1,2:3,4\n5,6:7,8");

            Assert.That((file.Channels, file.Count, file.HasEqualLengths), Is.EqualTo((2, 2, true)));
            Assert.That((file.ClassNames.Count, file.Classes.Length, file.Targets.Length), Is.EqualTo((0, 0, 0)));
            Assert.That(file.Values(1, 1).ToArray(), Is.EqualTo((float[])[7, 8]));
        }
    }

    [Test]
    public void Targets_of_regression_are_numbers()
    {
        TimeSeriesFile file = Read("@univariate true\n@targetLabel true\n@data\n1,2:0.5\n3:-2e3\n");

        Assert.That(file.Targets.ToArray(), Is.EqualTo((float[])[0.5f, -2000]));
        Assert.That((file.ClassNames.Count, file.Classes.Length, file.Channels), Is.EqualTo((0, 0, 1)));
    }

    [Test]
    public void Channels_of_one_case_may_have_different_lengths()
    {
        TimeSeriesFile file = Read("@dimensions 2\n@equalLength false\n@classLabel true a\n@data\n1:2,3,4:a\n5,6:7:a");

        Assert.That((file.LengthOf(0), file.LengthOf(1), file.HasMissingValues, file.HasEqualLengths), Is.EqualTo((3, 2, false, false)));
        Assert.That((file.Values(0, 0).Length, file.Values(0, 1).Length), Is.EqualTo((1, 3)));
        Assert.That((file.Values(1, 0).ToArray(), file.Values(1, 1).ToArray()), Is.EqualTo(((float[])[5, 6], (float[])[7])));
    }

    [Test]
    public void Time_stamps_are_numbers_or_dates()
    {
        TimeSeriesFile numbers = Read("@timeStamps true\n@classLabel true a b\n@data\n(0,1.5),( 2.5 , ?):(-1,3):b\n?:(7,8):a");
        Assert.That((numbers.Channels, numbers.Count, numbers.HasTimeStamps, numbers.HasMissingValues), Is.EqualTo((2, 2, true, true)));
        Assert.That(numbers.TimeStamps(0, 0).ToArray(), Is.EqualTo((double[])[0, 2.5]));
        Assert.That(numbers.Values(0, 0).ToArray(), Is.EqualTo((float[])[1.5f, float.NaN]));
        Assert.That(numbers.TimeStamps(0, 1).ToArray(), Is.EqualTo((double[])[-1]));
        Assert.That((numbers.Values(1, 0).Length, numbers.LengthOf(1), numbers.Values(1, 1)[0]), Is.EqualTo((0, 1, 8)));

        TimeSeriesFile dates = Read("@timeStamps true\n@data\n(1970-01-02 00:00:01,1),(1970-01-01T00:00:00.5,2), (1969-12-31,3),(2007-01-01 00:01,4)");
        Assert.That(dates.TimeStamps(0, 0).ToArray(), Is.EqualTo((double[])[86401, 0.5, -86400, 1167609660]));
        Assert.That(dates.Values(0, 0).ToArray(), Is.EqualTo((float[])[1, 2, 3, 4]));
    }

    [Test]
    public void Numbers_do_not_depend_on_the_culture()
    {
        CultureInfo culture = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo("de-DE");
            AssertSame(Read(Whole), Read(Whole));
            Assert.That(Read("@data\n1.5,2").Values(0, 0).ToArray(), Is.EqualTo((float[])[1.5f, 2]));
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }

    private static IEnumerable<TestCaseData> Faults()
    {
        TestCaseData Case(string name, string text, string place, string found, string expected) =>
            new TestCaseData(text, place, found, expected).SetArgDisplayNames(name);
        TestCaseData Line(string name, string line, string place, string found, string expected) =>
            Case(name, $"@dimensions 2\n@equalLength true\n@seriesLength 2\n@classLabel true a b\n@data\n{line}\n", $"line 6, column {place}", found, expected);
        TestCaseData Stamped(string name, string line, string place, string found, string expected) =>
            Case(name, $"@timeStamps true\n@classLabel true a\n@data\n{line}\n", $"line 4, column {place}", found, expected);

        yield return Case("empty", "", "line 1, column 1", "the end of the file", "@data");
        yield return Case("no data key", "# c\n@problemName x\n", "line 3, column 1", "the end of the file", "@data");
        yield return Case("no cases", "@data\n\n# c\n", "line 4, column 1", "the end of the file", "a line of data");
        yield return Case("data before @data", "@problemName x\n1,2,3:a\n@data", "line 2, column 1", "'1,2,3:a'", "a header line, which begins with @");
        yield return Case("boolean", "@univariate maybe\n@data\n1", "line 1, column 13", "'maybe'", "true or false behind @univariate");
        yield return Case("no boolean", "@timeStamps\n@data\n1", "line 1, column 12", "nothing", "true or false behind @timeStamps");
        yield return Case("text behind a boolean", "@missing false x\n@data\n1", "line 1, column 16", "'x'", "the end of the line");
        yield return Case("dimensions", "@dimensions 0\n@data\n1", "line 1, column 13", "'0'", "a number from 1 to 2147483591 behind @dimensions");
        yield return Case("huge dimensions", "@dimensions 99999999999999999999\n@data\n1", "line 1, column 13", "'99999999999999999999'", "from 1 to");
        yield return Case("negative length", "@seriesLength -4\n@data\n1", "line 1, column 15", "'-4'", "from 1 to");
        yield return Case("no class names", "@classLabel true\n@data\n1:a", "line 1, column 17", "the end of the line", "names of classes");
        yield return Case("class twice", "@classLabel true a b a\n@data\n1:a", "line 1, column 22", "class 'a' twice", "different names");
        yield return Case("class and target", "@classLabel true a\n@targetLabel true\n@data\n1:a", "line 3, column 1", "@classLabel true and @targetLabel true", "one of them");
        yield return Case("univariate", "@univariate true\n@dimensions 3\n@data\n1", "line 3, column 1", "@univariate true and @dimensions 3", "@univariate false");
        yield return Case("text behind data", "@data x\n1", "line 1, column 7", "'x'", "the end of the line behind @data");
        yield return Case("control character", "@problemName a\0b\n@data\n1", "line 1, column 15", "the character U+0000", "text in UTF-8");
        yield return Case("long name", $"@problemName {new string('x', 1001)}\n@data\n1", "line 1, column 14", "'xxxx", "at most 1000 characters");
        yield return Case("target", "@targetLabel true\n@data\n1:x", "line 3, column 3", "'x'", "a target: a finite number");
        yield return Case("missing target", "@targetLabel true\n@data\n1:?", "line 3, column 3", "'?'", "a target: a finite number");
        yield return Case("infinite target", "@targetLabel true\n@data\n1:1e60", "line 3, column 3", "'1e60'", "a target: a finite number");
        yield return Case("no target", "@targetLabel true\n@univariate true\n@data\n1,2", "line 4, column 4", "the end of the line", "':' and a target");

        yield return Line("not a number", "1,2:3,four:a", "7", "'four'", "a number, or ? for a missing one");
        yield return Line("no number", "1,:3,4:a", "3", "nothing", "a number, or ?");
        yield return Line("no channel", "1,2::a", "5", "nothing", "a number, or ?");
        yield return Line("comma at the end", "1,2:3,4,", "9", "nothing", "a number, or ?");
        yield return Line("infinite", "1,2:3,Infinity:a", "7", "'Infinity'", "a finite number that float32 can hold");
        yield return Line("too large", "1,2:3,-1e39:a", "7", "'-1e39'", "a finite number that float32 can hold");
        yield return Line("NUL", "1,2\0:3,4:a", "4", "the character U+0000", "text in UTF-8");
        yield return Line("escape", "1,2:3,4\u001b[2J:a", "8", "the character U+001B", "text in UTF-8");
        yield return Line("carriage return", "1,2\r3:4,5:a", "3", "'2\\u000D3'", "a number, or ?");
        yield return Line("decimal comma", "1,2:3,4,5:a", "10", "3 value(s) in dimension 2", "2, since @equalLength is true");
        yield return Line("length", "1:3,4:a", "2", "1 value(s) in dimension 1", "2, since @equalLength is true");
        yield return Line("few channels", "1,2:a", "1", "1 dimension(s)", "2");
        yield return Line("many channels", "1,2:3,4:5,6:a", "11", "more than 2 dimension(s)", "2");
        yield return Line("class", "1,2:3,4:c", "9", "'c'", "a class of @classLabel: 'a', 'b'");
        yield return Line("class of another case", "1,2:3,4:A", "9", "'A'", "a class of @classLabel: 'a', 'b'");
        yield return Line("no class", "1,2:3,4", "8", "the end of the line", "':' and a class");
        yield return Line("empty class", "1,2:3,4:", "9", "nothing", "a class of @classLabel");
        yield return Line("parentheses", "(0,1),(1,2):3,4:a", "1", "'(0'", "a number, or ?");
        yield return Line("long number", $"1,2:3,{new string('9', 1001)}:a", "7", "'9999", "at most 1000 characters");

        yield return Stamped("no pair", "(0,1),2:a", "7", "'2'", "'('");
        yield return Stamped("no pairs", "1,2:a", "1", "'1'", "a pair (time stamp,value)");
        yield return Stamped("no value", "(0):a", "3", "')'", "','");
        yield return Stamped("three of them", "(0,1,2):a", "5", "','", "')'");
        yield return Stamped("not closed", "(0,1", "5", "the end of the line", "')'");
        yield return Stamped("behind a pair", "(0,1)x:a", "6", "'x'", "',', ':' or the end of the line");
        yield return Stamped("stamp", "(noon,1):a", "2", "'noon'", "a time stamp: a finite number or a date");
        yield return Stamped("no stamp", "(,1):a", "2", "nothing", "a time stamp");
        yield return Stamped("infinite stamp", "(1e400,1):a", "2", "'1e400'", "a finite number");
        yield return Stamped("date behind numbers", "(0,1),(2007-01-01,2):a", "8", "'2007-01-01'", "a finite number, as of the first time stamp");
        yield return Stamped("number behind dates", "(2007-01-01,2),(0,1):a", "17", "'0'", "a date, yyyy-MM-dd HH:mm:ss, as of the first");
        yield return Stamped("no such date", "(2007-02-30,2):a", "2", "'2007-02-30'", "a time stamp");
        yield return Stamped("no values", "?:?:a", "1", "a case without values", "at least one value");
        yield return Stamped("no channels", "a", "1", "0 dimension(s)", "at least 1");
    }

    [TestCaseSource(nameof(Faults))]
    public void Faults_are_refused_with_line_column_and_expectation(string text, string place, string found, string expected)
    {
        string message = Message(text);

        Assert.That(message, Does.StartWith($"test.ts: {place}: found {found}"));
        Assert.That(message, Does.Contain("; expected ").And.Contain(expected).And.EndWith("."));
        Assert.That(message.Any(char.IsControl), Is.False);
        Assert.That(message, Has.Length.LessThan(500));
    }

    [Test]
    public void Bytes_that_are_not_utf_8_are_read_over_in_comments_and_refused_elsewhere()
    {
        byte[] comment = [.. "# caf"u8, 0xE9, .. "\n@classLabel true a\n@data\n1:a"u8];
        Assert.That(TimeSeriesFile.Read(new MemoryStream(comment), "test.ts").Count, Is.EqualTo(1));

        byte[] className = [.. "@classLabel true caf"u8, 0xE9, .. "\n@data\n1:a"u8];
        Assert.That(
            () => TimeSeriesFile.Read(new MemoryStream(className), "test.ts"),
            Throws.TypeOf<InvalidDataException>().With.Message.EqualTo("test.ts: line 1, column 21: found bytes that are not UTF-8; expected text in UTF-8."));
    }

    [Test]
    public void Class_names_may_be_any_text()
    {
        TimeSeriesFile file = Read("@classLabel true 1.0 日本 1\n@data\n5:日本\n6:1\n7:1.0");

        Assert.That(file.ClassNames, Is.EqualTo((string[])["1.0", "日本", "1"]));
        Assert.That(file.Classes.ToArray(), Is.EqualTo((int[])[1, 2, 0]));
    }

    [Test]
    public void A_million_commas_and_false_counts_take_no_memory()
    {
        string commas = $"@dimensions 2147483591\n@equalLength true\n@seriesLength 2147483591\n@data\n{new string(',', 1_000_000)}";
        string comment = $"#{new string(',', 1_000_000)}\n@data\n";
        long before = GC.GetAllocatedBytesForCurrentThread();

        Assert.That(Message(commas), Does.StartWith("test.ts: line 5, column 1: found nothing"));
        Assert.That(Message(comment), Does.Contain("line 3, column 1: found the end of the file"));
        Assert.That(Message("@dimensions 2147483591\n@data\n1:2"), Does.Contain("found 2 dimension(s); expected 2147483591"));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1_000_000));
    }

    [Test]
    public void Memory_follows_the_length_of_the_file_where_one_channel_is_long_and_many_are_short()
    {
        // As a rectangle, the case would be 2,000 x 100,000 values.
        string text = $"@data\n{string.Concat(Enumerable.Repeat("1:", 1999))}{string.Join(',', Enumerable.Repeat("2", 100_000))}";
        long before = GC.GetAllocatedBytesForCurrentThread();

        TimeSeriesFile file = Read(text);

        Assert.That((file.Channels, file.Steps, file.Values(0, 1999).Length), Is.EqualTo((2000, 100_000, 100_000)));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(32L * text.Length));
    }

    [Test]
    public void Compressed_files_are_read_and_damage_is_found()
    {
        using var folder = new TemporaryFolder();
        byte[] compressed = IdxFiles.Compress(Encoding.UTF8.GetBytes(Whole));
        string path = folder.File("small.ts");
        File.WriteAllBytes(path, compressed);
        AssertSame(TimeSeriesFile.Read(path), Read(Whole));

        for (int length = 2; length < compressed.Length; length++)
        {
            File.WriteAllBytes(path, compressed[..length]);
            Assert.That(
                () => TimeSeriesFile.Read(path),
                Throws.TypeOf<InvalidDataException>().With.Message.Match(@"small\.ts: line [0-9]+, column [0-9]+: .*expected"), $"{length} bytes");
        }
    }

    [Test]
    public void Training_and_test_files_are_found_by_the_name_of_the_problem()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("Small_TRAIN.ts"), Whole);
        File.WriteAllBytes(folder.File("Small_TEST.ts.gz"), IdxFiles.Compress(Encoding.UTF8.GetBytes("@data\n1,2")));

        Assert.That(TimeSeriesFile.Load(folder.Path, "Small", DataSplit.Training).ProblemName, Is.EqualTo("Small"));
        Assert.That(TimeSeriesFile.Load(folder.Path, "Small", DataSplit.Test).Steps, Is.EqualTo(2));
        Assert.That(
            () => TimeSeriesFile.Load(folder.Path, "Other", DataSplit.Test),
            Throws.TypeOf<FileNotFoundException>().With.Message.Contains("Other_TEST.ts'").And.Message.Contains("Other_TEST.ts.gz'"));
    }

    [Test]
    public void Arguments_out_of_range_are_refused()
    {
        TimeSeriesFile file = Read(Whole);

        Assert.Throws<ArgumentException>(() => TimeSeriesFile.Read(""));
        Assert.Throws<ArgumentOutOfRangeException>(() => TimeSeriesFile.Load("x", "y", (DataSplit)7));
        Assert.That(() => file.LengthOf(2), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("index is 2; it must be from 0 to 1"));
        Assert.That(() => file.Values(0, -1).Length, Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("channel is -1; it must be from 0 to 1"));
        Assert.Throws<IOException>(() => TimeSeriesFile.Read(new Failing(), "test.ts"));
    }

    /// <summary>Every number of real files, against a parse by splitting lines.</summary>
    [TestCase("JapaneseVowels", 12, 29, 270, 370, 9)]
    [TestCase("BasicMotions", 6, 100, 40, 40, 4)]
    [TestCase("ACSF1", 1, 1460, 100, 100, 10)]
    [TestCase("GunPoint", 1, 150, 50, 150, 2)]
    [TestCase("PickupGestureWiimoteZ", 1, 361, 50, 50, 10)]
    [TestCase("UnitTest", 1, 24, 20, 22, 2)]
    public void Real_files_are_read_whole(string name, int channels, int steps, int training, int test, int classes)
    {
        string folder = SharedData.Require("timeseries", name);
        int longest = 0;
        foreach (DataSplit split in Enum.GetValues<DataSplit>())
        {
            TimeSeriesFile file = TimeSeriesFile.Load(folder, name, split);
            string[] lines = File.ReadAllLines(Path.Combine(folder, $"{name}_{(split == DataSplit.Training ? "TRAIN" : "TEST")}.ts"));
            string[] data = [.. lines.SkipWhile(line => line != "@data").Skip(1).Where(line => line.Length > 0)];

            Assert.That((file.Channels, file.Count, file.ClassNames.Count), Is.EqualTo((channels, split == DataSplit.Training ? training : test, classes)));
            Assert.That(data, Has.Length.EqualTo(file.Count));
            for (int i = 0; i < data.Length; i++)
            {
                string[] fields = data[i].Split(':');
                Assert.That(file.ClassNames[file.Classes[i]], Is.EqualTo(fields[^1]));
                Assert.That(fields, Has.Length.EqualTo(channels + 1));
                for (int channel = 0; channel < channels; channel++)
                {
                    float[] values = [.. fields[channel].Split(',').Select(text => (float)decimal.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture))];
                    Assert.That(file.Values(i, channel).ToArray(), Is.EqualTo(values).Within(1).Ulps);
                }
            }

            longest = Math.Max(longest, file.Steps);
        }

        Assert.That(longest, Is.EqualTo(steps));
    }

    [Test]
    public void A_real_file_is_that_of_another_format()
    {
        TimeSeriesFile file = TimeSeriesFile.Load(SharedData.Require("timeseries", "GunPoint"), "GunPoint", DataSplit.Training);
        string[] lines = File.ReadAllLines(SharedData.Require("timeseries", "GunPoint", "GunPoint_TRAIN.tsv"));

        Assert.That(lines, Has.Length.EqualTo(file.Count));
        for (int i = 0; i < lines.Length; i++)
        {
            string[] fields = lines[i].Split('\t');
            Assert.That(file.ClassNames[file.Classes[i]], Is.EqualTo(fields[0]));
            Assert.That(file.Values(i, 0).ToArray(), Is.EqualTo(fields.Skip(1).Select(text => float.Parse(text, CultureInfo.InvariantCulture))));
        }
    }

    [Test]
    public void A_real_file_with_time_stamps_is_read()
    {
        TimeSeriesFile file = TimeSeriesFile.Read(SharedData.Require("timeseries", "UnitTest", "UnitTestTimeStamps_TRAIN.ts"));

        Assert.That((file.Count, file.Channels, file.Steps, file.HasTimeStamps), Is.EqualTo((4, 1, 4, true)));
        Assert.That(file.Values(0, 0).ToArray(), Is.EqualTo((float[])[241.97f, 241.75f, 241.64f, 241.71f]));
        Assert.That(file.Classes.ToArray(), Is.EqualTo((int[])[0, 0, 1, 1]));
        double start = (new DateTime(2008, 9, 9, 20, 56, 0) - DateTime.UnixEpoch).TotalSeconds;
        Assert.That(file.TimeStamps(2, 0).ToArray(), Is.EqualTo((double[])[start, start + 60, start + 120, start + 180]));
    }

    private static TimeSeriesFile Read(string text) => TimeSeriesFile.Read(new StringReader(text), "test.ts");

    private static string Message(string text) => Assert.Throws<InvalidDataException>(() => Read(text))!.Message;

    private static void AssertSame(TimeSeriesFile file, TimeSeriesFile expected)
    {
        Assert.That((file.ProblemName, file.Count, file.Channels, file.Steps), Is.EqualTo((expected.ProblemName, expected.Count, expected.Channels, expected.Steps)));
        Assert.That(file.ClassNames, Is.EqualTo(expected.ClassNames));
        Assert.That(file.Classes.ToArray(), Is.EqualTo(expected.Classes.ToArray()));
        for (int i = 0; i < file.Count; i++)
        {
            for (int channel = 0; channel < file.Channels; channel++)
            {
                Assert.That(file.Values(i, channel).ToArray(), Is.EqualTo(expected.Values(i, channel).ToArray()));
            }
        }
    }

    private sealed class Failing : TextReader
    {
        public override int Read(char[] buffer, int index, int count) => throw new IOException("gone");
    }
}
