using System.Text.Json;
using OrthoNative.Tests.Cli;
using OrthoNative.Tests.Data;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Serialization;

/// <summary>Files that version 0.1 wrote are loaded, and give what they gave then.</summary>
internal sealed class Version01Tests
{
    private const string Model = "model.safetensors";

    private static readonly string[] s_finished = ["loss.png", Model, "report.html", "run.json"];

    private static readonly (string Name, string Value) s_baseline = ("ORTHONATIVE_CPU", "baseline");

    /// <summary>Instruction sets whose numbers were recorded.</summary>
    private static readonly string[] s_recorded = ["baseline", "avx2", "avx512"];

    [TestCaseSource(typeof(Version01), nameof(Version01.Models))]
    public void A_model_of_version_0_1_is_loaded_and_computes_the_same(string name)
    {
        using Sequential model = Version01.Model(name, seed: 99);
        model.Load(Version01.File(name));

        // Noise was numbered in another way, so what it changes differs.
        IEnumerable<KeyValuePair<string, Tensor>> results = Version01.Results(model).Where(result => !Version01.HasNoise(model) || result.Key == "inference");
        AssertRecorded($"{name}-results", new(results), (key, expected) => key is "outputs" or "inference"
            ? 2 * Version01.OutputBound(model) // both it and what was recorded are this near to the exact one
            : null);
    }

    [TestCaseSource(typeof(Version01), nameof(Version01.Models))]
    public void A_model_of_version_0_1_is_saved_with_the_same_weights_and_metadata(string name)
    {
        using var folder = new TemporaryFolder();
        using Sequential model = Version01.Model(name, seed: 99);
        model.Load(Version01.File(name));
        model.Save(folder.File(Model));

        Dictionary<string, Tensor> expected = SafeTensors.Load(Version01.File(name), Device.Default);
        Dictionary<string, Tensor> actual = SafeTensors.Load(folder.File(Model), Device.Default);
        Assert.That(actual.Keys.Where(key => key != "0.filter"), Is.EquivalentTo(expected.Keys), "version 0.1 wrote no matrices");
        foreach ((string key, Tensor tensor) in expected)
        {
            Assert.That(Bytes(actual[key]), Is.EqualTo(Bytes(tensor)), key);
        }

        // Later versions may write more, and the seed of a filter that is not drawn means nothing.
        IReadOnlyDictionary<string, string> metadata = SafeTensors.LoadMetadata(Version01.File(name));
        Assert.That(
            SafeTensors.LoadMetadata(folder.File(Model)),
            Is.SupersetOf(metadata.Where(pair => !pair.Key.EndsWith(".filter_seed", StringComparison.Ordinal) || IsDrawn(metadata[pair.Key[..^5]]))));

        static bool IsDrawn(string filter) => filter is nameof(Filter.Haar) or nameof(Filter.Permutation);
    }

    [TestCaseSource(typeof(Version01), nameof(Version01.Optimizers))]
    public void An_optimizer_of_version_0_1_is_loaded_and_continues_the_same(string name)
    {
        using Sequential model = Version01.OptimizerModel();
        using Optimizer optimizer = Version01.Optimizer(name, model);
        model.Load(Version01.File($"{name}-model"));
        optimizer.Load(Version01.File(name));
        Assert.That(optimizer.StepCount, Is.EqualTo(Version01.TrainedSteps));
        double[] before = Values(model.ParameterData);

        Version01.Step(model, optimizer, Version01.StepsAfterLoading);

        Assert.That(Values(model.ParameterData), Is.Not.EqualTo(before));
        // With one rounding for a product and a sum, version 0.1 left it to the compiler where optimizers have it. An update is at most 0.1 · (0.5 + 0.01 · 10) / (1 - 0.75) with SGD and less with Adam, and makes at most 24 roundings; the sum makes one.
        AssertRecorded($"{name}-results", new() { ["parameters"] = Version01.Copy(model.ParameterData) }, (_, expected) =>
            2 * Version01.StepsAfterLoading * Math.Pow(2, -24) * ((24 * 0.24 * Math.Sqrt(expected.Length)) + Norm(before) + Norm(expected)), sameBits: Version01.InstructionSetName == "baseline");
    }

    [Test]
    public void A_run_that_version_0_1_interrupted_is_resumed_to_its_end()
    {
        using var folder = new TemporaryFolder();
        string finished = Path.Combine(Version01.Folder, "finished");
        Dictionary<string, byte[]> first = Resume("first"), second = Resume("second");

        // Noise was numbered in another way, so the weights are not those of the run that was not interrupted. What it is drawn from, and all else, is.
        Assert.That(second, Is.EqualTo(first));
        Assert.That(first.Keys, Is.EquivalentTo(SafeTensors.Load(Path.Combine(finished, Model), Device.Default).Keys));
        Assert.That(SafeTensors.LoadMetadata(folder.File($"first/{Model}")), Is.SupersetOf(SafeTensors.LoadMetadata(Path.Combine(finished, Model))));
        Assert.That(End(folder.File("first")), Is.EqualTo(End(finished)).And.EqualTo(("completed", 60)));

        Dictionary<string, byte[]> Resume(string name)
        {
            Copy(Path.Combine(Version01.Folder, "interrupted"), folder.File(name));
            Dictionary<string, byte[]> before = Weights(name);
            CliResult resumed = CliProcess.RunWith(s_baseline, folder.Path, [.. Version01.RunCommand, "--out", name, "--resume"]);

            Assert.That(resumed.ExitCode, Is.Zero, resumed.Error);
            Assert.That(resumed.Output, Does.Contain("resuming from step "));
            Assert.That(Directory.GetFiles(folder.File(name)).Select(Path.GetFileName).Where(file => file![0] != '.').Order(StringComparer.Ordinal), Is.EqualTo(s_finished));
            Dictionary<string, byte[]> after = Weights(name);
            foreach ((string key, byte[] weights) in before)
            {
                Assert.That(after[key], Is.Not.EqualTo(weights), key);
            }

            return after;
        }

        Dictionary<string, byte[]> Weights(string name) => States.Bytes(SafeTensors.Load(folder.File($"{name}/{Model}"), Device.Default));

        static (string?, int) End(string path)
        {
            using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(path, "run.json")));
            return (
                document.RootElement.GetProperty("status").GetString(),
                document.RootElement.GetProperty("epochs").EnumerateArray().Last().GetProperty("step").GetInt32());
        }
    }

    [Test]
    public void A_run_that_version_0_1_finished_is_not_trained_again()
    {
        using var folder = new TemporaryFolder();
        Copy(Path.Combine(Version01.Folder, "finished"), folder.File("run"));
        byte[] before = File.ReadAllBytes(folder.File("run/" + Model));

        CliResult result = CliProcess.Run(folder.Path, [.. Version01.RunCommand, "--out", "run", "--resume"]);

        Assert.That(result.ExitCode, Is.Not.Zero);
        Assert.That(result.Error, Does.Contain("run"));
        Assert.That(File.ReadAllBytes(folder.File("run/" + Model)), Is.EqualTo(before));
    }

    [Test]
    public void The_files_of_version_0_1_are_small() =>
        Assert.That(
            Directory.GetFiles(Version01.Folder, "*", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length),
            Is.InRange(1, 300_000));

    /// <summary>Writes the files anew, with the code of today: only version 0.1's count. The README beside the files says how.</summary>
    [Test, Explicit("Writes the files that the other tests load.")]
    public void Write_the_files()
    {
        Assert.That(SystemInfo.InstructionSet, Is.EqualTo(InstructionSet.Baseline), "set ORTHONATIVE_CPU=baseline");
        Directory.CreateDirectory(Version01.Source);
        Version01.WriteModels(Version01.Source);
        Version01.WriteOptimizers(Version01.Source);
        using (var process = CliProcess.StartWith(s_baseline, Version01.Source, [.. Version01.RunCommand, "--out", "interrupted"]))
        {
            process.WaitForLine("epoch 2/");
            process.Send("TERM");
            Assert.That(process.Finish().ExitCode, Is.EqualTo(143));
        }

        Assert.That(CliProcess.RunWith(s_baseline, Version01.Source, [.. Version01.RunCommand, "--out", "finished"]).ExitCode, Is.Zero);

        // Large, and a run continues without it.
        File.Delete(Path.Combine(Version01.Source, "interrupted/loss.png"));
        File.Delete(Path.Combine(Version01.Source, "finished/loss.png"));
    }

    /// <summary>Adds what this process's instruction set computes.</summary>
    [Test, Explicit("Writes what the other tests expect.")]
    public void Write_the_results()
    {
        foreach (string name in Version01.Models)
        {
            using Sequential model = Version01.Model(name, seed: 99);
            model.Load(Path.Combine(Version01.Source, $"{name}.safetensors"));
            Add($"{name}-results", Version01.Results(model));
        }

        foreach (string name in Version01.Optimizers)
        {
            using Sequential model = Version01.OptimizerModel();
            using Optimizer optimizer = Version01.Optimizer(name, model);
            model.Load(Path.Combine(Version01.Source, $"{name}-model.safetensors"));
            optimizer.Load(Path.Combine(Version01.Source, $"{name}.safetensors"));
            Version01.Step(model, optimizer, Version01.StepsAfterLoading);
            Add($"{name}-results", new() { ["parameters"] = Version01.Copy(model.ParameterData) });
        }

        static void Add(string name, Dictionary<string, Tensor> results)
        {
            string path = Path.Combine(Version01.Source, $"{name}.safetensors");
            Dictionary<string, Tensor> all = File.Exists(path) ? SafeTensors.Load(path, Device.Default) : [];
            foreach ((string key, Tensor tensor) in results)
            {
                all[$"{key}.{Version01.InstructionSetName}"] = tensor;
            }

            SafeTensors.Save(path, all);
        }
    }

    /// <summary>The same bits as those recorded with this instruction set, unless another rounding is expected; with any, within the bound where there is one.</summary>
    private static void AssertRecorded(string name, Dictionary<string, Tensor> actual, Func<string, double[], double?> bound, bool sameBits = true)
    {
        Dictionary<string, Tensor> recorded = SafeTensors.Load(Version01.File(name), Device.Default);
        using (Assert.EnterMultipleScope())
        {
            foreach ((string key, Tensor tensor) in actual)
            {
                foreach (string set in s_recorded)
                {
                    Tensor expected = recorded[$"{key}.{set}"];
                    Assert.That(tensor.Shape.ToArray(), Is.EqualTo(expected.Shape.ToArray()), key);
                    if (sameBits && set == Version01.InstructionSetName && System.Runtime.Intrinsics.X86.X86Base.IsSupported)
                    {
                        Assert.That(Bytes(tensor), Is.EqualTo(Bytes(expected)), $"{key}, {set}");
                    }
                    else if (bound(key, Values(expected)) is { } largest)
                    {
                        double difference = Norm([.. Values(tensor).Zip(Values(expected), (left, right) => left - right)]);
                        Assert.That(difference, Is.LessThanOrEqualTo(largest), $"{key}, {set}");
                    }
                }
            }
        }
    }

    private static double Norm(double[] values) => Math.Sqrt(values.Sum(value => value * value));

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string file in Directory.GetFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }
    }
}
