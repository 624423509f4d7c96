using System.Numerics;
using Parquet;
using Parquet.Schema;

namespace OrthoNative.Arrow;

/// <summary>The columns of a Parquet file.</summary>
/// <param name="file">The file, checked.</param>
/// <param name="reader">Its reader.</param>
/// <param name="progress">Told the part of the row groups that is read; null: nobody.</param>
/// <param name="cancellationToken">Ends the reading.</param>
internal sealed class ParquetColumns(ParquetFile file, ParquetReader reader, IProgress<double>? progress, CancellationToken cancellationToken)
{
    private readonly IReadOnlyList<Field> _fields = reader.Schema.Fields;

    public string[] Names => [.. _fields.Select(item => item.Name)];

    public ColumnKind[] Kinds => [.. _fields.Select(KindOf)];

    /// <summary>Reads some columns, a row group at a time.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public IEnumerable<(int Rows, ColumnData[] Columns)> Read(int[] columns)
    {
        for (int group = 0; group < reader.RowGroupCount; group++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ParquetRowGroupReader rows = reader.OpenRowGroupReader(group);
            int count = checked((int)rows.RowCount);
            yield return (count, [.. columns.Select(column => Read(rows, group, column, count))]);
            progress?.Report((group + 1.0) / reader.RowGroupCount);
        }
    }

    private static ColumnKind KindOf(Field field) => field switch
    {
        DataField { MaxRepetitionLevel: 0 } data => KindOf(data),
        DataField data => KindOf(data) == ColumnKind.Number ? ColumnKind.List : ColumnKind.Other,
        ListField { Item: DataField item } => KindOf(item) == ColumnKind.Number && item.MaxRepetitionLevel == 1 ? ColumnKind.List : ColumnKind.Other,
        _ => ColumnKind.Other,
    };

    private static ColumnKind KindOf(DataField field) => field.ClrType switch
    {
        var type when type == typeof(bool) => ColumnKind.Logical,
        var type when type == typeof(ReadOnlyMemory<char>) => ColumnKind.Text,
        var type when type == typeof(DateTime) => ColumnKind.Time,
        var type when type == typeof(float) || type == typeof(double) || type == typeof(long) || type == typeof(ulong) || type == typeof(int) || type == typeof(uint) || type == typeof(short)
            || type == typeof(ushort) || type == typeof(sbyte) || type == typeof(byte) => ColumnKind.Number,
        _ => ColumnKind.Other,
    };

    private ColumnData Read(ParquetRowGroupReader rows, int group, int column, int count)
    {
        Field field = _fields[column];
        DataField data = field as DataField ?? (DataField)((ListField)field).Item;
        bool isList = data.MaxRepetitionLevel > 0;
        int values = file.CheckPages(group, string.Join('\0', data.Path.ToList()), data.ClrType, column);
        if (!isList && values != count)
        {
            throw file.Damaged(group, column, FormattableString.Invariant($"there are {values} values; expected {count}, one for each row"));
        }

        int[]? definitions = data.MaxDefinitionLevel > 0 ? new int[values] : null;
        int[]? repetitions = isList ? new int[values] : null;
        try
        {
            ColumnData items = ReadItems(rows, data, values, definitions, repetitions);
            return isList ? ToLists(items, group, column, count, definitions, repetitions!) : items;
        }
        catch (Exception exception) when (IsOfDamage(exception))
        {
            throw file.Damaged(group, column, $"the values cannot be decoded ({exception.GetType().Name})", exception);
        }
    }

    /// <summary>Tells whether an exception of the reader is one of damaged data. It uses many types for those.</summary>
    public static bool IsOfDamage(Exception exception) =>
        exception is not (OperationCanceledException or InvalidDataException or OutOfMemoryException or IOException) || exception is EndOfStreamException || exception.GetType() == typeof(IOException);

    private ColumnData ReadItems(ParquetRowGroupReader rows, DataField field, int count, int[]? definitions, int[]? repetitions)
    {
        Type type = field.ClrType;
        return type == typeof(float) ? Numbers<float>()
            : type == typeof(double) ? Numbers<double>()
            : type == typeof(long) ? Numbers<long>()
            : type == typeof(ulong) ? Numbers<ulong>()
            : type == typeof(int) ? Numbers<int>()
            : type == typeof(uint) ? Numbers<uint>()
            : type == typeof(short) ? Numbers<short>()
            : type == typeof(ushort) ? Numbers<ushort>()
            : type == typeof(sbyte) ? Numbers<sbyte>()
            : type == typeof(byte) ? Numbers<byte>()
            : type == typeof(bool) ? new LogicalData(Values<bool>(out bool[]? valid), valid)
            : type == typeof(DateTime) ? new TimeData(Array.ConvertAll(Values<DateTime>(out valid), Seconds), valid)
            : new TextData(Values<ReadOnlyMemory<char>>(out valid), null, valid);

        NumberData<T> Numbers<T>() where T : struct, INumber<T> => new(Values<T>(out bool[]? valid), valid);

        // Not null itself, which would become memory of no levels.
        static Memory<int>? ToMemory(int[]? levels) => levels is null ? default(Memory<int>?) : new Memory<int>(levels);

        T[] Values<T>(out bool[]? valid) where T : struct
        {
            var values = new T[count];

            // The stream never waits, so neither does this.
            rows.ReadRawAsync<T>(field, values, ToMemory(definitions), ToMemory(repetitions), cancellationToken).AsTask().GetAwaiter().GetResult();
            valid = definitions is null ? null : new bool[count];
            if (valid is null)
            {
                return values;
            }

            // Values that are there are at the beginning: each goes to its place, from the last one on.
            int at = definitions.AsSpan().Count(field.MaxDefinitionLevel);
            for (int i = count - 1; i >= 0; i--)
            {
                valid[i] = definitions![i] == field.MaxDefinitionLevel;
                values[i] = valid[i] ? values[--at] : default;
            }

            return values;
        }
    }

    /// <summary>Cuts the values of a column of lists into those of the rows: a repetition level of 0 begins a row.</summary>
    private ListData ToLists(ColumnData items, int group, int column, int rows, int[]? definitions, int[] repetitions)
    {
        // From this level on there is an element, which may be missing itself.
        int level = _fields[column] is ListField list ? list.MaxDefinitionLevel : ((DataField)_fields[column]).MaxDefinitionLevel;
        int[] starts = new int[rows], counts = new int[rows];
        int row = -1;
        for (int i = 0; i < repetitions.Length; i++)
        {
            if (repetitions[i] == 0 && ++row < rows)
            {
                starts[row] = i;
            }

            if (row < 0 || row >= rows)
            {
                break;
            }

            counts[row] += definitions is null || definitions[i] >= level ? 1 : 0;
        }

        return row == rows - 1 ? new ListData(items, starts, counts) : throw file.Damaged(group, column, FormattableString.Invariant($"there are not as many lists as the {rows} rows"));
    }

    private static double Seconds(DateTime time)
    {
        long ticks = time.Ticks - DateTime.UnixEpoch.Ticks;
        return (ticks / TimeSpan.TicksPerSecond) + ((double)(ticks % TimeSpan.TicksPerSecond) / TimeSpan.TicksPerSecond);
    }
}
