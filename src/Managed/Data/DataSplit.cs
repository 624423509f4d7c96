namespace OrthoNative;

/// <summary>Which samples of a task; the two parts share none.</summary>
public enum DataSplit
{
    /// <summary>The samples to learn from.</summary>
    Training,

    /// <summary>The samples that the result is measured on.</summary>
    Test,
}
