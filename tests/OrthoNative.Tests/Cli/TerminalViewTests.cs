using System.Text.RegularExpressions;
using OrthoNative.Cli.Output;
using Spectre.Console;

namespace OrthoNative.Tests.Cli;

internal sealed partial class TerminalViewTests
{
    /// <summary>The whole status of this progress has 60 characters, and stands behind at least 20 of bar and percentage.</summary>
    [TestCase(30)]
    [TestCase(60)]
    [TestCase(100)]
    public void The_progress_bar_is_one_line_of_any_terminal(int width)
    {
        using var output = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.Yes,
            Out = new Terminal(output, width),
        });
        var view = new TerminalView(console, OrthoNative.Cli.Training.Metrics.Accuracy, epochs: 20, "test");

        view.Run(() =>
        {
            view.Step(new TrainingProgress(10, 20, 1000, 2000, 0.1234, 0.5, 123_456, TimeSpan.FromMinutes(125), null));
            view.Epoch(new EpochResult(10, 1000, 0.1234, 0.5, null, 0.001, 1, 1, 1));
            return new TrainingResult(TrainingStatus.Completed, 0, [], null, TimeSpan.Zero);
        });

        string[] bars = [.. Escapes().Replace(output.ToString(), "").Split('\n').Select(line => line.Trim('\r')).Where(line => line.Contains("50%", StringComparison.Ordinal))];
        Assert.That(bars, Is.Not.Empty);
        Assert.That(bars, Has.All.Length.LessThan(width));
        Assert.That(bars, Has.All.Contains("10/20"));
        Assert.That(bars[0].Contains("loss 0.1234", StringComparison.Ordinal), Is.EqualTo(width > 30));
        Assert.That(bars[0].Contains("2h05m left", StringComparison.Ordinal), Is.EqualTo(width == 100));
        Assert.That(output.ToString(), Does.Contain("\u001b[0Jepoch"));
    }

    [GeneratedRegex(@"\u001b\[[?0-9;]*[A-Za-z]")]
    private static partial Regex Escapes();

    private sealed class Terminal(TextWriter writer, int width) : IAnsiConsoleOutput
    {
        public TextWriter Writer => writer;

        public bool IsTerminal => true;

        public int Width => width;

        public int Height => 30;

        public void SetEncoding(System.Text.Encoding encoding)
        {
        }
    }
}
