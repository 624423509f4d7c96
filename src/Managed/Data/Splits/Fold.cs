namespace OrthoNative;

/// <summary>One of several ways to divide a data set into samples to learn from and samples to judge by.</summary>
/// <typeparam name="T">Type of the data set.</typeparam>
/// <param name="Training">The samples to learn from.</param>
/// <param name="Validation">The samples that the result is judged by; none of them is among the others.</param>
public readonly record struct Fold<T>(T Training, T Validation)
    where T : Dataset;
