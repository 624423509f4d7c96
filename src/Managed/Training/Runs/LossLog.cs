using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The content of loss.csv: a line for each training step, with its number from 1, its loss and the metric of its batch.</summary>
internal static class LossLog
{
    private const string Header = "step,loss,metric";

    /// <summary>An empty log.</summary>
    public static GrowingFile<(double Loss, double Metric)> Create() => new(
        Header, (number, step) => string.Create(CultureInfo.InvariantCulture, $"{number},{step.Loss:R},{step.Metric:R}"));

    /// <summary>Reads a file step by step.</summary>
    /// <param name="path">The file.</param>
    /// <param name="problemOf">Tells what a metric should have been; null: it is fine.</param>
    /// <param name="mark">The part of the file that counts; null: all.</param>
    /// <param name="step">Told the loss and the metric of each step.</param>
    /// <returns>The part that was read; less than the mark says where the file is cut off.</returns>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">It holds something else.</exception>
    public static FileMark Load(string path, Func<double, string?> problemOf, FileMark? mark, Action<double, double> step)
    {
        long number = 0, bytes = 0;
        foreach ((string line, long end) in Lines.Read(path, mark?.Bytes))
        {
            if (number == 0)
            {
                if (line != Header)
                {
                    throw Wrong($"'{Header}'");
                }
            }
            else if (Parse(line, number) is var (loss, value))
            {
                if (problemOf(value) is { } problem)
                {
                    throw Wrong(problem);
                }

                step(loss, value);
            }
            else
            {
                throw Wrong("the number of a step, its finite loss and its metric");
            }

            number++;
            bytes = end;
            InvalidDataException Wrong(string expected) =>
                new(FormattableString.Invariant($"'{ForeignText.CleanPath(path)}': line {number + 1} is '{ForeignText.Clean(line)}'; expected: {expected}."));
        }

        if (number == 0)
        {
            throw new InvalidDataException($"'{ForeignText.CleanPath(path)}' is empty; expected: '{Header}' and a line for each step.");
        }

        return new FileMark(number - 1, bytes);
    }

    private static (double Loss, double Metric)? Parse(string line, long number)
    {
        string[] fields = line.Split(',');
        return fields.Length == 3 && fields[0] == number.ToString(CultureInfo.InvariantCulture) &&
            double.TryParse(fields[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double loss) &&
            double.TryParse(fields[2], NumberStyles.Float, CultureInfo.InvariantCulture, out double metric) &&
            double.IsFinite(loss)
                ? (loss, metric)
                : null;
    }
}
