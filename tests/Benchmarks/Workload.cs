namespace OrthoNative.Benchmarks;

/// <summary>What is timed.</summary>
internal enum Mode
{
    /// <summary>Forward pass, backward pass and optimizer step.</summary>
    Train,

    /// <summary>Forward pass alone.</summary>
    Infer,

    /// <summary>Forward, one call for each time step.</summary>
    Stream,
}

/// <summary>The step of the recurrent layer.</summary>
internal enum CellKind
{
    /// <summary><see cref="RoaRnn"/>.</summary>
    Roa,

    /// <summary><see cref="OrthoNative.Elman"/>.</summary>
    Elman,

    /// <summary><see cref="OrthoNative.Gru"/>.</summary>
    Gru,

    /// <summary><see cref="OrthoNative.Lstm"/>.</summary>
    Lstm,
}

/// <summary>The orthogonal matrix O of <see cref="CellKind.Roa"/>.</summary>
internal enum FilterKind
{
    /// <summary>Dense.</summary>
    Haar,

    /// <summary>Cyclic shift.</summary>
    Cycle,

    /// <summary>Signed permutation.</summary>
    Permutation,

    /// <summary>Identity.</summary>
    Identity,
}

/// <summary>One case: the same for both sides of a comparison.</summary>
/// <param name="Mode">What is timed.</param>
/// <param name="Hidden">Units N.</param>
/// <param name="Batch">Sequences B.</param>
/// <param name="Steps">Time steps T.</param>
/// <param name="Threads">Threads that each side works with.</param>
/// <param name="StateMiB">What states of this library may take in training, the others being recomputed; null: all are kept.</param>
/// <param name="Cell">The step.</param>
/// <param name="Filter">O, for the cell that has one.</param>
/// <param name="Lengths">Whether sequences have lengths, uniform in 1 to T.</param>
internal sealed record Workload(
    Mode Mode, int Hidden, int Batch, int Steps, int Threads, long? StateMiB = null,
    CellKind Cell = CellKind.Roa, FilterKind Filter = FilterKind.Haar, bool Lengths = false)
{
    /// <summary>Gates G of the cell.</summary>
    public int Gates => Cell switch
    {
        CellKind.Gru => 3,
        CellKind.Lstm => 4,
        _ => 1,
    };

    /// <summary>Whether each gate has two biases.</summary>
    public bool HasRecurrentBias => Cell is CellKind.Gru or CellKind.Lstm;

    /// <summary>Inputs of a step: one pixel.</summary>
    public const int Inputs = 1;

    /// <summary>Classes of the readout: ten digits.</summary>
    public const int Classes = 10;

    /// <summary>So small that the loss after a step is near the one before: sums over many time steps make larger steps magnify roundings.</summary>
    public const double LearningRate = 1e-5;
}
