using System.Globalization;

namespace OrthoNative.Cli.Output;

/// <summary>The content of loss.csv: a line for each training step, with its number from 1 and its loss.</summary>
internal static class LossLog
{
    /// <summary>Bytes of the longest line.</summary>
    public const int BytesOfLine = 48;

    private const string Header = "step,loss";

    /// <summary>Writes the file.</summary>
    public static void Save(string path, IReadOnlyList<double> losses)
    {
        using var writer = new StreamWriter(path);
        writer.Write(Header + "\n");
        for (int i = 0; i < losses.Count; i++)
        {
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"{i + 1},{losses[i]:R}\n"));
        }
    }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">It holds something else.</exception>
    public static List<double> Load(string path)
    {
        var losses = new List<double>();
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            if (number == 0 && line == Header)
            {
                number++;
                continue;
            }

            string[] fields = line.Split(',');
            if (fields.Length != 2 || fields[0] != number.ToString(CultureInfo.InvariantCulture) ||
                !double.TryParse(fields[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double loss))
            {
                throw new InvalidDataException($"'{path}': line {number + 1} is '{line}'; expected: the number of a step and its loss.");
            }

            losses.Add(loss);
            number++;
        }

        return losses;
    }
}
