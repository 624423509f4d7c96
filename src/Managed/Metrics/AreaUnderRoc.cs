using System.Runtime.InteropServices;

namespace OrthoNative;

/// <summary>Area under the receiver operating characteristic: the probability that a row of a class has a larger score than a row of another class; ties count half.</summary>
/// <remarks>
/// <para>Outputs and targets may be:</para>
/// <list type="bullet">
/// <item>Classes 0 and 1, outputs <c>[..., 1]</c>: the output is the score of class 1.</item>
/// <item>Classes 0 and 1, outputs <c>[..., 2]</c>: the difference of both logits is the score of class 1.</item>
/// <item>
/// Classes, outputs <c>[..., C]</c> with C of 3 or more: logits. The score of a class is its softmax, and the value is the mean of the areas of each class against the
/// rest, all alike.
/// </item>
/// <item>Values 0 and 1, shaped as the outputs: each output is the score of a label of its own; the value is the mean of their areas.</item>
/// </list>
/// <para>
/// A class that no row has, or that all rows have, has no area: the mean is taken over the others; without any the value is NaN.
/// </para>
/// <para>
/// The area is exact, not one of a binned curve. So all scores are kept until <see cref="Reset"/>: 9 bytes for each row and score, of which two classes have one, and 4
/// bytes for each row; lists that grow hold up to twice as much. <see cref="Value"/> sorts them, in 12 bytes more for each row, and is kept until rows are added. It does not
/// depend on the order of the rows, nor on how they are cut into batches, as long as sums of weights are exact in double, as those of whole numbers are.
/// </para>
/// </remarks>
public sealed class AreaUnderRoc : Metric
{
    private readonly MetricRows _rows = new();
    private readonly int? _ignored;
    private readonly List<float> _weights = [];

    /// <summary>A list for each score: its value in each row, and whether the row has that class.</summary>
    private (List<double> Scores, List<bool> Positive)[] _columns = [];

    /// <summary>Outputs of a row and whether targets are labels; 0 as long as there was no batch.</summary>
    private (int Outputs, bool Labels) _layout;

    private double[] _sorted = [];
    private int[] _order = [];
    private double? _value;

    /// <summary>Creates a metric of nothing yet.</summary>
    /// <param name="ignoreIndex">A target class that means that there is none: its row does not count. Null, the default: all rows have a target.</param>
    public AreaUnderRoc(int? ignoreIndex = null) => _ignored = ignoreIndex;

    /// <inheritdoc/>
    public override string Name => "area_under_roc";

    /// <inheritdoc/>
    public override bool HigherIsBetter => true;

    /// <inheritdoc/>
    public override double Value => _value ??= MeanArea();

    /// <inheritdoc/>
    public override void Reset()
    {
        _layout = default;
        _value = null;
        _weights.Clear();
        foreach ((List<double> scores, List<bool> positive) in _columns)
        {
            scores.Clear();
            positive.Clear();
        }
    }

    /// <inheritdoc/>
    protected override void Update(Tensor outputs, in Targets targets)
    {
        bool labels = targets.Values is not null;
        MetricRows.Rows rows = labels ? _rows.WithValues(outputs, targets) : _rows.WithClasses(outputs, targets, _ignored, oneIsBinary: true);
        int counted = 0;
        foreach (MetricRow row in rows)
        {
            counted++;
            for (int i = 0; i < row.Values.Length; i++)
            {
                if (row.Values[i] is not (0 or 1))
                {
                    Check.That(false, row.Values[i], "0 or 1", $"{targets.NameOf(nameof(Targets.Values))}[{(row.Index * row.Values.Length) + i}]");
                }
            }
        }

        Prepare(outputs, targets, labels, counted);
        foreach (MetricRow row in rows)
        {
            Add(row);
        }

        _value = null;
    }

    /// <summary>Makes room for rows, so that nothing fails while they are added.</summary>
    private void Prepare(Tensor outputs, in Targets targets, bool labels, int counted)
    {
        if (_layout.Outputs == 0)
        {
            (long steps, long batch) = outputs.StepsAndBatch;
            int width = checked((int)(outputs.Count / (steps * batch)));
            int columns = labels ? width : width <= 2 ? 1 : width;
            if (_columns.Length != columns)
            {
                _columns = new (List<double>, List<bool>)[columns];
                for (int i = 0; i < columns; i++)
                {
                    _columns[i] = ([], []);
                }
            }

            _layout = (width, labels);
        }
        else
        {
            MetricRows.CheckSize(outputs, _layout.Outputs, "as since the last reset");
            if (labels != _layout.Labels)
            {
                string part = labels ? nameof(Targets.Values) : nameof(Targets.Classes);
                throw new ArgumentException(
                    $"{targets.NameOf(part)} is given; since the last reset the targets are {(labels ? "classes" : "values")}, and must be.", targets.ArgumentOf(part));
            }
        }

        int rows = checked(_weights.Count + counted);
        _weights.EnsureCapacity(rows);
        foreach ((List<double> scores, List<bool> positive) in _columns)
        {
            scores.EnsureCapacity(rows);
            positive.EnsureCapacity(rows);
        }
    }

    private void Add(in MetricRow row)
    {
        _weights.Add((float)row.Weight);
        if (_layout.Labels)
        {
            for (int i = 0; i < _columns.Length; i++)
            {
                Add(i, row.Outputs[i], row.Values[i] == 1);
            }
        }
        else if (_columns.Length == 1)
        {
            Add(0, row.Outputs.Length == 1 ? row.Outputs[0] : row.Outputs[1] - row.Outputs[0], row.Class == 1);
        }
        else
        {
            // The logarithm of softmax ranks rows as softmax does, and tells apart those near 0 and near 1, too.
            (double largest, double logOfSum) = LogProbability.Of(row);
            for (int i = 0; i < _columns.Length; i++)
            {
                Add(i, row.Outputs[i] - largest - logOfSum, row.Class == i);
            }
        }
    }

    private void Add(int column, double score, bool positive)
    {
        _columns[column].Scores.Add(score);
        _columns[column].Positive.Add(positive);
    }

    private double MeanArea()
    {
        double sum = 0;
        int areas = 0;
        foreach ((List<double> scores, List<bool> positive) in _columns)
        {
            double area = Area(CollectionsMarshal.AsSpan(scores), CollectionsMarshal.AsSpan(positive));
            if (!double.IsNaN(area))
            {
                sum += area;
                areas++;
            }
        }

        return sum / areas;
    }

    private double Area(ReadOnlySpan<double> scores, ReadOnlySpan<bool> positive)
    {
        if (_sorted.Length < scores.Length)
        {
            _sorted = new double[scores.Length];
            _order = new int[scores.Length];
        }

        scores.CopyTo(_sorted);
        for (int i = 0; i < scores.Length; i++)
        {
            _order[i] = i;
        }

        Array.Sort(_sorted, _order, 0, scores.Length);
        double area = 0;
        double positives = 0;
        double negatives = 0;
        for (int i = 0; i < scores.Length;)
        {
            // Rows of equal scores together: half of their pairs count.
            double positivesHere = 0;
            double negativesHere = 0;
            double score = _sorted[i];
            for (; i < scores.Length && _sorted[i] == score; i++)
            {
                float weight = _weights[_order[i]];
                positivesHere += positive[_order[i]] ? weight : 0;
                negativesHere += positive[_order[i]] ? 0 : weight;
            }

            area += positivesHere * (negatives + (negativesHere / 2));
            positives += positivesHere;
            negatives += negativesHere;
        }

        return area / (positives * negatives);
    }
}
