using System.Collections;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace OrthoNative;

/// <summary>One number for all units of a layer, or one for each. A number or an array converts to it.</summary>
[CollectionBuilder(typeof(UnitValues), nameof(Create))]
public readonly struct UnitValues : IReadOnlyList<double>, IEquatable<UnitValues>
{
    private readonly double[]? _values;

    private UnitValues(double[] values) => _values = values;

    /// <summary>1 for all units, or the number of units.</summary>
    public int Count => _values?.Length ?? 0;

    /// <summary>The number of one unit; of all where there is but one.</summary>
    /// <param name="index">From 0 to <see cref="Count"/> - 1.</param>
    /// <exception cref="IndexOutOfRangeException"><paramref name="index"/> is out of range.</exception>
    public double this[int index] => Span[index];

    internal ReadOnlySpan<double> Span => _values;

    /// <summary>One number for all units.</summary>
    /// <param name="value">The number.</param>
    public static implicit operator UnitValues(double value) => FromDouble(value);

    /// <summary>One number for each unit.</summary>
    /// <param name="values">As many as there are units. Copied.</param>
    public static implicit operator UnitValues(double[] values) => Create(values);

    /// <summary>One number for all units.</summary>
    /// <param name="value">The number.</param>
    public static UnitValues FromDouble(double value) => new([value]);

    /// <summary>One number for each unit.</summary>
    /// <param name="values">As many as there are units. Copied.</param>
    public static UnitValues Create(ReadOnlySpan<double> values) => new(values.ToArray());

    /// <summary>Tells whether two have the same numbers.</summary>
    public static bool operator ==(UnitValues left, UnitValues right) => left.Equals(right);

    /// <summary>Tells whether two have different numbers.</summary>
    public static bool operator !=(UnitValues left, UnitValues right) => !left.Equals(right);

    /// <inheritdoc/>
    public bool Equals(UnitValues other) => Span.SequenceEqual(other.Span);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is UnitValues other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (double value in Span)
        {
            hash.Add(value);
        }

        return hash.ToHashCode();
    }

    /// <inheritdoc/>
    public IEnumerator<double> GetEnumerator() => ((IEnumerable<double>)(_values ?? [])).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>The number where there is one, otherwise how many there are.</summary>
    public override string ToString() =>
        Count == 1 ? this[0].ToString(CultureInfo.InvariantCulture) : $"{Count} values";

    /// <summary>1 - value, for every value: α of a convex combination from β.</summary>
    internal UnitValues Complement()
    {
        var complement = new double[Count];
        for (int i = 0; i < complement.Length; i++)
        {
            complement[i] = 1 - this[i];
        }

        return new UnitValues(complement);
    }
}
