using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Text;

namespace OrthoNative;

/// <summary>
/// Argument checks whose messages name the argument, what was given and what is required. A name may be a part of an argument,
/// <c>options.Beta1</c> or <c>layers[2]</c>: the message has it whole, <see cref="ArgumentException.ParamName"/> is the argument.
/// </summary>
internal static class Check
{
    public static void InRange(long value, long minimum, long maximum, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        if (value < minimum || value > maximum)
        {
            throw new ArgumentOutOfRangeException(Parameter(name), Actual(value), maximum == long.MaxValue
                ? string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; it must be at least {minimum}.")
                : string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; it must be from {minimum} to {maximum}."));
        }
    }

    public static void AtLeast(long value, long minimum, [CallerArgumentExpression(nameof(value))] string name = "") =>
        InRange(value, minimum, long.MaxValue, name);

    public static void AtLeast(double value, double minimum, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(double.IsFinite(value) && value >= minimum, value, string.Create(CultureInfo.InvariantCulture, $"finite and at least {minimum}"), name);

    public static void Finite(double value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(double.IsFinite(value), value, "finite", name);

    public static void NotNegative(double value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(double.IsFinite(value) && value >= 0, value, "finite and not negative", name);

    public static void Positive(double value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(double.IsFinite(value) && value > 0, value, "finite and above 0", name);

    /// <summary>From 0, which is included, to 1, which is not.</summary>
    public static void Fraction(double value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(value is >= 0 and < 1, value, "at least 0 and below 1", name);

    public static void Defined<T>(T value, [CallerArgumentExpression(nameof(value))] string name = "") where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
        {
            OneOf(value, Enum.GetValues<T>(), name);
        }
    }

    /// <summary>One of some values of an enumeration.</summary>
    public static void OneOf<T>(T value, T[] allowed, [CallerArgumentExpression(nameof(value))] string name = "") where T : struct, Enum
    {
        if (Array.IndexOf(allowed, value) < 0)
        {
            long number = Convert.ToInt64(value, CultureInfo.InvariantCulture);
            string given = Enum.GetName(value) ?? number.ToString(CultureInfo.InvariantCulture);
            throw new ArgumentOutOfRangeException(
                Parameter(name), number < 0 ? Actual(number) : value, $"{name} is {given}; it must be one of {string.Join(", ", allowed)}.");
        }
    }

    /// <summary>The element type must be one that the library computes with: Float32 or Float64.</summary>
    public static void FloatingPoint(DType dtype, [CallerArgumentExpression(nameof(dtype))] string name = "")
    {
        if (!dtype.IsFloatingPoint())
        {
            object actual = Enum.IsDefined(dtype) ? dtype : Actual((int)dtype);
            throw new ArgumentOutOfRangeException(Parameter(name), actual, string.Create(CultureInfo.InvariantCulture,
                $"{name} is {actual}; it must be {nameof(DType.Float32)} or {nameof(DType.Float64)}."));
        }
    }

    /// <summary>A tensor that is computed with must be Float32 or Float64.</summary>
    public static void FloatingPoint(Tensor tensor, [CallerArgumentExpression(nameof(tensor))] string name = "")
    {
        if (!tensor.DType.IsFloatingPoint())
        {
            throw new ArgumentException($"{name} has element type {tensor.DType}; it must be {nameof(DType.Float32)} or {nameof(DType.Float64)}.", Parameter(name));
        }
    }

    /// <summary>Integers lie in the host's memory alone: native functions read indices, classes and lengths from there.</summary>
    public static void Holds(Device device, DType dtype, [CallerArgumentExpression(nameof(dtype))] string name = "")
    {
        if (device.Kind != DeviceKind.Cpu && !dtype.IsFloatingPoint())
        {
            throw new ArgumentException(
                $"{name} is {dtype}; it must be {nameof(DType.Float32)} or {nameof(DType.Float64)} on the device '{device}', since integers lie on CPU devices only.",
                Parameter(name));
        }
    }

    /// <summary>A part of an argument must be given.</summary>
    public static void NotNull([NotNull] object? value, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        if (value is null)
        {
            throw new ArgumentNullException(Parameter(name), $"{name} is null; it must be given.");
        }
    }

    /// <summary>Tells whether a number stays finite when it is rounded to an element type.</summary>
    public static bool IsFinite(double value, DType dtype) => dtype == DType.Float32 ? float.IsFinite((float)value) : double.IsFinite(value);

    /// <summary>A number that is computed with in an element type must be finite there.</summary>
    public static void Finite(double value, DType dtype, [CallerArgumentExpression(nameof(value))] string name = "") =>
        That(IsFinite(value, dtype), value, $"finite in {dtype}", name);

    /// <summary>A buffer must have so many elements.</summary>
    public static void Length(int length, long expected, string name)
    {
        if (length != expected)
        {
            throw new ArgumentException($"{name} has {length} elements; it must have {expected}.", name);
        }
    }

    /// <summary>The argument that a name is a part of.</summary>
    public static string Parameter(string name)
    {
        int end = name.AsSpan().IndexOfAny('.', '[');
        return end < 0 ? name : name[..end];
    }

    /// <summary>A tensor that works together with others must have their element type, and lie on their GPU device, or on any CPU device as they do.</summary>
    public static void Compatible(Tensor tensor, Device device, DType dtype, [CallerArgumentExpression(nameof(tensor))] string name = "")
    {
        NotNull(tensor, name);
        tensor.ThrowIfDisposed();
        if (Mismatch(tensor, device, dtype, name) is { } problem)
        {
            throw new ArgumentException(problem, Parameter(name));
        }
    }

    /// <summary>The message about a tensor of another element type, or on a device with other memory; null: it has those. Indices lie in the host's memory, whatever the device.</summary>
    public static string? Mismatch(Tensor tensor, Device device, DType dtype, string name) =>
        tensor.DType != dtype
            ? $"{name} has element type {tensor.DType}; it must be {dtype}."
            : dtype == DType.Int32 || tensor.Device.SharesMemoryWith(device)
                ? null
                : device.Kind == DeviceKind.Cpu
                    ? $"{name} lies on the device '{tensor.Device}'; it must lie on a CPU device."
                    : $"{name} lies on the device '{tensor.Device}'; it must lie on the same {nameof(Device)} object as the others, '{device}'.";

    public static void Shape(Tensor tensor, ReadOnlySpan<long> expected, [CallerArgumentExpression(nameof(tensor))] string name = "")
    {
        if (Mismatch(tensor, expected, name) is { } problem)
        {
            throw new ArgumentException(problem, Parameter(name));
        }
    }

    /// <summary>The message about a tensor of another shape; null: it has that one.</summary>
    public static string? Mismatch(Tensor tensor, ReadOnlySpan<long> expected, string name) =>
        tensor.Shape.SequenceEqual(expected) ? null : $"{name} has shape {FormatShape(tensor.Shape)}; it must be {FormatShape(expected)}.";

    /// <summary>No element of a tensor on a CPU device may be NaN or infinite; whole numbers are neither.</summary>
    public static void AllFinite(Tensor tensor, [CallerArgumentExpression(nameof(tensor))] string name = "")
    {
        switch (tensor.DType)
        {
            case DType.Float32:
                AllFinite<float>(tensor, name);
                break;
            case DType.Float64:
                AllFinite<double>(tensor, name);
                break;
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
                    string.Create(CultureInfo.InvariantCulture, $"{found} \\u{(int)text[i]:X4} at index {i}, half of a surrogate pair; it must be valid Unicode."),
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
            ReadOnlySpan<T> values = tensor.Read<T>(start, (int)long.Min(Chunk, tensor.Count - start));
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
                        string.Create(CultureInfo.InvariantCulture, $"{name}[{start + i}] is {values[i]}; it must be finite."),
                        double.CreateChecked(values[i]));
                }
            }
        }
    }

    /// <summary>
    /// A number for <see cref="ArgumentOutOfRangeException.ActualValue"/>, which the exception appends to its message in the current culture: where
    /// that would spell it differently, the text takes its place.
    /// </summary>
    private static object Actual<T>(T value) where T : struct, INumber<T>
    {
        string text = value.ToString(null, CultureInfo.InvariantCulture);
        return value.ToString(null, CultureInfo.CurrentCulture) == text ? value : text;
    }

    public static void That(bool condition, double value, string required, string name)
    {
        if (!condition)
        {
            throw new ArgumentOutOfRangeException(
                Parameter(name), Actual(value), string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; it must be {required}."));
        }
    }
}
