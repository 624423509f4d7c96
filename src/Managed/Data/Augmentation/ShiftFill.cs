namespace OrthoNative;

/// <summary>The inputs of steps that a shift in time leaves empty: see <see cref="AugmentationOptions.ShiftFill"/>.</summary>
public enum ShiftFill
{
    /// <summary>Those of the sequence's first or last step.</summary>
    Edge,

    /// <summary>Zeros; for targets of these steps, those of the first or last step.</summary>
    Zero,
}
