namespace OrthoNative.Benchmarks.Models;

/// <summary>The weights, the filter and the batch that both sides start from.</summary>
internal sealed class ModelData
{
    public const double Alpha = 1;
    public const double Beta = 0.05;

    /// <summary>Seed of this library's models, from which a permutation follows.</summary>
    public const ulong Seed = 1;

    private const double WeightScale = 0.2;
    private const double ElmanInputScale = 0.01;
    private const int Reflections = 8;

    private readonly Random _random = new(20221);

    public ModelData(Workload workload)
    {
        int units = workload.Hidden;
        double readoutScale = 1 / Math.Sqrt(units);
        (Weight, InputWeight, Bias) = workload.Cell switch
        {
            CellKind.Roa => (
                Normal(units * units, WeightScale / Math.Sqrt(units)), Uniform(units * Workload.Inputs, -1, 1), Uniform(units, -1, 1)),
            CellKind.Elman => Elman(units),
            _ => Gated(workload),
        };
        ReadoutWeight = Uniform(Workload.Classes * units, -readoutScale, readoutScale);
        ReadoutBias = Uniform(Workload.Classes, -readoutScale, readoutScale);
        if (workload.Cell == CellKind.Roa)
        {
            Filter = FilterOf(workload);
        }

        Inputs = Uniform(workload.Steps * workload.Batch * Workload.Inputs, 0, 1);
        Targets = new int[workload.Batch];
        for (int i = 0; i < Targets.Length; i++)
        {
            Targets[i] = _random.Next(Workload.Classes);
        }

        if (workload.Lengths)
        {
            Lengths = new int[workload.Batch];
            for (int i = 0; i < Lengths.Length; i++)
            {
                Lengths[i] = 1 + _random.Next(workload.Steps);
            }
        }
    }

    /// <summary>W, <c>[G N, N]</c>.</summary>
    public float[] Weight { get; }

    /// <summary>V, <c>[G N, 1]</c>.</summary>
    public float[] InputWeight { get; }

    /// <summary>b, <c>[G N]</c>, or <c>[2, G N]</c> where gates have two biases.</summary>
    public float[] Bias { get; }

    /// <summary><c>[10, N]</c>.</summary>
    public float[] ReadoutWeight { get; }

    /// <summary><c>[10]</c>.</summary>
    public float[] ReadoutBias { get; }

    /// <summary>O, <c>[N, N]</c>; empty for cells without one.</summary>
    public double[,] Filter { get; } = new double[0, 0];

    /// <summary><c>[T, B, 1]</c>.</summary>
    public float[] Inputs { get; }

    /// <summary><c>[B]</c>.</summary>
    public int[] Targets { get; }

    /// <summary><c>[B]</c>, in no order; null: all sequences have T steps.</summary>
    public int[]? Lengths { get; }

    /// <summary>
    /// W = -O and small inputs keep states small, so gradients do not fade over 784 steps: a network whose gradients do is full of
    /// subnormal numbers, with which the peers compute slowly.
    /// </summary>
    private (float[] Weight, float[] InputWeight, float[] Bias) Elman(int units)
    {
        double[,] orthogonal = Orthogonal(units);
        float[] weight = [.. orthogonal.Cast<double>().Select(value => (float)-value)];
        return (
            weight, Uniform(units * Workload.Inputs, -ElmanInputScale, ElmanInputScale), Uniform(units, -ElmanInputScale, ElmanInputScale));
    }

    /// <summary>
    /// As PyTorch starts, but for the gates that keep the state: their mean is 1 - 1/T, so that gradients do not fade (C. Tallec and
    /// Y. Ollivier, 2018).
    /// </summary>
    private (float[] Weight, float[] InputWeight, float[] Bias) Gated(Workload workload)
    {
        int units = workload.Hidden;
        int rows = workload.Gates * units;
        double scale = 1 / Math.Sqrt(units);
        float[] weight = Uniform(rows * units, -scale, scale);
        float[] inputWeight = Uniform(rows * Workload.Inputs, -scale, scale);
        float[] bias = Uniform(2 * rows, -scale, scale);
        float offset = MathF.Log(workload.Steps);
        for (int i = 0; i < units; i++)
        {
            // Both GRU's z and LSTM's f are the second gate; LSTM's i, the first one, is 1 / T.
            bias[units + i] += offset;
            bias[i] -= workload.Cell == CellKind.Lstm ? offset : 0;
        }

        return (weight, inputWeight, bias);
    }

    private double[,] FilterOf(Workload workload)
    {
        int units = workload.Hidden;
        switch (workload.Filter)
        {
            case FilterKind.Haar:
                return Orthogonal(units);
            case FilterKind.Permutation:
                using (Device device = Device.Cpu(1))
                {
                    var layer = new RoaRnn(Workload.Inputs, units, new RoaRnnOptions { Filter = OrthoNative.Filter.Permutation });
                    using var model = new Sequential(device, Seed, layer);
                    return layer.GetFilter();
                }

            default:
                var matrix = new double[units, units];
                for (int i = 0; i < units; i++)
                {
                    matrix[i, workload.Filter == FilterKind.Cycle ? (i + units - 1) % units : i] = 1;
                }

                return matrix;
        }
    }

    private float[] Uniform(int count, double low, double high) => Draw(count, () => low + ((high - low) * _random.NextDouble()));

    private float[] Normal(int count, double deviation) => Draw(count, () => deviation * NextNormal());

    private static float[] Draw(int count, Func<double> next)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = (float)next();
        }

        return values;
    }

    private double NextNormal() =>
        Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble());

    /// <summary>
    /// A product of a few random reflections: orthogonal and dense, as the time needs it, and made in a moment, which a
    /// Haar-distributed matrix of 1024 units is not.
    /// </summary>
    private double[,] Orthogonal(int size)
    {
        var matrix = new double[size, size];
        for (int i = 0; i < size; i++)
        {
            matrix[i, i] = 1;
        }

        var direction = new double[size];
        for (int reflection = 0; reflection < Reflections; reflection++)
        {
            double squares = 0;
            for (int i = 0; i < size; i++)
            {
                direction[i] = NextNormal();
                squares += direction[i] * direction[i];
            }

            for (int row = 0; row < size; row++)
            {
                double product = 0;
                for (int i = 0; i < size; i++)
                {
                    product += matrix[row, i] * direction[i];
                }

                double factor = 2 * product / squares;
                for (int i = 0; i < size; i++)
                {
                    matrix[row, i] -= factor * direction[i];
                }
            }
        }

        return matrix;
    }
}
