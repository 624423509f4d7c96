using System.Globalization;
using System.Numerics;

namespace OrthoNative.Arrow;

/// <summary>Values of a column, of some rows.</summary>
/// <param name="valid">True where a value is there; null: everywhere.</param>
internal abstract class ColumnData(bool[]? valid)
{
    /// <summary>The most characters of a number or a time as text.</summary>
    public const int LongestText = 64;

    public bool IsMissing(int row) => valid is not null && !valid[row];

    /// <summary>A number; NaN: it is none.</summary>
    public virtual double Number(int row) => double.NaN;

    /// <summary>Seconds since 1970, or a number.</summary>
    public virtual double Time(int row) => Number(row);

    /// <summary>The value as text.</summary>
    /// <param name="row">Number of the row.</param>
    /// <param name="scratch">May have the text.</param>
    public abstract ReadOnlySpan<char> Text(int row, Span<char> scratch);

    /// <summary>The values of a list.</summary>
    public virtual (ColumnData Items, int Start, int Count) List(int row) => throw new NotSupportedException();
}

/// <summary>Numbers.</summary>
internal sealed class NumberData<T>(T[] values, bool[]? valid) : ColumnData(valid) where T : struct, INumber<T>
{
    public override double Number(int row) => double.CreateSaturating(values[row]);

    public override ReadOnlySpan<char> Text(int row, Span<char> scratch) =>
        values[row].TryFormat(scratch, out int length, default, CultureInfo.InvariantCulture) ? scratch[..length] : values[row].ToString(null, CultureInfo.InvariantCulture);
}

/// <summary>Values that are true or false: 1 or 0 as numbers.</summary>
internal sealed class LogicalData(bool[] values, bool[]? valid) : ColumnData(valid)
{
    public override double Number(int row) => values[row] ? 1 : 0;

    public override ReadOnlySpan<char> Text(int row, Span<char> scratch) => values[row] ? "true" : "false";
}

/// <summary>Times in seconds since 1970-01-01 00:00 UTC.</summary>
internal sealed class TimeData(double[] values, bool[]? valid) : ColumnData(valid)
{
    public override double Time(int row) => values[row];

    public override ReadOnlySpan<char> Text(int row, Span<char> scratch) =>
        values[row].TryFormat(scratch, out int length, default, CultureInfo.InvariantCulture) ? scratch[..length] : "";
}

/// <summary>Texts, of which a row has one.</summary>
/// <param name="texts">The texts.</param>
/// <param name="numbers">Number of the text of each row; null: each has its own.</param>
/// <param name="valid">True where a text is there; null: everywhere.</param>
internal sealed class TextData(ReadOnlyMemory<char>[] texts, int[]? numbers, bool[]? valid) : ColumnData(valid)
{
    public override double Time(int row) => TimeText.TryParse(Text(row, default).Trim(), out double time) ? time : double.NaN;

    public override ReadOnlySpan<char> Text(int row, Span<char> scratch) => texts[numbers is null ? row : numbers[row]].Span;
}

/// <summary>Lists of numbers.</summary>
/// <param name="items">The numbers of all lists.</param>
/// <param name="starts">Where each list begins.</param>
/// <param name="counts">Number of its elements.</param>
internal sealed class ListData(ColumnData items, int[] starts, int[] counts) : ColumnData(null)
{
    public override ReadOnlySpan<char> Text(int row, Span<char> scratch) => "";

    public override (ColumnData Items, int Start, int Count) List(int row) => (items, starts[row], counts[row]);
}
