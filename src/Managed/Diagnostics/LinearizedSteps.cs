namespace OrthoNative.Diagnostics;

/// <summary>The steps of a chain along the states that one input gives, in double precision: the Jacobian of each.</summary>
internal abstract class LinearizedSteps
{
    /// <param name="layer">A layer of a model.</param>
    /// <param name="steps">Number of steps.</param>
    /// <param name="stateSize">Numbers of a state.</param>
    /// <param name="initial">The state before the first step; empty: zeros.</param>
    /// <param name="cancellationToken">Ends what goes through the steps.</param>
    protected LinearizedSteps(ChainLayer layer, int steps, int stateSize, ReadOnlySpan<double> initial, CancellationToken cancellationToken)
    {
        Layer = layer;
        Units = (int)layer.HiddenSize;
        Count = steps;
        StateSize = stateSize;
        State = initial.IsEmpty ? new double[stateSize] : initial.ToArray();
        Saturation = new double[steps];
        CancellationToken = cancellationToken;
    }

    /// <summary>Number of steps.</summary>
    public int Count { get; }

    /// <summary>Numbers of a state.</summary>
    public int StateSize { get; }

    /// <summary>The state after the last step.</summary>
    public double[] State { get; }

    /// <summary>For each step, the share of derivatives of nonlinearities that are below a tenth of their largest value.</summary>
    public double[] Saturation { get; }

    /// <summary>Number of matrices N x N.</summary>
    public abstract int WeightCount { get; }

    protected ChainLayer Layer { get; }

    /// <summary>N.</summary>
    protected int Units { get; }

    /// <summary>Ends what goes through the steps.</summary>
    protected CancellationToken CancellationToken { get; }

    /// <summary>The Jacobian of a step.</summary>
    /// <param name="step">From 0.</param>
    /// <param name="matrix">Written.</param>
    public abstract void Jacobian(int step, double[] matrix);

    /// <summary>The part of the Jacobian of a step that passes W.</summary>
    /// <param name="step">From 0.</param>
    /// <param name="matrix">Written.</param>
    public abstract void ThroughWeights(int step, double[] matrix);

    /// <summary>The smallest and the largest singular value of the other part of the Jacobian of a step.</summary>
    public abstract (double Smallest, double Largest) PastWeights(int step);

    /// <summary>A matrix W.</summary>
    /// <param name="index">Which one.</param>
    /// <param name="matrix">Written, [N, N].</param>
    public abstract void Weights(int index, double[] matrix);

    /// <summary>The states that were kept are those of the parameters as they were.</summary>
    public virtual void ThrowIfParametersChanged() { }

    /// <summary>Numbers that the steps of a layer keep for each step.</summary>
    public static long NumbersOfStep(ChainLayer layer) => layer.HiddenSize * layer switch
    {
        Gru => GruSteps.VectorsOfStep,
        Lstm => LstmSteps.VectorsOfStep,
        _ => 1,
    };

    /// <summary>A parameter of the layer in double precision.</summary>
    protected double[] Widened(int parameter)
    {
        Tensor value = Layer.Parameters[parameter].Value;
        var numbers = new double[value.Count];
        DenseMath.Widen(value, 0, numbers);
        return numbers;
    }
}
