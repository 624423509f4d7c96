using System.Text;

namespace OrthoNative.Cli.Output;

/// <summary>
/// Standard output, whose errors name it. What a command is asked to print must arrive, so it ends where this cannot be written; but for a
/// command that leaves files these are what counts: it calls <see cref="Tolerate"/>, is told once, and continues.
/// </summary>
internal sealed class StandardOutput : TextWriter
{
    // As standard output itself, of which a process has one.
    private static bool s_tolerant;

    private readonly TextWriter _writer;
    private bool _told;

    private StandardOutput(TextWriter writer) => _writer = writer;

    public override Encoding Encoding => _writer.Encoding;

    /// <summary>Puts itself in the place of <see cref="Console.Out"/>.</summary>
    public static void Install() => Console.SetOut(new StandardOutput(Console.Out));

    /// <summary>From now on what cannot be written is left out.</summary>
    public static void Tolerate() => s_tolerant = true;

    public override void Write(char value) => Attempt(writer => writer.Write(value));

    public override void Write(char[] buffer, int index, int count) => Attempt(writer => writer.Write(buffer, index, count));

    public override void Write(string? value) => Attempt(writer => writer.Write(value));

    public override void WriteLine(string? value) => Attempt(writer => writer.WriteLine(value));

    public override void Flush() => Attempt(writer => writer.Flush());

    private void Attempt(Action<TextWriter> write)
    {
        try
        {
            write(_writer);
        }
        // For a command that leaves files, of whatever kind the error is.
        catch (Exception exception) when (s_tolerant || FileErrors.Is(exception))
        {
            string message = $"standard output cannot be written ({FileErrors.Cause(exception)})";
            if (!s_tolerant)
            {
                throw CliException.Failure($"{message}; choose a file, pipe or terminal that can be written to");
            }

            if (!_told)
            {
                _told = true;
                StandardError.WriteLine($"{message}; the run continues without it");
            }
        }
    }
}
