using System.Runtime.InteropServices;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// Counter-based random numbers (Philox4x32-10): a value depends on seed, purpose, index and position alone. Streams of
/// different purpose or index are independent.
/// </summary>
internal static unsafe class RandomNumbers
{
    /// <summary>
    /// Uniform in [low, high); low everywhere where both are the same. <c>filled</c> is called now and then with the number of values so far, and may throw to
    /// end it.
    /// </summary>
    /// <exception cref="ArgumentException">The element type cannot hold such numbers.</exception>
    public static void Uniform(ulong seed, ortho_stream purpose, uint index, double low, double high, Tensor values, Action<long>? filled = null)
    {
        if (low == high)
        {
            Check.Finite(low, values.DType);
            values.Fill(low);
            filled?.Invoke(values.Count);
            return;
        }

        Write(values, filled, (first, count, memory) =>
            NativeMethods.ortho_random_uniform(seed, (int)purpose, index, low, high, values.DType.ToNative(), first, count, (void*)memory));
    }

    /// <summary>Uniform in [low, high).</summary>
    public static void Uniform(ulong seed, ortho_stream purpose, uint index, double low, double high, Span<double> values, long first = 0)
    {
        fixed (double* memory = values)
        {
            NativeMethods.ortho_random_uniform(seed, (int)purpose, index, low, high, DType.Float64.ToNative(), first, values.Length, memory).ThrowOnFailure();
        }
    }

    /// <summary>Normal with mean 0 and standard deviation 1: those at positions from <c>first</c> of the stream.</summary>
    public static void Normal(ulong seed, ortho_stream purpose, uint index, long first, Span<float> values)
    {
        fixed (float* memory = values)
        {
            NativeMethods.ortho_random_normal(seed, (int)purpose, index, 0, 1, DType.Float32.ToNative(), first, values.Length, memory).ThrowOnFailure();
        }
    }

    /// <summary>
    /// A seed of its own for each use that has no purpose of its own, by the finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014): no two uses of
    /// a seed have the same one.
    /// </summary>
    public static ulong SeedOf(ulong seed, ulong use)
    {
        ulong mixed = seed + ((use + 1) * 0x9E3779B97F4A7C15);
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }

    /// <summary>Normal with mean 0. <c>filled</c> is called now and then with the number of values so far, and may throw to end it.</summary>
    public static void Normal(ulong seed, ortho_stream purpose, uint index, double standardDeviation, Tensor values, Action<long>? filled = null) =>
        Write(values, filled, (first, count, memory) =>
            NativeMethods.ortho_random_normal(seed, (int)purpose, index, 0, standardDeviation, values.DType.ToNative(), first, count, (void*)memory));

    /// <summary>
    /// Normal with mean 0 and a standard deviation for each row, which begin again after the last one. Rows of the same deviation have the bits that they have where all have it.
    /// </summary>
    public static void Normal(ulong seed, ortho_stream purpose, uint index, double[] rowDeviations, long columns, Tensor values, Action<long>? filled = null) =>
        Write(values, filled, (first, count, memory) =>
        {
            long end = first + count;
            for (long begin = first; begin < end;)
            {
                long row = begin / columns;
                double deviation = rowDeviations[row % rowDeviations.Length];
                long next = row + 1;
                while (next * columns < end && rowDeviations[next % rowDeviations.Length] == deviation)
                {
                    next++;
                }

                long part = long.Min(next * columns, end) - begin;
                ortho_status status = NativeMethods.ortho_random_normal(
                    seed, (int)purpose, index, 0, deviation, values.DType.ToNative(), begin, part, (byte*)memory + ((begin - first) * values.DType.Bytes()));
                if (status != ortho_status.ORTHO_OK)
                {
                    return status;
                }

                begin += part;
            }

            return ortho_status.ORTHO_OK;
        });

    /// <summary>A uniformly random permutation of 0..length-1.</summary>
    public static void Permutation(ulong seed, ortho_stream purpose, uint index, Span<long> permutation)
    {
        fixed (long* memory = permutation)
        {
            NativeMethods.ortho_random_permutation(seed, (int)purpose, index, permutation.Length, memory).ThrowOnFailure();
        }
    }

    /// <summary>Values that are drawn at once, between two calls of who is told.</summary>
    private const long Chunk = 1 << 22;

    /// <summary>Numbers are drawn in the host's memory; a tensor that lies elsewhere is filled from there.</summary>
    private static void Write(Tensor values, Action<long>? filled, Func<long, long, nint, ortho_status> draw)
    {
        long size = values.DType.Bytes();
        bool isHere = values.Device.Kind == DeviceKind.Cpu;
        using BufferScope memory = isHere ? values.BorrowToWrite() : default;
        void* drawn = isHere ? memory.Address : NativeMemory.Alloc((nuint)(long.Min(values.Count, Chunk) * size));
        try
        {
            for (long first = 0; first < values.Count; first += Chunk)
            {
                long count = long.Min(Chunk, values.Count - first);
                draw(first, count, (nint)drawn + (nint)(isHere ? first * size : 0)).ThrowOnFailure();
                if (!isHere)
                {
                    values.CopyFromHost(first * size, drawn, count * size);
                }

                filled?.Invoke(first + count);
            }
        }
        finally
        {
            if (!isHere)
            {
                NativeMemory.Free(drawn);
            }
        }
    }
}
