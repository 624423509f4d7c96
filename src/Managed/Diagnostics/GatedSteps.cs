namespace OrthoNative.Diagnostics;

/// <summary>
/// Steps of gates: row i of block p of the Jacobian is Σ_g s_pgi (row i of W_g) in the columns of h, and a number d_pi in column i of the last
/// carried vector.
/// </summary>
internal abstract class GatedSteps : LinearizedSteps
{
    private readonly int _gates;
    private readonly int _blocks;
    private readonly double[] _weights;

    // For each step s, [S, G, N], and d, [S, N].
    private readonly double[] _slopes;
    private readonly int _stepSize;

    /// <param name="layer">A layer of a model.</param>
    /// <param name="gates">G.</param>
    /// <param name="blocks">S, the carried vectors: h, and c of an LSTM.</param>
    /// <param name="steps">T.</param>
    /// <param name="inputs">[T, D].</param>
    /// <param name="initial">[S, N]; empty: zeros.</param>
    /// <param name="cancellationToken">Ends what goes through the steps.</param>
    protected GatedSteps(
        RecurrentLayer layer, int gates, int blocks, int steps, ReadOnlySpan<double> inputs, ReadOnlySpan<double> initial, CancellationToken cancellationToken)
        : base(layer, steps, blocks * (int)layer.HiddenSize, initial, cancellationToken)
    {
        (_gates, _blocks) = (gates, blocks);
        _stepSize = blocks * (gates + 1) * Units;
        _slopes = new double[(long)steps * _stepSize];
        _weights = Widened(0);
        Run(inputs);
    }

    public override int WeightCount => _gates;

    public override void Jacobian(int step, double[] matrix)
    {
        ThroughWeights(step, matrix);
        ReadOnlySpan<double> past = Past(step);
        int column = StateSize - Units;
        for (int row = 0; row < StateSize; row++)
        {
            matrix[(row * StateSize) + column + (row % Units)] += past[row];
        }
    }

    /// <summary>Every computation asks for it at every step, so this is where one is cancelled.</summary>
    public override void ThroughWeights(int step, double[] matrix)
    {
        CancellationToken.ThrowIfCancellationRequested();
        ReadOnlySpan<double> slopes = _slopes.AsSpan(step * _stepSize, _blocks * _gates * Units);
        for (int row = 0; row < StateSize; row++)
        {
            (int block, int unit) = Math.DivRem(row, Units);
            Span<double> target = matrix.AsSpan(row * StateSize, StateSize);
            target.Clear();
            for (int gate = 0; gate < _gates; gate++)
            {
                double slope = slopes[(((block * _gates) + gate) * Units) + unit];
                DenseMath.AddScaled(_weights.AsSpan(((gate * Units) + unit) * Units, Units), slope, target[..Units]);
            }
        }
    }

    public override (double Smallest, double Largest) PastWeights(int step)
    {
        // One column of blocks: the columns are orthogonal, and those of the other vectors are 0.
        ReadOnlySpan<double> past = Past(step);
        double smallest = _blocks == 1 ? double.PositiveInfinity : 0;
        double largest = 0;
        for (int i = 0; i < Units; i++)
        {
            double squares = 0;
            for (int block = 0; block < _blocks; block++)
            {
                squares += past[(block * Units) + i] * past[(block * Units) + i];
            }

            smallest = Math.Min(smallest, Math.Sqrt(squares));
            largest = Math.Max(largest, Math.Sqrt(squares));
        }

        return (smallest, largest);
    }

    public override void Weights(int index, double[] matrix)
    {
        CancellationToken.ThrowIfCancellationRequested();
        _weights.AsSpan(index * Units * Units, Units * Units).CopyTo(matrix);
    }

    /// <summary>Computes a step of one unit.</summary>
    /// <param name="unit">Which one.</param>
    /// <param name="drive">V u + b of all gates, [G, N].</param>
    /// <param name="recurrent">W h of all gates and the second bias, [G, N].</param>
    /// <param name="state">The state before, [S, N].</param>
    /// <param name="next">Written at the unit: the state after, [S, N].</param>
    /// <param name="slopes">Written at the unit: [S, G, N].</param>
    /// <param name="past">Written at the unit: [S, N].</param>
    /// <returns>Number of saturated gates.</returns>
    protected abstract int Step(
        int unit, ReadOnlySpan<double> drive, ReadOnlySpan<double> recurrent, ReadOnlySpan<double> state, Span<double> next, Span<double> slopes, Span<double> past);

    /// <summary>The logistic function and its derivative.</summary>
    protected static (double Value, double Slope) Logistic(double z)
    {
        double value = 1 / (1 + Math.Exp(-z));

        // 1 - σ(z) = σ(-z), which does not cancel.
        return (value, value / (1 + Math.Exp(z)));
    }

    /// <summary>1 if the derivative of a logistic function is far below its largest value, 1/4.</summary>
    protected static int SaturatedLogistic(double slope) => 4 * slope < LinearizedChain.SaturationThreshold ? 1 : 0;

    /// <summary>1 if the derivative of a tanh is far below its largest value, 1.</summary>
    protected static int SaturatedTanh(double slope) => slope < LinearizedChain.SaturationThreshold ? 1 : 0;

    private Span<double> Past(int step) => _slopes.AsSpan((step * _stepSize) + (_blocks * _gates * Units), _blocks * Units);

    /// <summary>Runs the chain and keeps the derivatives of every step.</summary>
    private void Run(ReadOnlySpan<double> inputs)
    {
        int inputSize = (int)Layer.InputSize;
        int rows = _gates * Units;
        double[] inputWeights = Widened(2);

        // One bias, or two: [2, G N].
        double[] biases = Widened(1);
        double[] drive = new double[rows];
        double[] recurrent = new double[rows];
        double[] next = new double[StateSize];
        for (int k = 0; k < Count; k++)
        {
            CancellationToken.ThrowIfCancellationRequested();
            DenseMath.Multiply(inputWeights, inputs.Slice(k * inputSize, inputSize), drive);
            DenseMath.Multiply(_weights, State.AsSpan(0, Units), recurrent);
            DenseMath.AddScaled(biases.AsSpan(0, rows), 1, drive);
            if (biases.Length > rows)
            {
                DenseMath.AddScaled(biases.AsSpan(rows), 1, recurrent);
            }

            int saturated = 0;
            Span<double> slopes = _slopes.AsSpan(k * _stepSize, _blocks * _gates * Units);
            for (int i = 0; i < Units; i++)
            {
                saturated += Step(i, drive, recurrent, State, next, slopes, Past(k));
            }

            Saturation[k] = (double)saturated / rows;
            next.CopyTo(State, 0);
        }
    }
}

/// <summary>Steps of a GRU: h' = (1 - z) n + z h.</summary>
internal sealed class GruSteps(Gru layer, int steps, ReadOnlySpan<double> inputs, ReadOnlySpan<double> initial, CancellationToken cancellationToken)
    : GatedSteps(layer, Gates, Blocks, steps, inputs, initial, cancellationToken)
{
    private const int Gates = 3;
    private const int Blocks = 1;

    /// <summary>Vectors [N] that are kept for each step.</summary>
    public const int VectorsOfStep = Blocks * (Gates + 1);

    protected override int Step(
        int unit, ReadOnlySpan<double> drive, ReadOnlySpan<double> recurrent, ReadOnlySpan<double> state, Span<double> next, Span<double> slopes, Span<double> past)
    {
        int gateZ = Units + unit, gateN = (2 * Units) + unit;
        (double r, double slopeR) = Logistic(drive[unit] + recurrent[unit]);
        (double z, double slopeZ) = Logistic(drive[gateZ] + recurrent[gateZ]);
        double n = Math.Tanh(drive[gateN] + (r * recurrent[gateN]));
        double slopeN = 1 - (n * n);
        double h = state[unit];
        next[unit] = ((1 - z) * n) + (z * h);
        slopes[unit] = (1 - z) * slopeN * recurrent[gateN] * slopeR;
        slopes[gateZ] = (h - n) * slopeZ;
        slopes[gateN] = (1 - z) * slopeN * r;
        past[unit] = z;
        return SaturatedLogistic(slopeR) + SaturatedLogistic(slopeZ) + SaturatedTanh(slopeN);
    }
}

/// <summary>Steps of an LSTM: c' = f c + i g, h' = o tanh c'.</summary>
internal sealed class LstmSteps(Lstm layer, int steps, ReadOnlySpan<double> inputs, ReadOnlySpan<double> initial, CancellationToken cancellationToken)
    : GatedSteps(layer, Gates, Blocks, steps, inputs, initial, cancellationToken)
{
    private const int Gates = 4;
    private const int Blocks = 2;

    /// <summary>Vectors [N] that are kept for each step.</summary>
    public const int VectorsOfStep = Blocks * (Gates + 1);

    protected override int Step(
        int unit, ReadOnlySpan<double> drive, ReadOnlySpan<double> recurrent, ReadOnlySpan<double> state, Span<double> next, Span<double> slopes, Span<double> past)
    {
        int gateF = Units + unit, gateG = (2 * Units) + unit, gateO = (3 * Units) + unit;
        (double i, double slopeI) = Logistic(drive[unit] + recurrent[unit]);
        (double f, double slopeF) = Logistic(drive[gateF] + recurrent[gateF]);
        double g = Math.Tanh(drive[gateG] + recurrent[gateG]);
        double slopeG = 1 - (g * g);
        (double o, double slopeO) = Logistic(drive[gateO] + recurrent[gateO]);
        double before = state[Units + unit];
        double c = (f * before) + (i * g);
        double t = Math.Tanh(c);
        double slopeH = o * (1 - (t * t));
        next[unit] = o * t;
        next[Units + unit] = c;

        // c' first, then h', which depends on c' and on o.
        Span<double> cell = slopes[(Gates * Units)..];
        cell[unit] = g * slopeI;
        cell[gateF] = before * slopeF;
        cell[gateG] = i * slopeG;
        cell[gateO] = 0;
        slopes[unit] = slopeH * cell[unit];
        slopes[gateF] = slopeH * cell[gateF];
        slopes[gateG] = slopeH * cell[gateG];
        slopes[gateO] = t * slopeO;
        past[unit] = slopeH * f;
        past[Units + unit] = f;
        return SaturatedLogistic(slopeI) + SaturatedLogistic(slopeF) + SaturatedTanh(slopeG) + SaturatedLogistic(slopeO);
    }
}
