using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Cli;

internal sealed class TrainTests
{
    private static readonly string[] s_files = ["loss.png", "model.safetensors", "report.html", "run.json"];

    /// <summary>And those that an interrupted run is resumed from.</summary>
    private static readonly string[] s_filesOnTheWay = ["loss.csv", "loss.png", "model.safetensors", "optimizer.safetensors", "report.html", "run.json"];

    /// <summary>A run of a second.</summary>
    private static readonly string[] s_shortCopy =
        ["train", "copy", "--length", "10", "--hidden", "32", "--batch", "8", "--test-samples", "50"];

    [Test]
    public void A_run_leaves_settings_result_weights_and_a_picture()
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(folder.Path, [.. s_shortCopy, "--steps", "30", "--seed", "7", "--filter", "cycle", "--out", "a/b"]);

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(result.Error, Is.Empty);
        Assert.That(result.Output, Does.Contain("epoch 1/1  step 30  loss ").And.Contains("samples/s").And.Contains("test accuracy ").And.Contains("baseline 12.50 %"));
        Assert.That(Names(folder.File("a/b")), Is.EqualTo(s_files));

        using JsonDocument run = Read(folder.File("a/b"));
        JsonElement root = run.RootElement;
        Assert.That(root.GetProperty("task").GetString(), Is.EqualTo("copy"));
        Assert.That(root.GetProperty("status").GetString(), Is.EqualTo("completed"));
        Assert.That(root.GetProperty("seed").GetInt32(), Is.EqualTo(7));
        Assert.That(root.GetProperty("version").GetString(), Is.EqualTo(SystemInfo.Version));
        Assert.That(root.GetProperty("settings").GetProperty("hidden").GetInt32(), Is.EqualTo(32));
        Assert.That(root.GetProperty("settings").GetProperty("filter").GetString(), Is.EqualTo("cycle"));
        Assert.That(root.GetProperty("machine").GetProperty("cores").GetInt32(), Is.EqualTo(SystemInfo.Cores));
        JsonElement epoch = root.GetProperty("epochs").EnumerateArray().Single();
        Assert.That(epoch.GetProperty("loss").GetDouble(), Is.InRange(0.1, 10));
        Assert.That(epoch.GetProperty("seconds").GetDouble(), Is.Positive);
        JsonElement outcome = root.GetProperty("result");
        Assert.That(outcome.GetProperty("metric").GetString(), Is.EqualTo("accuracy"));
        Assert.That(outcome.GetProperty("value").GetDouble(), Is.InRange(0, 1));
        Assert.That(outcome.GetProperty("baseline").GetDouble(), Is.EqualTo(0.125));
        Assert.That(outcome.GetProperty("seconds").GetDouble(), Is.Positive);
        Assert.That(outcome.GetProperty("peakBytes").GetInt64(), Is.GreaterThan(1 << 20));

        Dictionary<string, Tensor> weights = SafeTensors.Load(folder.File("a/b/model.safetensors"), Device.Default);
        Assert.That(weights.Values.Sum(tensor => tensor.Count), Is.EqualTo(root.GetProperty("parameters").GetInt64()));
        Assert.That(weights["rnn.weight"].Shape.ToArray(), Is.EqualTo((long[])[32, 32]));
        Assert.That(weights["readout.weight"].Shape.ToArray(), Is.EqualTo((long[])[10, 32]));

        byte[] picture = File.ReadAllBytes(folder.File("a/b/loss.png"));
        Assert.That(picture[..8], Is.EqualTo((byte[])[0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10]));
        Assert.That(picture, Has.Length.GreaterThan(5_000));
    }

    [Test]
    public void Without_out_a_run_goes_to_a_folder_named_after_task_and_time()
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(folder.Path, [.. s_shortCopy, "--steps", "2"]);

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        string run = Directory.GetDirectories(folder.File("runs")).Single();
        Assert.That(Path.GetFileName(run), Does.Match(@"^copy-\d{8}-\d{6}$"));
        Assert.That(result.Output, Does.Contain(Path.Combine("runs", Path.GetFileName(run), "run.json")));
    }

    [Test]
    public void The_adding_problem_is_measured_by_its_mean_squared_error()
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(
            folder.Path, "train", "adding", "--length", "20", "--hidden", "16", "--steps", "5", "--test-samples", "500", "--out", "run");

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        using JsonDocument run = Read(folder.File("run"));
        JsonElement outcome = run.RootElement.GetProperty("result");
        Assert.That(outcome.GetProperty("metric").GetString(), Is.EqualTo("mse"));
        Assert.That(outcome.GetProperty("baseline").GetDouble(), Is.EqualTo(new AddingProblem(20, 500, 1, DataSplit.Test).Baseline()));
        Assert.That(outcome.GetProperty("value").GetDouble(), Is.Positive);
    }

    [TestCase("parity", 2, 0.5, 0.5, "parity, lengths from 1 to 10: roa, 32 units, ")]
    [TestCase("modular --modulus 3", 3, 0.1, 0.9, "sums modulo 3, lengths from 1 to 10: roa, 32 units, ")]
    public void Sums_are_learnt_on_short_sequences_and_tested_at_every_step_of_long_ones(string task, int modulus, double alpha, double beta, string description)
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(
            folder.Path,
            ["train", .. task.Split(' '), "--length", "10", "--test-length", "40", "--test-samples", "30", "--hidden", "32", "--steps", "800", "--seed", "4", "--out", "run"]);

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(result.Output, Does.StartWith(description).And.Contains("testing on 30 samples of 40 steps"));
        using JsonDocument run = Read(folder.File("run"));
        JsonElement outcome = run.RootElement.GetProperty("result");
        JsonElement answers = outcome.GetProperty("answers");
        long correct = answers.GetProperty("correctSteps").GetInt64(), last = answers.GetProperty("correctLastSteps").GetInt64();
        Assert.That((answers.GetProperty("steps").GetInt64(), answers.GetProperty("samples").GetInt64()), Is.EqualTo((1200, 30)));
        Assert.That(outcome.GetProperty("baseline").GetDouble(), Is.EqualTo(1.0 / modulus));
        Assert.That(outcome.GetProperty("value").GetDouble(), Is.EqualTo(correct / 1200.0).Within(1e-12));
        Assert.That(result.Output, Does.Contain(FormattableString.Invariant($"{correct:#,0} of 1,200 steps are right, the last step of {last} of 30 samples")));

        // Who knows the first ten steps alone is right there, and by chance beyond: in 750 steps of parity, in 600 of sums modulo 3.
        Assert.That(correct, Is.GreaterThan(1080));
        AssertAnswersOf(folder.File("run/model.safetensors"), new ModularSum(modulus, 40, 30, 4, DataSplit.Test), alpha, beta, correct, last);
    }

    /// <summary>Counts the right answers anew, of the saved model in one batch.</summary>
    private static void AssertAnswersOf(string path, ModularSum data, double alpha, double beta, long correct, long last)
    {
        using var model = new Sequential(
            Device.Default, 4,
            new RoaRnn(data.Features, 32, new RoaRnnOptions { Alpha = alpha, Beta = beta, Output = SequenceOutput.All }) { Name = "rnn" },
            new Dense(32, data.Outputs) { Name = "readout" });
        model.Load(path);
        model.Training = false;
        using var loader = new DataLoader(data, 30);
        foreach (Batch batch in loader.Epoch(0))
        {
            Tensor logits = model.Forward(batch.Inputs);
            using var loss = new CrossEntropyLoss();
            loss.Evaluate(logits, batch.Classes);
            Assert.That(loss.Correct, Is.EqualTo(correct));
            using var end = new Tensor(Device.Default, DType.Float32, 30, data.Outputs);
            end.CopyFrom(0, logits, logits.Count - end.Count, end.Count);
            loss.Evaluate(end, batch.Classes[^30..]);
            Assert.That(loss.Correct, Is.EqualTo(last));
        }
    }

    [Test]
    public void One_and_three_threads_train_the_same_weights()
    {
        using var folder = new TemporaryFolder();

        CliProcess.Run(folder.Path, [.. s_shortCopy, "--steps", "10", "--threads", "1", "--out", "one"]);
        CliProcess.Run(folder.Path, [.. s_shortCopy, "--steps", "10", "--threads", "3", "--out", "three"]);

        Assert.That(File.ReadAllBytes(folder.File("one/model.safetensors")), Is.EqualTo(File.ReadAllBytes(folder.File("three/model.safetensors"))));
    }

    /// <summary>Without --beta it is 1 / steps; what reads the states is scaled by what β falls short of the default.</summary>
    [TestCase("--beta 0.25", 0.25)]
    [TestCase("", null)]
    public void Convex_sets_alpha_to_one_minus_beta_and_scales_what_reads_the_states(string arguments, double? given)
    {
        using var folder = new TemporaryFolder();
        string[] options = arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries);

        CliProcess.Run(folder.Path, [.. s_shortCopy, "--steps", "1", "--out", "plain"]);
        CliProcess.Run(folder.Path, [.. s_shortCopy, "--steps", "1", "--convex", .. options, "--out", "convex"]);

        using JsonDocument plain = Read(folder.File("plain"));
        using JsonDocument convex = Read(folder.File("convex"));
        double beta = given ?? 1.0 / (Setting(plain, "length") + 20);
        double gain = Setting(plain, "beta") / beta;
        Assert.Multiple(() =>
        {
            Assert.That(Setting(convex, "beta"), Is.EqualTo(beta));
            Assert.That(Setting(convex, "alpha"), Is.EqualTo(1 - beta));
            foreach (string scaled in (string[])["weightScale", "weightRate", "readoutScale", "readoutRate"])
            {
                Assert.That(Setting(convex, scaled), Is.EqualTo(Setting(plain, scaled) * gain), scaled);
            }

            Assert.That(Setting(convex, "inputScale"), Is.EqualTo(Setting(plain, "inputScale")));
            Assert.That(Setting(convex, "biasScale"), Is.EqualTo(Setting(plain, "biasScale")));
            Assert.That(Setting(convex, "readoutBiasScale"), Is.EqualTo(Setting(plain, "readoutScale")));
            Assert.That(Setting(convex, "readoutBiasRate"), Is.EqualTo(Setting(plain, "readoutRate")));
        });
    }

    /// <summary>With the learning rate 1e-30 the weights saved are the initial ones.</summary>
    [Test]
    public void Convex_scales_the_initial_weights_of_the_readout_and_not_its_bias()
    {
        using var folder = new TemporaryFolder();
        string[] untrained = [.. s_shortCopy, "--steps", "1", "--lr", "1e-30"];

        CliProcess.Run(folder.Path, [.. untrained, "--out", "plain"]);
        CliProcess.Run(folder.Path, [.. untrained, "--convex", "--beta", "0.25", "--out", "convex"]);

        double gain = 0.005 / 0.25;
        Dictionary<string, Tensor> plain = SafeTensors.Load(folder.File("plain/model.safetensors"), Device.Default);
        Dictionary<string, Tensor> convex = SafeTensors.Load(folder.File("convex/model.safetensors"), Device.Default);
        // Two roundings to float32, of the scale and of the product.
        Assert.That(
            convex["readout.weight"].ToArray<float>(),
            Is.EqualTo(Array.ConvertAll(plain["readout.weight"].ToArray<float>(), value => (float)(value * gain))).Within(1e-6f * (float)gain));
        Assert.That(convex["readout.bias"].ToArray<float>(), Is.EqualTo(plain["readout.bias"].ToArray<float>()));
    }

    [Test]
    public void Scales_and_rates_on_the_command_line_are_kept_with_convex()
    {
        using var folder = new TemporaryFolder();

        CliProcess.Run(
            folder.Path,
            [.. s_shortCopy, "--steps", "1", "--convex", "--weight-scale", "3", "--weight-rate", "4", "--readout-scale", "5", "--readout-rate", "6", "--out", "run"]);

        using JsonDocument run = Read(folder.File("run"));
        Assert.That(
            ((string[])["weightScale", "weightRate", "readoutScale", "readoutRate"]).Select(name => Setting(run, name)),
            Is.EqualTo((double[])[3, 4, 5, 6]));
        Assert.That(run.RootElement.GetProperty("settings").GetProperty("readoutBiasScale").ValueKind, Is.EqualTo(JsonValueKind.Null));
        Assert.That(run.RootElement.GetProperty("settings").GetProperty("readoutBiasRate").ValueKind, Is.EqualTo(JsonValueKind.Null));
    }

    [Test]
    public void Training_ends_early_once_the_goal_is_reached()
    {
        using var folder = new TemporaryFolder();

        CliProcess.Run(folder.Path, [.. s_shortCopy, "--steps", "200", "--stop-at", "0.01", "--out", "run"]);

        using JsonDocument run = Read(folder.File("run"));
        Assert.That(run.RootElement.GetProperty("status").GetString(), Is.EqualTo("goalReached"));
        Assert.That(run.RootElement.GetProperty("epochs")[0].GetProperty("step").GetInt64(), Is.EqualTo(20));
    }

    [TestCase("--limit 20 --epochs 3", 3, 6)]
    [TestCase("--limit 5 --epochs 2", 2, 2)]
    [TestCase("--limit 20 --steps 5", 3, 5)]
    [TestCase("--steps 5 --epochs 2", 1, 5)]
    [TestCase("--epochs 1", 1, 200)]
    public void Epochs_steps_and_limit_decide_how_long_training_is(string arguments, int epochs, int steps)
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(folder.Path, [.. s_shortCopy, "--stop-at", "1", .. arguments.Split(' '), "--out", "run"]);

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        using JsonDocument run = Read(folder.File("run"));
        JsonElement[] reports = [.. run.RootElement.GetProperty("epochs").EnumerateArray()];
        Assert.That(reports, Has.Length.EqualTo(epochs));
        Assert.That(reports[^1].GetProperty("step").GetInt32(), Is.EqualTo(steps));
    }

    [TestCase("INT", 130, 1)]
    [TestCase("INT", 130, 2, "--test-every-epoch")]
    [TestCase("TERM", 143, 1)]
    [TestCase("HUP", 129, 1)]
    [TestCase("XCPU", 152, 1)]
    [Platform("Linux,MacOsX")]
    public void An_interrupted_run_saves_what_was_trained(string signal, int exitCode, int epoch, params string[] options)
    {
        if (CliProcess.Ignores(signal))
        {
            Assert.Ignore($"The tests were started with SIG{signal} ignored, as in a shell's background or by nohup, and so is the tool.");
        }

        using var folder = new TemporaryFolder();
        using var process = CliProcess.Start(
            folder.Path, [.. s_shortCopy, "--epochs", "100000", "--stop-at", "1", "--lr", "0.00001", .. options, "--out", "run"]);
        process.WaitForLine($"epoch {epoch}/");

        process.Send(signal);
        CliResult result = process.Finish();

        Assert.That(result.ExitCode, Is.EqualTo(exitCode), result.Error);
        Assert.That(result.Output, Does.Contain("interrupted; what was trained was not tested").And.Contains("run/run.json").And.Contains("--out 'run' --resume"));
        Assert.That(Names(folder.File("run")), Is.EqualTo(s_filesOnTheWay));
        using JsonDocument run = Read(folder.File("run"));
        Assert.That(run.RootElement.GetProperty("status").GetString(), Is.EqualTo("interrupted"));
        Assert.That(run.RootElement.GetProperty("result").ValueKind, Is.EqualTo(JsonValueKind.Null));
        JsonElement[] epochs = [.. run.RootElement.GetProperty("epochs").EnumerateArray()];
        Assert.That(epochs, Has.Length.GreaterThanOrEqualTo(epoch));
        Assert.That(
            epochs.Take(epoch).Select(report => report.GetProperty("testMetric").ValueKind),
            Is.All.EqualTo(options.Length == 0 ? JsonValueKind.Null : JsonValueKind.Number));
        Assert.That(SafeTensors.Load(folder.File("run/model.safetensors"), Device.Default), Has.Count.EqualTo(5));
    }

    [TestCase("TERM", 143, "--steps", "10000", "--stop-at", "1", "--input-noise", "0.1")]
    [TestCase("TERM", 143, "--steps", "10000", "--stop-at", "1", "--limit", "808", "--schedule", "cosine", "--optimizer", "sgd", "--momentum", "0.5")]
    [TestCase("TERM", 143, "--steps", "10000", "--stop-at", "0.4")]
    [TestCase("KILL", 137, "--steps", "10000", "--stop-at", "1", "--save-every", "0.005")]
    [Platform("Linux,MacOsX")]
    public void A_resumed_run_ends_as_one_that_was_not_interrupted(string signal, int exitCode, params string[] options)
    {
        using var folder = new TemporaryFolder();
        string[] command = [.. s_shortCopy, .. options, "--lr", "0.0001", "--threads", "1"];
        using (var process = CliProcess.Start(folder.Path, [.. command, "--out", "run"]))
        {
            if (signal == "KILL")
            {
                // Only what was saved on the way is left. The next save is a third of a second away.
                Assert.That(() => File.Exists(folder.File("run/run.json")), Is.True.After(60_000, 5));
            }
            else
            {
                process.WaitForLine("epoch 2/");
            }

            process.Send(signal);
            Assert.That(process.Finish().ExitCode, Is.EqualTo(exitCode));
        }

        CliResult resumed = CliProcess.Run(folder.Path, [.. command, "--out", "run", "--resume"]);
        CliResult straight = CliProcess.Run(folder.Path, [.. command, "--out", "straight"]);

        Assert.That(resumed.ExitCode, Is.Zero, resumed.Error);
        Assert.That(resumed.Output, Does.Contain("resuming from step "));
        Assert.That(straight.ExitCode, Is.Zero, straight.Error);
        Assert.That(Names(folder.File("run")), Is.EqualTo(s_files));
        Assert.That(File.ReadAllBytes(folder.File("run/model.safetensors")), Is.EqualTo(File.ReadAllBytes(folder.File("straight/model.safetensors"))));
        using JsonDocument run = Read(folder.File("run")), other = Read(folder.File("straight"));
        Assert.That(run.RootElement.GetProperty("status").GetString(), Is.EqualTo(other.RootElement.GetProperty("status").GetString()));
        Assert.That(run.RootElement.GetProperty("result").GetProperty("value").GetDouble(), Is.EqualTo(other.RootElement.GetProperty("result").GetProperty("value").GetDouble()));
        Assert.That(EpochSteps(run), Is.EqualTo(EpochSteps(other)));
    }

    [Test]
    [Platform("Linux,MacOsX")]
    public void A_run_is_saved_on_request_and_resumed_from_there_once_it_is_killed()
    {
        using var folder = new TemporaryFolder();
        string[] command = [.. s_shortCopy, "--steps", "10000", "--stop-at", "1", "--save-every", "0", "--lr", "0.0001", "--threads", "1"];
        string step;
        using (var process = CliProcess.Start(folder.Path, [.. command, "--out", "run"]))
        {
            process.WaitForLine("epoch 2/");
            Assert.That(File.Exists(folder.File("run/run.json")), Is.False);
            process.Send("USR1");
            step = process.WaitForLine("saved at step ").Split(' ')[^1];
            process.Send("KILL");
            Assert.That(process.Finish().ExitCode, Is.EqualTo(137));
        }

        using (JsonDocument saved = Read(folder.File("run")))
        {
            Assert.That(saved.RootElement.GetProperty("status").GetString(), Is.EqualTo("running"));
            Assert.That(saved.RootElement.GetProperty("lossLog").GetProperty("lines").GetInt64(), Is.EqualTo(long.Parse(step, NumberStyles.AllowThousands, CultureInfo.InvariantCulture)));
        }

        CliResult resumed = CliProcess.Run(folder.Path, [.. command, "--out", "run", "--resume"]);
        CliResult straight = CliProcess.Run(folder.Path, [.. command, "--out", "straight"]);

        Assert.That(resumed.ExitCode, Is.Zero, resumed.Error);
        Assert.That(resumed.Output, Does.Contain($"resuming from step {step}\n"));
        Assert.That(straight.ExitCode, Is.Zero, straight.Error);
        Assert.That(File.ReadAllBytes(folder.File("run/model.safetensors")), Is.EqualTo(File.ReadAllBytes(folder.File("straight/model.safetensors"))));
    }

    [TestCase("run")]
    [TestCase("run", "--resume")]
    [TestCase("link")]
    [Platform("Linux,MacOsX")]
    public void A_second_run_in_the_folder_of_one_that_continues_is_refused(params string[] options)
    {
        using var folder = new TemporaryFolder();
        string[] command = [.. s_shortCopy, "--epochs", "100000", "--stop-at", "1", "--lr", "0.00001", "--save-every", "0.005"];
        using var process = CliProcess.Start(folder.Path, [.. command, "--out", "run"]);
        Assert.That(() => File.Exists(folder.File("run/run.json")), Is.True.After(60_000, 5));
        Directory.CreateSymbolicLink(folder.File("link"), "run");

        CliResult second = CliProcess.Run(folder.Path, [.. command, "--out", .. options]);
        process.Send("TERM");
        CliResult first = process.Finish();

        Assert.That(second.ExitCode, Is.EqualTo(1));
        Assert.That(second.Output, Is.Empty);
        Assert.That(second.Error.TrimEnd('\n'), Does.Contain($"--out is '{options[0]}', which another run is using").And.Not.Contains("\n"));
        Assert.That(first.ExitCode, Is.EqualTo(143), first.Error);
        Assert.That(Names(folder.File("run")), Is.EqualTo(s_filesOnTheWay));
    }

    /// <summary>They may start within the second that a folder is named after.</summary>
    [Test]
    public void Runs_that_name_no_folder_each_have_their_own()
    {
        using var folder = new TemporaryFolder();
        CliProcess[] runs = [.. Enumerable.Range(0, 3).Select(_ => CliProcess.Start(folder.Path, [.. s_shortCopy, "--steps", "100"]))];

        CliResult[] results = Array.ConvertAll(runs, run => run.Finish());
        Array.ForEach(runs, run => run.Dispose());

        Assert.That(results.Select(result => result.ExitCode), Is.All.Zero);
        Assert.That(Directory.GetDirectories(folder.File("runs")).Select(Names), Has.Exactly(3).EqualTo(s_files));
    }

    private static int[] EpochSteps(JsonDocument run) =>
        [.. run.RootElement.GetProperty("epochs").EnumerateArray().Select(epoch => epoch.GetProperty("step").GetInt32())];

    [Test]
    [Platform("Linux,MacOsX")]
    public void Resuming_something_else_is_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        using (var process = CliProcess.Start(folder.Path, [.. s_shortCopy, "--epochs", "100000", "--stop-at", "1", "--lr", "0.00001", "--out", "run"]))
        {
            process.WaitForLine("epoch 1/");
            process.Send("TERM");
            process.Finish();
        }

        CliResult without = CliProcess.Run(folder.Path, [.. s_shortCopy, "--resume"]);
        CliResult missing = CliProcess.Run(folder.Path, [.. s_shortCopy, "--resume", "--out", "none"]);
        CliResult different = CliProcess.Run(folder.Path, [.. s_shortCopy, "--epochs", "100000", "--stop-at", "1", "--lr", "0.5", "--resume", "--out", "run"]);
        CliResult otherTask = CliProcess.Run(folder.Path, "train", "adding", "--resume", "--out", "run");
        File.WriteAllText(folder.File("run/loss.csv"), "step,loss,metric\n1,2.5,0.1\n");
        string[] resumed = [.. s_shortCopy, "--epochs", "100000", "--stop-at", "1", "--lr", "0.00001", "--resume", "--out", "run"];
        CliResult damaged = CliProcess.Run(folder.Path, resumed);
        File.WriteAllText(folder.File("run/loss.csv"), "step,loss,metric\n1,NaN,0.1\n");
        CliResult notFinite = CliProcess.Run(folder.Path, resumed);
        string report = File.ReadAllText(folder.File("run/run.json"));
        int epochs = report.IndexOf('[', report.IndexOf("\"epochs\"", StringComparison.Ordinal));
        File.WriteAllText(folder.File("run/run.json"), report.Insert(epochs + 1, "null,"));
        CliResult nullEpoch = CliProcess.Run(folder.Path, resumed);

        Assert.That(without.Error, Does.Contain("--resume is given without --out"));
        Assert.That(missing.Error, Does.Contain(Path.Combine("none", "run.json")));
        Assert.That(Directory.Exists(folder.File("none")), Is.False);
        Assert.That(different.Error, Does.Contain("learningRate is 0.5").And.Contains("has 1E-05"));
        Assert.That(otherTask.Error, Does.Contain("is of the task copy"));
        Assert.That(damaged.Error, Does.Contain("cannot be resumed").And.Contains("the losses are of 1 steps"));
        Assert.That(notFinite.Error, Does.Contain("line 2 is '1,NaN,0.1'; expected: the number of a step, its finite loss and its metric"));
        Assert.That(nullEpoch.Error, Does.Contain("run.json' cannot be read (an epoch of it is null)"));
        Assert.That(
            new[] { without, missing, different, otherTask, damaged, notFinite, nullEpoch }.Select(result => result.ExitCode),
            Is.EqualTo((int[])[2, 1, 2, 2, 1, 1, 1]));
        Assert.That(Names(folder.File("run")), Is.EqualTo(s_filesOnTheWay));
    }

    [TestCase("run.json")]
    [TestCase("model.safetensors")]
    [TestCase("optimizer.safetensors")]
    [TestCase("loss.csv")]
    [TestCase("epochs.jsonl")]
    [Platform("Linux")]
    public void A_pipe_in_the_place_of_a_file_is_refused_by_name_when_a_run_is_resumed(string name)
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("run"));
        System.Diagnostics.Process.Start("mkfifo", folder.File($"run/{name}")).WaitForExit();

        CliResult result = CliProcess.Run(folder.Path, [.. s_shortCopy, "--resume", "--out", "run"]);

        Assert.That(result.ExitCode, Is.EqualTo(1), result.Error);
        Assert.That(result.Error, Does.Contain($"'run/{name}' is a pipe or a device"));
        Assert.That(Names(folder.File("run")), Is.EqualTo((string[])[name]));
    }

    [Test]
    public void The_missing_file_of_epochs_is_named_when_a_run_is_resumed()
    {
        using var folder = new TemporaryFolder();
        using (var process = CliProcess.Start(folder.Path, [.. s_shortCopy, "--epochs", "100000", "--stop-at", "1", "--lr", "0.00001", "--save-every", "0.00001", "--out", "run"]))
        {
            process.WaitForLine("epoch 3/");
            process.Send("KILL");
            process.Finish();
        }

        // What a kill may have left to be done is done by the first use.
        _ = CliProcess.Run(folder.Path, "train", "adding", "--resume", "--out", "run");
        File.Delete(folder.File("run/epochs.jsonl"));

        CliResult result = CliProcess.Run(folder.Path, [.. s_shortCopy, "--epochs", "100000", "--stop-at", "1", "--lr", "0.00001", "--resume", "--out", "run"]);

        Assert.That(result.ExitCode, Is.EqualTo(1), result.Error);
        Assert.That(result.Error, Does.Contain("'run/epochs.jsonl' cannot be read ("));
    }

    /// <summary>Everything that a run is resumed with is checked before.</summary>
    [Test]
    [Platform("Linux,MacOsX")]
    public void Values_that_no_run_has_are_refused_with_their_name_when_it_is_resumed()
    {
        using var folder = new TemporaryFolder();
        string[] command = [.. s_shortCopy, "--epochs", "100000", "--stop-at", "1", "--lr", "0.00001", "--out", "run"];
        using (var process = CliProcess.Start(folder.Path, command))
        {
            process.WaitForLine("epoch 2/");
            process.Send("TERM");
            process.Finish();
        }

        string report = folder.File("run/run.json"), optimizer = folder.File("run/optimizer.safetensors"), model = folder.File("run/model.safetensors");
        string intact = File.ReadAllText(report);
        using var saved = JsonDocument.Parse(intact);
        // The signal may have come during the third epoch, or later.
        int last = saved.RootElement.GetProperty("epochs").GetArrayLength() - 1;
        (string Field, string Value, string Expected)[] changes =
        [
            ("seconds", "1e12", "seconds is 1000000000000; it must be from 0 to 1000000000"),
            ("seconds", "-1", "seconds is -1; it must be from 0 to"),
            ("seconds", "1e999", "seconds is Infinity"),
            ("seconds", "\"NaN\"", "seconds is NaN"),
            ("parameters", "0", "parameters is 0; it must be from 1 to"),
            ("parameters", "17", "parameters is 17 in run.json; expected: 1706"),
            ("seed", "2", "seed is 2; expected: 1"),
            ("epochs.0.epoch", "0", "epochs[0].epoch is 0; it must be from 1 to"),
            ("epochs.0.epoch", "7", "epochs[1].epoch is 2; it must be from 8 to"),
            ("epochs.0.step", "0", "epochs[0].step is 0; it must be from 1 to"),
            ($"epochs.{last}.step", "999999999", $"epochs[{last}] is epoch {last + 1} up to step 999999999; it must end at step "),
            ("epochs.0.loss", "1e999", "epochs[0].loss is Infinity"),
            ("epochs.0.metric", "-3", "epochs[0].metric is -3"),
            ("epochs.0.learningRate", "-1", "epochs[0].learningRate is -1"),
            ("epochs.0.gradientNorm", "-1", "epochs[0].gradientNorm is -1"),
            ("epochs.0.seconds", "1e300", "epochs[0].seconds is"),
            ("epochs.0.samplesPerSecond", "-1", "epochs[0].samplesPerSecond is -1"),
            ("lossLog.bytes", "0", "lossLog.bytes is 0; it must be from 1 to"),
            ("lossLog.bytes", "9000000000000000000", " in 9000000000000000000, as run.json says in lossLog"),
            ("lossLog.lines", "-1", "lossLog.lines is -1; it must be from 0 to"),
            ("lossLog.lines", "5", "expected: 5 in "),
        ];
        var wrong = new List<string>();
        foreach ((string field, string value, string expected) in changes)
        {
            File.WriteAllText(report, Change(intact, field, value));
            CliResult result = CliProcess.Run(folder.Path, [.. command, "--resume"]);
            if (result.ExitCode != 1 || !result.Error.Contains("run", StringComparison.Ordinal) || !result.Error.Contains(expected, StringComparison.Ordinal))
            {
                wrong.Add($"{field} = {value}: exit {result.ExitCode}, {result.Error}");
            }
        }

        Assert.That(wrong, Is.Empty);
        File.WriteAllText(report, intact);

        // The last bytes of a file are a number of its last tensor.
        foreach ((string path, string expected) in ((string, string)[])[(model, "a weight is NaN"), (optimizer, "second_moment[1705] is NaN")])
        {
            byte[] content = File.ReadAllBytes(path), changed = [.. content[..^4], 0, 0, 0xC0, 0x7F];
            File.WriteAllBytes(path, changed);
            CliResult result = CliProcess.Run(folder.Path, [.. command, "--resume"]);
            File.WriteAllBytes(path, content);
            Assert.That(result.ExitCode, Is.EqualTo(1));
            Assert.That(result.Error, Does.Contain($"'{Path.Combine("run", Path.GetFileName(path))}'").And.Contains(expected));
        }

        static string Change(string json, string field, string value)
        {
            JsonNode root = JsonNode.Parse(json)!;
            string[] names = field.Split('.');
            JsonNode node = root;
            foreach (string name in names[..^1])
            {
                node = (int.TryParse(name, out int index) ? node[index] : node[name])!;
            }

            node[names[^1]] = "VALUE";
            return root.ToJsonString().Replace("\"VALUE\"", value, StringComparison.Ordinal);
        }
    }

    [Test]
    public void A_folder_that_cannot_be_written_is_refused_before_training()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("file"), "");

        CliResult result = CliProcess.Run(folder.Path, [.. s_shortCopy, "--out", "file/run"]);

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.Output, Is.Empty);
        Assert.That(result.Error.TrimEnd('\n'), Does.StartWith("orthonative: --out is 'file/run', which cannot be written").And.Not.Contains("\n"));
    }

    [Test]
    public void A_folder_in_the_place_of_a_file_is_refused_before_training()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("run/model.safetensors"));

        CliResult result = CliProcess.Run(folder.Path, [.. s_shortCopy, "--out", "run"]);

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.Output, Is.Empty);
        Assert.That(result.Error, Does.Contain("--out is 'run', where model.safetensors is a folder; it must be "));
    }

    [Test]
    [Platform("Linux,MacOsX")]
    public void A_run_that_cannot_be_saved_in_its_folder_is_saved_in_a_temporary_one()
    {
        using var folder = new TemporaryFolder();
        using var elsewhere = new TemporaryFolder();
        using var process = CliProcess.StartWith(
            ("TMPDIR", elsewhere.Path), folder.Path, [.. s_shortCopy, "--epochs", "100000", "--stop-at", "1", "--lr", "0.00001", "--out", "run"]);
        process.WaitForLine("epoch 1/");
        Directory.CreateDirectory(folder.File("run/model.safetensors"));

        process.Send("TERM");
        CliResult result = process.Finish();

        Assert.That(result.ExitCode, Is.EqualTo(1));
        string rescue = Directory.EnumerateFiles(elsewhere.Path, "run.json", SearchOption.AllDirectories).Select(path => Path.GetDirectoryName(path)!).Single();
        Assert.That(Names(rescue), Is.EqualTo(s_filesOnTheWay));
        Assert.That(result.Error.TrimEnd('\n'), Does.Contain($"saved in '{rescue}' instead").And.Contains("model.safetensors cannot be written").And.Not.Contains("\n"));
        Assert.That(Names(folder.File("run")), Has.None.EndsWith(".part").And.None.EqualTo("run.json"));
    }

    [Test]
    [Platform("Linux,MacOsX")]
    public void A_run_whose_folder_is_removed_meanwhile_makes_it_anew()
    {
        using var folder = new TemporaryFolder();
        using var process = CliProcess.Start(
            folder.Path, [.. s_shortCopy, "--epochs", "100000", "--stop-at", "1", "--lr", "0.00001", "--out", "run"]);
        process.WaitForLine("epoch 1/");
        Directory.Delete(folder.File("run"), recursive: true);

        process.Send("TERM");
        CliResult result = process.Finish();

        Assert.That(result.ExitCode, Is.EqualTo(143), result.Error);
        Assert.That(Names(folder.File("run")), Is.EqualTo(s_filesOnTheWay));
    }

    [Test]
    [Platform("Linux,MacOsX")]
    public void A_picture_that_cannot_be_written_is_a_warning()
    {
        using var folder = new TemporaryFolder();
        using var process = CliProcess.Start(
            folder.Path, [.. s_shortCopy, "--epochs", "100000", "--stop-at", "1", "--lr", "0.00001", "--out", "run"]);
        process.WaitForLine("epoch 1/");
        Directory.CreateDirectory(folder.File("run/loss.png"));

        process.Send("TERM");
        CliResult result = process.Finish();

        Assert.That(result.ExitCode, Is.EqualTo(143), result.Error);
        Assert.That(
            result.Error.TrimEnd('\n'),
            Is.EqualTo("orthonative: warning: loss.png cannot be written (a folder has this name); the run is saved without it"));
        Assert.That(Names(folder.File("run")), Is.EqualTo(s_filesOnTheWay));
    }

    [Test]
    [Platform("Linux")]
    public void Without_the_library_that_draws_everything_else_is_saved()
    {
        using var folder = new TemporaryFolder();

        CliResult train = CliProcess.RunWithout("libSkiaSharp.so", folder.Path, [.. s_shortCopy, "--steps", "3", "--out", "run"]);
        CliResult analyze = CliProcess.RunWithout("libSkiaSharp.so", folder.Path, "analyze", "depth", "--layers", "3", "--hidden", "4", "--out", "depth");

        Assert.That((train.ExitCode, analyze.ExitCode), Is.EqualTo((0, 0)), train.Error + analyze.Error);
        Assert.That(train.Error.TrimEnd('\n'), Does.Match("^orthonative: warning: loss.png cannot be written \\(.*libSkiaSharp.*\\); the run is saved without it$"));
        Assert.That(analyze.Error.TrimEnd('\n'), Does.Contain("warning: gradients.png cannot be written").And.Contains("singular-values.png cannot").And.Not.Contains("\n"));
        Assert.That(Names(folder.File("run")), Is.EqualTo((string[])["model.safetensors", "report.html", "run.json"]));
        Assert.That(Names(folder.File("depth")), Is.EqualTo((string[])["report.json"]));
        Assert.That(train.Output, Does.EndWith("run/run.json, model.safetensors, report.html\n"));
    }

    /// <summary>
    /// The picture has tens of thousands of bytes, the optimizer's state more than 13,000, the model less than 8,000. The runtime itself
    /// makes a large file in memory unless it is told not to.
    /// </summary>
    [Test]
    [Platform("Linux")]
    public void A_limit_of_file_sizes_costs_the_files_that_are_larger_alone()
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.RunIn(
            $"if [ -n \"$BASH_VERSION\" ]; then ulimit -f 12; else ulimit -f 24; fi; export DOTNET_EnableWriteXorExecute=0; exec {CliProcess.Tool}",
            folder.Path, [.. s_shortCopy, "--steps", "200", "--stop-at", "1", "--save-every", "0.00001", "--out", "run"]);

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(result.Output, Does.Contain("optimizer.safetensors cannot be written (").And.Contains("the run continues unsaved"));
        Assert.That(result.Error.TrimEnd('\n'), Does.Contain("warning: loss.png cannot be written (the file is larger than").And.Not.Contains("\n"));
        Assert.That(Names(folder.File("run")), Is.EqualTo((string[])["model.safetensors", "run.json"]));
    }

    /// <summary>Neither the folder nor that for temporary files takes the optimizer's state.</summary>
    [Test]
    [Platform("Linux")]
    public void An_interrupted_run_whose_state_is_over_the_limit_keeps_its_model()
    {
        using var folder = new TemporaryFolder();
        using var elsewhere = new TemporaryFolder();

        // Interrupted from the inside: by the limit of processor time, of which the program takes at least a second before.
        CliResult result = CliProcess.RunIn(
            $"if [ -n \"$BASH_VERSION\" ]; then ulimit -f 12; else ulimit -f 24; fi; ulimit -S -t 6; export DOTNET_EnableWriteXorExecute=0 TMPDIR={elsewhere.Path}; exec {CliProcess.Tool}",
            folder.Path, [.. s_shortCopy, "--epochs", "100000", "--stop-at", "1", "--lr", "0.00001", "--out", "run"]);

        Assert.That(result.ExitCode, Is.EqualTo(1), result.Error);
        Assert.That(result.Error.TrimEnd('\n'), Does.Contain("model.safetensors").And.Contains("alone could be saved, in '").And.Not.Contains("\n"));
        string rescue = Directory.EnumerateFiles(elsewhere.Path, "model.safetensors", SearchOption.AllDirectories).Select(path => Path.GetDirectoryName(path)!).Single();
        Assert.That(SafeTensors.Load(Path.Combine(rescue, "model.safetensors"), Device.Default), Has.Count.EqualTo(5));
    }

    /// <summary>/dev/full answers every write as a full disk does.</summary>
    [TestCase(">/dev/full")]
    [TestCase(">&-")]
    [Platform("Linux")]
    public void A_run_continues_and_is_saved_where_its_output_cannot_be_written(string redirection)
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.RunRedirected(redirection, folder.Path, [.. s_shortCopy, "--steps", "3", "--out", "run"]);

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(result.Error.TrimEnd('\n'), Does.Contain("standard output cannot be written").And.Not.Contains("\n"));
        Assert.That(Names(folder.File("run")), Is.EqualTo(s_files));
    }

    /// <summary>A filter of 3,000 units takes seconds to draw, and the one line before says that it has begun.</summary>
    [Test]
    [Platform("Linux,MacOsX")]
    public void A_signal_while_the_model_is_made_ends_the_run_before_the_first_step()
    {
        using var folder = new TemporaryFolder();
        using var process = CliProcess.Start(
            folder.Path, "train", "copy", "--length", "10", "--hidden", "3000", "--batch", "8", "--steps", "1", "--test-samples", "10", "--out", "run");
        process.WaitForLine("drawing the haar filter of 3,000 units");

        process.Send("TERM");
        CliResult result = process.Finish();

        Assert.That(result.ExitCode, Is.EqualTo(143), result.Error);
        Assert.That(result.Error, Does.Contain("interrupted before training; nothing was saved"));
        Assert.That(Names(folder.Path), Is.Empty);
    }

    [Test]
    public void A_diverging_run_says_so_and_leaves_nothing()
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(
            folder.Path, "train", "copy", "--length", "300", "--hidden", "16", "--activation", "relu", "--alpha", "5", "--out", "run/deep");

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(
            result.Error.TrimEnd('\n'),
            Does.Contain("training diverged at step 1").And.Contains("a smaller --alpha").And.Not.Contains("--lr").And.Not.Contains("\n"));
        Assert.That(Names(folder.Path), Is.Empty);
    }

    /// <summary>
    /// One step of sgd at a rate of 1e8 without clipping makes the weights of a relu chain of 200 steps so large that the test samples, the
    /// first ones seen with them, overflow.
    /// </summary>
    [TestCase("")]
    [TestCase("--test-every-epoch")]
    public void Divergence_that_testing_finds_is_told_as_such(string option)
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(
            folder.Path,
            ["train", "adding", "--length", "200", "--hidden", "16", "--steps", "1", "--test-samples", "50", "--optimizer", "sgd", "--lr", "100",
                "--weight-rate", "1e6", "--clip", "0",
                .. option.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--out", "run"]);

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(
            result.Error.TrimEnd('\n'),
            Does.Contain("training diverged by step 1, seen in testing").And.Contains("a lower --lr may help, or --clip, which is off").And.Not.Contains("\n"));
        Assert.That(Names(folder.Path), Is.Empty);
    }

    [Test]
    [Platform("Linux")]
    public void A_working_directory_that_is_gone_is_told()
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.RunIn($"mkdir gone && cd gone && rmdir ../gone && {CliProcess.Tool}", folder.Path, s_shortCopy);

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.Error, Does.Match("--out is 'runs/copy-.*', and the working directory does not exist any more; give "));
    }

    [TestCase("mnist")]
    [TestCase("smnist")]
    public void Test_images_of_another_size_are_refused_before_training(string task)
    {
        using var folder = new TemporaryFolder();
        IdxFiles.WriteSmallMnist(folder.Path);
        File.WriteAllBytes(folder.File("t10k-images-idx3-ubyte"), IdxFiles.Content(new byte[20 * 25], 20, 5, 5));

        CliResult result = CliProcess.Run(folder.Path, "train", task, "--data", ".", "--out", "run");

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.Output, Is.Empty);
        Assert.That(result.Error, Does.Contain("--data is '.', where a training image has 16 pixels and a test image 25; they must be of one size"));
        Assert.That(Directory.Exists(folder.File("run")), Is.False);
    }

    [Test]
    public void The_batch_and_the_warmup_that_are_used_are_printed_and_recorded()
    {
        using var folder = new TemporaryFolder();
        IdxFiles.WriteSmallMnist(folder.Path);

        CliResult result = CliProcess.Run(
            folder.Path, "train", "mnist", "--data", ".", "--layers", "3", "--limit", "30", "--batch", "65536", "--steps", "25", "--warmup", "1000", "--out", "run");

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(result.Output, Does.Contain("25 steps of 30 samples"));
        using JsonDocument run = Read(folder.File("run"));
        Assert.That(Setting(run, "batch"), Is.EqualTo(30));
        Assert.That(Setting(run, "warmup"), Is.EqualTo(2));
    }

    [Test]
    public void Absent_data_is_explained_and_nothing_is_left()
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(folder.Path, "train", "smnist", "--data", "there", "--out", "run");

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.Error, Does.Contain("'there'").And.Contains("t10k-labels-idx1-ubyte").And.Contains("--download"));
        Assert.That(Names(folder.Path), Is.Empty);
    }

    [Test]
    public void Damaged_data_is_explained_with_file_and_offset()
    {
        using var folder = new TemporaryFolder();
        IdxFiles.WriteSmallMnist(folder.Path);
        File.WriteAllBytes(folder.File("train-images-idx3-ubyte"), IdxFiles.Content(new byte[63 * 16], 64, 4, 4));

        CliResult result = CliProcess.Run(folder.Path, "train", "smnist", "--data", ".", "--out", "run");

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.Error.TrimEnd('\n'), Does.Match("train-images-idx3-ubyte: offset 16: found .*; expected 1024 bytes").And.Not.Contains("\n"));
        Assert.That(Directory.Exists(folder.File("run")), Is.False);
    }

    [TestCase("smnist")]
    [TestCase("psmnist")]
    public void Pixel_tasks_train_on_the_files_given(string task)
    {
        using var folder = new TemporaryFolder();
        IdxFiles.WriteSmallMnist(folder.Path);

        CliResult result = CliProcess.Run(
            folder.Path, "train", task, "--data", ".", "--hidden", "16", "--epochs", "2", "--batch", "10", "--test-every-epoch", "--out", "run");

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        using JsonDocument run = Read(folder.File("run"));
        JsonElement root = run.RootElement;
        Assert.That(root.GetProperty("epochs")[1].GetProperty("step").GetInt32(), Is.EqualTo(12));
        Assert.That(root.GetProperty("epochs")[1].GetProperty("testMetric").GetDouble(), Is.EqualTo(root.GetProperty("result").GetProperty("value").GetDouble()));
        Assert.That(root.GetProperty("result").GetProperty("baseline").GetDouble(), Is.EqualTo(0.1));
    }

    [TestCase("smnist")]
    [TestCase("psmnist")]
    public void Convex_takes_the_number_of_steps_from_the_images(string task)
    {
        using var folder = new TemporaryFolder();
        IdxFiles.WriteSmallMnist(folder.Path);

        CliResult result = CliProcess.Run(
            folder.Path, "train", task, "--data", ".", "--hidden", "8", "--steps", "1", "--batch", "10", "--convex", "--out", "run");

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        using JsonDocument run = Read(folder.File("run"));
        Assert.That((Setting(run, "alpha"), Setting(run, "beta")), Is.EqualTo((1 - (1.0 / 16), 1.0 / 16)));
    }

    [TestCase(47, 0)]
    [TestCase(62, 0)]
    [TestCase(26, 1)]
    [TestCase(13, 0)]
    public void The_labels_of_the_files_tell_the_number_of_classes(int classes, int firstLabel)
    {
        using var folder = new TemporaryFolder();
        byte[] Labels(int count) => [.. Enumerable.Range(0, count).Select(i => (byte)(firstLabel + (i % classes)))];
        foreach ((string part, int count) in ((string, int)[])[("train", 2 * classes), ("t10k", classes / 2)])
        {
            File.WriteAllBytes(folder.File($"{part}-images.idx3-ubyte"), IdxFiles.Content(IdxFiles.Noise(count * 9), count, 3, 3));
            File.WriteAllBytes(folder.File($"{part}-labels.idx1-ubyte.gz"), IdxFiles.Compress(IdxFiles.Content(Labels(count), count)));
        }

        CliResult result = CliProcess.Run(
            folder.Path, "train", "mnist", "--layers", "2", "--data", ".", "--hidden", "8", "--steps", "2", "--batch", "10", "--out", "run");

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(SafeTensors.Load(folder.File("run/model.safetensors"), Device.Default)["readout.weight"].Shape.ToArray(), Is.EqualTo((long[])[classes, 8]));
        using JsonDocument run = Read(folder.File("run"));
        Assert.That(run.RootElement.GetProperty("result").GetProperty("baseline").GetDouble(), Is.EqualTo(1.0 / (classes / 2)));
        Assert.That(result.Output, Does.Contain(": 8 units, permutation filter, "), "no name of a recurrent model");
        Assert.That(run.RootElement.GetProperty("settings").GetProperty("model").ValueKind, Is.EqualTo(JsonValueKind.Null));
    }

    [TestCase("", 1, 0.15625)]
    [TestCase("--convex --total-beta 1", 0.96875, 0.03125)]
    [TestCase("--total-beta 4", 1, 0.125)]
    [TestCase("--beta 0.5", 1, 0.5)]
    public void Images_train_a_deep_network_whose_beta_follows_from_its_depth(string arguments, double alpha, double beta)
    {
        using var folder = new TemporaryFolder();
        IdxFiles.WriteSmallMnist(folder.Path);

        CliResult result = CliProcess.Run(
            folder.Path,
            ["train", "mnist", "--data", ".", "--layers", "32", "--hidden", "16", "--epochs", "20", "--batch", "16", "--lr", "0.01",
                .. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--out", "run"]);

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(result.Output, Does.Contain("RoaFnn 32 layers of 16 units").And.Contains(" = ").And.Contains("activations"));
        using JsonDocument run = Read(folder.File("run"));
        JsonElement settings = run.RootElement.GetProperty("settings");
        Assert.That(settings.GetProperty("alpha").GetDouble(), Is.EqualTo(alpha));
        Assert.That(settings.GetProperty("beta").GetDouble(), Is.EqualTo(beta));

        // The rows of the small images tell the label without noise.
        Assert.That(run.RootElement.GetProperty("result").GetProperty("value").GetDouble(), Is.GreaterThan(0.9));
        Assert.That(SafeTensors.Load(folder.File("run/model.safetensors"), Device.Default)["fnn.weight"].Shape.ToArray(), Is.EqualTo((long[])[32, 16, 16]));
    }

    [Test]
    public void A_network_beyond_memory_is_refused_before_training()
    {
        using var folder = new TemporaryFolder();
        IdxFiles.WriteSmallMnist(folder.Path);

        CliResult result = CliProcess.Run(folder.Path, "train", "mnist", "--data", ".", "--layers", "1000000", "--hidden", "4096", "--out", "run");

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.Error.TrimEnd('\n'), Does.Match("out of memory: .*1000000 x 4096 x 4096.* free.*depends on --hidden, --layers, --batch, --checkpoint-every$").And.Not.Contains("\n"));
        Assert.That(Directory.Exists(folder.File("run")), Is.False);
    }

    [Test]
    public void A_download_that_fails_its_checksum_is_refused_and_leaves_nothing()
    {
        using var folder = new TemporaryFolder();
        using var server = new FileServer();
        IdxFiles.WriteSmallMnist(folder.Path);
        server.Files["train-images-idx3-ubyte.gz"] = IdxFiles.Compress(File.ReadAllBytes(folder.File("train-images-idx3-ubyte")));

        CliResult result = CliProcess.Run(
            folder.Path, "train", "smnist", "--data", "new", "--download", "--mirror", server.Address.AbsoluteUri, "--out", "run");

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.Error, Does.Contain("train-images-idx3-ubyte.gz could not be fetched").And.Contains("6bbc9ace898e44ae57da46a324031adb"));
        Assert.That(Names(folder.File("new")), Is.Empty);
        Assert.That(Directory.Exists(folder.File("run")), Is.False);
    }

    [Test]
    public void The_real_files_can_be_trained_on()
    {
        string data = IdxFiles.RequireMnist();
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(
            folder.Path, "train", "smnist", "--data", data, "--hidden", "16", "--limit", "64", "--epochs", "1", "--out", "run");

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        using JsonDocument run = Read(folder.File("run"));
        Assert.That(run.RootElement.GetProperty("result").GetProperty("baseline").GetDouble(), Is.EqualTo(0.1135));
    }

    private static double Setting(JsonDocument run, string name) => run.RootElement.GetProperty("settings").GetProperty(name).GetDouble();

    private static JsonDocument Read(string folder) => JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "run.json")));

    private static string[] Names(string folder) => [.. Directory.EnumerateFileSystemEntries(folder).Select(path => Path.GetFileName(path)).Order()];
}
