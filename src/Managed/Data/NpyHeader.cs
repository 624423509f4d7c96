using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The header of an array in NumPy's format.</summary>
internal sealed class NpyHeader
{
    /// <summary>NumPy itself refuses headers above 10,000 bytes.</summary>
    private const int MaximumHeaderBytes = 1 << 16;

    /// <summary>NumPy arrays have at most 64 dimensions.</summary>
    private const int MaximumDimensions = 64;

    private const int MaximumTextUnits = 1 << 20;

    private readonly OffsetReader _reader;
    private readonly string _text;
    private readonly long _start;
    private int _at;

    private NpyHeader(OffsetReader reader, string text, long start)
    {
        _reader = reader;
        _text = text;
        _start = start;
    }

    public string Name => _reader.Name;

    public string Description { get; private set; } = "";

    /// <summary>b, i, u, f, U or S.</summary>
    public char Kind { get; private set; }

    /// <summary>Bytes of an element that is a number; characters of one that is a text.</summary>
    public int Size { get; private set; }

    public bool IsBigEndian { get; private set; }

    public bool IsFortranOrder { get; private set; }

    public int[] Shape { get; private set; } = [];

    /// <summary>Number of elements.</summary>
    public int Count { get; private set; }

    /// <summary>Numbers, or characters, of an element.</summary>
    public int UnitsOfElement => Kind is 'U' or 'S' ? Size : 1;

    /// <summary>Bytes of such a number or character.</summary>
    public int UnitBytes => Kind switch
    {
        'U' => 4,
        'S' => 1,
        _ => Size,
    };

    public int Units => Count * UnitsOfElement;

    public static NpyHeader Read(OffsetReader reader, long maximumBytes)
    {
        Span<byte> magic = stackalloc byte[8];
        reader.ReadExactly(magic, "the 8 bytes at the start of an NPY file");
        if (!magic.StartsWith((ReadOnlySpan<byte>)[0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y']))
        {
            reader.Fail(0, $"found bytes {Convert.ToHexString(magic[..6])}", "934E554D5059, the start of an NPY file");
        }

        if (magic[6] is < 1 or > 3 || magic[7] != 0)
        {
            reader.Fail(6, $"found version {magic[6]}.{magic[7]}", "1.0, 2.0 or 3.0");
        }

        Span<byte> size = stackalloc byte[4];
        size.Clear();
        long at = reader.Offset;
        reader.ReadExactly(size[..(magic[6] == 1 ? 2 : 4)], "the length of the header");
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(size);
        if (length > MaximumHeaderBytes)
        {
            reader.Fail(at, $"found a header of {length} bytes", $"at most {MaximumHeaderBytes}");
        }

        long start = reader.Offset;
        byte[] bytes = new byte[length];
        reader.ReadExactly(bytes, $"a header of {length} bytes");

        // One character for each byte, so that offsets are right; what is not ASCII can stand in names of fields alone, which are refused.
        var header = new NpyHeader(reader, Encoding.Latin1.GetString(bytes), start);
        header.Parse();
        header.CheckSize(maximumBytes);
        return header;
    }

    private void Parse()
    {
        bool hasDescription = false, hasOrder = false, hasShape = false;
        Expect('{');
        while (!TryTake('}'))
        {
            int at = Skip();
            string key = Text("a key in quotes");
            Expect(':');
            switch (key)
            {
                case "descr" when !hasDescription:
                    ParseDescription();
                    hasDescription = true;
                    break;
                case "fortran_order" when !hasOrder:
                    IsFortranOrder = Boolean();
                    hasOrder = true;
                    break;
                case "shape" when !hasShape:
                    ParseShape();
                    hasShape = true;
                    break;
                default:
                    Fail(at, $"found the key '{ForeignText.Clean(key)}'", "'descr', 'fortran_order' and 'shape', each once");
                    break;
            }

            if (!TryTake(','))
            {
                Expect('}');
                break;
            }
        }

        if (!hasDescription || !hasOrder || !hasShape)
        {
            Fail(_at, $"found the end of the header without '{(!hasDescription ? "descr" : !hasOrder ? "fortran_order" : "shape")}'", "'descr', 'fortran_order' and 'shape'");
        }

        Skip();
        if (_at < _text.Length)
        {
            Fail(_at, "found more text behind the header", "spaces and a line feed");
        }
    }

    private void ParseDescription()
    {
        const string Expected = "b1, i1 to i8, u1 to u8, f2, f4, f8, U or S, such as '<f4'";
        int at = Skip();
        if (Peek() is '[')
        {
            Fail(at, "found an element type of several fields", Expected);
        }

        Description = Text("an element type in quotes");
        ReadOnlySpan<char> text = Description;
        char order = text is ['<' or '>' or '|' or '=', ..] ? text[0] : '=';
        text = text is ['<' or '>' or '|' or '=', ..] ? text[1..] : text;
        Kind = text.IsEmpty ? ' ' : text[0];
        bool isNumber = int.TryParse(text.IsEmpty ? text : text[1..], NumberStyles.None, CultureInfo.InvariantCulture, out int size);
        bool isKnown = isNumber && Kind switch
        {
            'b' => size == 1,
            'i' or 'u' => size is 1 or 2 or 4 or 8,
            'f' => size is 2 or 4 or 8,
            'U' or 'S' => size is >= 1 and <= MaximumTextUnits,
            _ => false,
        };
        Size = size;
        if (!isKnown || (order == '|' && UnitBytes > 1))
        {
            Fail(at, $"found element type '{ForeignText.Clean(Description)}'{Explain(Kind)}", Expected);
        }

        IsBigEndian = order == '>' || (order == '=' && !BitConverter.IsLittleEndian);
    }

    private static string Explain(char kind) => kind switch
    {
        'O' => " (Python objects, which only running code could read)",
        'c' => " (complex numbers)",
        'M' => " (dates; save them as numbers)",
        'm' => " (spans of time; save them as numbers)",
        'V' => " (raw bytes)",
        _ => "",
    };

    private void ParseShape()
    {
        Expect('(');
        List<int> sizes = [];
        while (!TryTake(')'))
        {
            int at = Skip();
            int start = _at;
            while (_at < _text.Length && char.IsAsciiDigit(_text[_at]))
            {
                _at++;
            }

            if (!int.TryParse(_text.AsSpan(start, _at - start), NumberStyles.None, CultureInfo.InvariantCulture, out int size) || size > Array.MaxLength)
            {
                Fail(at, start == _at ? Found() : $"found size {ForeignText.Clean(_text[start.._at])}", $"the size of a dimension, 0 to {Array.MaxLength}");
            }

            // Python 2 wrote long numbers so.
            TryTake('L');
            sizes.Add(size);
            if (sizes.Count > MaximumDimensions)
            {
                Fail(at, $"found more than {MaximumDimensions} dimensions", $"at most {MaximumDimensions}");
            }

            if (!TryTake(','))
            {
                Expect(')');
                break;
            }
        }

        Shape = [.. sizes];
    }

    private void CheckSize(long maximumBytes)
    {
        long count = Array.IndexOf(Shape, 0) >= 0 ? 0 : 1;
        foreach (int size in Shape)
        {
            count *= size;
            if (count * UnitsOfElement > Array.MaxLength)
            {
                Fail(0, "found an array of more elements", $"at most {Array.MaxLength / UnitsOfElement} of '{ForeignText.Clean(Description)}'");
            }
        }

        Count = (int)count;
        long bytes = count * UnitsOfElement * UnitBytes;
        if (bytes > maximumBytes)
        {
            Fail(0, $"found an array of {bytes} bytes", $"at most {maximumBytes}, the option {nameof(NpzOptions.MaximumBytes)}");
        }
    }

    private string Text(string what)
    {
        int at = Skip();
        char quote = Peek();
        int end = quote is '\'' or '"' ? _text.IndexOf(quote, at + 1) : -1;
        if (end < 0)
        {
            Fail(at, Found(), what);
        }

        _at = end + 1;
        return _text[(at + 1)..end];
    }

    private bool Boolean()
    {
        int at = Skip();
        foreach ((string name, bool value) in (ReadOnlySpan<(string, bool)>)[("True", true), ("False", false)])
        {
            if (_text.AsSpan(at).StartsWith(name, StringComparison.Ordinal))
            {
                _at += name.Length;
                return value;
            }
        }

        Fail(at, Found(), "True or False");
        return false;
    }

    private void Expect(char expected)
    {
        if (!TryTake(expected))
        {
            Fail(_at, Found(), $"'{expected}'");
        }
    }

    private bool TryTake(char expected)
    {
        Skip();
        if (Peek() != expected)
        {
            return false;
        }

        _at++;
        return true;
    }

    private int Skip()
    {
        while (_at < _text.Length && _text[_at] is ' ' or '\t' or '\r' or '\n')
        {
            _at++;
        }

        return _at;
    }

    private char Peek() => _at < _text.Length ? _text[_at] : '\0';

    private string Found() => _at < _text.Length ? $"found '{ForeignText.Clean(_text[_at].ToString())}'" : "found the end of the header";

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private void Fail(int at, string found, string expected) => _reader.Fail(_start + at, found, expected);
}
