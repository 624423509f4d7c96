using System.Globalization;
using System.Text;
using OrthoNative.Cli;
using OrthoNative.Cli.Files;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Cli.Files;

/// <summary>Files from which another task than the one that is meant could be trained without a word.</summary>
internal sealed class DataRefusalTests
{
    private TemporaryFolder _folder = null!;

    [SetUp]
    public void CreateFolder() => _folder = new TemporaryFolder();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    [Test]
    public void Text_that_is_no_utf8_is_refused_before_columns_are_chosen()
    {
        string path = _folder.File("a.csv");
        File.WriteAllBytes(path, Encoding.Latin1.GetBytes("id,x,label\n1,1,é\n1,2,é\n2,3,ü\n2,4,ü\n"));
        Fails(path, new DataRequest(), "PATH: line 2, column 3 ('label'): found '\uFFFD'; it is no UTF-8 text; save it as UTF-8");

        File.WriteAllBytes(path, Encoding.Latin1.GetBytes("# note\nid,größe\n1,1\n1,2\n"));
        Fails(path, new DataRequest(), "PATH: line 2, column 2: found 'gr\uFFFD\uFFFDe'; it is no UTF-8 text; save it as UTF-8");

        string good = "id,x,label\n1,1,é\n1,2,é\n2,3,ü\n2,4,ü\n";
        Assert.That(Read(good).Data.ClassNames, Is.EqualTo(["é", "ü"]));
    }

    [Test]
    public void Coordinate_y_is_an_input()
    {
        DataContent moves = Read("id,x,y,z,gesture\n" + Rows(40, i => $"{i / 10},{i % 7}.5,{i % 2},{i % 3},{(i < 20 ? "a" : "b")}"));
        Assert.That((moves.Settings.Label, string.Join(',', moves.Settings.Features)), Is.EqualTo(("gesture", "x,y,z")));

        DataContent series = Read("t,x,y,z\n" + Rows(100, i => $"{i},{i % 7}.5,{i % 5}.25,{i % 3}"));
        Assert.That((series.Settings.Goal, string.Join(',', series.Settings.Features)), Is.EqualTo((Goal.Forecast, "x,y,z")));

        // One number for a whole sequence is no coordinate.
        DataContent classes = Read("id,x,y\n" + Rows(40, i => $"{i / 10},{i % 7}.5,{i / 10 % 2}"));
        Assert.That((classes.Settings.Goal, classes.Settings.Label), Is.EqualTo((Goal.ClassifySequences, "y")));
    }

    [Test]
    public void Identifiers_of_rows_are_no_inputs()
    {
        string text = "sequence,a,b,label\n" + Rows(20, i => $"{i * 3},{i % 7}.5,{i % 5},{(i % 2 == 0 ? "up" : "down")}");
        Refused(text, new DataRequest(), "PATH: each row has its own 'sequence'; give --form wide or --sequence");
        DataContent wide = Read(text, new DataRequest { Form = TableForm.Wide });
        Assert.That((wide.Data.Count, wide.Data.Steps, wide.Settings.Sequence), Is.EqualTo((20L, 2L, "sequence")));

        DataContent forecast = Read(text, new DataRequest { Horizon = 2 });
        Assert.That(forecast.Settings.Features, Is.EqualTo(["a", "b"]));
        Assert.That(Read(text, new DataRequest { Horizon = 2, Features = ["sequence", "a"] }).Settings.Features, Is.EqualTo(["sequence", "a"]));

        Refused("sequence,a,b,target\n" + Rows(3000, i => $"r{i},{i % 7}.5,{i % 5},{i}.5"), new DataRequest(), "PATH: each row has its own 'sequence'; give --form wide or --sequence");
    }

    [TestCase("1/2/2024 03:00", "3.01.2024", "line 2: 'date' is '1/2/2024 03:00'; an ISO date such as 2024-01-03, or a number, is expected (--time, --features)")]
    [TestCase("2024-01-02", "3.01.2024", "line 3: 'date' is '3.01.2024'; an ISO date such as 2024-01-03, or a number, is expected (--time, --features)")]
    [TestCase("2024-01-02", "20240103", "line 3: 'date' is '20240103'; an ISO date, as the rows before have, is expected (--time, --features)")]
    [TestCase("2024-01-02", "", "line 3: 'date' has no value; an ISO date such as 2024-01-03, or a number, is expected (--time, --features)")]
    [TestCase("2024-01-02", "2024-01-02", "line 3 has the time of line 2, 'date'; give --sequence, another --time, or --features")]
    [TestCase("7", "7", "line 3 has the time of line 2, 'date'; give --sequence, another --time, or --features")]
    public void Times_that_are_not_understood_are_refused(string first, string second, string message)
    {
        string rest = Rows(40, i => $"{(first == "7" ? $"{i + 8}" : $"2024-02-01 {i / 2:00}:{i % 2 * 30:00}")},{i % 7},{i % 5}");
        string text = $"date,a,b\n{first},1,2\n{second},2,3\n{rest}";
        Refused(text, new DataRequest(), $"PATH: {message}");
        Assert.That(Read(text, new DataRequest { Features = ["a"], Horizon = 2 }).Settings.Features, Is.EqualTo(["a"]));
    }

    [Test]
    public void Times_within_sequences_are_compared_there()
    {
        Refused("id,time,a,label\n1,0,1,u\n2,0,2,d\n1,1,1,u\n2,0,2,d\n", new DataRequest(), "PATH: line 5 has the time of line 3, 'time'; give --sequence, another --time, or --features");
    }

    [Test]
    public void A_second_time_is_no_input()
    {
        DataContent content = Read("date,time,a\n" + Rows(60, i => $"2024-01-01 {i / 30:00}:{i % 30:00},{i % 24},{i % 7}"));

        Assert.That((content.Settings.Time, string.Join(',', content.Settings.Features), string.Join(',', content.Settings.Targets)), Is.EqualTo(("date", "a", "a")));
        Assert.That(content.Findings, Has.Member("left out: time, which has times"));
    }

    [TestCase("label", "a", "PATH: column 'label' has one class, 'a'; at least 2 are needed; give --label or --horizon for a forecast")]
    [TestCase("target", "5", "PATH: column 'target' has one class, '5'; at least 2 are needed; give --label or --horizon for a forecast")]
    public void One_class_alone_is_refused(string name, string value, string message)
    {
        string text = $"id,x,{name}\n" + Rows(40, i => $"{i / 10},{i % 7}.5,{value}");
        Refused(text, new DataRequest(), message);
        Assert.That(Read(text, new DataRequest { Horizon = 1 }).Settings.Goal, Is.EqualTo(Goal.Forecast));
        Refused(text, new DataRequest { Form = TableForm.Wide }, message);
        if (name == "label")
        {
            Refused(text, new DataRequest { Label = name }, "--label is 'label', which has one class in PATH, 'a'; at least 2 are needed", ExitCodes.Usage);
        }
        else
        {
            Refused(text, new DataRequest { Targets = [name] }, "--target is 'target', which is '5' in all rows of PATH; it must have at least 2 values", ExitCodes.Usage);
        }
    }

    [Test]
    public void One_sequence_is_not_trained_on_but_predicted_on()
    {
        string text = "x,label\n" + Rows(40, i => $"{i % 7}.5,{(i % 2 == 0 ? "a" : "b")}");
        Refused(text, new DataRequest(), "PATH has 1 sequence; at least 2 are needed to train and validate; give --sequence, or --horizon for a forecast");

        DataContent content = Read("id,x,label\n" + Rows(40, i => $"{i / 10},{i % 7}.5,{(i % 2 == 0 ? "a" : "b")}"));
        string path = _folder.File("one.csv");
        File.WriteAllText(path, text);
        Assert.That(DataFile.Read(path, content.Settings, content.Data.ClassNames, requireTargets: false).Count, Is.EqualTo(1));
    }

    [Test]
    public void Text_among_numbers_is_shown()
    {
        Refused("v\n" + Rows(3000, i => $"{i % 7}") + Rows(400, _ => "bad"), new DataRequest(),
            "PATH: 'v' has 3000 numbers, but 'bad' in line 3002; expected a column of numbers for the inputs");
        Refused("v;w\n" + Rows(40, i => $"{i % 9 + 1},000.5;{i % 7}.5"), new DataRequest(), "PATH: line 2: 'v' is '1,000.5', whose digits are grouped; remove the separators");
        Refused("v;w\n" + Rows(40, i => $"{i % 7},5;{i % 9 + 1}.000,5"), new DataRequest(), "PATH: line 2: 'w' is '1.000,5', whose digits are grouped; remove the separators");
    }

    [Test]
    public void Suggested_options_are_quoted()
    {
        Refused("a,my kind of,b\n1,x,2\n1,x,3\n2,y,2\n2,y,4\n", new DataRequest(),
            "PATH: it is unclear what column 'my kind of' says; give --label 'my kind of' for the class of each row, with --sequence for rows that belong together or --form wide if a row is a sequence, or --horizon for a forecast. " +
            "Columns: 'a' (1, 2); 'my kind of' (x, y); 'b' (2, 3, 4)");
    }

    [Test]
    public void Last_input_of_rows_without_names_is_named()
    {
        DataContent content = Read(Rows(20, i => string.Join(',', Enumerable.Range(0, 30).Select(k => string.Create(CultureInfo.InvariantCulture, $"{(i * k * 0.5) + 0.25}"))) + (i % 2 == 0 ? ",up" : ",down")));

        Assert.That(content.Findings, Has.Member("inputs: 30 steps of one channel, 'column 1' to 'column 30' (--features)"));
    }

    [Test]
    public void Forecast_lengths_fit_the_part_to_learn_from()
    {
        Refused("id,a\n" + Rows(8, i => $"{i / 2},{i % 3}.5"), new DataRequest(), "PATH has sequences of 2 steps; at least 6 are needed for a forecast");
        Refused("id,a\n" + Rows(80, i => $"{i / 40},{i % 3}.5"), new DataRequest { Horizon = 20 },
            "PATH has sequences of 40 steps; at least 132 are needed for a forecast of 20 (--horizon) from 6 (--window)", ExitCodes.Usage);

        // 7 of the 10 steps of the shortest sequence are learnt from.
        DataContent content = Read("id,a\n" + Rows(610, i => $"{(i < 10 ? 0 : 1 + (i / 210))},{i % 3}.5"));
        Assert.That((content.Settings.Horizon, content.Settings.LookBack), Is.EqualTo((1L, 6L)));
        DataContent least = Read("id,a\n" + Rows(12, i => $"{i / 6},{i % 3}.5"));
        Assert.That((least.Settings.Horizon, least.Settings.LookBack), Is.EqualTo((1L, 1L)));
    }

    [Test]
    public void Numbers_beyond_single_precision_are_refused_in_short()
    {
        string rest = Rows(40, i => $"{i / 10},{i % 7}.5,{(i < 20 ? "a" : "b")}");
        Refused("id,x,label\n0," + new string('9', 1_000_000) + ",a\n" + rest, new DataRequest(),
            "PATH: line 2, column 2 ('x'): found a number of 1000000 characters; expected a number of single precision, up to 3.4E+38");
        Refused("id,x,label\n0,1e300,a\n" + rest, new DataRequest(), "PATH: line 2, column 2 ('x'): found '1e300'; expected a number of single precision, up to 3.4E+38");
        Refused("id,x,label\n0,1e400,a\n" + rest, new DataRequest(), "PATH: line 2, column 2 ('x'): found '1e400'; expected a number of single precision, up to 3.4E+38");
        Refused("id,x,label\n0,infinity,a\n" + rest, new DataRequest(), "PATH: line 2, column 2 ('x'): found 'infinity'; expected a number");
    }

    [TestCase("sep=;", ';', "\n")]
    [TestCase("SEP=|", '|', "\r\n")]
    [TestCase("\uFEFFsep=,", ',', "\n")]
    public void First_line_may_name_the_separator(string first, char separator, string end)
    {
        string text = $"{first}\nid,x,label\n{Rows(40, i => $"{i / 10},{i % 7},{(i < 20 ? "a" : "b")}")}".Replace(",", separator.ToString(), StringComparison.Ordinal).ReplaceLineEndings(end);

        DataContent content = Read(text);

        Assert.That(content.Findings[0], Is.EqualTo($"long form, a row is a step: 3 columns separated by '{separator}' (--form)"));
        Assert.That((content.Data.Count, content.Data.Values(0)[1]), Is.EqualTo((4L, 1f)));
        Refused(text.Replace($"\n0{separator}1{separator}", $"\n0{separator}one{separator}", StringComparison.Ordinal), new DataRequest(), "PATH: line 4, column 2 ('x'): found 'one'; expected a number");
    }

    [Test]
    public void Milliseconds_since_1970_are_shown_as_dates()
    {
        DataContent content = Read("time,a\n" + Rows(60, i => $"{1704067200000 + (i * 1000L)},{i % 7}"));

        Assert.That(DataSummary.Lines(content), Has.Member("time        2024-01-01 00:00:00 to 2024-01-01 00:00:59"));
    }

    [TestCase("{label}_{", "--pattern is '{label}_{', which has a '{' without '}'; it must")]
    [TestCase("{label}_{take}", "FOLDER: found the file name 'broken'; expected '{label}_{take}'")]
    [TestCase("{take}", "FOLDER: the names of the WAV files have no classes that are plain, as 'broken.wav'; give --pattern, as '{label}_{index}' for yes_1.wav or '{label}/{take}' for yes/1.wav")]
    public void Pattern_is_checked_before_sounds_are_read(string pattern, string message)
    {
        File.WriteAllBytes(_folder.File("broken.wav"), [1, 2, 3]);

        CliException exception = Assert.Throws<CliException>(() => DataFile.Read(_folder.Path, new DataRequest { Pattern = pattern }))!;

        Assert.That(exception.Message, Does.StartWith(message.Replace("FOLDER", _folder.Path, StringComparison.Ordinal)));
    }

    private static string Rows(int count, Func<int, string> row) => string.Concat(Enumerable.Range(0, count).Select(i => row(i) + "\n"));

    private DataContent Read(string text, DataRequest? request = null)
    {
        File.WriteAllText(_folder.File("f.csv"), text);
        return DataFile.Read(_folder.File("f.csv"), request ?? new DataRequest());
    }

    private void Refused(string text, DataRequest request, string message, int code = ExitCodes.Failure)
    {
        File.WriteAllText(_folder.File("f.csv"), text);
        Fails(_folder.File("f.csv"), request, message, code);
    }

    private static void Fails(string path, DataRequest request, string message, int code = ExitCodes.Failure)
    {
        CliException exception = Assert.Throws<CliException>(() => DataFile.Read(path, request))!;
        Assert.That((exception.Message, exception.ExitCode), Is.EqualTo((message.Replace("PATH", path, StringComparison.Ordinal), code)));
    }
}
