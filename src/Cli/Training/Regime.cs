namespace OrthoNative.Cli.Training;

/// <summary>What the recurrence of a roa model is good at: presets of α, β and the scale of W.</summary>
internal enum Regime
{
    /// <summary><see cref="RoaRnnOptions.Memory"/>.</summary>
    Memory,

    /// <summary><see cref="RoaRnnOptions.Computation"/>.</summary>
    Computation,

    /// <summary><see cref="RoaRnnOptions.Streaming"/>.</summary>
    Streaming,

    /// <summary><see cref="RoaRnnOptions.MemoryAndComputation"/>.</summary>
    Mixed,

    /// <summary><see cref="RoaRnnOptions.MultiScale"/>.</summary>
    MultiScale,
}
