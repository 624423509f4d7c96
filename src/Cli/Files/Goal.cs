namespace OrthoNative.Cli.Files;

/// <summary>What a model learns to tell from sequences.</summary>
internal enum Goal
{
    /// <summary>The class of a sequence.</summary>
    ClassifySequences,

    /// <summary>The class of each step.</summary>
    ClassifySteps,

    /// <summary>Values of a sequence.</summary>
    PredictSequences,

    /// <summary>Values of each step.</summary>
    PredictSteps,

    /// <summary>The next values of the sequence itself.</summary>
    Forecast,
}
