using System.Text;
using System.Text.Json;
using OrthoNative.Cli.Training;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Cli;

/// <summary>The recurrent models that the tool trains.</summary>
internal sealed class ModelTests
{
    /// <summary>A run of a second.</summary>
    private static readonly string[] s_shortCopy =
        ["train", "copy", "--length", "10", "--hidden", "32", "--batch", "8", "--test-samples", "50"];

    /// <summary>Settings that roa alone has.</summary>
    private static readonly string[] s_filterSettings = ["alpha", "beta", "filter", "inputOffset", "biasOffset"];

    [TestCase("", "roa, 32 units, haar filter, tanh, alpha 1, beta 0.005, 1,706 parameters", "rnn", 1)]
    [TestCase("--model roa", "roa, 32 units, haar filter, tanh, alpha 1, beta 0.005, 1,706 parameters", "rnn", 1)]
    [TestCase("--model elman", "elman, 32 units, tanh, 1,706 parameters", "elman", 1)]
    [TestCase("--model elman --activation relu", "elman, 32 units, relu, 1,706 parameters", "elman", 1)]
    [TestCase("--model gru", "gru, 32 units, 4,554 parameters", "gru", 3)]
    [TestCase("--model lstm", "lstm, 32 units, forget bias 1, 5,962 parameters", "lstm", 4)]
    [TestCase("--model lstm --forget-bias 2.5", "lstm, 32 units, forget bias 2.5, 5,962 parameters", "lstm", 4)]
    public void A_run_says_which_model_it_trains_and_saves_it_under_its_name(string arguments, string description, string layer, int gates)
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(
            folder.Path, [.. s_shortCopy, "--steps", "5", .. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--out", "run"]);

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(result.Output, Does.StartWith($"copying memory, delay 10: {description}, 5 steps of 8 samples, "));
        using JsonDocument run = Read(folder);
        JsonElement settings = run.RootElement.GetProperty("settings");
        string model = layer == "rnn" ? "roa" : layer;
        Assert.That(settings.GetProperty("model").GetString(), Is.EqualTo(model));
        foreach (string name in s_filterSettings)
        {
            Assert.That(settings.GetProperty(name).ValueKind == JsonValueKind.Null, Is.EqualTo(model != "roa"), name);
        }

        Assert.That(settings.GetProperty("activation").ValueKind == JsonValueKind.Null, Is.EqualTo(model is "gru" or "lstm"));
        Assert.That(settings.GetProperty("forgetBias").ValueKind == JsonValueKind.Null, Is.EqualTo(model != "lstm"));
        Assert.That(settings.GetProperty("clip").GetDouble(), Is.EqualTo(1));
        Dictionary<string, Tensor> weights = SafeTensors.Load(folder.File("run/model.safetensors"), Device.Default);
        Assert.That(weights[$"{layer}.weight"].Shape.ToArray(), Is.EqualTo((long[])[gates * 32, 32]));
        string header = Encoding.UTF8.GetString(File.ReadAllBytes(folder.File("run/model.safetensors")));
        Assert.That(header.Contains("\"lstm.cell\":\"Lstm\"", StringComparison.Ordinal), Is.EqualTo(model == "lstm"));
    }

    [Test]
    public void Every_recurrent_task_trains_every_model([Values("adding", "parity", "modular", "smnist", "psmnist")] string task, [Values("elman", "gru", "lstm")] string model)
    {
        using var folder = new TemporaryFolder();
        IdxFiles.WriteSmallMnist(folder.Path);
        string[] samples = task switch
        {
            "adding" => ["--length", "20", "--test-samples", "50"],
            "parity" or "modular" => ["--length", "20", "--test-samples", "50", "--test-length", "30"],
            _ => ["--data", "."],
        };

        CliResult result = CliProcess.Run(
            folder.Path, ["train", task, "--model", model, .. samples, "--hidden", "8", "--batch", "10", "--steps", "3", "--out", "run"]);

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(result.Output, Does.Contain($": {model}, 8 units, "));
    }

    [Test]
    public void Options_set_the_initial_values_of_each_model([Values("elman", "gru", "lstm")] string model)
    {
        using var folder = new TemporaryFolder();

        // With the learning rate 1e-30 the weights saved are the initial ones.
        CliResult result = CliProcess.Run(
            folder.Path,
            [.. s_shortCopy, "--model", model, "--steps", "1", "--lr", "1e-30", "--weight-scale", "0.5", "--input-scale", "2", "--bias-scale", "0", "--out", "run"]);

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Dictionary<string, Tensor> weights = SafeTensors.Load(folder.File("run/model.safetensors"), Device.Default);
        double unit = 1 / Math.Sqrt(32);
        Assert.That(weights[$"{model}.weight"].ToArray<float>().Max(MathF.Abs), Is.InRange(0.45 * unit, 0.5 * unit));
        Assert.That(weights[$"{model}.input_weight"].ToArray<float>().Max(MathF.Abs), Is.InRange(1.8 * unit, 2.000001 * unit));
        Assert.That(weights[$"{model}.bias"].ToArray<float>().Select(value => MathF.Round(value, 6)).Distinct(), Is.EquivalentTo(model == "lstm" ? (float[])[0, 1] : [0]));
    }

    [Test]
    public void The_defaults_of_all_models_of_a_task_have_about_as_many_parameters()
    {
        using var folder = new TemporaryFolder();
        IdxFiles.WriteSmallMnist(folder.Path);
        foreach (TrainingTask task in Tasks.All.Where(task => task.Defaults.Layers is null))
        {
            long CountOf(ModelChoice model)
            {
                TrainSettings settings = task.DefaultsOf(model);
                using var taskModel = new TaskModel(task, settings with { Data = settings.Data is null ? null : folder.Path }, Device.Default);
                return taskModel.Model.ParameterData.Count;
            }

            long roa = CountOf(ModelChoice.Roa);
            Assert.Multiple(() =>
            {
                foreach (ModelChoice model in Enum.GetValues<ModelChoice>())
                {
                    Assert.That((double)CountOf(model), Is.EqualTo((double)roa).Within(1.5).Percent, $"{task.Name} with {model}");
                }
            });
        }
    }

    [Test]
    [Platform("Linux,MacOsX")]
    public void A_resumed_run_ends_as_one_that_was_not_interrupted_with_its_own_model_alone([Values("elman", "gru", "lstm")] string model)
    {
        using var folder = new TemporaryFolder();
        string[] command = [.. s_shortCopy, "--model", model, "--steps", "3000", "--stop-at", "1", "--lr", "0.0001", "--threads", "1"];
        using (var process = CliProcess.Start(folder.Path, [.. command, "--out", "run"]))
        {
            process.WaitForLine("epoch 1/");
            process.Send("TERM");
            Assert.That(process.Finish().ExitCode, Is.EqualTo(143));
        }

        string[] resumed = [.. command, "--out", "run", "--resume"];
        CliResult other = CliProcess.Run(folder.Path, [.. resumed.Select(argument => argument == model ? "roa" : argument)]);
        CliResult same = CliProcess.Run(folder.Path, resumed);
        CliResult straight = CliProcess.Run(folder.Path, [.. command, "--out", "straight"]);

        Assert.That(other.ExitCode, Is.EqualTo(2));
        Assert.That(other.Error, Does.Contain($"the setting model is \"roa\", where the run in 'run' has \"{model}\"; it must be as in that run"));
        Assert.That(same.ExitCode, Is.Zero, same.Error);
        Assert.That(same.Output, Does.Contain("resuming from step "));
        Assert.That(straight.ExitCode, Is.Zero, straight.Error);
        Assert.That(File.ReadAllBytes(folder.File("run/model.safetensors")), Is.EqualTo(File.ReadAllBytes(folder.File("straight/model.safetensors"))));
    }

    /// <summary>Before there was a choice, run.json did not name the model.</summary>
    [Test]
    [Platform("Linux,MacOsX")]
    public void A_run_whose_report_names_no_model_is_resumed_as_roa()
    {
        using var folder = new TemporaryFolder();
        string[] command = [.. s_shortCopy, "--steps", "2000", "--stop-at", "1", "--lr", "0.0001", "--out", "run"];
        using (var process = CliProcess.Start(folder.Path, command))
        {
            process.WaitForLine("epoch 1/");
            process.Send("TERM");
            process.Finish();
        }

        string path = folder.File("run/run.json"), report = File.ReadAllText(path);
        string[] lines = [.. report.Split('\n').Where(line => !line.Contains("\"model\":", StringComparison.Ordinal) && !line.Contains("\"forgetBias\":", StringComparison.Ordinal))];
        File.WriteAllText(path, string.Join('\n', lines));

        CliResult result = CliProcess.Run(folder.Path, [.. command, "--resume"]);

        Assert.That(lines, Has.Length.EqualTo(report.Split('\n').Length - 2));
        Assert.That(result.ExitCode, Is.Zero, result.Error);
    }

    private static JsonDocument Read(TemporaryFolder folder) => JsonDocument.Parse(File.ReadAllText(folder.File("run/run.json")));
}
