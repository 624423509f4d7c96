using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Text;

namespace OrthoNative;

/// <summary>Argument checks whose messages name the argument, what was given and what is allowed.</summary>
internal static class Check
{
    public static void InRange(long value, long minimum, long maximum, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        if (value < minimum || value > maximum)
        {
            throw new ArgumentOutOfRangeException(name, maximum == long.MaxValue
                ? string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; at least {minimum} is allowed.")
                : string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; {minimum} to {maximum} is allowed."));
        }
    }

    public static void AtLeast(long value, long minimum, [CallerArgumentExpression(nameof(value))] string name = "") =>
        InRange(value, minimum, long.MaxValue, name);

    public static void AtLeast(double value, double minimum, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(double.IsFinite(value) && value >= minimum, value, string.Create(CultureInfo.InvariantCulture, $"a finite number of at least {minimum}"), name);

    public static void Finite(double value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(double.IsFinite(value), value, "a finite number", name);

    public static void NotNegative(double value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(double.IsFinite(value) && value >= 0, value, "a finite number, 0 or more,", name);

    public static void Positive(double value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(double.IsFinite(value) && value > 0, value, "a finite number above 0", name);

    /// <summary>0 is allowed, 1 is not.</summary>
    public static void Fraction(double value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(value is >= 0 and < 1, value, "a number from 0 to 1, 1 excluded,", name);

    public static void Defined<T>(T value, [CallerArgumentExpression(nameof(value))] string name = "") where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
        {
            throw new ArgumentOutOfRangeException(name, string.Create(CultureInfo.InvariantCulture,
                $"{name} is {value}; {string.Join(", ", Enum.GetNames<T>())} are allowed."));
        }
    }

    /// <summary>A tensor that works together with others must lie on their device and have their element type.</summary>
    public static void Compatible(Tensor tensor, Device device, DType dtype, [CallerArgumentExpression(nameof(tensor))] string name = "")
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        tensor.ThrowIfDisposed();
        if (tensor.DType != dtype)
        {
            throw new ArgumentException($"{name} has element type {tensor.DType}; {dtype} is allowed.", name);
        }

        if (tensor.Device != device)
        {
            throw new ArgumentException($"{name} lies on the device '{tensor.Device}'; the same object as that of the others is allowed, '{device}'.", name);
        }
    }

    public static void Shape(Tensor tensor, ReadOnlySpan<long> expected, [CallerArgumentExpression(nameof(tensor))] string name = "")
    {
        if (!tensor.Shape.SequenceEqual(expected))
        {
            throw new ArgumentException($"{name} has shape {FormatShape(tensor.Shape)}; {FormatShape(expected)} is allowed.", name);
        }
    }

    /// <summary>No element of a tensor on a CPU device may be NaN or infinite.</summary>
    public static void AllFinite(Tensor tensor, [CallerArgumentExpression(nameof(tensor))] string name = "")
    {
        if (tensor.DType == DType.Float32)
        {
            AllFinite<float>(tensor, name);
        }
        else
        {
            AllFinite<double>(tensor, name);
        }
    }

    /// <summary>Text that goes into a file must be text that UTF-8 can hold; a writer would put another character for half of a surrogate pair.</summary>
    /// <param name="text">The text.</param>
    /// <param name="found">The message's beginning, before the offending half.</param>
    /// <param name="name">The argument.</param>
    public static void Utf8(string text, string found, string name)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(text[i]))
            {
                throw new ArgumentException(
                    string.Create(CultureInfo.InvariantCulture, $"{found} \\u{(int)text[i]:X4} at index {i}, half of a surrogate pair; text that UTF-8 can hold is allowed."),
                    name);
            }
        }
    }

    public static string FormatShape(ReadOnlySpan<long> shape)
    {
        var text = new StringBuilder("[");
        for (int i = 0; i < shape.Length; i++)
        {
            text.Append(i == 0 ? "" : ", ").Append(CultureInfo.InvariantCulture, $"{shape[i]}");
        }

        return text.Append(']').ToString();
    }

    private static void AllFinite<T>(Tensor tensor, string name) where T : unmanaged, INumberBase<T>
    {
        const int Chunk = 1 << 20;
        for (long start = 0; start < tensor.Count; start += Chunk)
        {
            ReadOnlySpan<T> values = tensor.AsSpan<T>(start, (int)long.Min(Chunk, tensor.Count - start));
            int i = 0;

            // x - x is 0 for finite x alone.
            for (; i <= values.Length - Vector<T>.Count; i += Vector<T>.Count)
            {
                var vector = new Vector<T>(values[i..]);
                if (!Vector.EqualsAll(vector - vector, Vector<T>.Zero))
                {
                    break;
                }
            }

            for (; i < values.Length; i++)
            {
                if (!T.IsFinite(values[i]))
                {
                    throw new NotFiniteNumberException(
                        string.Create(CultureInfo.InvariantCulture, $"{name}[{start + i}] is {values[i]}; finite numbers are allowed."),
                        double.CreateChecked(values[i]));
                }
            }
        }
    }

    private static void That(bool condition, double value, string allowed, string name)
    {
        if (!condition)
        {
            throw new ArgumentOutOfRangeException(name, string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; {allowed} is allowed."));
        }
    }
}
