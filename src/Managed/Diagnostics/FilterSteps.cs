namespace OrthoNative.Diagnostics;

/// <summary>Steps of filters: J_k = diag(α) O_k + diag(β φ') W_k.</summary>
internal sealed class FilterSteps : LinearizedSteps
{
    private readonly FilterCell _cell;
    private readonly double[]? _sharedFilter;
    private readonly double[]? _sharedWeights;
    private readonly double[] _slopes;
    private readonly long _parameterWrites;

    public FilterSteps(ChainLayer layer, int steps, ReadOnlySpan<double> inputs, ReadOnlySpan<double> initial, CancellationToken cancellationToken)
        : base(layer, steps, (int)layer.HiddenSize, initial, cancellationToken)
    {
        _cell = layer.Filters!;
        _parameterWrites = layer.Parameters[0].Value.Watch.Writes;
        _slopes = new double[(long)steps * Units];
        if (!layer.HasFilterPerLayer)
        {
            _sharedFilter = ScaledFilter(0);
        }

        if (layer is RecurrentLayer)
        {
            _sharedWeights = Widened(0);
        }

        Run(inputs);
    }

    public override int WeightCount => _sharedWeights is null ? Count : 1;

    public override void Jacobian(int step, double[] matrix)
    {
        ThroughWeights(step, matrix);
        DenseMath.AddScaled(_sharedFilter ?? ScaledFilter(step), 1, matrix);
    }

    public override void ThroughWeights(int step, double[] matrix)
    {
        Weights(step, matrix);
        for (int i = 0; i < Units; i++)
        {
            DenseMath.Scale(matrix.AsSpan(i * Units, Units), _slopes[(step * Units) + i]);
        }
    }

    public override (double Smallest, double Largest) PastWeights(int step) => (_cell.Alpha.Min(Math.Abs), _cell.Alpha.Max(Math.Abs));

    /// <summary>W of a step. Every computation asks for it at every step, so this is where one is cancelled.</summary>
    public override void Weights(int index, double[] matrix)
    {
        CancellationToken.ThrowIfCancellationRequested();
        if (_sharedWeights is not null)
        {
            _sharedWeights.CopyTo(matrix, 0);
        }
        else
        {
            DenseMath.Widen(Layer.Parameters[0].Value, (long)index * Units * Units, matrix);
        }
    }

    public override void ThrowIfParametersChanged()
    {
        if (_sharedWeights is null && Layer.Parameters[0].Value.Watch.Writes != _parameterWrites)
        {
            throw new InvalidOperationException("The layer's parameters changed since the chain was made. Make a new one.");
        }
    }

    /// <summary>Runs the chain and keeps βφ' of every step.</summary>
    private void Run(ReadOnlySpan<double> inputs)
    {
        int inputSize = Layer is RecurrentLayer ? (int)Layer.InputSize : 0;
        double[] inputWeights = inputSize > 0 ? Widened(2) : [];
        Tensor biases = Layer.Parameters[1].Value;
        bool tanh = _cell.Activation == Activation.Tanh;
        double[] weights = new double[Units * Units];
        double[] bias = new double[Units];
        double[] z = new double[Units];
        double[] next = new double[Units];
        for (int k = 0; k < Count; k++)
        {
            Weights(k, weights);
            DenseMath.Multiply(weights, State, z);
            DenseMath.Widen(biases, _sharedWeights is null ? (long)k * Units : 0, bias);
            DenseMath.Multiply(_sharedFilter ?? ScaledFilter(k), State, next);
            int saturated = 0;
            for (int i = 0; i < Units; i++)
            {
                double drive = bias[i] + (inputSize > 0 ? DenseMath.Dot(inputWeights.AsSpan(i * inputSize, inputSize), inputs.Slice(k * inputSize, inputSize)) : 0);
                double value = z[i] + drive;
                double phi = tanh ? Math.Tanh(value) : Math.Max(0, value);
                double slope = tanh ? 1 - (phi * phi) : value > 0 ? 1 : 0;
                double beta = _cell.Beta.Count == 1 ? _cell.Beta[0] : _cell.Beta[i];
                _slopes[(k * Units) + i] = beta * slope;
                next[i] += beta * phi;
                saturated += slope < LinearizedChain.SaturationThreshold ? 1 : 0;
            }

            Saturation[k] = (double)saturated / Units;
            next.CopyTo(State, 0);
        }
    }

    /// <summary>diag(α) O.</summary>
    private double[] ScaledFilter(long layer)
    {
        double[,] filter = Layer.CopyFilter(layer);
        var scaled = new double[Units * Units];
        for (int i = 0; i < Units; i++)
        {
            double alpha = _cell.Alpha.Count == 1 ? _cell.Alpha[0] : _cell.Alpha[i];
            for (int j = 0; j < Units; j++)
            {
                scaled[(i * Units) + j] = alpha * filter[i, j];
            }
        }

        return scaled;
    }
}
