namespace OrthoNative.Benchmarks.Models;

/// <summary>The weights, the filter and the batch that both sides start from.</summary>
internal sealed class ModelData
{
    public const double Alpha = 1;
    public const double Beta = 0.05;

    private const double WeightScale = 0.2;
    private const int Reflections = 8;

    private readonly Random _random = new(20221);

    public ModelData(Workload workload)
    {
        int units = workload.Hidden;
        double readoutScale = 1 / Math.Sqrt(units);
        Weight = Normal(units * units, WeightScale / Math.Sqrt(units));
        InputWeight = Uniform(units * Workload.Inputs, -1, 1);
        Bias = Uniform(units, -1, 1);
        ReadoutWeight = Uniform(Workload.Classes * units, -readoutScale, readoutScale);
        ReadoutBias = Uniform(Workload.Classes, -readoutScale, readoutScale);
        Filter = Orthogonal(units);
        Inputs = Uniform(workload.Steps * workload.Batch * Workload.Inputs, 0, 1);
        Targets = new int[workload.Batch];
        for (int i = 0; i < Targets.Length; i++)
        {
            Targets[i] = _random.Next(Workload.Classes);
        }
    }

    /// <summary>W, <c>[N, N]</c>.</summary>
    public float[] Weight { get; }

    /// <summary>V, <c>[N, 1]</c>.</summary>
    public float[] InputWeight { get; }

    /// <summary>b, <c>[N]</c>.</summary>
    public float[] Bias { get; }

    /// <summary><c>[10, N]</c>.</summary>
    public float[] ReadoutWeight { get; }

    /// <summary><c>[10]</c>.</summary>
    public float[] ReadoutBias { get; }

    /// <summary>O, <c>[N, N]</c>.</summary>
    public double[,] Filter { get; }

    /// <summary><c>[T, B, 1]</c>.</summary>
    public float[] Inputs { get; }

    /// <summary><c>[B]</c>.</summary>
    public int[] Targets { get; }

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
