using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>An array read from a file in NumPy's <c>.npy</c> format, versions 1 to 3.</summary>
/// <remarks>
/// <para>
/// Elements are bool, i1 to i8, u1 to u8, f2, f4, f8, or texts (<c>U</c> in Unicode, <c>S</c> in ASCII), little or big-endian, in C or Fortran order; here they
/// come in C order, the last index fastest. Other element types are refused: Python objects, since reading those would run code, dates, complex numbers and records.
/// </para>
/// <para>
/// The format: the bytes <c>93 4E 55 4D 50 59</c>, a version of two bytes, the length of the header (two bytes in version 1, four in later ones), the header, which
/// is a Python dictionary with <c>descr</c>, <c>fortran_order</c> and <c>shape</c>, then the elements.
/// </para>
/// </remarks>
public sealed class NpyFile
{
    private readonly Array _elements;
    private readonly NpyHeader _header;
    private readonly int[] _shape;

    private NpyFile(NpyHeader header, Array elements)
    {
        _header = header;
        _shape = header.Shape;
        _elements = elements;
    }

    /// <summary>Size of each dimension, the slowest first; empty for a single element.</summary>
    public ReadOnlySpan<int> Shape => _shape;

    /// <summary>Number of elements.</summary>
    public int Count => _header.Count;

    /// <summary>Element type as the file spells it: <c>&lt;f4</c>, <c>|b1</c>, <c>&lt;U12</c>.</summary>
    public string ElementType => _header.Description;

    /// <summary>True if the elements are texts; false if they are numbers.</summary>
    public bool IsText => _header.Kind is 'U' or 'S';

    /// <summary>Reads a file whole.</summary>
    /// <param name="path">The file; it must end with the array.</param>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, or of another element type. The message has the file, the offset, what is there and what is expected.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public static NpyFile Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 16);
        var reader = new OffsetReader(file, ForeignText.CleanPath(path));
        NpyFile array = Read(reader, long.MaxValue);
        reader.RequireEnd("the end of the file behind the array");
        return array;
    }

    /// <summary>Reads an array from a stream, which may have more behind it.</summary>
    /// <param name="stream">Read to the end of the array; stays open.</param>
    /// <param name="name">Name of the stream for messages.</param>
    /// <exception cref="InvalidDataException">As of <see cref="Read(string)"/>. Offsets are counted from where the stream was.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static NpyFile Read(Stream stream, string name)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(name);
        return Read(new OffsetReader(stream, ForeignText.CleanPath(name)), long.MaxValue);
    }

    /// <summary>The elements in C order, rounded to <see cref="float"/>; true is 1.</summary>
    /// <exception cref="InvalidOperationException">The elements are texts.</exception>
    public float[] ToSingles() => Convert<float>();

    /// <summary>The elements in C order, rounded to <see cref="double"/>; true is 1.</summary>
    /// <exception cref="InvalidOperationException">The elements are texts.</exception>
    public double[] ToDoubles() => Convert<double>();

    /// <summary>The elements in C order as whole numbers; true is 1.</summary>
    /// <exception cref="InvalidOperationException">The elements are texts.</exception>
    /// <exception cref="InvalidDataException">An element is no whole number, or is outside of 64 bits with a sign.</exception>
    public long[] ToInt64s()
    {
        if (IsOf<ulong>())
        {
            return Array.ConvertAll(Convert<Int128>(), number => number <= long.MaxValue ? (long)number : throw NotWhole(number.ToString(CultureInfo.InvariantCulture)));
        }

        if (_header.Kind != 'f')
        {
            return Convert<long>();
        }

        const double End = 9223372036854775808;
        return Array.ConvertAll(ToDoubles(), number =>
            double.IsInteger(number) && number is >= -End and < End ? (long)number : throw NotWhole(number.ToString(CultureInfo.InvariantCulture)));

        InvalidDataException NotWhole(string number) => new($"{_header.Name}: found the element {number}; expected whole numbers of 64 bits.");
    }

    /// <summary>The elements in C order as texts: numbers in digits, with a point if they are not whole. Zeros at the end of a text are no part of it.</summary>
    /// <exception cref="InvalidDataException">A text is not valid Unicode, or not ASCII in the element type <c>S</c>.</exception>
    public string[] ToTexts()
    {
        string[] texts = new string[Count];
        if (IsText)
        {
            for (int i = 0; i < texts.Length; i++)
            {
                texts[i] = TextAt(i);
            }

            return Ordered(texts);
        }

        if (IsOf<long>() || IsOf<ulong>())
        {
            return Array.ConvertAll(Convert<Int128>(), number => number.ToString(CultureInfo.InvariantCulture));
        }

        // Labels are few numbers, and many of them equal.
        var known = new Dictionary<double, string>();
        double[] values = ToDoubles();
        for (int i = 0; i < texts.Length; i++)
        {
            if (!known.TryGetValue(values[i], out string? text))
            {
                text = values[i].ToString(CultureInfo.InvariantCulture);
                known[values[i]] = text;
            }

            texts[i] = text;
        }

        return texts;
    }

    /// <summary>Reads an array.</summary>
    /// <param name="reader">At its beginning.</param>
    /// <param name="maximumBytes">The most bytes of elements.</param>
    internal static NpyFile Read(OffsetReader reader, long maximumBytes)
    {
        NpyHeader header = NpyHeader.Read(reader, maximumBytes);
        return new NpyFile(header, header.Kind switch
        {
            'b' => ReadElements<byte>(reader, header),
            'i' => header.Size switch
            {
                1 => ReadElements<sbyte>(reader, header),
                2 => ReadElements<short>(reader, header),
                4 => ReadElements<int>(reader, header),
                _ => ReadElements<long>(reader, header),
            },
            'u' => header.Size switch
            {
                1 => ReadElements<byte>(reader, header),
                2 => ReadElements<ushort>(reader, header),
                4 => ReadElements<uint>(reader, header),
                _ => ReadElements<ulong>(reader, header),
            },
            'f' => header.Size switch
            {
                2 => ReadElements<Half>(reader, header),
                4 => ReadElements<float>(reader, header),
                _ => ReadElements<double>(reader, header),
            },
            'U' => ReadElements<uint>(reader, header),
            _ => (Array)ReadElements<byte>(reader, header),
        });
    }

    private static T[] ReadElements<T>(OffsetReader reader, NpyHeader header) where T : unmanaged
    {
        T[] elements = reader.ReadArray<T>(header.Units, $"{(long)header.Units * header.UnitBytes} bytes of elements, {Check.FormatShape([.. header.Shape.Select(size => (long)size)])} of '{ForeignText.Clean(header.Description)}'");
        if (header.IsBigEndian == BitConverter.IsLittleEndian && header.UnitBytes > 1)
        {
            const int Chunk = 1 << 20;
            for (int start = 0; start < elements.Length; start += Chunk)
            {
                Reverse(MemoryMarshal.AsBytes(elements.AsSpan(start, Math.Min(Chunk, elements.Length - start))), header.UnitBytes);
            }
        }

        return elements;
    }

    private static void Reverse(Span<byte> bytes, int size)
    {
        switch (size)
        {
            case 2:
                Span<ushort> two = MemoryMarshal.Cast<byte, ushort>(bytes);
                BinaryPrimitives.ReverseEndianness(two, two);
                break;
            case 4:
                Span<uint> four = MemoryMarshal.Cast<byte, uint>(bytes);
                BinaryPrimitives.ReverseEndianness(four, four);
                break;
            default:
                Span<ulong> eight = MemoryMarshal.Cast<byte, ulong>(bytes);
                BinaryPrimitives.ReverseEndianness(eight, eight);
                break;
        }
    }

    private T[] Convert<T>() where T : INumberBase<T>
    {
        if (IsText)
        {
            throw new InvalidOperationException($"The elements are texts ('{ForeignText.Clean(ElementType)}'), not numbers; {nameof(ToTexts)} gives them.");
        }

        return Ordered(
            _header.Kind == 'b' ? Array.ConvertAll((byte[])_elements, value => value == 0 ? T.Zero : T.One)
            : IsOf<T>() ? (T[])_elements.Clone()
            : IsOf<byte>() ? Convert<byte, T>()
            : IsOf<sbyte>() ? Convert<sbyte, T>()
            : IsOf<short>() ? Convert<short, T>()
            : IsOf<ushort>() ? Convert<ushort, T>()
            : IsOf<int>() ? Convert<int, T>()
            : IsOf<uint>() ? Convert<uint, T>()
            : IsOf<long>() ? Convert<long, T>()
            : IsOf<ulong>() ? Convert<ulong, T>()
            : IsOf<Half>() ? Convert<Half, T>()
            : IsOf<float>() ? Convert<float, T>()
            : Convert<double, T>());
    }

    /// <summary>Tells the type of the elements. A pattern would not do: to the runtime, an array of <see cref="sbyte"/> is one of <see cref="byte"/>, too.</summary>
    private bool IsOf<T>() => _elements.GetType() == typeof(T[]);

    private T[] Convert<TSource, T>() where TSource : INumberBase<TSource> where T : INumberBase<T>
    {
        var source = (TSource[])_elements;
        T[] result = new T[source.Length];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = T.CreateTruncating(source[i]);
        }

        return result;
    }

    /// <summary>A text, by its number in the file's order.</summary>
    private string TextAt(int index)
    {
        int width = _header.UnitsOfElement;
        if (_header.Kind == 'S')
        {
            ReadOnlySpan<byte> ascii = ((byte[])_elements).AsSpan(index * width, width).TrimEnd((byte)0);
            return Ascii.IsValid(ascii)
                ? Encoding.ASCII.GetString(ascii)
                : throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"{_header.Name}: element {index} is not ASCII; save it as str, element type U."));
        }

        ReadOnlySpan<uint> codes = ((uint[])_elements).AsSpan(index * width, width).TrimEnd(0u);
        var text = new StringBuilder(codes.Length);
        foreach (uint code in codes)
        {
            text.Append(Rune.IsValid(code)
                ? new Rune(code).ToString()
                : throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"{_header.Name}: element {index} has the code {code:X}; it must be valid Unicode.")));
        }

        return text.ToString();
    }

    /// <summary>Elements in C order.</summary>
    private T[] Ordered<T>(T[] elements)
    {
        if (!_header.IsFortranOrder || _shape.Length < 2)
        {
            return elements;
        }

        // The index counts up with the last dimension fastest; in the file, the first one is.
        T[] ordered = new T[elements.Length];
        int[] strides = new int[_shape.Length];
        int stride = 1;
        for (int i = 0; i < strides.Length; i++)
        {
            strides[i] = stride;
            stride *= _shape[i];
        }

        int[] index = new int[_shape.Length];
        int from = 0;
        for (int to = 0; to < ordered.Length; to++)
        {
            ordered[to] = elements[from];
            for (int i = index.Length - 1; i >= 0; i--)
            {
                from += strides[i];
                if (++index[i] < _shape[i])
                {
                    break;
                }

                from -= strides[i] * _shape[i];
                index[i] = 0;
            }
        }

        return ordered;
    }
}
