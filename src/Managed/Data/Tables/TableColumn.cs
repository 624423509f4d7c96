using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A column of a table: its name, or its number from 0. Text and numbers convert to it.</summary>
public readonly record struct TableColumn
{
    /// <summary>Creates a column that has a name.</summary>
    /// <param name="name">The name, in the case of the file.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    public TableColumn(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        Name = name;
    }

    /// <summary>Creates a column that has a number.</summary>
    /// <param name="index">Number from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="index"/> is negative.</exception>
    public TableColumn(int index)
    {
        Check.AtLeast(index, 0);
        Index = index;
    }

    /// <summary>Name of the column; null if it is given by its number.</summary>
    public string? Name { get; }

    /// <summary>Number of the column from 0; 0 if it is given by its name.</summary>
    public int Index { get; }

    /// <summary>Converts the name of a column.</summary>
    /// <param name="name">The name.</param>
    public static implicit operator TableColumn(string name) => new(name);

    /// <summary>Converts the number of a column.</summary>
    /// <param name="index">Number from 0.</param>
    public static implicit operator TableColumn(int index) => new(index);

    /// <summary>Converts the name of a column.</summary>
    /// <param name="name">The name.</param>
    public static TableColumn FromString(string name) => new(name);

    /// <summary>Converts the number of a column.</summary>
    /// <param name="index">Number from 0.</param>
    public static TableColumn FromInt32(int index) => new(index);

    /// <summary>Gets the name in quotes, or the number.</summary>
    public override string ToString() => Name is null ? Index.ToString(CultureInfo.InvariantCulture) : $"'{ForeignText.Clean(Name)}'";
}
