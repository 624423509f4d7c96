using System.Globalization;
using System.Text.RegularExpressions;

namespace OrthoNative.Tests;

/// <summary>An example of the README that a test runs: its lines stand in the test's source between two marks, in one part or several.</summary>
internal static class ReadmeExample
{
    /// <summary>Runs the example.</summary>
    /// <returns>What it prints, with invariant numbers.</returns>
    public static string Run(Action example)
    {
        using var output = new StringWriter(CultureInfo.InvariantCulture);
        TextWriter before = Console.Out;
        CultureInfo culture = CultureInfo.CurrentCulture;
        Console.SetOut(output);
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        try
        {
            example();
        }
        finally
        {
            Console.SetOut(before);
            CultureInfo.CurrentCulture = culture;
        }

        return output.ToString();
    }

    /// <summary>Fails unless the README shows the lines that a test runs.</summary>
    /// <param name="source">The test's source, from the root of the repository.</param>
    /// <param name="usings">The lines with which the example in the README begins.</param>
    public static void AssertShown(string source, string usings)
    {
        string tested = LinesOf(source, "// begin of the example\n(.*?)// end of the example", int.MaxValue);
        string shown = LinesOf("README.md", $"```csharp\n{Regex.Escape(usings)}(.*?)```", 1);

        Assert.That(shown, Is.Not.Empty.And.EqualTo(tested));
    }

    /// <summary>The lines of the first parts of a file that are not empty, without their indentation.</summary>
    private static string LinesOf(string path, string pattern, int limit)
    {
        IEnumerable<string> parts = Regex.Matches(File.ReadAllText(Path.Combine(Repository.Root, path)), pattern, RegexOptions.Singleline).Select(match => match.Groups[1].Value);
        string text = string.Concat(parts.Take(limit));
        return string.Join('\n', text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
    }
}
