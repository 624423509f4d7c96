namespace OrthoNative.Arrow;

/// <summary>Kind of the values of a column.</summary>
internal enum ColumnKind
{
    /// <summary>Something that no sequence is made of.</summary>
    Other,

    Number,

    Logical,

    Time,

    Text,

    /// <summary>Lists of numbers.</summary>
    List,
}
