using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using OrthoNative.Cli;
using OrthoNative.Cli.Files;
using OrthoNative.Tests.Data;
using Parquet;
using Parquet.Schema;

namespace OrthoNative.Tests.Cli.Files;

internal sealed class DataFileTests
{
    private TemporaryFolder _folder = null!;

    [SetUp]
    public void CreateFolder() => _folder = new TemporaryFolder();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    [TestCase(",", '.', "\n", "','")]
    [TestCase("\t", '.', "\r\n", "tabs")]
    [TestCase("\t", ',', "\n", "tabs")]
    [TestCase(";", ',', "\r\n", "';'")]
    [TestCase("|", '.', "\n", "'|'")]
    public void Long_tables_are_read_however_they_are_written(string separator, char sign, string end, string shown)
    {
        DataContent content = Read("g.csv", Gestures(separator, sign, end));

        Assert.That(content.Findings, Is.EqualTo(
        [
            $"long form, a row is a step: 7 columns separated by {shown}{(sign == ',' ? ", with decimal commas" : "")} (--form)",
            "column 'sequence' tells 6 sequences apart (--sequence)",
            "column 'time' is the time (--time)",
            "column 'person' is the group: 3 of them (--group)",
            "column 'gesture' is the class: 2 of them (--label)",
            "inputs: ax, ay, az (--features)",
        ]));
        Assert.That(content.Settings.Goal, Is.EqualTo(Goal.ClassifySequences));
        Assert.That(content.Settings.Missing, Is.EqualTo(MissingValues.Refuse));
        Assert.That(content.Data.Count, Is.EqualTo(6));
        Assert.That(content.Data.ClassNames, Is.EqualTo(["swipe left", "wave"]));
        Assert.That(content.Data.Groups!.Distinct(), Is.EquivalentTo(["anna", "bob", "eve"]));
        Assert.That(content.Data.Values(0)[..3].ToArray(), Is.EqualTo([0.5f, 1.25f, -2]));
    }

    [Test]
    public void Settings_survive_as_json()
    {
        DataSettings settings = Read("g.csv", Gestures()).Settings;

        DataSettings restored = JsonSerializer.Deserialize<DataSettings>(JsonSerializer.Serialize(settings))!;
        SequenceData data = DataFile.Read(_folder.File("g.csv"), restored, ["wave", "swipe left"], requireTargets: true);

        Assert.That(data.ClassNames, Is.EqualTo(["wave", "swipe left"]));
        Assert.That(data.ClassNames[data.ClassOf(0)], Is.EqualTo("swipe left"));
    }

    [Test]
    public void Byte_order_marks_and_quotes_are_no_part_of_names()
    {
        string text = Gestures().Replace("sequence,", "\"sequence\",", StringComparison.Ordinal).Replace("swipe left", "\"swipe, \"\"left\"\"\"", StringComparison.Ordinal);
        foreach (Encoding encoding in (Encoding[])[new UTF8Encoding(true), Encoding.Unicode, Encoding.BigEndianUnicode])
        {
            string path = _folder.File("bom.csv");
            File.WriteAllText(path, text, encoding);

            DataContent content = DataFile.Read(path, new DataRequest());

            Assert.That(content.Settings.Sequence, Is.EqualTo("sequence"), encoding.WebName);
            Assert.That(content.Data.ClassNames, Is.EqualTo(["swipe, \"left\"", "wave"]), encoding.WebName);
        }
    }

    [Test]
    public void Classes_that_vary_within_a_sequence_are_those_of_steps()
    {
        var text = new StringBuilder("subject,t,x,activity\n");
        for (int i = 0; i < 60; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{i / 20},{i % 20},{i * 0.5},{(i % 20 < 10 ? "rest" : "walk")}\n");
        }

        DataContent content = Read("a.csv", text.ToString());

        Assert.That(content.Settings.Goal, Is.EqualTo(Goal.ClassifySteps));
        Assert.That((content.Settings.Sequence, content.Settings.Time, content.Settings.Label), Is.EqualTo(("subject", "t", "activity")));
        Assert.That(content.Data.HasStepTargets, Is.True);
        Assert.That(content.Findings, Has.Member("column 'activity' is the class of each step: 2 of them (--label)"));
    }

    [Test]
    public void Many_numbers_named_target_are_values()
    {
        var text = new StringBuilder("id,x,target\n");
        for (int i = 0; i < 80; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{i / 4},{i * 0.5},{(i / 4) + 0.25}\n");
        }

        DataContent content = Read("r.csv", text.ToString());

        Assert.That(content.Settings.Goal, Is.EqualTo(Goal.PredictSequences));
        Assert.That(content.Data.TargetNames, Is.EqualTo(["target"]));
        Assert.That(content.Data.Targets(2)[0], Is.EqualTo(2.25f));
        Assert.That(content.Settings.Features, Is.EqualTo(["x"]));
    }

    [Test]
    public void Table_without_classes_is_forecast()
    {
        DataContent content = Read("s.csv", Series(400));

        Assert.That(content.Settings.Goal, Is.EqualTo(Goal.Forecast));
        Assert.That((content.Settings.Horizon, content.Settings.LookBack), Is.EqualTo((20L, 66L)));
        Assert.That(content.Settings.Targets, Is.EqualTo(["load", "y"]));
        Assert.That(content.Findings, Is.EqualTo(
        [
            "long form, a row is a step: 3 columns separated by ',' (--form)",
            "the table is one sequence of 400 steps (--sequence)",
            "column 'date' is the time (--time)",
            "inputs: load, y (--features)",
            "forecast of the next 20 steps (--horizon) from 66 (--window), of load, y (--target)",
        ]));
        DataContent one = Read("s.csv", Series(400), new DataRequest { Targets = ["y"], Features = ["load"], Horizon = 5, LookBack = 10 });
        Assert.That((one.Settings.Horizon, one.Settings.LookBack), Is.EqualTo((5L, 10L)));
        Assert.That(one.Settings.Features, Is.EqualTo(["load", "y"]), "what is forecast is an input, too");
        Assert.That(one.Settings.Targets, Is.EqualTo(["y"]));
        Assert.That(one.Data.HasTargets, Is.False);
    }

    [Test]
    public void Only_numbers_of_a_table_are_forecast_whatever_their_name()
    {
        string text = "unique_id,ds,y\n" + string.Concat(Enumerable.Range(0, 120).Select(i => $"u{i / 40},2020-01-{1 + (i % 40 / 2):00} {i % 2 * 12:00}:00,{i % 3}\n"));

        DataContent content = Read("p.csv", text);

        Assert.That((content.Settings.Goal, content.Settings.Sequence, content.Settings.Time, content.Data.Count), Is.EqualTo((Goal.Forecast, "unique_id", "ds", 3L)));
        Assert.That(content.Settings.Features, Is.EqualTo(["y"]));
    }

    [Test]
    public void Rows_may_come_in_any_order()
    {
        string text = "date,x\n" + string.Concat(Enumerable.Range(0, 60).Select(i => $"2020-01-01 00:{i * 7 % 60:00},{i * 7 % 60}\n"));

        DataContent content = Read("o.csv", text);

        Assert.That(content.Settings.Time, Is.EqualTo("date"));
        Assert.That(content.Data.Values(0).ToArray(), Is.EqualTo(Enumerable.Range(0, 60).Select(i => (float)i)));
    }

    [Test]
    public void Wide_table_has_a_sequence_in_each_row()
    {
        var text = new StringBuilder("id," + string.Join(',', Enumerable.Range(0, 12).Select(i => $"t{i}")) + ",label\n");
        for (int i = 0; i < 10; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"s{i},{string.Join(',', Enumerable.Range(0, 12).Select(k => ((i * 12) + k + 0.5).ToString(CultureInfo.InvariantCulture)))},{(i % 2 == 0 ? "up" : "down")}\n");
        }

        DataContent content = Read("w.csv", text.ToString());

        Assert.That(content.Settings.Form, Is.EqualTo(TableForm.Wide));
        Assert.That(content.Findings, Is.EqualTo(
        [
            "wide form, a row is a sequence: 14 columns separated by ',' (--form)",
            "column 'id' names the sequences (--sequence)",
            "column 'label' is the class: 2 of them (--label)",
            "inputs: 12 steps of one channel, 't0' to 't11' (--features)",
        ]));
        Assert.That((content.Data.Count, content.Data.Steps, content.Data.Features), Is.EqualTo((10L, 12L, 1L)));
        Assert.That(content.Data.Ids[3], Is.EqualTo("s3"));
    }

    [Test]
    public void Wide_table_has_channels_by_a_pattern()
    {
        var text = new StringBuilder("gesture,x_0,x_1,x_2,x_3,y_0,y_1,y_2,y_3\n");
        for (int i = 0; i < 8; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{(i % 2 == 0 ? "up" : "down")},{i},1,2,3,{i + 10}.5,11,12,13\n");
        }

        DataContent content = Read("w.csv", text.ToString());

        Assert.That(content.Settings.ChannelPattern, Is.EqualTo("{channel}_{step}"));
        Assert.That(content.Settings.Features, Is.EqualTo(["x", "y"]));
        Assert.That((content.Data.Steps, content.Data.Features), Is.EqualTo((4L, 2L)));
        Assert.That(content.Data.Values(1).ToArray(), Is.EqualTo(new[] { 1, 11.5f, 1, 11, 2, 12, 3, 13 }));

        // The same channels in another order.
        string other = _folder.File("o.csv");
        File.WriteAllText(other, "y_0;y_1;x_0;x_1\n1,5;2;3;4\n");
        SequenceData read = DataFile.Read(other, content.Settings, content.Data.ClassNames, requireTargets: false);
        Assert.That(read.ChannelNames, Is.EqualTo(["x", "y"]));
        Assert.That(read.Values(0).ToArray(), Is.EqualTo(new[] { 3, 1.5f, 4, 2 }));
    }

    [Test]
    public void Table_without_names_has_the_class_first_or_last()
    {
        var first = new StringBuilder();
        for (int i = 0; i < 12; i++)
        {
            first.Append(CultureInfo.InvariantCulture, $"{(i % 3) + 1}\t{string.Join('\t', Enumerable.Range(0, 10).Select(k => (k * 0.5) - i))}\n");
        }

        DataContent content = Read("u.tsv", first.ToString());

        Assert.That((content.Settings.Format, content.Settings.Label), Is.EqualTo((DataFormat.Ucr, "column 1")));
        Assert.That((content.Data.Count, content.Data.Steps, content.Data.ClassNames.Count), Is.EqualTo((12L, 10L, 3)));

        // To predict on, rows have no class.
        string other = _folder.File("p.tsv");
        File.WriteAllText(other, string.Join('\t', Enumerable.Range(0, 10).Select(k => (k * 0.5).ToString(CultureInfo.InvariantCulture))) + "\n");
        SequenceData read = DataFile.Read(other, content.Settings, content.Data.ClassNames, requireTargets: false);
        Assert.That((read.Steps, read.HasTargets), Is.EqualTo((10L, false)));
    }

    [Test]
    public void Missing_values_are_interpolated_and_many_are_masked()
    {
        DataContent some = Read("m.csv", Gestures().Replace("1.25,", ",", StringComparison.Ordinal));
        Assert.That(some.Findings[^1], Is.EqualTo("6 missing values in 1 channel: interpolated (--missing)"));
        Assert.That((some.Settings.Missing, some.Data.MissingValues), Is.EqualTo((MissingValues.Interpolate, MissingValues.Interpolate)));

        string text = "id,x,y,label\n" + string.Concat(Enumerable.Range(0, 20).Select(i => $"{i / 5},{(i % 5 == 0 ? "1" : "")},2,{(i < 10 ? "a" : "b")}\n"));
        DataContent many = Read("n.csv", text);
        Assert.That(many.Settings.Missing, Is.EqualTo(MissingValues.Mask));
        Assert.That(many.Data.Features, Is.EqualTo(4));

        Refused("m.csv", Gestures().Replace("1.25,", ",", StringComparison.Ordinal), new DataRequest { Missing = MissingValues.Refuse }, ExitCodes.Failure,
            "PATH: line 2, column 4 ('ay'): the value is missing; expected a number, or --missing other than refuse when the model is trained");
    }

    [Test]
    public void Training_and_test_files_belong_together()
    {
        File.WriteAllText(_folder.File("train.csv"), Gestures());
        File.WriteAllText(_folder.File("test.csv"), Gestures(";", ','));

        foreach (string path in (string[])[_folder.File("train.csv"), _folder.Path])
        {
            DataContent content = DataFile.Read(path, new DataRequest());
            Assert.That(content.Test!.Count, Is.EqualTo(6));
            Assert.That(content.Findings, Has.Member("test.csv has the test data: 6 sequences"));
        }

        Assert.That(DataFile.Read(_folder.File("test.csv"), new DataRequest()).Test, Is.Null);
    }

    [Test]
    public void Another_file_may_be_written_in_another_way()
    {
        DataContent content = Read("g.csv", Gestures());
        string other = _folder.File("other.csv");
        File.WriteAllText(other, "note;az;ay;ax;sequence\nhi;1,5;2;3;a\nho;4;5;6;a\n");

        SequenceData data = DataFile.Read(other, content.Settings, content.Data.ClassNames, requireTargets: false);

        Assert.That(data.ChannelNames, Is.EqualTo(["ax", "ay", "az"]));
        Assert.That(data.Values(0).ToArray(), Is.EqualTo(new[] { 3, 2, 1.5f, 6, 5, 4 }));
        Assert.That(data.HasTargets, Is.False);
        using var reader = new StringReader(File.ReadAllText(other));
        Assert.That(DataFile.Read(reader, "standard input", content.Settings, content.Data.ClassNames, requireTargets: false).Count, Is.EqualTo(1));
        using FileStream stream = File.OpenRead(other);
        Assert.That(DataFile.Read(stream, "standard input", content.Settings, content.Data.ClassNames, requireTargets: false).Count, Is.EqualTo(1));

        Fails(() => DataFile.Read(other, content.Settings, content.Data.ClassNames, requireTargets: true),
            $"{other} has no column 'gesture', the class; its columns are 'note', 'az', 'ay', 'ax', 'sequence'");
        File.WriteAllText(other, "x,ay2,z\n1,2,3\n");
        Fails(() => DataFile.Read(other, content.Settings, content.Data.ClassNames, requireTargets: false),
            $"{other} has no column 'ax', an input (perhaps 'x'); its columns are 'x', 'ay2', 'z'");
        File.WriteAllText(other, Gestures().Replace("wave", "clap", StringComparison.Ordinal));
        Fails(() => DataFile.Read(other, content.Settings, content.Data.ClassNames, requireTargets: true),
            $"{other}: line 5, column 7 ('gesture'): found 'clap'; expected one of the classes of the training data, 'swipe left', 'wave'");
    }

    [Test]
    public void Compressed_text_is_read()
    {
        string path = _folder.File("g.csv");
        using (var gzip = new GZipStream(File.Create(path), CompressionLevel.Fastest))
        {
            gzip.Write(Encoding.UTF8.GetBytes(Gestures()));
        }

        Assert.That(DataFile.Read(path, new DataRequest()).Data.Count, Is.EqualTo(6));
    }

    [Test]
    public void Options_choose_other_columns()
    {
        DataContent content = Read("g.csv", Gestures(), new DataRequest { Label = "person", Features = ["az", "ax"], Sequence = "1" });

        Assert.That(content.Data.ClassNames, Is.EqualTo(["anna", "bob", "eve"]));
        Assert.That(content.Data.ChannelNames, Is.EqualTo(["az", "ax"]));
        Assert.That(content.Settings.Sequence, Is.EqualTo("sequence"));
    }

    [Test]
    public void Arrays_of_numpy_are_found()
    {
        string path = _folder.File("a.npz");
        using (var archive = new ZipArchive(File.Create(path), ZipArchiveMode.Create))
        {
            Add(archive, "x_train.npy", NpyOf("<f4", "4, 3, 2", Enumerable.Range(0, 24).SelectMany(i => BitConverter.GetBytes((float)i))));
            Add(archive, "y_train.npy", NpyOf("<i8", "4,", new long[] { 0, 1, 0, 1 }.SelectMany(BitConverter.GetBytes)));
            Add(archive, "x_test.npy", NpyOf("<f4", "1, 3, 2", Enumerable.Range(0, 6).SelectMany(i => BitConverter.GetBytes((float)i))));
            Add(archive, "y_test.npy", NpyOf("<i8", "1,", BitConverter.GetBytes(1L)));
        }

        DataContent content = DataFile.Read(path, new DataRequest());

        Assert.That(content.Findings, Is.EqualTo(
        [
            "array 'x_train' has the inputs (--features)", "array 'y_train' has the class: 2 of them (--label)", "array 'x_test' has the test data",
        ]));
        Assert.That((content.Data.Count, content.Data.Steps, content.Data.Features, content.Test!.Count), Is.EqualTo((4L, 3L, 2L, 1L)));
        Assert.That(content.Test.ClassOf(0), Is.EqualTo(1));

        string series = _folder.File("s.npy");
        File.WriteAllBytes(series, NpyOf("<f8", "50, 2", Enumerable.Range(0, 100).SelectMany(i => BitConverter.GetBytes((double)i))));
        DataContent forecast = DataFile.Read(series, new DataRequest());
        Assert.That(forecast.Findings[0], Is.EqualTo("the array [50, 2] is one sequence of 50 steps and 2 channels"));
        Assert.That(forecast.Settings.Goal, Is.EqualTo(Goal.Forecast));
    }

    [Test]
    public void Sounds_have_classes_by_name_or_by_folder()
    {
        foreach (string name in (string[])["7_jackson_0", "7_jackson_1", "3_theo_0", "3_theo_1"])
        {
            File.WriteAllBytes(_folder.File($"{name}.wav"), Wav(8000, 800));
        }

        DataContent content = DataFile.Read(_folder.Path, new DataRequest());
        Assert.That(content.Findings, Is.EqualTo(
        [
            "4 WAV files of 8000 samples a second", "the class is the part {label} of {label}_{rest}: 2 of them (--pattern)",
            "inputs: 40 mel bands (--mel) of frames of 256 samples (--frame), 128 apart (--hop)",
        ]));
        Assert.That((content.Settings.SampleRate, content.Settings.Frame, content.Settings.Hop, content.Settings.Mel), Is.EqualTo(((int?)8000, (int?)256, (int?)128, (int?)40)));
        Assert.That(content.Data.ClassNames, Is.EqualTo(["3", "7"]));
        Assert.That(DataFile.Read(_folder.Path, new DataRequest { Group = "speaker" }).Data.Groups, Is.EqualTo(["theo", "theo", "jackson", "jackson"]));
        Assert.That(DataFile.Read(_folder.Path, new DataRequest { Mel = 0, Frame = 100 }).Data.Features, Is.EqualTo(100));

        string single = _folder.File("unknown.wav");
        File.WriteAllBytes(single, Wav(8000, 400));
        SequenceData one = DataFile.Read(single, content.Settings, content.Data.ClassNames, requireTargets: false);
        Assert.That((one.Count, one.Features, one.HasTargets), Is.EqualTo((1L, 40L, false)));
        File.WriteAllBytes(single, Wav(16000, 400));
        Fails(() => DataFile.Read(single, content.Settings, content.Data.ClassNames, requireTargets: false),
            $"{single} has 16000 samples a second; the model was trained on 8000. Sounds are not resampled: convert them first");

        using var words = new TemporaryFolder();
        foreach (string name in (string[])["yes/a", "yes/b", "no/a"])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(words.File(name))!);
            File.WriteAllBytes(words.File($"{name}.wav"), Wav(8000, 300));
        }

        DataContent byFolder = DataFile.Read(words.Path, new DataRequest());
        Assert.That((byFolder.Settings.Pattern, byFolder.Data.ClassNames.Count), Is.EqualTo(("{label}/{take}", 2)));
    }

    [Test]
    public async Task Parquet_is_found_by_its_content()
    {
        var id = new DataField<int>("id");
        var x = new DataField<double>("x");
        var label = new DataField<string>("label");
        string path = _folder.File("p.csv");
        await using (FileStream stream = File.Create(path))
        {
            await using ParquetWriter writer = await ParquetWriter.CreateAsync(new ParquetSchema(id, x, label), stream);
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            int[] ids = [1, 1, 2, 2, 3, 3, 4, 4];
            double[] values = [1, 2, 3, 4, 5, 6, 7, 8];
            string[] labels = ["a", "a", "b", "b", "a", "a", "b", "b"];
            await group.WriteAsync<int>(id, ids);
            await group.WriteAsync<double>(x, values);
            await group.WriteAsync(label, labels);
        }

        DataContent content = DataFile.Read(path, new DataRequest());

        Assert.That(content.Findings[0], Is.EqualTo("the file is a Parquet file, whatever its name"));
        Assert.That((content.Data.Count, content.Settings.Label, content.Settings.Sequence), Is.EqualTo((4L, "label", "id")));

        // A table of text has the same columns.
        string csv = _folder.File("q.csv");
        File.WriteAllText(csv, "x,id\n1,1\n2,1\n");
        Assert.That(DataFile.Read(csv, content.Settings, content.Data.ClassNames, requireTargets: false).Steps, Is.EqualTo(2));
    }

    [Test]
    public void Arrow_is_found_by_its_content()
    {
        string path = _folder.File("a.feather");
        foreach (bool isFile in (bool[])[true, false])
        {
            File.WriteAllBytes(path, ArrowSequencesTests.LongFile(isFile, null));

            DataContent content = DataFile.Read(path, new DataRequest());

            Assert.That((content.Settings.Format, content.Settings.Sequence, content.Settings.Time, content.Settings.Label), Is.EqualTo((DataFormat.Arrow, "id", "time", "label")));
            Assert.That(content.Settings.Features, Is.EqualTo(["x", "y"]));
            Assert.That(content.Data.HasMissingValues, Is.True);
        }

        File.WriteAllBytes(path, ArrowSequencesTests.ListFile());
        DataContent lists = DataFile.Read(path, new DataRequest { Features = ["a", "b"], Horizon = 1, LookBack = 1 });
        Assert.That((lists.Settings.Form, lists.Data.Count, lists.Data.HasLengths), Is.EqualTo((TableForm.Wide, 2L, true)));
        Assert.That(lists.Findings, Has.Member("inputs: lists of a, b (--features)"));
        Assert.That(() => DataFile.Read(path, new DataRequest()), Throws.TypeOf<CliException>().With.Message.EqualTo(
            $"{path}: row 1, column 3 ('c'): found a list of 1 values; expected 2, as the first list of the row has"));
    }

    [Test]
    public void What_is_no_data_is_named()
    {
        (byte[] Content, string Message)[] cases =
        [
            ([], "PATH is empty; expected sequences"),
            ("\n\n  \n"u8.ToArray(), "PATH has no values; expected sequences"),
            ([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A], "PATH looks like a PNG image; expected CSV, TSV, .ts, Parquet, Arrow, .npy, .npz or WAV"),
            ("<html>"u8.ToArray(), "PATH looks like an HTML or XML page; expected CSV, TSV, .ts, Parquet, Arrow, .npy, .npz or WAV"),
            ("{\"a\": 1}"u8.ToArray(), "PATH looks like JSON; convert it to CSV"),
            ("@relation x\n@attribute y numeric\n"u8.ToArray(), "PATH looks like an .arff or .tsf file; convert it to .ts or CSV"),
            (Encoding.Unicode.GetBytes("a,b\n1,2\n"), "PATH looks like binary data, or UTF-16 without a byte order mark; save text as UTF-8"),
            ("1 2 3\n4 5 6\n"u8.ToArray(), "PATH: line 1: the values are separated by blanks; expected ',', ';', '|' or tabs between them"),
            ("a,b\n"u8.ToArray(), "PATH: there are no rows of values; expected at least one"),
        ];
        foreach ((byte[] content, string message) in cases)
        {
            string path = _folder.File("f.csv");
            File.WriteAllBytes(path, content);
            Fails(() => DataFile.Read(path, new DataRequest()), message.Replace("PATH", path, StringComparison.Ordinal));
        }

        string zip = _folder.File("f.csv");
        using (var archive = new ZipArchive(File.Create(zip), ZipArchiveMode.Create))
        {
            Add(archive, "xl/sheet.xml", [1]);
        }

        Fails(() => DataFile.Read(zip, new DataRequest()), $"{zip} looks like an Excel workbook; save the sheet as CSV");
        Fails(() => DataFile.Read(_folder.File("none.csv"), new DataRequest()), $"{_folder.File("none.csv")} is not there; expected a file or folder");
        if (OperatingSystem.IsLinux())
        {
            Fails(() => DataFile.Read("/dev/zero", new DataRequest()), "/dev/zero is a pipe or a device; expected a file or folder");
        }

        using var empty = new TemporaryFolder();
        Fails(() => DataFile.Read(empty.Path, new DataRequest()), $"{empty.Path} has no files of data and no WAV files; expected one file, a pair such as X_TRAIN.ts and X_TEST.ts, or WAV files");
    }

    [Test]
    public void What_is_unclear_is_asked_for()
    {
        Refused("iris.csv", "a,b,species\n1,2,setosa\n1,3,setosa\n2,2,virginica\n2,4,virginica\n", new DataRequest(), ExitCodes.Failure,
            "PATH: it is unclear what column 'species' says; give --label species for the class of each row, with --sequence for rows that belong together or --form wide if a row is a sequence, or --horizon for a forecast. " +
            "Columns: 'a' (1, 2); 'b' (2, 3, 4); 'species' (setosa, virginica)");
        Refused("t.csv", "time,x\n1,2\n2,3\n1,4\n2,5\n", new DataRequest(), ExitCodes.Failure,
            "PATH: column 'time' goes back 1 time, but no column tells sequences apart; give --sequence, or another --time. Columns: 'time' (1, 2); 'x' (2, 3, 4, …)");
        Refused("c.csv", "subject,trial,x\na,1,1\na,1,2\na,2,3\na,2,4\nb,1,5\nb,1,6\nb,2,7\nb,2,8\n", new DataRequest(), ExitCodes.Failure,
            "PATH: column 'trial' may tell sequences apart, but column 'subject' changes within 'trial' 1; add a column with one value for each sequence and give it with --sequence. " +
            "Columns: 'subject' (a, b); 'trial' (1, 2); 'x' (1, 2, 3, …)");
        Refused("g.csv", Gestures(), new DataRequest { Label = "gestur" }, ExitCodes.Usage,
            "--label is 'gestur'; it must be a column of PATH (perhaps 'gesture'): 'sequence', 'time', 'ax', 'ay', 'az', 'person', 'gesture'");
        Refused("g.csv", Gestures(), new DataRequest { Mel = 40 }, ExitCodes.Usage, "--mel is given, but the data are a table of text; --mel requires WAV files");
        Refused("g.csv", Gestures(), new DataRequest { LookBack = 4 }, ExitCodes.Usage,
            "--window is given, but PATH has classes or values to predict; --window requires a forecast, without --label");
        Refused("s.csv", Series(30), new DataRequest { Horizon = 20, LookBack = 20 }, ExitCodes.Usage,
            "the longest sequence of PATH has 30 steps, but 20 to forecast from and 20 to forecast are needed; --window and --horizon must be smaller");
    }

    [Test]
    public void Damage_has_file_line_and_column()
    {
        string damaged = Gestures().Replace("4.5,1.25", "4.5,much", StringComparison.Ordinal);
        Refused("g.csv", damaged, new DataRequest(), ExitCodes.Failure, "PATH: line 14, column 4 ('ay'): found 'much'; expected a number");
        Assert.That(Read("g.csv", damaged, new DataRequest { Features = ["ax", "az"] }).Data.Features, Is.EqualTo(2));
        Refused("h.csv", "id,x,label\n1,1,a\n1,2,a\n2,3\n", new DataRequest(), ExitCodes.Failure, "PATH: line 4: found 2 values; expected 3, as the first row has");
    }

    [Test]
    public void Real_data_are_found()
    {
        DataContent vowels = DataFile.Read(SharedData.Require("timeseries", "JapaneseVowels"), new DataRequest());
        Assert.That((vowels.Data.Count, vowels.Test!.Count, vowels.Data.ClassNames.Count, vowels.Settings.Goal), Is.EqualTo((270L, 370L, 9, Goal.ClassifySequences)));
        DataContent gun = DataFile.Read(SharedData.Require("timeseries", "GunPoint", "GunPoint_TRAIN.tsv"), new DataRequest());
        Assert.That((gun.Settings.Format, gun.Data.Count, gun.Data.Steps, gun.Data.ClassNames.Count), Is.EqualTo((DataFormat.Ucr, 50L, 150L, 2)));
        DataContent wiimote = DataFile.Read(SharedData.Require("timeseries", "PickupGestureWiimoteZ", "PickupGestureWiimoteZ_TRAIN.ts"), new DataRequest());
        Assert.That((wiimote.Data.Count, wiimote.Data.HasLengths, wiimote.Data.ClassNames.Count), Is.EqualTo((50L, true, 10)));
        Assert.That(DataFile.Read(SharedData.Require("timeseries", "BasicMotions"), new DataRequest()).Data.Features, Is.EqualTo(6));
        Assert.That(DataFile.Read(SharedData.Require("timeseries", "UnitTest", "UnitTest_TRAIN.ts"), new DataRequest()).Test, Is.Not.Null);
        foreach ((string[] path, string time, string[] inputs, long rows) in (ReadOnlySpan<(string[], string, string[], long)>)
            [
                (["ett", "ETTh1.csv"], "date", ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"], 17420L),
                (["timeseries", "Airline", "Airline.csv"], "Date", ["Passengers"], 144L),
                (["timeseries", "solar", "solar.csv"], "datetime_gmt", ["solar_gen"], 289L),
            ])
        {
            DataContent series = DataFile.Read(SharedData.Require(path), new DataRequest());
            Assert.That((series.Settings.Goal, series.Settings.Time, series.Data.Count, series.Data.Steps), Is.EqualTo((Goal.Forecast, time, 1L, rows)));
            Assert.That(series.Settings.Features, Is.EqualTo(inputs));
        }
    }

    private static string Gestures(string separator = ",", char sign = '.', string end = "\n")
    {
        var text = new StringBuilder(string.Join(separator, "sequence", "time", "ax", "ay", "az", "person", "gesture") + end);
        string[] people = ["anna", "bob", "eve"];
        for (int row = 0; row < 18; row++)
        {
            int sequence = row / 3;
            string[] cells =
            [
                $"{sequence}", $"{row % 3}", row % 3 == 0 ? $"{0.5 + sequence}" : "1", row % 3 == 0 ? "1.25" : "3", $"{-2 - (row % 3)}", people[sequence % 3],
                sequence == 0 || sequence % 2 == 0 ? "swipe left" : "wave",
            ];
            text.Append(string.Join(separator, cells.Select((cell, i) => i is >= 2 and <= 4 ? cell.Replace('.', sign) : cell))).Append(end);
        }

        return text.ToString();
    }

    private static string Series(int rows) => "date,load,y\n" + string.Concat(Enumerable.Range(0, rows).Select(i =>
        string.Create(CultureInfo.InvariantCulture, $"{new DateTime(2020, 1, 1).AddHours(i):yyyy-MM-dd HH:mm},{i % 7},{i % 5}\n")));

    private DataContent Read(string name, string text, DataRequest? request = null)
    {
        File.WriteAllText(_folder.File(name), text);
        return DataFile.Read(_folder.File(name), request ?? new DataRequest());
    }

    private void Refused(string name, string text, DataRequest request, int code, string message)
    {
        File.WriteAllText(_folder.File(name), text);
        CliException exception = Assert.Throws<CliException>(() => DataFile.Read(_folder.File(name), request))!;
        Assert.That((exception.Message, exception.ExitCode), Is.EqualTo((message.Replace("PATH", _folder.File(name), StringComparison.Ordinal), code)));
    }

    private static void Fails(Func<object> read, string message)
    {
        CliException exception = Assert.Throws<CliException>(() => read())!;
        Assert.That((exception.Message, exception.ExitCode), Is.EqualTo((message, ExitCodes.Failure)));
    }

    private static void Add(ZipArchive archive, string name, byte[] content)
    {
        using Stream stream = archive.CreateEntry(name).Open();
        stream.Write(content);
    }

    private static byte[] NpyOf(string type, string shape, IEnumerable<byte> values) => NpyFileTests.Npy(type, $"({shape})", [.. values]);

    private static byte[] Wav(int rate, int samples) =>
        WavFileTests.Wav(1, 1, rate, 16, [.. Enumerable.Range(0, samples).SelectMany(i => BitConverter.GetBytes((short)(1000 * Math.Sin(i * 0.1))))]);
}
