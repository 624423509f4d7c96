using System.Runtime.InteropServices;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// Counter-based random numbers (Philox4x32-10): a value depends on seed, purpose, index and position alone. Streams of
/// different purpose or index are independent.
/// </summary>
internal static unsafe class RandomNumbers
{
    /// <summary>Uniform in [low, high); low everywhere where both are the same.</summary>
    /// <exception cref="ArgumentException">The element type cannot hold such numbers.</exception>
    public static void Uniform(ulong seed, ortho_stream purpose, uint index, double low, double high, Tensor values)
    {
        if (low == high)
        {
            Check.Finite(low, values.DType);
            values.Fill(low);
            return;
        }

        Write(values, memory =>
            NativeMethods.ortho_random_uniform(seed, (int)purpose, index, low, high, values.DType.ToNative(), values.Count, (void*)memory));
    }

    /// <summary>Uniform in [low, high).</summary>
    public static void Uniform(ulong seed, ortho_stream purpose, uint index, double low, double high, Span<double> values)
    {
        fixed (double* memory = values)
        {
            NativeMethods.ortho_random_uniform(seed, (int)purpose, index, low, high, DType.Float64.ToNative(), values.Length, memory).ThrowOnFailure();
        }
    }

    /// <summary>Normal with mean 0.</summary>
    public static void Normal(ulong seed, ortho_stream purpose, uint index, double standardDeviation, Tensor values) =>
        Write(values, memory =>
            NativeMethods.ortho_random_normal(seed, (int)purpose, index, 0, standardDeviation, values.DType.ToNative(), values.Count, (void*)memory));

    /// <summary>A uniformly random permutation of 0..length-1.</summary>
    public static void Permutation(ulong seed, ortho_stream purpose, uint index, Span<long> permutation)
    {
        fixed (long* memory = permutation)
        {
            NativeMethods.ortho_random_permutation(seed, (int)purpose, index, permutation.Length, memory).ThrowOnFailure();
        }
    }

    /// <summary>Numbers are drawn in the host's memory; a tensor that lies elsewhere is filled from there.</summary>
    private static void Write(Tensor values, Func<nint, ortho_status> draw)
    {
        if (values.Device.Kind == DeviceKind.Cpu)
        {
            using BufferScope memory = values.BorrowToWrite();
            draw((nint)memory.Address).ThrowOnFailure();
            return;
        }

        long bytes = values.Count * values.DType.Bytes();
        void* drawn = NativeMemory.Alloc((nuint)bytes);
        try
        {
            draw((nint)drawn).ThrowOnFailure();
            values.CopyFromHost(0, drawn, bytes);
        }
        finally
        {
            NativeMemory.Free(drawn);
        }
    }
}
