using OrthoNative.Tests.Cli;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Tensors;

/// <summary>How many threads a device has that is not told: each in a process of its own, whose environment says it.</summary>
internal sealed class DeviceThreadsTests
{
    private const string Variable = "ORTHONATIVE_THREADS";

    [TestCase("ORTHONATIVE_THREADS=3", 3)]
    [TestCase("ORTHONATIVE_THREADS=7 DOTNET_PROCESSOR_COUNT=3", 7)]
    [TestCase("DOTNET_PROCESSOR_COUNT=3", 3)]
    [TestCase("DOTNET_PROCESSOR_COUNT=1", 1)]
    [TestCase("ORTHONATIVE_THREADS= DOTNET_PROCESSOR_COUNT=5 OMP_NUM_THREADS=2", 5)]
    public void The_default_number_is_that_of_the_environment(string environment, int threads) =>
        Assert.That(DevicesOf($"{environment} exec {CliProcess.Tool}"), Does.Contain($"cpu, {threads} {(threads == 1 ? "thread" : "threads")}"));

    [Test]
    public void The_default_number_follows_the_affinity_of_the_process() =>
        Assert.That(DevicesOf($"unset {Variable} DOTNET_PROCESSOR_COUNT; exec taskset -c 0 {CliProcess.Tool}"), Does.Contain("cpu, 1 thread"));

    [TestCase("0")]
    [TestCase("-1")]
    [TestCase("two")]
    [TestCase("1025")]
    [TestCase("2.5")]
    [TestCase(" 2")]
    [TestCase("99999999999999999999")]
    public void A_wrong_number_in_the_environment_is_refused_by_name(string value)
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.RunWith((Variable, value), folder.Path, "info");

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.Error.TrimEnd(), Is.EqualTo($"orthonative: {Variable} is '{value}'; it must be a whole number from 1 to 1024, or not set"));
    }

    [Test]
    [NonParallelizable]
    public void A_variable_that_the_program_sets_counts_and_a_given_number_counts_more()
    {
        string? before = Environment.GetEnvironmentVariable(Variable);
        try
        {
            Environment.SetEnvironmentVariable(Variable, "5");
            using var five = Device.Cpu();
            using var two = Device.Cpu(2);
            Environment.SetEnvironmentVariable(Variable, "many\n");
            using var three = Device.Cpu(3);

            Assert.That((five.Threads, two.Threads, three.Threads), Is.EqualTo((5, 2, 3)));
            Assert.That(() => Device.Cpu(), Throws.TypeOf<NotSupportedException>().With.Message.StartsWith($"{Variable} is 'many\\u000A'; it must be"));
        }
        finally
        {
            Environment.SetEnvironmentVariable(Variable, before);
        }
    }

    /// <summary>What the tool says of devices when a shell starts it so.</summary>
    private static string DevicesOf(string script)
    {
        using var folder = new TemporaryFolder();
        CliResult result = CliProcess.RunIn(script, folder.Path, "info");
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        return result.Output.Split('\n').First(line => line.StartsWith("devices", StringComparison.Ordinal));
    }
}
