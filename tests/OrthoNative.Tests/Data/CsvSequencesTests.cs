using System.Globalization;
using System.Text;
using OrthoNative.Data;

namespace OrthoNative.Tests.Data;

internal sealed class CsvSequencesTests
{
    private const string Long = """
        id,time,x,y,label,person
        b,0.5,1,-2.5,up,ann
        b,1.5,2,1e-3,up,ann
        a,3,7,8,down,bob
        a,1,5,6,down,bob
        a,2,6,7,down,bob
        """;

    private static readonly CsvOptions s_long = new() { SequenceColumn = "id", TimeColumn = "time", LabelColumn = "label", GroupColumn = "person" };

    [Test]
    public void Long_form_makes_sequences_in_the_order_of_identifiers_and_times()
    {
        SequenceData data = Read(Long, s_long);

        Assert.That(data.Ids, Is.EqualTo(["a", "b"]));
        Assert.That(data.ChannelNames, Is.EqualTo(["x", "y"]));
        Assert.That(data.Values(0).ToArray(), Is.EqualTo([5f, 6, 6, 7, 7, 8]));
        Assert.That(data.Values(1).ToArray(), Is.EqualTo([1f, -2.5f, 2, 1e-3f]));
        Assert.That(data.TimeStamps(0).ToArray(), Is.EqualTo([1.0, 2, 3]));
        Assert.That(data.ClassNames, Is.EqualTo(["down", "up"]));
        Assert.That((data.ClassOf(0), data.ClassOf(1)), Is.EqualTo((0, 1)));
        Assert.That(data.Groups, Is.EqualTo(["bob", "ann"]));
    }

    [Test]
    public void The_order_of_rows_does_not_matter()
    {
        string[] lines = Long.Split('\n');
        SequenceData expected = Read(Long, s_long);
        var random = new Random(3);
        for (int i = 0; i < 20; i++)
        {
            string[] rows = lines[1..];
            random.Shuffle(rows);

            AssertEqual(Read(string.Join('\n', [lines[0], .. rows]), s_long), expected);
        }
    }

    [TestCase("de-DE"), TestCase("ar-SA"), TestCase("tr-TR")]
    public void The_culture_does_not_matter(string name)
    {
        SequenceData expected = Read(Long, s_long);
        CultureInfo before = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo(name);

            AssertEqual(Read(Long, s_long), expected);
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [TestCase(',', "\n", false), TestCase(';', "\r\n", true), TestCase('\t', "\r", false), TestCase('|', "\n", true)]
    public void Separators_are_found_and_line_ends_quotes_comments_and_marks_are_read(char separator, string lineEnd, bool quotes)
    {
        string text = "\uFEFF# a, b; c\td|e \" not a quote\n\n" + Long + "\n# end\n";
        text = text.Replace(',', separator).Replace("\n", lineEnd, StringComparison.Ordinal);
        if (quotes)
        {
            text = text.Replace("up", "\"up\"", StringComparison.Ordinal).Replace("7", " \"7\" ", StringComparison.Ordinal);
        }

        AssertEqual(Read(text, s_long), Read(Long, s_long));
        AssertEqual(CsvSequences.Read(new MemoryStream(Encoding.UTF8.GetBytes(text)), "s", s_long), Read(Long, s_long));
        AssertEqual(CsvSequences.Read(new MemoryStream(Encoding.Unicode.GetPreamble().Concat(Encoding.Unicode.GetBytes(text)).ToArray()), "s", s_long), Read(Long, s_long));
    }

    [Test]
    public void Quoted_values_have_separators_quotes_and_line_ends()
    {
        SequenceData data = Read("id,x,note\n\"a, \"\"b\"\"\",1,\"c\n# d\"\n\"a, \"\"b\"\"\",2,e\nz,3,f\n", new CsvOptions { SequenceColumn = "id" });

        Assert.That(data.Ids, Is.EqualTo(["a, \"b\"", "z"]));
        Assert.That(data.Values(0).ToArray(), Is.EqualTo([1f, 2]));
    }

    [Test]
    public void Decimal_comma_is_read_and_groups_of_digits_are_not()
    {
        CsvOptions comma = new() { DecimalSeparator = ',' };

        Assert.That(Read("x;y\n1,5;-2,25e1\n", comma).Values(0).ToArray(), Is.EqualTo([1.5f, -22.5f]));
        Fails("x;y\n1,5;2\n", new CsvOptions { FeatureColumns = ["x"] }, "f.csv: line 2, column 1 ('x'): found '1,5'; expected a number.");
        Fails("x;y\n1.500;2\n", comma with { FeatureColumns = ["x"] }, "f.csv: line 2, column 1 ('x'): found '1.500'; expected a number.");
    }

    [Test]
    public void Without_header_columns_have_numbers()
    {
        SequenceData data = Read("1,2,a\n3,4,a\n", new CsvOptions { LabelColumn = 2, FeatureColumns = [1, 0] });

        Assert.That(data.Values(0).ToArray(), Is.EqualTo([2f, 1, 4, 3]));
        Assert.That(data.ChannelNames, Is.EqualTo(["column 2", "column 1"]));
        Assert.That(Read("5,6\n", new CsvOptions { HasHeader = true, Form = TableForm.Wide, FeatureColumns = [0] } with { HasHeader = false }).Values(0).ToArray(), Is.EqualTo([5f]));
    }

    [TestCase("1949-02", -660009600.0), TestCase("2016-07-01", 1467331200.0), TestCase("2016-07-01 01:00:00", 1467334800.0), TestCase("2016-07-01T01:00", 1467334800.0)]
    [TestCase("2021-05-01 00:30:00+00:00", 1619829000.0), TestCase("2021-05-01T00:30:00.25Z", 1619829000.25), TestCase("2021-05-01T00:30:00 -0130", 1619834400.0), TestCase("2021-05-01T00:30+02", 1619821800.0)]
    [TestCase("0001-01-01", -62135596800.0), TestCase("1.25", 1.25), TestCase("-3e2", -300.0)]
    public void Times_are_seconds(string text, double expected) =>
        Assert.That(Read($"t,x\n{text},1\n", new CsvOptions { TimeColumn = "t" }).TimeStamps(0)[0], Is.EqualTo(expected));

    [TestCase("2016-13-01"), TestCase("2016-02-30"), TestCase("2016-07-01 24:00"), TestCase("2016-07-01T"), TestCase("2016-07-01 01:00:00."), TestCase("2016-07-01 01:00+"), TestCase("01/07/2016"), TestCase("NaN"), TestCase("")]
    public void Other_times_are_refused(string text) => Fails(
        $"t,x\n{text},1\n", new CsvOptions { TimeColumn = "t" }, $"f.csv: line 2, column 1 ('t'): found {(text.Length == 0 ? "nothing" : $"'{text}'")}; expected a number or a date of ISO 8601.");

    [Test]
    public void Missing_values_are_refused_with_their_place_or_kept()
    {
        const string Text = "id,x,y\na,1,\na,?,4\na,na,null\n";

        Fails(Text, new CsvOptions { SequenceColumn = "id", FeatureColumns = ["x"] },
            "f.csv: line 3, column 2 ('x'): the value is missing; expected a number, or options.MissingValues other than Refuse.");
        Fails("id,x,y\na,1,\na,2,4\n", new CsvOptions { SequenceColumn = "id" },
            "f.csv: line 2, column 3 ('y'): the value is missing; expected a number, or options.MissingValues other than Refuse.");
        SequenceData data = Read(Text, new CsvOptions { SequenceColumn = "id", MissingValues = MissingValues.Interpolate });
        Assert.That(data.Values(0).ToArray(), Is.EqualTo([1, float.NaN, float.NaN, 4, float.NaN, float.NaN]));
        Assert.That(data.MissingValues, Is.EqualTo(MissingValues.Interpolate));
        Assert.That(Read("x\n1\n-9\n", new CsvOptions { MissingTexts = ["-9.0", "-9"], MissingValues = MissingValues.Zero }).Values(0).ToArray(), Is.EqualTo([1f, float.NaN]));
    }

    [Test]
    public void Columns_of_text_and_columns_without_values_are_no_inputs()
    {
        SequenceData data = Read("note,x,empty,late,flag\nhello,1,,,true\n,2,NA,5,false\n", new CsvOptions { MissingValues = MissingValues.Zero });

        Assert.That(data.ChannelNames, Is.EqualTo(["x", "late"]));
        Assert.That(data.Values(0).ToArray(), Is.EqualTo([1, float.NaN, 2, 5]));
        Assert.That(Read("x,flag\n1,true\n2,FALSE\n", new CsvOptions { FeatureColumns = ["flag"] }).Values(0).ToArray(), Is.EqualTo([1f, 0]));
    }

    [Test]
    public void Targets_are_of_sequences_or_of_steps()
    {
        const string Text = "id,x,u,v\na,1,0.5,7\na,2,0.5,8\n";

        SequenceData steps = Read(Text, new CsvOptions { SequenceColumn = "id", TargetColumns = ["v", "u"], TargetPerStep = true });
        Assert.That(steps.Targets(0).ToArray(), Is.EqualTo([7f, 0.5f, 8, 0.5f]));
        Assert.That(steps.TargetNames, Is.EqualTo(["v", "u"]));
        Assert.That(steps.ChannelNames, Is.EqualTo(["x"]));
        Assert.That(Read(Text, new CsvOptions { SequenceColumn = "id", TargetColumns = ["u"] }).Targets(0).ToArray(), Is.EqualTo([0.5f]));
        Fails(Text, new CsvOptions { SequenceColumn = "id", TargetColumns = ["v"] },
            "f.csv: line 3, column 4 ('v'): found 8; expected 7, as line 2 of the same sequence 'a' has, or options.TargetPerStep.");
        Fails("x,u\n1,\n", new CsvOptions { TargetColumns = ["u"] }, "f.csv: line 2, column 2 ('u'): found nothing, a missing value; expected a number.");
    }

    [Test]
    public void Classes_are_of_steps_or_those_of_the_option()
    {
        const string Text = "x,c\n1,b\n2,a\n3,b\n";

        SequenceData data = Read(Text, new CsvOptions { LabelColumn = "c", LabelPerStep = true });
        Assert.That(data.Classes(0).ToArray(), Is.EqualTo([1, 0, 1]));
        Assert.That(Read(Text, new CsvOptions { LabelColumn = "c", LabelPerStep = true, ClassNames = ["z", "b", "a"] }).Classes(0).ToArray(), Is.EqualTo([1, 2, 1]));
        Fails(Text, new CsvOptions { LabelColumn = "c", LabelPerStep = true, ClassNames = ["b"] },
            "f.csv: line 3, column 2 ('c'): found 'a'; expected one of options.ClassNames, 'b'.");
        Fails(Text, new CsvOptions { LabelColumn = "c" }, "f.csv: line 3, column 2 ('c'): found 'a'; expected 'b', as line 2 of the same sequence has, or options.LabelPerStep.");
        Fails("x,c\n1,\n", new CsvOptions { LabelColumn = "c" }, "f.csv: line 2, column 2 ('c'): found nothing, a missing value; expected a class.");
        Fails("x,g\n1,a\n2,b\n", new CsvOptions { GroupColumn = "g" }, "f.csv: line 3, column 2 ('g'): found 'b'; expected 'a', as line 2 of the same sequence has.");
    }

    [Test]
    public void Wide_form_cuts_rows_where_their_values_end()
    {
        SequenceData data = Read("name,s0,s1,s2,class\nq,1,2,3,u\np,4,,,v\nr,5,?,6,u\n",
            new CsvOptions { Form = TableForm.Wide, SequenceColumn = "name", LabelColumn = "class", MissingValues = MissingValues.Mean });

        Assert.That(data.Ids, Is.EqualTo(["p", "q", "r"]));
        Assert.That(data.Values(0).ToArray(), Is.EqualTo([4f]));
        Assert.That(data.Values(1).ToArray(), Is.EqualTo([1f, 2, 3]));
        Assert.That(data.Values(2).ToArray(), Is.EqualTo([5, float.NaN, 6]));
        Assert.That(data.ClassOf(0), Is.EqualTo(1));
        Fails("a,b\n1,2\n?,3\n", new CsvOptions { Form = TableForm.Wide },
            "f.csv: line 3, column 1 ('a'): the value is missing; expected a number, or options.MissingValues other than Refuse.");
        Fails("a,b\n1,2\n,NA\n", new CsvOptions { Form = TableForm.Wide }, "f.csv: line 3: found no value of a step; expected at least one.");
        Fails("n,a\nq,1\nq,2\n", new CsvOptions { Form = TableForm.Wide, SequenceColumn = "n" }, "f.csv: line 3, column 1 ('n'): found 'q', the identifier of line 2; expected another one.");
        Fails("a,b,c\n1,,\n1,2\n", new CsvOptions { Form = TableForm.Wide }, "f.csv: line 3: found 2 values; expected 3, as the first row has.");
        Assert.That(Read("0,1,2,3\n1,5\n0,6,7\n", new CsvOptions { Form = TableForm.Wide, LabelColumn = 0 }).Values(2).ToArray(), Is.EqualTo([6f, 7]));
    }

    [Test]
    public void Wide_form_finds_channels_by_a_pattern()
    {
        CsvOptions options = new() { Form = TableForm.Wide, ChannelPattern = "{channel}_{step}", LabelColumn = "c" };

        SequenceData data = Read("c,y_2,x_1,x_2,y_1,other\nk,4,1,2,3,9\n", options);
        Assert.That(data.ChannelNames, Is.EqualTo(["y", "x"]));
        Assert.That(data.Values(0).ToArray(), Is.EqualTo([3f, 1, 4, 2]));
        Fails("c,x_1,x_3\nk,1,2\n", options, "f.csv: the channel 'x' has 2 columns with the steps 1 to 3; expected the 2 steps from 1 on without gaps, as the first channel has.");
        Fails("c,x\nk,1\n", options, "f.csv: no column has a name like '{channel}_{step}', options.ChannelPattern; the columns are 'c', 'x'.");
        Assert.That(Read("c,t0 of acc_x,t1 of acc_x\nk,1,2\n", options with { ChannelPattern = "t{step} of {channel}" }).ChannelNames, Is.EqualTo(["acc_x"]));
    }

    [TestCase("gestur", " (perhaps 'gesture')"), TestCase("GESTURE", " (perhaps 'gesture')"), TestCase("other", "")]
    public void An_absent_column_is_told_with_the_nearest(string name, string hint) => Fails(
        "time,ax,gesture\n1,2,a\n", new CsvOptions { LabelColumn = name }, $"f.csv: there is no column '{name}', which options.LabelColumn gives{hint}; the columns are 'time', 'ax', 'gesture'.");

    [Test]
    public void Faults_have_their_place()
    {
        Fails("id,t,x\na,1,2\na,2,3\nb,1,4\na,1,5\n", new CsvOptions { SequenceColumn = "id", TimeColumn = "t" },
            "f.csv: line 5, column 2 ('t'): the time is that of line 2 of the same sequence 'a'; expected another one.");
        Fails("x,y\n1,2\n\n# c\n3\n", new CsvOptions(), "f.csv: line 5: found 1 values; expected 2, as the first row has.");
        Fails("x,y\n1,2\n\"3\n4\",z\n", new CsvOptions(), "f.csv: line 3, column 1 ('x'): found '3\\u000A4'; expected a number.");
        Fails("x\n1\n1e39\n", new CsvOptions(), "f.csv: line 3, column 1 ('x'): found '1e39'; expected a number of single precision, up to 3.4E+38.");
        Fails("x\n1\ninf\n", new CsvOptions(), "f.csv: line 3, column 1 ('x'): found 'inf'; expected a number.");
        Fails("x\n1\n\"2\n3\n", new CsvOptions(), "f.csv: line 3: found a quote that is not closed; expected another one.");
        Fails("x,c\n1,\"a\"b\n", new CsvOptions { LabelColumn = "c" },
            "f.csv: line 2, column 2 ('c'): found '\"a\"b'; expected nothing behind the quote that ends a value, or a quote written twice.");
        Fails("", new CsvOptions(), "f.csv: there are no rows; expected at least one.");
        Fails("x,y\n", new CsvOptions { FeatureColumns = ["x"] }, "f.csv: there are no rows of values; expected at least one.");
        Fails("a,b\nc,d\n", new CsvOptions(), "f.csv: there is no column of numbers without another use; expected at least one, or options.FeatureColumns.");
        Fails("1,2\n", new CsvOptions { LabelColumn = 2 }, "f.csv: there is no column 2 (from 0), which options.LabelColumn gives; the table has 2 columns.");
        Fails("x,x\n1,2\n", new CsvOptions { LabelColumn = "x" }, "f.csv: several columns have the name 'x', which options.LabelColumn gives; it must be a number from 0.");
        Fails("x,t\n1,2020-01-01\n2,5\n", new CsvOptions { TimeColumn = "t" }, "f.csv: line 3, column 2 ('t'): found '5'; expected a date of ISO 8601, as the rows before have.");
        Fails("x\n\u001b[31m\u202e\n", new CsvOptions { FeatureColumns = ["x"] }, "f.csv: line 2, column 1 ('x'): found '\\u001B[31m\\u202E'; expected a number.");
        Fails($"x\n{new string('9', 200)}q\n", new CsvOptions { FeatureColumns = ["x"] }, $"f.csv: line 2, column 1 ('x'): found '{new string('9', 80)}… (201 characters)'; expected a number.");
        Assert.That(() => CsvSequences.Read(new MemoryStream([(byte)'x', (byte)',', (byte)'c', 10, (byte)'1', (byte)',', 0xFF, 10]), "f.csv", new CsvOptions { LabelColumn = "c" }),
            Throws.TypeOf<InvalidDataException>().With.Message.EqualTo("f.csv: line 2, column 2 ('c'): found bytes that are not UTF-8; expected a class."));
    }

    [Test]
    public void A_row_that_never_ends_is_refused()
    {
        Assert.That(() => CsvSequences.Read(new Endless("x\n1\n\""), "f.csv", new CsvOptions()), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo(
            "f.csv: line 3: found a row of more than 8388608 characters, and a quote in line 3 that is not closed; expected at most as many."));
        Assert.That(() => CsvSequences.Read(new Endless("x,"), "f.csv", new CsvOptions()), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo(
            "f.csv: line 1: found a row of more than 8388608 characters; expected at most as many."));
        Fails(new string(',', 1 << 20), new CsvOptions(), "f.csv: line 1: found 1048577 columns; expected at most 1048576.");
    }

    [Test]
    public void Options_that_contradict_each_other_are_refused()
    {
        Refuses(new CsvOptions { Separator = 'a' }, "options.Separator is 'a'; it must be a tab, or a printable ASCII character that is no letter, digit, quote, point, sign or '#'. (Parameter 'options')");
        Refuses(new CsvOptions { DecimalSeparator = ';' }, "options.DecimalSeparator is ';'; it must be '.' or ','. (Parameter 'options')");
        Refuses(new CsvOptions { Separator = ',', DecimalSeparator = ',' }, "options.Separator is ','; it must be another one than the decimal separator. (Parameter 'options')");
        Refuses(new CsvOptions { LabelPerStep = true }, "options.LabelPerStep is true; it needs LabelColumn. (Parameter 'options')");
        Refuses(new CsvOptions { Form = TableForm.Wide, TimeColumn = "t" }, "options.TimeColumn is given; only TableForm.Long has one. (Parameter 'options')");
        Refuses(new CsvOptions { FeatureColumns = [] }, "options.FeatureColumns is empty; it must have at least one column or be null. (Parameter 'options')");
        Refuses(new CsvOptions { LabelColumn = 0, TargetColumns = [1] }, "options.LabelColumn and TargetColumns are given; at most one of them may be given. (Parameter 'options')");
        Refuses(new CsvOptions { Form = TableForm.Wide, ChannelPattern = "{channel}{step}" },
            "options.ChannelPattern is '{channel}{step}'; it must have {channel} and {step} once each, with text between them. (Parameter 'options')");
        Refuses(new CsvOptions { LabelColumn = 0, ClassNames = ["a", "a"] }, "options.ClassNames has a name twice; each must be there once. (Parameter 'options')");
        Assert.That(() => Read("x\n1\n", new CsvOptions { Form = (TableForm)7 }), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("options.Form is 7; it must be one of Long, Wide."));
        Assert.That(() => new TableColumn(-1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("index is -1; it must be at least 0."));

        static void Refuses(CsvOptions options, string message) =>
            Assert.That(() => Read("x\n1\n", options), Throws.TypeOf<ArgumentException>().With.Message.EqualTo(message));
    }

    [Test]
    public void Progress_is_told_and_cancellation_ends()
    {
        string text = "x\n" + string.Concat(Enumerable.Repeat("1.25\n", 1 << 20));
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        List<long> told = [];
        var progress = new Reports(told.Add);

        SequenceData data = CsvSequences.Read(new MemoryStream(bytes), "f.csv", new CsvOptions(), progress, default);

        Assert.That(data.Steps, Is.EqualTo(1 << 20));
        Assert.That(told, Is.Ordered.And.Count.InRange(4, 8));
        Assert.That(told[^1], Is.EqualTo(bytes.Length));
        using var source = new CancellationTokenSource();
        Assert.That(() => CsvSequences.Read(new MemoryStream(bytes), "f.csv", new CsvOptions(), new Reports(_ => source.Cancel()), source.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void A_million_rows_take_a_small_factor_of_the_file()
    {
        var text = new StringBuilder("id,t,a,b,c\n");
        for (int i = 0; i < 1_000_000; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{i / 1000},{i % 1000},{i % 97},{i % 89 / 8.0},-{i % 83}\n");
        }

        byte[] bytes = Encoding.UTF8.GetBytes(text.ToString());
        text.Clear();
        long before = GC.GetAllocatedBytesForCurrentThread();

        SequenceData data = CsvSequences.Read(new MemoryStream(bytes), "f.csv", new CsvOptions { SequenceColumn = "id", TimeColumn = "t" });

        double factor = (double)(GC.GetAllocatedBytesForCurrentThread() - before) / bytes.Length;
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{bytes.Length} bytes of text, {factor:F2} times as many allocated"));
        Assert.That((data.Count, data.Steps), Is.EqualTo((1000L, 1000L)));
        Assert.That(data.Values(999)[^3..].ToArray(), Is.EqualTo([999_999 % 97f, 999_999 % 89 / 8f, -(999_999 % 83f)]));
        Assert.That(factor, Is.LessThan(4));
    }

    [Test]
    public void Files_plain_and_compressed_are_read()
    {
        string folder = Directory.CreateTempSubdirectory("orthonative-csv-").FullName;
        try
        {
            string plain = Path.Combine(folder, "a.csv"), compressed = Path.Combine(folder, "b.csv");
            File.WriteAllText(plain, Long);
            using (var gzip = new System.IO.Compression.GZipStream(File.Create(compressed), System.IO.Compression.CompressionLevel.Optimal))
            {
                gzip.Write(Encoding.UTF8.GetBytes(Long));
            }

            AssertEqual(CsvSequences.Read(plain, s_long), Read(Long, s_long));
            AssertEqual(CsvSequences.Read(compressed, s_long), Read(Long, s_long));
            File.WriteAllBytes(compressed, File.ReadAllBytes(compressed)[..^4]);
            Assert.That(() => CsvSequences.Read(compressed, s_long), Throws.TypeOf<InvalidDataException>().With.Message.Contains("b.csv: line 1: the compressed data cannot be read further"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void The_gestures_of_the_examples_are_read()
    {
        SequenceData data = CsvSequences.Read(
            Path.Combine(Repository.Root, "examples/data/gestures.csv"), new CsvOptions { SequenceColumn = "sequence", TimeColumn = "time", LabelColumn = "gesture" });

        Assert.That((data.Count, data.Features, data.Outputs), Is.EqualTo((60L, 3L, 4L)));
        Assert.That(data.ClassNames, Is.EqualTo(["circle", "shake", "swipe", "tap"]));
        Assert.That(data.ChannelNames, Is.EqualTo(["ax", "ay", "az"]));
        Assert.That(Enumerable.Range(0, 60).Select(i => data.LengthOf(i)), Has.All.InRange(20, 60));
        Assert.That(Enumerable.Range(0, 60).GroupBy(i => data.ClassOf(i)).Select(group => group.Count()), Is.EqualTo([15, 15, 15, 15]));
    }

    [Test]
    public void Ett_is_read()
    {
        SequenceData data = CsvSequences.Read(SharedData.Require("ett", "ETTh1.csv"), new CsvOptions { TimeColumn = "date" });

        Assert.That((data.Count, data.Steps, data.Features), Is.EqualTo((1L, 17420L, 7L)));
        Assert.That(data.ChannelNames, Is.EqualTo(["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]));
        Assert.That(data.Values(0)[6], Is.EqualTo(30.5310001373291f));
        Assert.That(data.TimeStamps(0)[0], Is.EqualTo(1467331200.0));
        Assert.That(data.TimeStamps(0)[^1] - data.TimeStamps(0)[0], Is.EqualTo(17419 * 3600.0));
    }

    [Test]
    public void Csv_files_of_the_archive_are_read()
    {
        SequenceData airline = CsvSequences.Read(SharedData.Require("timeseries", "Airline", "Airline.csv"), new CsvOptions { TimeColumn = "Date" });
        SequenceData solar = CsvSequences.Read(SharedData.Require("timeseries", "solar", "solar.csv"), new CsvOptions { TimeColumn = "datetime_gmt", MissingValues = MissingValues.Interpolate });

        Assert.That(airline.Values(0)[..3].ToArray(), Is.EqualTo([112f, 118, 132]));
        Assert.That(airline.Steps, Is.EqualTo(144));
        Assert.That(solar.TimeStamps(0)[1] - solar.TimeStamps(0)[0], Is.EqualTo(1800));
        Assert.That(solar.TimeStamps(0)[0], Is.EqualTo(1619827200.0));
    }

    [Test]
    public void Ucr_file_has_the_data_of_the_ts_file()
    {
        SequenceData data = UcrFile.Read(SharedData.Require("timeseries", "GunPoint", "GunPoint_TRAIN.tsv"));
        TimeSeriesFile expected = TimeSeriesFile.Read(SharedData.Require("timeseries", "GunPoint", "GunPoint_TRAIN.ts"));

        Assert.That((data.Count, data.Steps, data.Features), Is.EqualTo((50L, 150L, 1L)));
        Assert.That(data.ClassNames, Is.EqualTo(["1", "2"]));
        for (int i = 0; i < 50; i++)
        {
            Assert.That(data.ClassNames[data.ClassOf(i)], Is.EqualTo(expected.ClassNames[expected.Classes[i]]));
            for (int step = 0; step < 150; step++)
            {
                Assert.That(data.Values(i)[step], Is.EqualTo(expected.Values(i, 0)[step]).Within(1e-5f));
            }
        }
    }

    [Test]
    public void Ucr_file_with_shorter_cases_and_missing_values_is_read()
    {
        const string Text = "2\t1.5\tNaN\t3\tNaN\tNaN\n-1\t4\t5\t6\t7\t8\n";

        SequenceData data = UcrFile.Read(Bytes(Text), "u.tsv", new UcrOptions { MissingValues = MissingValues.Interpolate, ClassNames = ["2", "-1", "5"] });
        Assert.That(data.Values(0).ToArray(), Is.EqualTo([1.5f, float.NaN, 3]));
        Assert.That(data.LengthOf(1), Is.EqualTo(5));
        Assert.That((data.ClassOf(0), data.ClassOf(1), data.Outputs), Is.EqualTo((0, 1, 3L)));
        Assert.That(() => UcrFile.Read(Bytes(Text), "u.tsv", new UcrOptions()), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo(
            "u.tsv: line 1, column 3: the value is missing; expected a number, or options.MissingValues other than Refuse."));
        Assert.That(UcrFile.Read(Bytes("1,0.5,0.25\n"), "u", new UcrOptions()).Values(0).ToArray(), Is.EqualTo([0.5f, 0.25f]));

        static MemoryStream Bytes(string text) => new(Encoding.UTF8.GetBytes(text));
    }

    private static SequenceData Read(string text, CsvOptions options) => CsvSequences.Read(new StringReader(text), "f.csv", options);

    private static void Fails(string text, CsvOptions options, string message) =>
        Assert.That(() => Read(text, options), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo(message));

    /// <summary>Compares everything that a table gives.</summary>
    internal static void AssertEqual(SequenceData data, SequenceData expected)
    {
        Assert.That(data.Ids, Is.EqualTo(expected.Ids));
        Assert.That(data.ChannelNames, Is.EqualTo(expected.ChannelNames));
        Assert.That(data.ClassNames, Is.EqualTo(expected.ClassNames));
        Assert.That(data.Groups, Is.EqualTo(expected.Groups));
        for (int i = 0; i < expected.Count; i++)
        {
            Assert.That(data.Values(i).ToArray(), Is.EqualTo(expected.Values(i).ToArray()));
            Assert.That(data.TimeStamps(i).ToArray(), Is.EqualTo(expected.TimeStamps(i).ToArray()));
            Assert.That(data.Classes(i).ToArray(), Is.EqualTo(expected.Classes(i).ToArray()));
        }
    }

    /// <summary>Reports where they are made.</summary>
    private sealed class Reports(Action<long> report) : IProgress<long>
    {
        public void Report(long value) => report(value);
    }

    /// <summary>A text that ends with the same character for ever.</summary>
    private sealed class Endless(string start) : TextReader
    {
        private int _at;

        public override int Read(char[] buffer, int index, int count) => Read(buffer.AsSpan(index, count));

        public override int Read(Span<char> buffer)
        {
            for (int i = 0; i < buffer.Length; i++)
            {
                buffer[i] = _at < start.Length ? start[_at++] : '7';
            }

            return buffer.Length;
        }
    }
}
