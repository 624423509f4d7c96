namespace OrthoNative;

/// <summary>
/// Conversion between sequences that lie sample by sample, <c>[B, T, D]</c>, as most programs keep them, and tensors that lie step by step,
/// <c>[T, B, D]</c>, as the layers take them.
/// </summary>
public static class SequenceTensor
{
    /// <summary>Creates a tensor <c>[T, B, D]</c> of sequences of equal length.</summary>
    /// <typeparam name="T">float, double or int; decides the element type.</typeparam>
    /// <param name="device">Where the tensor lies.</param>
    /// <param name="values">[B, T, D].</param>
    /// <param name="batch">B, at least 1.</param>
    /// <param name="steps">T, at least 1.</param>
    /// <param name="features">D, at least 1.</param>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is another type, or the number of elements is not B T D.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A size is less than 1.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static Tensor FromBatchMajor<T>(Device device, ReadOnlySpan<T> values, long batch, long steps, long features) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(device);
        CheckSize(batch);
        CheckSize(steps);
        CheckSize(features);
        RequireProduct(values.Length, batch, steps, features, nameof(values));
        var tensor = new Tensor(device, DTypes.Of<T>(), steps, batch, features);
        if (device.Kind == DeviceKind.Cpu)
        {
            Transpose(values, tensor.AsSpan<T>(), (int)batch, (int)steps, (int)features);
        }
        else
        {
            T[] rows = new T[values.Length];
            Transpose(values, rows, (int)batch, (int)steps, (int)features);
            tensor.CopyFrom<T>(rows);
        }

        return tensor;
    }

    /// <summary>Creates a tensor <c>[T, B, D]</c> of sequences of any lengths; T is the longest one, and what is beyond a sequence's length is 0.</summary>
    /// <typeparam name="T">float, double or int; decides the element type.</typeparam>
    /// <param name="device">Where the tensor lies.</param>
    /// <param name="sequences">[T, D] of each of the B samples, with a T of its own, at least 1.</param>
    /// <param name="features">D, at least 1.</param>
    /// <param name="lengths">The lengths, [B].</param>
    /// <exception cref="ArgumentException">
    /// <typeparamref name="T"/> is another type, there are no sequences, or the number of elements of one is no positive multiple of D.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="features"/> is less than 1.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static Tensor FromSequences<T>(Device device, IReadOnlyList<T[]> sequences, long features, out int[] lengths) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(sequences);
        CheckSize(features);
        if (sequences.Count == 0)
        {
            throw new ArgumentException($"{nameof(sequences)} is empty; at least one is required.", nameof(sequences));
        }

        lengths = new int[sequences.Count];
        int steps = 0;
        for (int i = 0; i < lengths.Length; i++)
        {
            Check.NotNull(sequences[i], $"{nameof(sequences)}[{i}]");
            int length = sequences[i].Length;
            if (length == 0 || length % features != 0)
            {
                throw new ArgumentException($"{nameof(sequences)}[{i}] has {length} elements; it must have a positive multiple of {features}, {nameof(features)}.", nameof(sequences));
            }

            lengths[i] = (int)(length / features);
            steps = Math.Max(steps, lengths[i]);
        }

        var tensor = new Tensor(device, DTypes.Of<T>(), steps, lengths.Length, features);
        int width = (int)features;

        // Step by step, so that a GPU takes large pieces.
        T[] row = new T[(long)lengths.Length * width];
        for (int step = 0; step < steps; step++)
        {
            for (int i = 0; i < lengths.Length; i++)
            {
                Span<T> destination = row.AsSpan(i * width, width);
                if (step < lengths[i])
                {
                    sequences[i].AsSpan(step * width, width).CopyTo(destination);
                }
                else
                {
                    destination.Clear();
                }
            }

            tensor.CopyFrom<T>((long)step * row.Length, row);
        }

        return tensor;
    }

    /// <summary>Copies a tensor <c>[T, B, D]</c>, sample by sample.</summary>
    /// <typeparam name="T">The .NET type of the element type.</typeparam>
    /// <param name="tensor">[T, B, D].</param>
    /// <returns>[B, T, D].</returns>
    /// <exception cref="ArgumentException">The tensor has another number of dimensions, or <typeparamref name="T"/> is not its element type.</exception>
    /// <exception cref="NotFiniteNumberException">Earlier work on a GPU met a value that is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public static T[] ToBatchMajor<T>(Tensor tensor) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(tensor);
        RequireSequences(tensor);
        T[] values = new T[tensor.Count];
        CopyToBatchMajor<T>(tensor, values);
        return values;
    }

    /// <summary>Copies a tensor <c>[T, B, D]</c>, sample by sample.</summary>
    /// <typeparam name="T">The .NET type of the element type.</typeparam>
    /// <param name="tensor">[T, B, D].</param>
    /// <param name="destination">[B, T, D], written.</param>
    /// <exception cref="ArgumentException">
    /// The tensor has another number of dimensions, <typeparamref name="T"/> is not its element type, or the number of elements differs.
    /// </exception>
    /// <exception cref="NotFiniteNumberException">Earlier work on a GPU met a value that is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public static void CopyToBatchMajor<T>(Tensor tensor, Span<T> destination) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(tensor);
        RequireSequences(tensor);
        if (destination.Length != tensor.Count)
        {
            throw new ArgumentException($"{nameof(destination)} has {destination.Length} elements; it must have {tensor.Count}, as the tensor.", nameof(destination));
        }

        ReadOnlySpan<T> rows = tensor.Device.Kind == DeviceKind.Cpu ? tensor.Read<T>(0, (int)tensor.Count) : tensor.ToArray<T>();

        // [T, B, D] is [B, T, D] of as many samples as there are steps.
        Transpose(rows, destination, (int)tensor.Shape[0], (int)tensor.Shape[1], (int)tensor.Shape[2]);
    }

    /// <summary>Turns [B, T, D] into [T, B, D].</summary>
    private static void Transpose<T>(ReadOnlySpan<T> source, Span<T> destination, int batch, int steps, int features)
    {
        for (int step = 0; step < steps; step++)
        {
            for (int row = 0; row < batch; row++)
            {
                source.Slice(((row * steps) + step) * features, features).CopyTo(destination[(((step * batch) + row) * features)..]);
            }
        }
    }

    private static void RequireSequences(Tensor tensor)
    {
        if (tensor.Rank != 3)
        {
            throw new ArgumentException($"{nameof(tensor)} has shape {Check.FormatShape(tensor.Shape)}; it must be [T, B, D].", nameof(tensor));
        }
    }

    private static void RequireProduct(int length, long batch, long steps, long features, string name)
    {
        if (length / batch != steps * (double)features || length % batch != 0)
        {
            throw new ArgumentException($"{name} has {length} elements; it must have {batch} x {steps} x {features}.", name);
        }
    }

    private static void CheckSize(long size, [System.Runtime.CompilerServices.CallerArgumentExpression(nameof(size))] string name = "") =>
        Check.InRange(size, 1, Array.MaxLength, name);
}
