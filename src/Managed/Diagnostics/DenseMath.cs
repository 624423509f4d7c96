using System.Buffers;
using System.Numerics;
using System.Runtime.InteropServices;

namespace OrthoNative.Diagnostics;

/// <summary>Products of row-major matrices and vectors in double precision.</summary>
internal static class DenseMath
{
    public static double Dot(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        ReadOnlySpan<Vector<double>> xs = MemoryMarshal.Cast<double, Vector<double>>(x);
        ReadOnlySpan<Vector<double>> ys = MemoryMarshal.Cast<double, Vector<double>>(y);
        Vector<double> sum = Vector<double>.Zero;
        for (int i = 0; i < xs.Length; i++)
        {
            sum += xs[i] * ys[i];
        }

        double total = Vector.Sum(sum);
        for (int i = xs.Length * Vector<double>.Count; i < x.Length; i++)
        {
            total += x[i] * y[i];
        }

        return total;
    }

    public static double Norm(ReadOnlySpan<double> x) => Math.Sqrt(Dot(x, x));

    /// <summary>y += factor x.</summary>
    public static void AddScaled(ReadOnlySpan<double> x, double factor, Span<double> y)
    {
        ReadOnlySpan<Vector<double>> xs = MemoryMarshal.Cast<double, Vector<double>>(x);
        Span<Vector<double>> ys = MemoryMarshal.Cast<double, Vector<double>>(y);
        var factors = new Vector<double>(factor);
        for (int i = 0; i < xs.Length; i++)
        {
            ys[i] += factors * xs[i];
        }

        for (int i = xs.Length * Vector<double>.Count; i < x.Length; i++)
        {
            y[i] += factor * x[i];
        }
    }

    public static void Scale(Span<double> x, double factor)
    {
        for (int i = 0; i < x.Length; i++)
        {
            x[i] *= factor;
        }
    }

    /// <summary>y = A x.</summary>
    public static void Multiply(ReadOnlySpan<double> a, ReadOnlySpan<double> x, Span<double> y)
    {
        for (int i = 0; i < y.Length; i++)
        {
            y[i] = Dot(a.Slice(i * x.Length, x.Length), x);
        }
    }

    /// <summary>y = Aᵀ x.</summary>
    public static void MultiplyTransposed(ReadOnlySpan<double> a, ReadOnlySpan<double> x, Span<double> y)
    {
        y.Clear();
        for (int i = 0; i < x.Length; i++)
        {
            AddScaled(a.Slice(i * y.Length, y.Length), x[i], y);
        }
    }

    /// <summary>C = A B of n x n matrices, four rows at a time, so that a vector of B is read once for all of them.</summary>
    public static void Multiply(ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> c, int n)
    {
        int width = Vector<double>.Count;
        int whole = n % width == 0 ? n - (n % 4) : 0;
        ReadOnlySpan<Vector<double>> bs = MemoryMarshal.Cast<double, Vector<double>>(b);
        Span<Vector<double>> cs = MemoryMarshal.Cast<double, Vector<double>>(c);
        int vectors = n / width;
        for (int i = 0; i < whole; i += 4)
        {
            ReadOnlySpan<double> a0 = a.Slice(i * n, n);
            ReadOnlySpan<double> a1 = a.Slice((i + 1) * n, n);
            ReadOnlySpan<double> a2 = a.Slice((i + 2) * n, n);
            ReadOnlySpan<double> a3 = a.Slice((i + 3) * n, n);
            for (int v = 0; v < vectors; v++)
            {
                Vector<double> c0 = Vector<double>.Zero, c1 = c0, c2 = c0, c3 = c0;
                for (int k = 0; k < n; k++)
                {
                    Vector<double> row = bs[(k * vectors) + v];
                    c0 += row * a0[k];
                    c1 += row * a1[k];
                    c2 += row * a2[k];
                    c3 += row * a3[k];
                }

                cs[(i * vectors) + v] = c0;
                cs[((i + 1) * vectors) + v] = c1;
                cs[((i + 2) * vectors) + v] = c2;
                cs[((i + 3) * vectors) + v] = c3;
            }
        }

        for (int i = whole; i < n; i++)
        {
            MultiplyTransposed(b, a.Slice(i * n, n), c.Slice(i * n, n));
        }
    }

    /// <summary>Scales by a power of two so that the largest magnitude is near 1, where it is far from it.</summary>
    /// <returns>Exponent of the power that was taken out; 0 for zeros.</returns>
    public static int Normalize(Span<double> x)
    {
        const int Far = 256;
        double largest = 0;
        foreach (double value in x)
        {
            largest = Math.Max(largest, Math.Abs(value));
        }

        if (largest == 0 || !double.IsFinite(largest))
        {
            return 0;
        }

        int exponent = Math.ILogB(largest);
        if (Math.Abs(exponent) < Far)
        {
            return 0;
        }

        for (int i = 0; i < x.Length; i++)
        {
            x[i] = Math.ScaleB(x[i], -exponent);
        }

        return exponent;
    }

    /// <summary>A matrix or vector of a model, in double precision.</summary>
    public static void Widen(Tensor source, long start, Span<double> target)
    {
        if (source.DType == DType.Float64)
        {
            source.CopyTo(start, target);
            return;
        }

        if (source.Device.Kind == DeviceKind.Cpu)
        {
            Widen(source.Read<float>(start, target.Length), target);
            return;
        }

        float[] rented = ArrayPool<float>.Shared.Rent(target.Length);
        Span<float> values = rented.AsSpan(0, target.Length);
        source.CopyTo(start, values);
        Widen(values, target);
        ArrayPool<float>.Shared.Return(rented);
    }

    private static void Widen(ReadOnlySpan<float> values, Span<double> target)
    {
        ReadOnlySpan<Vector<float>> vectors = MemoryMarshal.Cast<float, Vector<float>>(values);
        Span<Vector<double>> wide = MemoryMarshal.Cast<double, Vector<double>>(target);
        for (int i = 0; i < vectors.Length; i++)
        {
            Vector.Widen(vectors[i], out wide[2 * i], out wide[(2 * i) + 1]);
        }

        for (int i = vectors.Length * Vector<float>.Count; i < target.Length; i++)
        {
            target[i] = values[i];
        }
    }
}
