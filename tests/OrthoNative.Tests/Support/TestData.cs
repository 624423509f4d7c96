using System.Runtime.InteropServices;
using MathNet.Numerics.LinearAlgebra;

namespace OrthoNative.Tests;

/// <summary>Tensors and arrays for tests.</summary>
internal static class TestData
{
    /// <summary>Numbers uniform in ± scale.</summary>
    public static double[] Uniform(Random random, long count, double scale = 1)
    {
        var values = new double[count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = ((2 * random.NextDouble()) - 1) * scale;
        }

        return values;
    }

    /// <summary>A tensor of either element type, rounded where it must be.</summary>
    public static Tensor ToTensor(double[] values, DType dtype, params ReadOnlySpan<long> shape) => ToTensor(Device.Default, values, dtype, shape);

    /// <summary>A tensor of either element type on any device.</summary>
    public static Tensor ToTensor(Device device, double[] values, DType dtype, params ReadOnlySpan<long> shape)
    {
        var tensor = new Tensor(device, dtype, shape);
        SetValues(tensor, values);
        return tensor;
    }

    /// <summary>A float64 tensor with numbers uniform in ± scale.</summary>
    public static Tensor UniformTensor(Random random, double scale, params ReadOnlySpan<long> shape) =>
        UniformTensor(Device.Default, random, scale, shape);

    /// <summary>A float64 tensor on any device.</summary>
    public static Tensor UniformTensor(Device device, Random random, double scale, params ReadOnlySpan<long> shape)
    {
        var tensor = new Tensor(device, DType.Float64, shape);
        SetValues(tensor, Uniform(random, tensor.Count, scale));
        return tensor;
    }

    public static void SetValues(Tensor tensor, double[] values)
    {
        switch (tensor.DType)
        {
            case DType.Float64:
                tensor.CopyFrom<double>(values);
                break;
            case DType.Float32:
                tensor.CopyFrom<float>(Array.ConvertAll(values, value => (float)value));
                break;
            default:
                tensor.CopyFrom<int>(Array.ConvertAll(values, value => (int)value));
                break;
        }
    }

    public static double[] Values(Tensor tensor) => tensor.DType switch
    {
        DType.Float64 => tensor.ToArray<double>(),
        DType.Float32 => Array.ConvertAll(tensor.ToArray<float>(), value => (double)value),
        _ => Array.ConvertAll(tensor.ToArray<int>(), value => (double)value),
    };

    /// <summary>The bits of all elements.</summary>
    public static byte[] Bytes(Tensor tensor) => tensor.DType switch
    {
        DType.Float64 => MemoryMarshal.AsBytes<double>(tensor.ToArray<double>()).ToArray(),
        DType.Float32 => MemoryMarshal.AsBytes<float>(tensor.ToArray<float>()).ToArray(),
        _ => MemoryMarshal.AsBytes<int>(tensor.ToArray<int>()).ToArray(),
    };

    /// <summary>A model of layers without parameters: it needs one, so a dense layer follows that multiplies by the identity.</summary>
    public static Sequential WithIdentity(Device device, SequentialOptions options, params ReadOnlySpan<Layer> layers)
    {
        long size = layers[^1].OutputSize;
        var model = new Sequential(device, options, [.. layers, new Dense(size, size, new DenseOptions { Bias = false })]);
        double[] identity = new double[size * size];
        for (long i = 0; i < size; i++)
        {
            identity[(i * size) + i] = 1;
        }

        SetValues(model.ParameterData, identity);
        return model;
    }

    public static Parameter Parameter(Sequential model, string name) => model.Parameters.Single(parameter => parameter.Name == name);

    /// <summary>A [size, size] matrix from row-major numbers.</summary>
    public static double[,] Matrix(double[] values, long size)
    {
        var matrix = new double[size, size];
        Buffer.BlockCopy(values, 0, matrix, 0, values.Length * sizeof(double));
        return matrix;
    }

    /// <summary>An orthogonal matrix.</summary>
    public static double[,] Orthogonal(int size) =>
        Matrix<double>.Build.Random(size, size, 12).QR().Q.ToArray();
}
