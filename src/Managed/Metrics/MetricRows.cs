using System.Globalization;

namespace OrthoNative;

/// <summary>
/// Gives a metric the rows of a batch that count, in their order, as doubles. Whatever does not fit is refused before the first of them, so that an exception
/// leaves the metric as it was.
/// </summary>
internal sealed class MetricRows
{
    private readonly Source _outputs = new();
    private readonly Source _values = new();

    /// <summary>The rows whose targets are classes.</summary>
    /// <param name="outputs"><c>[..., classes]</c>.</param>
    /// <param name="targets">Classes.</param>
    /// <param name="ignored">The rows of this target do not count; null: there is none.</param>
    /// <param name="oneIsBinary">Outputs <c>[..., 1]</c> have two classes, 0 and 1.</param>
    public Rows WithClasses(Tensor outputs, in Targets targets, int? ignored, bool oneIsBinary = false)
    {
        targets.CheckClasses(outputs, nameof(outputs), ignored, oneIsBinary);
        _outputs.Open(outputs, targets.Classes.Length);
        var rows = new Rows(_outputs, null, outputs, targets, targets.Classes.Length, ignored);
        foreach (MetricRow row in rows)
        {
            CheckFinite(row.Outputs, row.Index, targets, outputs: true);
        }

        return rows;
    }

    /// <summary>The rows whose targets are values.</summary>
    /// <param name="outputs"><c>[..., C·N]</c>.</param>
    /// <param name="targets">Values, <c>[..., C]</c>.</param>
    /// <param name="outputsPerTarget">N.</param>
    public Rows WithValues(Tensor outputs, in Targets targets, int outputsPerTarget = 1)
    {
        targets.CheckValues(outputs, nameof(outputs), outputsPerTarget);
        (long steps, long batch) = outputs.StepsAndBatch;
        _outputs.Open(outputs, steps * batch);
        _values.Open(targets.Values!, steps * batch);
        var rows = new Rows(_outputs, _values, outputs, targets, steps * batch, null);
        foreach (MetricRow row in rows)
        {
            CheckFinite(row.Outputs, row.Index, targets, outputs: true);
            CheckFinite(row.Values, row.Index, targets, outputs: false);
        }

        return rows;
    }

    /// <summary>Refuses outputs of another size than <c>[..., size]</c>.</summary>
    /// <param name="outputs">The outputs.</param>
    /// <param name="size">Required number of outputs of a row.</param>
    /// <param name="reason">Where the number comes from.</param>
    public static void CheckSize(Tensor outputs, long size, string reason)
    {
        (long steps, long batch) = outputs.StepsAndBatch;
        if (outputs.Count != steps * batch * size)
        {
            throw new ArgumentException($"{nameof(outputs)} has shape {Check.FormatShape(outputs.Shape)}; it must be [..., {size}], {reason}.", nameof(outputs));
        }
    }

    private static void CheckFinite(ReadOnlySpan<double> values, long row, in Targets targets, bool outputs)
    {
        for (int i = 0; i < values.Length; i++)
        {
            if (!double.IsFinite(values[i]))
            {
                string name = outputs ? nameof(outputs) : targets.NameOf(nameof(Targets.Values));
                throw new NotFiniteNumberException(
                    string.Create(CultureInfo.InvariantCulture, $"{name}[{(row * values.Length) + i}] is {values[i]}; it must be finite."), values[i]);
            }
        }
    }

    /// <summary>Enumerates the rows that count; may be used again.</summary>
    public ref struct Rows
    {
        private readonly Source _outputs;
        private readonly Source? _values;
        private readonly Tensor _tensor;
        private readonly Targets _targets;
        private readonly long _count;
        private readonly int? _ignored;
        private long _row;
        private float _weight;

        public Rows(Source outputs, Source? values, Tensor tensor, in Targets targets, long count, int? ignored)
        {
            _outputs = outputs;
            _values = values;
            _tensor = tensor;
            _targets = targets;
            _count = count;
            _ignored = ignored;
            _row = -1;
        }

        /// <summary>The row. Valid until the next one is read.</summary>
        public readonly MetricRow Current => new()
        {
            Index = _row,
            Weight = _weight,
            Outputs = _outputs.Read(_tensor, _row),
            Class = _values is null ? _targets.Classes[(int)_row] : 0,
            Values = _values is null ? [] : _values.Read(_targets.Values!, _row),
        };

        /// <summary>All rows from the first on.</summary>
        public readonly Rows GetEnumerator() => this;

        /// <summary>Goes to the next row.</summary>
        public bool MoveNext()
        {
            while (++_row < _count)
            {
                _weight = _targets.Lengths.IsEmpty && _targets.Weights.IsEmpty ? 1 : _targets.WeightOf(checked((int)_row));
                if (_weight > 0 && (_values is not null || _targets.Classes[(int)_row] != _ignored))
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>Reads a tensor row by row: where it lies on a CPU device, and a copy where it lies on a GPU. Memory is used again.</summary>
    public sealed class Source
    {
        private Array? _copy;
        private double[] _row = [];
        private int _width;

        /// <summary>Prepares for reading.</summary>
        /// <param name="tensor">Of floating-point numbers.</param>
        /// <param name="rows">The number of its rows.</param>
        public void Open(Tensor tensor, long rows)
        {
            _width = checked((int)(tensor.Count / rows));
            if (tensor.DType == DType.Float32 && _row.Length < _width)
            {
                _row = new double[_width];
            }

            if (tensor.Device.Kind == DeviceKind.Cpu)
            {
                return;
            }

            if (tensor.DType == DType.Float32)
            {
                Copy<float>(tensor);
            }
            else
            {
                Copy<double>(tensor);
            }
        }

        /// <summary>A row, valid until the next one is read.</summary>
        public ReadOnlySpan<double> Read(Tensor tensor, long row)
        {
            if (tensor.DType == DType.Float64)
            {
                return Elements<double>(tensor, row);
            }

            ReadOnlySpan<float> elements = Elements<float>(tensor, row);
            Span<double> values = _row.AsSpan(0, elements.Length);
            for (int i = 0; i < elements.Length; i++)
            {
                values[i] = elements[i];
            }

            return values;
        }

        private ReadOnlySpan<T> Elements<T>(Tensor tensor, long row) where T : unmanaged => tensor.Device.Kind == DeviceKind.Cpu
            ? tensor.Read<T>(row * _width, _width)
            : ((T[])_copy!).AsSpan((int)(row * _width), _width);

        private void Copy<T>(Tensor tensor) where T : unmanaged
        {
            if (_copy is not T[] copy || copy.Length < tensor.Count)
            {
                _copy = copy = new T[tensor.Count];
            }

            tensor.CopyTo<T>(0, copy.AsSpan(0, (int)tensor.Count));
        }
    }
}
