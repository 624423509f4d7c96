using System.Text.Json;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Cli;

internal sealed class AnalyzeTests
{
    [TestCase("haar", "tanh", 12)]
    [TestCase("cycle", "relu", 130)]
    public void An_analysis_of_depth_leaves_a_report_and_two_pictures(string filter, string activation, int units)
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(
            folder.Path, "analyze", "depth", "--layers", "5,40,1", "--hidden", $"{units}", "--filter", filter, "--activation", activation, "--out", "a/b");

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(result.Error, Is.Empty);
        Assert.That(
            Directory.EnumerateFiles(folder.File("a/b")).Select(Path.GetFileName).Order(),
            Is.EqualTo((string[])["gradients.png", "report.json", "singular-values.png"]));
        foreach (string picture in (string[])["a/b/gradients.png", "a/b/singular-values.png"])
        {
            byte[] bytes = File.ReadAllBytes(folder.File(picture));
            Assert.That(bytes[..8], Is.EqualTo((byte[])[0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10]));
            Assert.That(bytes, Has.Length.GreaterThan(5_000));
        }

        using var report = JsonDocument.Parse(File.ReadAllText(folder.File("a/b/report.json")));
        JsonElement[] networks = [.. report.RootElement.GetProperty("results").EnumerateArray()];
        Assert.That(
            networks.Select(network => (network.GetProperty("layers").GetInt32(), network.GetProperty("model").GetString())),
            Is.EqualTo(((int, string?)[])[(1, "roa"), (1, "plain"), (1, "residual"), (5, "roa"), (5, "plain"), (5, "residual"), (40, "roa"), (40, "plain"), (40, "residual")]));
        foreach (JsonElement network in networks)
        {
            Assert.That(network.GetProperty("withinBounds").GetBoolean(), Is.True);
            Assert.That(network.GetProperty("logSingularValues").GetArrayLength(), Is.EqualTo(units <= 128 ? units : 2));
            Assert.That(network.GetProperty("gradients").EnumerateArray().Last().GetProperty("logNorm").GetDouble(), Is.Zero);
        }

        Assert.That(networks[3].GetProperty("beta").GetDouble(), Is.EqualTo(0.2));
        Assert.That(networks[4].GetProperty("alpha").GetDouble(), Is.Zero);
        Assert.That(result.Output, Does.Contain("40 layers  roa").And.Contains(": yes").And.Contains("a/b/report.json"));
    }

    [Test]
    [Platform("Linux,MacOsX")]
    public void An_interrupted_analysis_leaves_nothing()
    {
        using var folder = new TemporaryFolder();
        using var process = CliProcess.Start(folder.Path, "analyze", "depth", "--layers", "1,30000", "--out", "run");
        process.WaitForLine("1 layers  residual");

        process.Send("TERM");
        CliResult result = process.Finish();

        Assert.That(result.ExitCode, Is.EqualTo(143), result.Error);
        Assert.That(result.Error, Does.Contain("interrupted; nothing is saved"));
        Assert.That(Directory.EnumerateFileSystemEntries(folder.Path), Is.Empty);
    }

    [Test]
    public void The_float32_gradient_is_that_of_double_precision()
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(folder.Path, "analyze", "depth", "--layers", "300", "--hidden", "32", "--out", "run");

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        using var report = JsonDocument.Parse(File.ReadAllText(folder.File("run/report.json")));
        JsonElement roa = report.RootElement.GetProperty("results")[0];
        double single = double.Parse(roa.GetProperty("float32").GetString()!, System.Globalization.CultureInfo.InvariantCulture);

        // Four digits are printed.
        Assert.That(single, Is.EqualTo(Math.Pow(10, roa.GetProperty("logGradient").GetDouble())).Within(0.1).Percent);
    }

    /// <summary>A layer all of whose units are off, or without weights, lets nothing pass: the plain network's bounds are both 0.</summary>
    [TestCase("--activation relu --hidden 4 --layers 100")]
    [TestCase("--weight-scale 0 --hidden 4 --layers 3")]
    public void A_network_that_passes_nothing_has_bounds_of_zero(string arguments)
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(folder.Path, ["analyze", "depth", .. arguments.Split(' '), "--out", "run"]);

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(result.Output, Does.Match(@"plain +0  within 0 to 0: yes  in float32: zero"));
        using var report = JsonDocument.Parse(File.ReadAllText(folder.File("run/report.json")));
        JsonElement plain = report.RootElement.GetProperty("results")[1];
        Assert.That(
            ((string[])["logGradient", "logLower", "logUpper"]).Select(name => plain.GetProperty(name).ValueKind), Is.All.EqualTo(JsonValueKind.Null));
        Assert.That(File.Exists(folder.File("run/gradients.png")) && File.Exists(folder.File("run/singular-values.png")), Is.True);
    }

    /// <summary>
    /// x + relu(W x) has on average 1 + 1 / 2 times the squared norm of x, where W x is normal, so states grow by at least 1.22 a layer: to
    /// about 1e87 after 1,000 layers, beyond float32, and 1e870 after 10,000, beyond double precision.
    /// </summary>
    [TestCase(1000, true)]
    [TestCase(10000, false)]
    public void Where_states_overflow_the_gradient_is_not_finite(int layers, bool finiteInDoublePrecision)
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(
            folder.Path, "analyze", "depth", "--activation", "relu", "--hidden", "16", "--layers", $"{layers}", "--out", "run");

        Assert.That(result.ExitCode, Is.Zero, result.Error);
        using var report = JsonDocument.Parse(File.ReadAllText(folder.File("run/report.json")));
        JsonElement[] networks = [.. report.RootElement.GetProperty("results").EnumerateArray()];
        Assert.That(networks[0].GetProperty("finiteStates").GetBoolean(), Is.True);
        Assert.That(double.TryParse(networks[0].GetProperty("float32").GetString(), out _), Is.True);
        Assert.That(networks[2].GetProperty("finiteStates").GetBoolean(), Is.EqualTo(finiteInDoublePrecision));
        Assert.That(networks[2].GetProperty("float32").GetString(), Is.EqualTo("not finite"));
    }

    [Test]
    public void Every_bit_of_the_seed_changes_input_and_gradient()
    {
        ulong[] seeds = [1, 1 | (1UL << 32), 5, (1UL << 32) - 5, 1UL << 31, 1UL << 63, ulong.MaxValue];
        var seen = new HashSet<double>();
        foreach (ulong seed in seeds)
        {
            (double[] input, double[] gradient) = OrthoNative.Cli.Analysis.DepthAnalysis.Draw(seed, 64);
            foreach (double value in (double[])[.. input, .. gradient])
            {
                Assert.That(double.IsFinite(value));

                // Two of 900 numbers with two times 24 random bits are the same once in about 10^9 runs.
                Assert.That(seen.Add(value), $"seed {seed}");
            }
        }

        // README shows results of small seeds.
        var random = new Random(1);
        double first = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
        Assert.That(OrthoNative.Cli.Analysis.DepthAnalysis.Draw(1, 64).Input[0], Is.EqualTo(first));
    }

    [Test]
    public void A_network_beyond_memory_is_refused_and_leaves_nothing()
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(folder.Path, "analyze", "depth", "--layers", "1000000", "--hidden", "4096", "--out", "run");

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.Error.TrimEnd('\n'), Does.Match("out of memory: .*1000000 x 4096 x 4096.* free.*depends on --hidden, --layers$").And.Not.Contains("\n"));
        Assert.That(Directory.EnumerateFileSystemEntries(folder.Path), Is.Empty);
    }
}
