using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Output;

/// <summary>The content of loss.csv: a line for each training step, with its number from 1, its loss and the metric of its batch.</summary>
internal static class LossLog
{
    private const string Header = "step,loss,metric";

    /// <summary>Writes the file.</summary>
    public static void Save(string path, IReadOnlyList<double> losses, IReadOnlyList<double> metrics)
    {
        using var writer = new StreamWriter(path);
        writer.Write(Header + "\n");
        for (int i = 0; i < losses.Count; i++)
        {
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"{i + 1},{losses[i]:R},{metrics[i]:R}\n"));
        }
    }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">It holds something else.</exception>
    public static List<(double Loss, double Metric)> Load(string path)
    {
        var steps = new List<(double, double)>();
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            if (number > 0)
            {
                steps.Add(Parse(line, number) ?? throw Wrong("the number of a step, its loss and its metric, both finite"));
            }
            else if (line != Header)
            {
                throw Wrong($"'{Header}'");
            }

            number++;
            InvalidDataException Wrong(string expected) => new($"'{ForeignText.CleanPath(path)}': line {number + 1} is '{ForeignText.Clean(line)}'; expected: {expected}.");
        }

        return steps;
    }

    private static (double Loss, double Metric)? Parse(string line, int number)
    {
        string[] fields = line.Split(',');
        return fields.Length == 3 && fields[0] == number.ToString(CultureInfo.InvariantCulture) &&
            double.TryParse(fields[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double loss) &&
            double.TryParse(fields[2], NumberStyles.Float, CultureInfo.InvariantCulture, out double metric) &&
            double.IsFinite(loss) && double.IsFinite(metric)
                ? (loss, metric)
                : null;
    }
}
