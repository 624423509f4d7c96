namespace OrthoNative.Cli.Training;

/// <summary>Filters that the command line offers.</summary>
internal enum FilterChoice
{
    Haar,
    Cycle,
    Permutation,
    Identity,
}

/// <summary>Nonlinearities that the command line offers.</summary>
internal enum ActivationChoice
{
    Tanh,
    Relu,
}

/// <summary>Optimizers that the command line offers.</summary>
internal enum OptimizerChoice
{
    Sgd,
    Adam,
    AdamW,
}

/// <summary>How the learning rate changes during a run.</summary>
internal enum Schedule
{
    /// <summary>It stays.</summary>
    Constant,

    /// <summary>It falls to 0 along half a cosine, over the whole run.</summary>
    Cosine,
}
