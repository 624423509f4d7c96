using OrthoNative.Cli;
using OrthoNative.Cli.Output;
using OrthoNative.Cli.Training;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Cli;

/// <summary>Text of files and arguments on its way to the terminal.</summary>
internal sealed class ForeignMessagesTests
{
    private static readonly TrainingTask s_copy = Tasks.All.Single(task => task.Name == "copy");

    private const string Hostile = "\u001b]0;title\a\u009b2J\u202e";

    [TestCase("1,0.5,0.5")]
    [TestCase("step,loss,metric\n1,")]
    public void A_line_of_loss_csv_is_escaped_and_cut(string start)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("loss.csv");
        File.WriteAllText(path, start + Hostile + new string('x', 20_000_000));

        AssertHarmless(Assert.Throws<InvalidDataException>(() => LossLog.Load(path, _ => null, null, (_, _) => { }))!.Message);
    }

    [TestCase("{\"#\":1}")]
    [TestCase("{\"task\":\"#\"}")]
    [TestCase("#")]
    public void What_is_wrong_with_run_json_is_escaped_and_cut(string json)
    {
        using var folder = new TemporaryFolder();
        string text = string.Concat(Hostile.Select(character => $"\\u{(int)character:x4}")) + new string('x', 1_000_000);
        File.WriteAllText(folder.File(RunFolder.Report), json.Replace("#", text, StringComparison.Ordinal));

        AssertHarmless(Assert.Throws<CliException>(() => RunReport.LoadForResuming(folder.Path, s_copy))!.Message);
    }

    [TestCase("{\"epochLog\":{\"bytes\":0,\"lines\":-1}}")]
    [TestCase("{\"task\":\"copy\",\"status\":\"completed\"}")]
    [TestCase("{\"task\":\"copy\",\"status\":\"running\",\"seconds\":-1}")]
    [TestCase("{\"task\":\"copy\"")]
    [Platform(Exclude = "Win", Reason = "Such a name is none there.")]
    public void The_path_of_a_run_is_escaped(string json)
    {
        using var folder = new TemporaryFolder();
        string run = Directory.CreateDirectory(folder.File(Hostile)).FullName;
        File.WriteAllText(Path.Combine(run, RunFolder.Report), json);

        CliException exception = Assert.Throws<CliException>(() => RunReport.LoadForResuming(run, s_copy))!;
        Assert.That(exception.Message, Does.Contain("\\u001B]0;title"));
        AssertHarmless(exception.Message);
    }

    [Test]
    public void Arguments_reach_the_terminal_escaped([Values("#", "--#", "--epochs=#", "--out=/dev/null/#", "--data=#")] string argument)
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(folder.Path, "train", "mnist", argument.Replace("#", Hostile + new string('x', 10_000), StringComparison.Ordinal));

        Assert.That(result.ExitCode, Is.Not.Zero);
        AssertHarmless(result.Error.TrimEnd('\n'));
    }

    private static void AssertHarmless(string message)
    {
        Assert.That(message.Length, Is.LessThan(3000));
        Assert.That(message.Where(character => char.IsControl(character) || character == '\u202e'), Is.Empty, message);
    }
}
