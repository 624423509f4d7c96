namespace OrthoNative.Arrow;

/// <summary>Makes something of a table whose columns have types.</summary>
/// <param name="places">The table, with the names of its columns.</param>
/// <param name="kinds">Kinds of the columns.</param>
/// <param name="read">Reads some columns, in parts of rows one after another.</param>
internal delegate T TableReading<T>(TablePlaces places, ColumnKind[] kinds, Func<int[], IEnumerable<(int Rows, ColumnData[] Columns)>> read);
