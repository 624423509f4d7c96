using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The places of a table, for messages.</summary>
/// <param name="name">The file.</param>
/// <param name="row">What a row is called: line, or row.</param>
internal sealed class TablePlaces(string name, string row)
{
    /// <summary>Names of the columns; empty until they are known, or if there are none.</summary>
    public IReadOnlyList<string> Columns { get; set; } = [];

    /// <summary>The file, fit for a message.</summary>
    public string File { get; } = ForeignText.CleanPath(name);

    /// <summary>Creates the error about a value.</summary>
    /// <param name="number">Number of the row from 1.</param>
    /// <param name="column">Number of the column from 0.</param>
    /// <param name="problem">The problem and what is expected, without a full stop.</param>
    public InvalidDataException Fault(long number, int column, string problem) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{File}: {row} {number}, {Describe(column)}: {problem}."));

    /// <summary>Creates the error about a row.</summary>
    public InvalidDataException Fault(long number, string problem) => new(string.Create(CultureInfo.InvariantCulture, $"{File}: {row} {number}: {problem}."));

    /// <summary>Creates the error about the table.</summary>
    public InvalidDataException Fault(string problem, Exception? inner = null) => new($"{File}: {problem}.", inner);

    /// <summary>A value in quotes.</summary>
    public static string Quote(ReadOnlySpan<char> text) => text.IsEmpty ? "nothing" : $"'{ForeignText.Clean(text.Length > 4 * ForeignText.MaximumCharacters
        ? text[..(4 * ForeignText.MaximumCharacters)].ToString() : text.ToString())}'";

    /// <summary>A column by its number from 1 and its name.</summary>
    public string Describe(int column) => column < Columns.Count && Columns[column].Length > 0
        ? string.Create(CultureInfo.InvariantCulture, $"column {column + 1} ('{ForeignText.Clean(Columns[column])}')")
        : string.Create(CultureInfo.InvariantCulture, $"column {column + 1}");

    /// <summary>A row by its number from 1.</summary>
    public string Describe(long number) => string.Create(CultureInfo.InvariantCulture, $"{row} {number}");
}
