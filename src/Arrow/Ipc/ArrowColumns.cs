using System.Numerics;
using System.Text;
using Apache.Arrow;
using Apache.Arrow.Ipc;
using Apache.Arrow.Types;

namespace OrthoNative.Arrow;

/// <summary>The columns of an Arrow stream.</summary>
/// <param name="reader">The stream.</param>
/// <param name="places">The stream, for messages.</param>
/// <param name="cancellationToken">Ends the reading.</param>
internal sealed class ArrowColumns(ArrowStreamReader reader, TablePlaces places, CancellationToken cancellationToken)
{
    private readonly IReadOnlyList<Field> _fields = reader.Schema?.FieldsList ?? throw new InvalidOperationException("There is no schema.");

    public string[] Names => [.. _fields.Select(item => item.Name ?? "")];

    public ColumnKind[] Kinds => [.. _fields.Select(item => KindOf(item.DataType))];

    /// <summary>Tells whether an exception of the reader is one of damaged data. It uses many types for those, <see cref="Exception"/> itself among them.</summary>
    /// <param name="exception">The exception.</param>
    /// <param name="places">The stream: errors that name it were told before.</param>
    public static bool IsOfDamage(Exception exception, TablePlaces places) =>
        (exception is not (OperationCanceledException or OutOfMemoryException or IOException) || exception is EndOfStreamException)
        && !(exception is InvalidDataException && exception.Message.StartsWith(places.File, StringComparison.Ordinal));

    /// <summary>Reads some columns, a record batch at a time.</summary>
    /// <exception cref="InvalidDataException">The stream is damaged.</exception>
    public IEnumerable<(int Rows, ColumnData[] Columns)> Read(int[] columns)
    {
        for (int batch = 1; ; batch++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (ReadBatch(batch, columns) is not { } part)
            {
                yield break;
            }

            yield return part;
        }
    }

    private static ColumnKind KindOf(IArrowType type) => type switch
    {
        FloatType or DoubleType or HalfFloatType or Int8Type or Int16Type or Int32Type or Int64Type or UInt8Type or UInt16Type or UInt32Type or UInt64Type => ColumnKind.Number,
        BooleanType => ColumnKind.Logical,
        TimestampType or Date32Type or Date64Type => ColumnKind.Time,
        StringType or LargeStringType => ColumnKind.Text,
        DictionaryType dictionary => KindOf(dictionary.ValueType) == ColumnKind.Text ? ColumnKind.Text : ColumnKind.Other,
        ListType list => OfLists(list.ValueDataType),
        LargeListType list => OfLists(list.ValueDataType),
        FixedSizeListType list => OfLists(list.ValueDataType),
        _ => ColumnKind.Other,
    };

    private static ColumnKind OfLists(IArrowType items) => KindOf(items) == ColumnKind.Number ? ColumnKind.List : ColumnKind.Other;

    private (int Rows, ColumnData[] Columns)? ReadBatch(int number, int[] columns)
    {
        int column = -1;
        try
        {
            // Not disposed: a dictionary stays for the batches that follow. Its memory is managed.
            RecordBatch? batch = reader.ReadNextRecordBatch();
            if (batch is null)
            {
                return null;
            }

            if (batch.ColumnCount != _fields.Count)
            {
                throw new InvalidOperationException("Columns are missing.");
            }

            var data = new ColumnData[columns.Length];
            for (int i = 0; i < columns.Length; i++)
            {
                column = columns[i];
                IArrowArray array = batch.Column(column);
                data[i] = array.Length == batch.Length ? Convert(array) : throw new InvalidOperationException("Columns have different lengths.");
            }

            return (batch.Length, data);
        }
        catch (Exception exception) when (IsOfDamage(exception, places))
        {
            string place = column < 0 ? "" : $", {places.Describe(column)}";
            throw places.Fault(FormattableString.Invariant($"record batch {number}{place}: the values cannot be decoded ({exception.GetType().Name})"), exception);
        }
    }

    private static ColumnData Convert(IArrowArray array) => array switch
    {
        FloatArray values => Numbers(values),
        DoubleArray values => Numbers(values),
        HalfFloatArray values => Numbers(values),
        Int8Array values => Numbers(values),
        Int16Array values => Numbers(values),
        Int32Array values => Numbers(values),
        Int64Array values => Numbers(values),
        UInt8Array values => Numbers(values),
        UInt16Array values => Numbers(values),
        UInt32Array values => Numbers(values),
        UInt64Array values => Numbers(values),
        BooleanArray values => Logical(values),
        TimestampArray values => Times(values.Values, values, ((TimestampType)values.Data.DataType).Unit switch { TimeUnit.Second => 1L, TimeUnit.Millisecond => 1000, TimeUnit.Microsecond => 1_000_000, _ => 1_000_000_000 }),
        Date32Array values => new TimeData(System.Array.ConvertAll(values.Values.ToArray(), days => days * 86400.0), Valid(values)),
        Date64Array values => Times(values.Values, values, 1000),
        StringArray values => new TextData(Texts(values), null, Valid(values)),
        LargeStringArray values => new TextData(Texts(values), null, Valid(values)),
        DictionaryArray values => Dictionary(values),
        ListArray values => Lists(values, values.Values, step => values.ValueOffsets[step], values.ValueOffsets.Length),
        LargeListArray values => Lists(values, values.Values, step => checked((int)values.ValueOffsets[step]), values.ValueOffsets.Length),
        FixedSizeListArray values => Lists(values, values.Values, step => checked((values.Offset + step) * ((FixedSizeListType)values.Data.DataType).ListSize), values.Length + 1),
        _ => throw new InvalidOperationException("The type of the values is another one than that of the schema."),
    };

    private static NumberData<T> Numbers<T>(PrimitiveArray<T> array) where T : struct, INumber<T> => new(array.Values.ToArray(), Valid(array));

    private static TimeData Times(ReadOnlySpan<long> values, IArrowArray array, long units)
    {
        double[] seconds = new double[values.Length];
        for (int i = 0; i < seconds.Length; i++)
        {
            seconds[i] = (values[i] / units) + ((double)(values[i] % units) / units);
        }

        return new TimeData(seconds, Valid(array));
    }

    private static LogicalData Logical(BooleanArray array)
    {
        Require(array.ValueBuffer.Length * 8L >= array.Offset + (long)array.Length);
        bool[] values = new bool[array.Length];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = BitUtility.GetBit(array.Values, array.Offset + i);
        }

        return new LogicalData(values, Valid(array));
    }

    private static ReadOnlyMemory<char>[] Texts(IArrowArray array)
    {
        (int offsets, bool isLarge) = array is LargeStringArray large ? (large.ValueOffsets.Length, true) : (((StringArray)array).ValueOffsets.Length, false);
        Require(array.Length == 0 || offsets > array.Length);
        var texts = new ReadOnlyMemory<char>[array.Length];
        for (int i = 0; i < texts.Length; i++)
        {
            ReadOnlySpan<byte> bytes = isLarge ? ((LargeStringArray)array).GetBytes(i, out _) : ((StringArray)array).GetBytes(i, out _);
            texts[i] = Encoding.UTF8.GetString(bytes).AsMemory();
        }

        return texts;
    }

    private static TextData Dictionary(DictionaryArray array)
    {
        ReadOnlyMemory<char>[] texts = Texts(array.Dictionary);
        ColumnData indices = Convert(array.Indices);
        int[] numbers = new int[array.Length];
        bool[] valid = new bool[array.Length];
        for (int i = 0; i < numbers.Length; i++)
        {
            double number = indices.IsMissing(i) ? -1 : indices.Number(i);
            Require(indices.IsMissing(i) || (number >= 0 && number < texts.Length));
            valid[i] = number >= 0 && array.Dictionary.IsValid((int)number);
            numbers[i] = Math.Max(0, (int)number);
        }

        return new TextData(texts, numbers, valid);
    }

    private static ListData Lists(IArrowArray array, IArrowArray items, Func<int, int> offset, int offsets)
    {
        Require(array.Length == 0 || offsets > array.Length);
        int[] starts = new int[array.Length], counts = new int[array.Length];
        bool[]? valid = Valid(array);
        for (int i = 0; i < starts.Length; i++)
        {
            int start = offset(i), end = offset(i + 1);
            Require(start >= 0 && end >= start && end <= items.Length);
            (starts[i], counts[i]) = (start, valid is null || valid[i] ? end - start : 0);
        }

        return new ListData(Convert(items), starts, counts);
    }

    private static bool[]? Valid(IArrowArray array)
    {
        if (array.NullCount == 0)
        {
            return null;
        }

        bool[] valid = new bool[array.Length];
        for (int i = 0; i < valid.Length; i++)
        {
            valid[i] = array.IsValid(i);
        }

        return valid;
    }

    private static void Require(bool condition)
    {
        if (!condition)
        {
            throw new InvalidOperationException("The lengths of the buffers do not fit.");
        }
    }
}
