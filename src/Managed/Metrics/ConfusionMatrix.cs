using System.Globalization;
using System.Text;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Weights of the rows, without weights their number, by target class and predicted class. <see cref="Value"/> is the accuracy.</summary>
/// <remarks>
/// <para>
/// The predicted class is that of the largest output, the first one of equals. The matrix takes 8·classes² bytes. The number of classes must stay the same until
/// <see cref="Reset"/>.
/// </para>
/// <para>
/// Weights that are whole numbers are summed exactly; with others the last bits may depend on how the rows are cut into batches.
/// </para>
/// <example><code>
/// var matrix = new ConfusionMatrix(["walking", "sitting", "standing"]);
/// matrix.Add(model.Forward(batch.Inputs, batch.Lengths), batch);
/// Console.WriteLine(matrix);
/// </code></example>
/// </remarks>
public sealed class ConfusionMatrix : Metric
{
    private readonly MetricRows _rows = new();
    private readonly string[]? _names;
    private readonly int? _ignored;
    private double[] _cells = [];

    /// <summary>Creates a metric of nothing yet.</summary>
    /// <param name="classNames">A name for each class, for <see cref="ToString"/>. Null, the default: classes are numbers. Copied.</param>
    /// <param name="ignoreIndex">A target that means that there is none: its row does not count. Null, the default: all rows have a target.</param>
    /// <exception cref="ArgumentException">There are no names, or one is missing.</exception>
    public ConfusionMatrix(IReadOnlyList<string>? classNames = null, int? ignoreIndex = null)
    {
        _ignored = ignoreIndex;
        if (classNames is null)
        {
            return;
        }

        if (classNames.Count == 0)
        {
            throw new ArgumentException($"{nameof(classNames)} is empty; at least one is required.", nameof(classNames));
        }

        _names = new string[classNames.Count];
        for (int i = 0; i < _names.Length; i++)
        {
            Check.NotNull(classNames[i], $"{nameof(classNames)}[{i}]");
            _names[i] = classNames[i];
        }
    }

    /// <inheritdoc/>
    public override string Name => "confusion_matrix";

    /// <inheritdoc/>
    public override bool HigherIsBetter => true;

    /// <summary>Accuracy: the part of the weights that lies on the diagonal; NaN if no row counted.</summary>
    public override double Value
    {
        get
        {
            double correct = 0;
            double all = 0;
            for (int target = 0; target < ClassCount; target++)
            {
                correct += this[target, target];
                all += TargetWeight(target);
            }

            return correct / all;
        }
    }

    /// <summary>The number of classes; 0 as long as there was no batch since the last <see cref="Reset"/>.</summary>
    public int ClassCount { get; private set; }

    /// <summary>Sum of the weights of the rows of a target that were predicted to be a class; without weights their number.</summary>
    /// <param name="target">Target class.</param>
    /// <param name="predicted">Predicted class.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such class, or no batch yet.</exception>
    public double this[int target, int predicted]
    {
        get
        {
            CheckClass(target, nameof(target));
            CheckClass(predicted, nameof(predicted));
            return Cell(target, predicted);
        }
    }

    /// <summary>Sum of the weights of the rows of a target class.</summary>
    /// <param name="index">The class.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such class, or no batch yet.</exception>
    public double TargetWeight(int index)
    {
        CheckClass(index, nameof(index));
        double sum = 0;
        for (int predicted = 0; predicted < ClassCount; predicted++)
        {
            sum += Cell(index, predicted);
        }

        return sum;
    }

    /// <summary>Sum of the weights of the rows that were predicted to be a class.</summary>
    /// <param name="index">The class.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such class, or no batch yet.</exception>
    public double PredictedWeight(int index)
    {
        CheckClass(index, nameof(index));
        double sum = 0;
        for (int target = 0; target < ClassCount; target++)
        {
            sum += Cell(target, index);
        }

        return sum;
    }

    /// <summary>Part of the rows of a target class that were predicted to be it; NaN if there are none.</summary>
    /// <param name="index">The class.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such class, or no batch yet.</exception>
    public double Recall(int index) => this[index, index] / TargetWeight(index);

    /// <summary>Part of the rows that were predicted to be a class of which it is the target; NaN if there are none.</summary>
    /// <param name="index">The class.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such class, or no batch yet.</exception>
    public double Precision(int index) => this[index, index] / PredictedWeight(index);

    /// <summary>Harmonic mean of precision and recall; NaN if the class is neither a target nor a prediction.</summary>
    /// <param name="index">The class.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such class, or no batch yet.</exception>
    public double F1(int index) => 2 * this[index, index] / (TargetWeight(index) + PredictedWeight(index));

    /// <summary>The matrix as a new array: <c>[target, predicted]</c>.</summary>
    public double[,] ToArray()
    {
        var copy = new double[ClassCount, ClassCount];
        for (int target = 0; target < ClassCount; target++)
        {
            for (int predicted = 0; predicted < ClassCount; predicted++)
            {
                copy[target, predicted] = Cell(target, predicted);
            }
        }

        return copy;
    }

    /// <summary>A table: a line for each target class, a column for each predicted one, with recall at the right and precision at the bottom.</summary>
    public override string ToString()
    {
        if (ClassCount == 0)
        {
            return $"{Name}: no rows";
        }

        var lines = new string[ClassCount + 2][];
        string[] names = [.. Enumerable.Range(0, ClassCount).Select(NameOfClass)];
        lines[0] = ["target \\ predicted", .. names, "recall"];
        for (int target = 0; target < ClassCount; target++)
        {
            lines[target + 1] = [names[target], .. Enumerable.Range(0, ClassCount).Select(predicted => Text(Cell(target, predicted))), Text(Recall(target))];
        }

        lines[^1] = ["precision", .. Enumerable.Range(0, ClassCount).Select(predicted => Text(Precision(predicted))), ""];
        int[] widths = [.. Enumerable.Range(0, ClassCount + 2).Select(column => lines.Max(line => line[column].Length))];
        var table = new StringBuilder();
        foreach (string[] line in lines)
        {
            var text = new StringBuilder(line[0].PadRight(widths[0]));
            for (int column = 1; column < line.Length; column++)
            {
                text.Append("  ").Append(line[column].PadLeft(widths[column]));
            }

            table.Append(text.ToString().TrimEnd()).Append('\n');
        }

        return table.ToString();
    }

    /// <inheritdoc/>
    public override void Reset()
    {
        ClassCount = 0;
        Array.Clear(_cells);
    }

    /// <inheritdoc/>
    protected override void Update(Tensor outputs, in Targets targets)
    {
        MetricRows.Rows rows = _rows.WithClasses(outputs, targets, _ignored);
        if (_names is not null)
        {
            MetricRows.CheckSize(outputs, _names.Length, "the number of class names");
        }

        if (ClassCount > 0)
        {
            MetricRows.CheckSize(outputs, ClassCount, "as since the last reset");
        }
        else
        {
            int classes = checked((int)outputs.Shape[^1]);
            long cells = (long)classes * classes;
            if (_cells.Length != cells)
            {
                _cells = new double[cells];
            }

            ClassCount = classes;
        }

        foreach (MetricRow row in rows)
        {
            _cells[(row.Class * ClassCount) + row.Predicted] += row.Weight;
        }
    }

    private double Cell(int target, int predicted) => _cells[(target * ClassCount) + predicted];

    private void CheckClass(int index, string name)
    {
        if (ClassCount == 0)
        {
            throw new ArgumentOutOfRangeException(name, index, $"{name} is {index}, but there is no batch yet.");
        }

        Check.InRange(index, 0, ClassCount - 1, name);
    }

    /// <summary>Names may come from files.</summary>
    private string NameOfClass(int index) => _names is null ? index.ToString(CultureInfo.InvariantCulture) : ForeignText.Clean(_names[index]);

    private static string Text(double value) => double.IsNaN(value) ? "-" : value.ToString("0.###", CultureInfo.InvariantCulture);
}
