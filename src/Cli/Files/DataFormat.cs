namespace OrthoNative.Cli.Files;

/// <summary>The format of a file or folder of sequences.</summary>
internal enum DataFormat
{
    /// <summary>A table of text: CSV, TSV and the like; a row is a step (long form) or a sequence (wide form).</summary>
    Text,

    /// <summary>A table in a Parquet file.</summary>
    Parquet,

    /// <summary>A table in an Arrow (Feather) file.</summary>
    Arrow,

    /// <summary>A <c>.ts</c> file of the UEA and UCR archive.</summary>
    TimeSeries,

    /// <summary>A <c>.tsv</c> file of the UCR archive: class, then the steps of one channel.</summary>
    Ucr,

    /// <summary>An <c>.npy</c> file of NumPy, which has no targets.</summary>
    Npy,

    /// <summary>An <c>.npz</c> file of NumPy.</summary>
    Npz,

    /// <summary>A folder of WAV files, or a single one.</summary>
    Sound,
}
