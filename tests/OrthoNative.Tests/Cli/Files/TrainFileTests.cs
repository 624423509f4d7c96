using System.Globalization;
using System.Text;
using System.Text.Json;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Cli.Files;

/// <summary>From a file to a model and its predictions, as a user does it.</summary>
internal sealed class TrainFileTests
{
    private static readonly string[] s_files = ["loss.png", "model.safetensors", "report.html", "run.json"];

    private static string Gestures => Path.Combine(Repository.Root, "examples", "data", "gestures.csv");

    [Test]
    public void A_file_alone_is_enough_to_train_evaluate_and_predict()
    {
        using var folder = new TemporaryFolder();

        CliResult trained = CliProcess.Run(folder.Path, "train", Gestures, "--out", "run");

        Assert.That(trained.ExitCode, Is.Zero, trained.Error);
        Assert.That(trained.Error, Is.Empty);
        Assert.That(trained.Output, Does.Contain("column 'gesture' is the class: 4 of them (--label)").And.Contains("42 for training, 9 for validation, 9 for the test").And.Contains("test accuracy "));
        Assert.That(Directory.GetFiles(folder.File("run")).Select(Path.GetFileName).Order(), Is.EqualTo(s_files));
        using JsonDocument run = JsonDocument.Parse(File.ReadAllText(folder.File("run/run.json")));
        double test = run.RootElement.GetProperty("result").GetProperty("test").GetProperty("metrics").GetProperty("accuracy").GetDouble();
        Assert.That(test, Is.InRange(0.75, 1), "four gestures that a person tells apart at a glance");
        Assert.That(File.ReadAllText(folder.File("run/report.html")), Does.Contain("gestures.csv").And.Contains("circle"));

        CliResult evaluated = CliProcess.Run(folder.Path, "evaluate", "run", Gestures);
        Assert.That(evaluated.ExitCode, Is.Zero, evaluated.Error);
        Assert.That(evaluated.Output, Does.Contain("sequences  60").And.Contains("accuracy  ").And.Contains("circle"));

        CliResult predicted = CliProcess.Run(folder.Path, "predict", "run/model.safetensors", Gestures);
        string[] lines = predicted.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(lines[0], Is.EqualTo("id,class,probability,p(circle),p(shake),p(swipe),p(tap)"));
        Assert.That(lines, Has.Length.EqualTo(61));

        CliResult info = CliProcess.Run(folder.Path, "info", "run");
        Assert.That(info.Output, Does.Contain("classes     circle, shake, swipe, tap").And.Contains("goal        the class of a sequence").And.Contains("channels    ax, ay, az"));
    }

    [TestCase("roa", "model: 1 roa layer of 8 units at every step, means over 64 steps, then 1 roa layer of 8 units (multiscale)")]
    [TestCase("lstm", "model: 1 lstm layer of 8 units at every step, means over 64 steps, then 1 lstm layer of 8 units")]
    public void Samples_of_sound_are_read_one_by_one_by_a_recurrent_layer(string model, string plan)
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("sounds"));
        for (int i = 0; i < 24; i++)
        {
            // Tones of 300 and 1,200 Hz, of other lengths and loudness.
            double step = 2 * Math.PI * (i % 2 == 0 ? 300 : 1200) / 8000;
            byte[] samples = [.. Enumerable.Range(0, 400 + (i * 10)).SelectMany(t => BitConverter.GetBytes((short)(1000 * (i + 5) * Math.Sin((t + i) * step))))];
            File.WriteAllBytes(folder.File($"sounds/{(i % 2 == 0 ? "low" : "high")}_{i}.wav"), WavFileTests.Wav(1, 1, 8000, 16, samples));
        }

        CliResult trained = CliProcess.Run(
            folder.Path, "train", "sounds", "--mel", "0", "--frame", "1", "--hop", "1", "--front", "recurrence", "--model", model, "--hidden", "8", "--layers", "1", "--epochs", "30", "--out", "run");

        Assert.That(trained.ExitCode, Is.Zero, trained.Error);
        Assert.That(trained.Output, Does.Contain(plan));
        if (model == "roa")
        {
            CliResult evaluated = CliProcess.Run(folder.Path, "evaluate", "run", "sounds");
            Assert.That(evaluated.ExitCode, Is.Zero, evaluated.Error);
            Assert.That(evaluated.Output, Does.Contain("accuracy  100.00 %"));
        }
    }

    [Test]
    public void Rows_of_standard_input_are_answered_as_those_of_a_file()
    {
        using var folder = new TemporaryFolder();
        CliProcess.Run(folder.Path, "train", Gestures, "--epochs", "3", "--out", "run");

        CliResult file = CliProcess.Run(folder.Path, "predict", "run", Gestures, "--format", "jsonlines");
        CliResult stream = CliProcess.RunRedirected($"< '{Gestures}'", folder.Path, "predict", "run", "-", "--format", "jsonlines");
        CliResult array = CliProcess.Run(folder.Path, "predict", "run", Gestures, "--format", "json");

        Assert.That(stream.ExitCode, Is.Zero, stream.Error);
        (string Class, double Probability)[] ofFile = [.. file.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Parse)];
        (string Class, double Probability)[] ofStream = [.. stream.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Parse)];
        Assert.That(ofStream.Select(row => row.Class), Is.EqualTo(ofFile.Select(row => row.Class)));
        for (int i = 0; i < ofFile.Length; i++)
        {
            // Sequences alone and in a batch are the same sums of float32 numbers.
            Assert.That(ofStream[i].Probability, Is.EqualTo(ofFile[i].Probability).Within(1e-5));
        }

        using JsonDocument all = JsonDocument.Parse(array.Output);
        Assert.That(all.RootElement.GetArrayLength(), Is.EqualTo(60));

        static (string, double) Parse(string line)
        {
            using JsonDocument row = JsonDocument.Parse(line);
            return (row.RootElement.GetProperty("class").GetString()!, row.RootElement.GetProperty("probability").GetDouble());
        }
    }

    [Test]
    public void A_forecast_begins_as_ridge_regression_and_ends_no_worse_on_the_validation_part()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("walk.csv"), Walk(300));

        CliResult trained = CliProcess.Run(folder.Path, "train", "walk.csv", "--horizon", "4", "--window", "30", "--epochs", "2", "--out", "run");

        Assert.That(trained.ExitCode, Is.Zero, trained.Error);
        Assert.That(trained.Output, Does.Match(@"linear path: ridge regression, factor [0-9.,]+, validation mean squared error [0-9.]+"));
        (double factor, double start, double end, int best) = Linear(folder.File("run/run.json"));
        Assert.That(factor, Is.InRange(1e-3, 1e5));
        Assert.That(end, best == 0 ? Is.EqualTo(start) : Is.LessThan(start));

        // A step that breaks the recurrence: the linear path alone is better than every epoch.
        CliResult broken = CliProcess.Run(folder.Path, "train", "walk.csv", "--horizon", "4", "--window", "30", "--epochs", "1", "--lr", "10", "--out", "broken");

        Assert.That(broken.ExitCode, Is.Zero, broken.Error);
        Assert.That(broken.Output, Does.Contain("; weights of the linear path alone"));
        (double same, double startAgain, end, best) = Linear(folder.File("broken/run.json"));
        Assert.That((same, startAgain, end, best), Is.EqualTo((factor, start, start, 0)));
        Assert.That(File.ReadAllText(folder.File("broken/report.html")), Does.Contain("no epoch was better on the validation part"));

        // The model that is left is the one that was measured.
        using Model left = Model.Load(folder.File("broken/model.safetensors"), Device.Default);
        Assert.That(left.Parameters.Single(parameter => parameter.Name.EndsWith("recurrent.readout.weight", StringComparison.Ordinal)).Value.ToArray<float>(), Is.All.Zero);
        Assert.That(left.Parameters.Single(parameter => parameter.Name.EndsWith("linear.map.weight", StringComparison.Ordinal)).Value.ToArray<float>(), Has.Some.Not.Zero);
    }

    [Test]
    public void A_forecast_from_few_windows_with_gaps_and_further_inputs_begins_linear_too()
    {
        using var folder = new TemporaryFolder();
        string[] lines = Walk(75).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        foreach (int gap in (int[])[10, 11, 33])
        {
            string[] cells = lines[gap].Split(',');
            lines[gap] = string.Join(',', cells[0], "", cells[2], gap == 33 ? "" : cells[3]);
        }

        File.WriteAllLines(folder.File("short.csv"), lines);

        CliResult trained = CliProcess.Run(folder.Path, "train", "short.csv", "--target", "b,a", "--horizon", "3", "--window", "40", "--epochs", "2", "--out", "run");

        Assert.That(trained.ExitCode, Is.Zero, trained.Error);
        (_, double start, double end, _) = Linear(folder.File("run/run.json"));
        Assert.That(end, Is.LessThanOrEqualTo(start));
        using JsonDocument run = JsonDocument.Parse(File.ReadAllText(folder.File("run/run.json")));
        Assert.That(run.RootElement.GetProperty("samples").GetProperty("training").GetInt32(), Is.LessThan(40), "fewer windows than steps of a window");
        CliResult predicted = CliProcess.Run(folder.Path, "predict", "run", "short.csv");
        Assert.That(predicted.ExitCode, Is.Zero, predicted.Error);
    }

    [Test]
    public void An_interrupted_forecast_is_resumed_to_the_same_weights()
    {
        if (CliProcess.Ignores("TERM"))
        {
            Assert.Ignore("SIGTERM is ignored here, and the tool keeps to that");
        }

        using var folder = new TemporaryFolder();
        var wave = new StringBuilder("time,a\n");
        for (int i = 0; i < 300; i++)
        {
            // Its size follows from its phase in a way that a linear map does not know.
            wave.Append(CultureInfo.InvariantCulture, $"{i},{Math.Sin(i / 3.0) * Math.Abs(Math.Sin(i / 7.0)):F4}\n");
        }

        File.WriteAllText(folder.File("wave.csv"), wave.ToString());
        string[] train = ["train", "wave.csv", "--horizon", "4", "--window", "30", "--epochs", "300", "--patience", "300", "--lr", "1e-3"];
        CliResult whole = CliProcess.Run(folder.Path, [.. train, "--out", "whole"]);
        Assert.That(whole.ExitCode, Is.Zero, whole.Error);

        using (CliProcess process = CliProcess.Start(folder.Path, [.. train, "--out", "cut"]))
        {
            process.WaitForLine("epoch 5/300");
            process.Send("TERM");
            Assert.That(process.Finish().ExitCode, Is.EqualTo(OrthoNative.Cli.ExitCodes.Terminated));
        }

        CliResult resumed = CliProcess.Run(folder.Path, [.. train, "--out", "cut", "--resume"]);

        Assert.That(resumed.ExitCode, Is.Zero, resumed.Error);
        Assert.That(File.ReadAllBytes(folder.File("cut/model.safetensors")), Is.EqualTo(File.ReadAllBytes(folder.File("whole/model.safetensors"))));
        Assert.That(Linear(folder.File("cut/run.json")), Is.EqualTo(Linear(folder.File("whole/run.json"))));
        Assert.That(Linear(folder.File("whole/run.json")).Best, Is.GreaterThan(0), "the recurrence has learnt something");
    }

    /// <summary>Two random walks and their sum, with a time.</summary>
    private static string Walk(int steps)
    {
        var random = new Random(5);
        var text = new StringBuilder("time,a,b,c\n");
        double a = 0, b = 3;
        for (int i = 0; i < steps; i++)
        {
            (a, b) = (a + random.NextDouble() - 0.5, b + random.NextDouble() - 0.5);
            text.Append(CultureInfo.InvariantCulture, $"{i},{a:F4},{b:F4},{a + b:F4}\n");
        }

        return text.ToString();
    }

    private static (double Factor, double Start, double End, int Best) Linear(string path)
    {
        using JsonDocument run = JsonDocument.Parse(File.ReadAllText(path));
        JsonElement start = run.RootElement.GetProperty("linearStart"), result = run.RootElement.GetProperty("result");
        return (start.GetProperty("factor").GetDouble(), start.GetProperty("validation").GetDouble(), result.GetProperty("validation").GetProperty("loss").GetDouble(), result.GetProperty("bestEpoch").GetInt32());
    }

    [Test]
    public void A_series_is_forecast_with_intervals()
    {
        using var folder = new TemporaryFolder();
        var series = new StringBuilder("time,a,b\n");
        for (int i = 0; i < 400; i++)
        {
            series.Append(CultureInfo.InvariantCulture, $"{i},{Math.Sin(2 * Math.PI * i / 20):F4},{5 + Math.Cos(2 * Math.PI * i / 10):F4}\n");
        }

        File.WriteAllText(folder.File("series.csv"), series.ToString());

        CliResult trained = CliProcess.Run(folder.Path, "train", "series.csv", "--horizon", "5", "--window", "40", "--epochs", "10", "--out", "run");

        Assert.That(trained.ExitCode, Is.Zero, trained.Error);
        using JsonDocument run = JsonDocument.Parse(File.ReadAllText(folder.File("run/run.json")));
        JsonElement result = run.RootElement.GetProperty("result");
        double error = result.GetProperty("test").GetProperty("loss").GetDouble(), lastValue = result.GetProperty("baselines").GetProperty("last value").GetDouble();
        Assert.That(error, Is.LessThan(0.5 * lastValue), "a periodic series");

        CliResult predicted = CliProcess.Run(folder.Path, "predict", "run", "series.csv");
        string[] lines = predicted.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(lines[0], Is.EqualTo("id,step,a,a_lower,a_upper,b,b_lower,b_upper"));
        Assert.That(lines, Has.Length.EqualTo(6));
        foreach (string line in lines.Skip(1))
        {
            double[] values = [.. line.Split(',').Skip(2).Select(text => double.Parse(text, CultureInfo.InvariantCulture))];
            Assert.That(values[1], Is.LessThanOrEqualTo(values[0]));
            Assert.That(values[2], Is.GreaterThanOrEqualTo(values[0]));
            Assert.That(values[3], Is.InRange(3, 7), "in the units of the data");
        }

        CliResult stream = CliProcess.RunRedirected("< series.csv", folder.Path, "predict", "run", "-", "--format", "jsonlines");
        Assert.That(stream.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries), Has.Length.EqualTo((400 - 39) * 5));
    }

    [Test]
    public void Values_of_sequences_and_of_steps_are_predicted_in_the_units_of_the_data()
    {
        using var folder = new TemporaryFolder();
        var random = new Random(1);
        StringBuilder sums = new("id,x,target\n"), steps = new("id,x,state,y\n");
        for (int id = 0; id < 60; id++)
        {
            double[] x = [.. Enumerable.Range(0, 12).Select(_ => random.NextDouble())];
            foreach (double value in x)
            {
                sums.Append(CultureInfo.InvariantCulture, $"s{id},{value:F3},{1000 + (100 * x.Sum()):F2}\n");
            }

            for (int i = 0; i < x.Length; i++)
            {
                steps.Append(CultureInfo.InvariantCulture, $"s{id},{x[i]:F3},{(x[i] > 0.5 ? "high" : "low")},{x[i]}\n");
            }
        }

        File.WriteAllText(folder.File("sums.csv"), sums.ToString());
        File.WriteAllText(folder.File("steps.csv"), steps.ToString());

        CliResult trained = CliProcess.Run(folder.Path, "train", "sums.csv", "--target", "target", "--out", "sums");
        CliResult predicted = CliProcess.Run(folder.Path, "predict", "sums", "sums.csv");
        CliResult tagged = CliProcess.Run(folder.Path, "train", "steps.csv", "--label", "state", "--features", "x", "--out", "steps");
        CliResult stream = CliProcess.RunIn($"head -6 steps.csv | {CliProcess.Tool}", folder.Path, "predict", "steps", "-");

        Assert.That(trained.ExitCode, Is.Zero, trained.Error);
        string[] rows = predicted.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(rows[0], Is.EqualTo("id,target"));
        Assert.That(rows.Skip(1).Select(row => double.Parse(row.Split(',')[1], CultureInfo.InvariantCulture)), Is.All.InRange(1000, 2300));
        Assert.That(tagged.ExitCode, Is.Zero, tagged.Error);
        Assert.That(tagged.Output, Does.Match("test accuracy (9[5-9]|100)"));
        Assert.That(stream.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries), Has.Length.EqualTo(6), stream.Error);
    }

    [Test]
    public void A_run_that_is_there_is_replaced_only_if_that_is_asked_for()
    {
        using var folder = new TemporaryFolder();
        string[] train = ["train", Gestures, "--epochs", "2", "--out", "run"];
        CliProcess.Run(folder.Path, train);
        byte[] before = File.ReadAllBytes(folder.File("run/model.safetensors"));

        CliResult refused = CliProcess.Run(folder.Path, [.. train, "--seed", "2"]);

        Assert.That(refused.ExitCode, Is.EqualTo(OrthoNative.Cli.ExitCodes.Usage));
        Assert.That(refused.Error.Trim(), Is.EqualTo("orthonative: --out is 'run', which has a run already; choose another folder, or add --overwrite to replace it"));
        Assert.That(File.ReadAllBytes(folder.File("run/model.safetensors")), Is.EqualTo(before));
        Assert.That(CliProcess.Run(folder.Path, [.. train, "--seed", "2", "--overwrite"]).ExitCode, Is.Zero);
        Assert.That(File.ReadAllBytes(folder.File("run/model.safetensors")), Is.Not.EqualTo(before));
    }

    [Test]
    public void An_interrupted_run_is_resumed_to_the_same_weights()
    {
        if (CliProcess.Ignores("TERM"))
        {
            Assert.Ignore("SIGTERM is ignored here, and the tool keeps to that");
        }

        using var folder = new TemporaryFolder();
        string[] train = ["train", Gestures, "--epochs", "400", "--patience", "400"];
        CliResult whole = CliProcess.Run(folder.Path, [.. train, "--out", "whole"]);
        Assert.That(whole.ExitCode, Is.Zero, whole.Error);

        using (CliProcess process = CliProcess.Start(folder.Path, [.. train, "--out", "cut"]))
        {
            process.WaitForLine("epoch 20/400");
            process.Send("TERM");
            CliResult cut = process.Finish();
            Assert.That(cut.ExitCode, Is.EqualTo(OrthoNative.Cli.ExitCodes.Terminated), cut.Error);
            Assert.That(cut.Output, Does.Contain("interrupted; what was trained was not measured"));
        }

        CliResult notAsked = CliProcess.Run(folder.Path, [.. train, "--out", "cut"]);
        Assert.That(notAsked.Error, Does.Contain("which has an interrupted run; --resume continues it, --overwrite replaces it"));
        CliResult otherwise = CliProcess.Run(folder.Path, [.. train, "--out", "cut", "--resume", "--lr", "0.1"]);
        Assert.That(otherwise.Error, Does.Contain("plan.learningRate is 0.1, where the run in 'cut' has 0.002"));
        CliResult resumed = CliProcess.Run(folder.Path, [.. train, "--out", "cut", "--resume"]);

        Assert.That(resumed.ExitCode, Is.Zero, resumed.Error);
        Assert.That(File.ReadAllBytes(folder.File("cut/model.safetensors")), Is.EqualTo(File.ReadAllBytes(folder.File("whole/model.safetensors"))));
    }

    [TestCase("paritty", "'paritty' is no file or folder, nor a task of 'orthonative train'; did you mean parity? choose one that is there, or one of the tasks ")]
    [TestCase("missing.csv", "'missing.csv' is no file or folder")]
    [TestCase("", "a file, a folder or a task is missing after 'orthonative train'; choose a path, or one of ")]
    [TestCase("{file} --horizonn 4", "'--horizonn' is not an option of 'orthonative train'; did you mean --horizon?")]
    [TestCase("--horizonn", "'--horizonn' is not an option of 'orthonative train'; did you mean --horizon?")]
    [TestCase("{file} --split 0.5,0.6,0.1", "--split adds up to 1.2; fractions must add up to 1, and numbers must be 1 or above")]
    [TestCase("{file} --split 50,20,5", "--split asks for 75 in all; there are 60")]
    [TestCase("{file} --split 0.5,x", "--split is '0.5,x'; it must be two or three positive numbers")]
    [TestCase("{file} --split-by group", "--split-by is group and the data have no groups; it requires --group")]
    [TestCase("{file} --test-ids nobody", "--test-ids is 'nobody', which no identifier is like; identifiers are as '0'")]
    [TestCase("{file} --label nothing", "nothing")]
    [TestCase("{file} --model lstm --regime memory", "--regime is memory and --model is lstm; --regime requires --model roa")]
    [TestCase("{file} --front recurrence", "--front is recurrence and the inputs are no samples of sound; it requires a folder of WAV files and --mel 0 --frame 1 --hop 1")]
    [TestCase("{file} --resume", "--resume is given without --out")]
    [TestCase("{file} --bidirectional maybe", "--bidirectional is 'maybe'; it must be one of no, yes")]
    public void What_is_wrong_is_said_in_one_line(string arguments, string message)
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(folder.Path, ["train", .. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(argument => argument == "{file}" ? Gestures : argument)]);

        Assert.That(result.ExitCode, Is.EqualTo(OrthoNative.Cli.ExitCodes.Usage).Or.EqualTo(OrthoNative.Cli.ExitCodes.Failure));
        Assert.That(result.Error.Trim().Split('\n'), Has.Length.EqualTo(1), result.Error);
        Assert.That(result.Error, Does.Contain(message));
        Assert.That(Directory.EnumerateFileSystemEntries(folder.Path), Is.Empty);
    }

    [TestCase("missing", "'missing' is no model: there is no file 'missing'")]
    [TestCase("{folder}", "is no model: there is no file")]
    [TestCase("{task}", "does not say how files are read, as models of 'train FILE' do")]
    [TestCase("{file}", "gestures.csv")]
    public void A_model_that_is_none_is_refused(string model, string message)
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("empty"));
        CliProcess.Run(folder.Path, "train", "copy", "--length", "3", "--hidden", "4", "--steps", "1", "--test-samples", "1", "--out", "task");
        string path = model switch { "{folder}" => "empty", "{task}" => "task", "{file}" => Gestures, _ => model };

        foreach (string command in (string[])["predict", "evaluate"])
        {
            CliResult result = CliProcess.Run(folder.Path, command, path, Gestures);

            Assert.That(result.ExitCode, Is.Not.Zero);
            Assert.That(result.Error.Trim().Split('\n'), Has.Length.EqualTo(1), result.Error);
            Assert.That(result.Error, Does.Contain(message).And.Not.Contains("internal fault"));
        }
    }

    [Test]
    public void Rows_that_do_not_fit_are_refused_with_their_line()
    {
        using var folder = new TemporaryFolder();
        CliProcess.Run(folder.Path, "train", Gestures, "--epochs", "1", "--out", "run");
        foreach ((string rows, string message) in (List<(string, string)>)
            [
                ("ax,ay\n1,2\n", "standard input, line 1 has no column 'az'"), ("ax,ay,az\n1,2\n", "standard input, line 2: there are 2 values; expected: 3"),
                ("ax,ay,az\n1,2,x\n", "standard input, line 2: column 3 is 'x'; a finite number is expected"), ("", "standard input is empty"), ("ax,ay,az\n1,2,\"3\n", "a quote is not closed"),
            ])
        {
            File.WriteAllText(folder.File("rows"), rows);

            CliResult result = CliProcess.RunRedirected("< rows", folder.Path, "predict", "run", "-");

            Assert.That(result.ExitCode, Is.EqualTo(OrthoNative.Cli.ExitCodes.Failure), rows);
            Assert.That(result.Error, Does.Contain(message));
        }
    }

    [Test]
    public void Predictions_are_written_to_a_file_that_is_not_replaced_by_mistake()
    {
        using var folder = new TemporaryFolder();
        CliProcess.Run(folder.Path, "train", Gestures, "--epochs", "1", "--out", "run");

        Assert.That(CliProcess.Run(folder.Path, "predict", "run", Gestures, "--out", "out.csv").ExitCode, Is.Zero);
        Assert.That(File.ReadAllLines(folder.File("out.csv")), Has.Length.EqualTo(61));
        CliResult refused = CliProcess.Run(folder.Path, "predict", "run", Gestures, "--out", "out.csv");
        Assert.That(refused.Error, Does.Contain("--out is 'out.csv', which is there already; choose another file, or add --overwrite to replace it"));
        Assert.That(CliProcess.Run(folder.Path, "predict", "run", Gestures, "--out", "out.csv", "--overwrite").ExitCode, Is.Zero);
        Assert.That(Directory.GetFiles(folder.Path, "*.tmp"), Is.Empty);
    }

    [Test]
    public void JapaneseVowels_are_told_apart_by_the_files_names_alone()
    {
        string data = SharedData.Require("timeseries", "JapaneseVowels");
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(folder.Path, "train", Path.Combine(data, "JapaneseVowels_TRAIN.ts"), "--out", "run");

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        using JsonDocument run = JsonDocument.Parse(File.ReadAllText(folder.File("run/run.json")));
        Assert.That(run.RootElement.GetProperty("samples").GetProperty("test").GetInt64(), Is.EqualTo(370));
        Assert.That(run.RootElement.GetProperty("result").GetProperty("test").GetProperty("metrics").GetProperty("accuracy").GetDouble(), Is.GreaterThan(0.95));
    }
}
