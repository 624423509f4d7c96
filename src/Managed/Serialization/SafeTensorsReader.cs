using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace OrthoNative;

/// <summary>An open safetensors file whose header was read and found valid.</summary>
internal sealed class SafeTensorsReader : IDisposable
{
    private readonly string _path;
    private readonly SafeFileHandle _file;
    private readonly Dictionary<string, Entry> _entries = [];
    private readonly Dictionary<string, string> _metadata = [];
    private long _dataOffset;

    private SafeTensorsReader(string path, SafeFileHandle file)
    {
        _path = path;
        _file = file;
    }

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    public static SafeTensorsReader Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var reader = new SafeTensorsReader(path, File.OpenHandle(path));
        try
        {
            reader.ReadHeader();
            return reader;
        }
        catch
        {
            reader.Dispose();
            throw;
        }
    }

    public Dictionary<string, Tensor> ReadAll(Device device)
    {
        var tensors = new Dictionary<string, Tensor>();
        try
        {
            foreach ((string name, Entry entry) in _entries)
            {
                var tensor = new Tensor(device, entry.DType, entry.Shape);
                tensors.Add(name, tensor);
                Read(entry, tensor);
            }

            return tensors;
        }
        catch
        {
            foreach (Tensor tensor in tensors.Values)
            {
                tensor.Dispose();
            }

            throw;
        }
    }

    /// <summary>Reads the file's tensors into given ones, which must be the same by name, shape and element type.</summary>
    public void ReadInto(ReadOnlySpan<(string Name, Tensor Tensor)> targets)
    {
        Match(targets);
        foreach ((string name, Tensor tensor) in targets)
        {
            Read(_entries[name], tensor);
        }
    }

    /// <summary>Refuses tensors that are not the same as given ones by name, shape and element type.</summary>
    public void Match(ReadOnlySpan<(string Name, Tensor Tensor)> targets)
    {
        foreach ((string name, Tensor tensor) in targets)
        {
            if (!_entries.TryGetValue(name, out Entry entry))
            {
                throw new InvalidDataException($"'{_path}' has no tensor '{name}'; it has {string.Join(", ", _entries.Keys.Select(key => $"'{key}'"))}.");
            }

            if (entry.DType != tensor.DType || !tensor.Shape.SequenceEqual(entry.Shape))
            {
                throw new InvalidDataException(
                    $"'{_path}' at offset {entry.HeaderOffset}: tensor '{name}' is {entry.DType} {Check.FormatShape(entry.Shape)}; {tensor} is expected.");
            }
        }

        if (_entries.Count != targets.Length)
        {
            var expected = new HashSet<string>();
            foreach ((string name, _) in targets)
            {
                expected.Add(name);
            }

            (string extra, Entry entry) = _entries.First(pair => !expected.Contains(pair.Key));
            throw new InvalidDataException($"'{_path}' at offset {entry.HeaderOffset}: there is a tensor '{extra}'; none of this name is expected.");
        }
    }

    /// <summary>Refuses a tensor with a number that is NaN, infinite or, if <paramref name="minimum"/> is 0, negative.</summary>
    public void RequireFinite(string name, double minimum)
    {
        Entry entry = _entries[name];
        if (entry.DType == DType.Float32)
        {
            RequireFinite<float>(name, entry, (float)minimum);
        }
        else
        {
            RequireFinite<double>(name, entry, minimum);
        }
    }

    public void Dispose() => _file.Dispose();

    private void Read(Entry entry, Tensor tensor)
    {
        long bytes = entry.End - entry.Begin;
        byte[] chunk = new byte[long.Min(SafeTensors.ChunkBytes, bytes)];
        for (long position = 0; position < bytes; position += chunk.Length)
        {
            Span<byte> part = chunk.AsSpan(0, (int)long.Min(chunk.Length, bytes - position));
            ReadExactly(part, _dataOffset + entry.Begin + position);
            tensor.Upload<byte>(position, part);
        }
    }

    private void RequireFinite<T>(string name, Entry entry, T minimum) where T : unmanaged, IFloatingPointIeee754<T>
    {
        long bytes = entry.End - entry.Begin;
        byte[] chunk = new byte[long.Min(SafeTensors.ChunkBytes, bytes)];
        for (long position = 0; position < bytes; position += chunk.Length)
        {
            Span<byte> part = chunk.AsSpan(0, (int)long.Min(chunk.Length, bytes - position));
            ReadExactly(part, _dataOffset + entry.Begin + position);
            ReadOnlySpan<T> values = MemoryMarshal.Cast<byte, T>(part);
            for (int i = 0; i < values.Length; i++)
            {
                if (!T.IsFinite(values[i]) || values[i] < minimum)
                {
                    long offset = position + ((long)i * Unsafe.SizeOf<T>());
                    throw Invalid(
                        _dataOffset + entry.Begin + offset,
                        string.Create(CultureInfo.InvariantCulture, $"{name}[{offset / Unsafe.SizeOf<T>()}] is {values[i]}"),
                        minimum == T.Zero ? "a finite number, not negative, is expected" : "a finite number is expected");
                }
            }
        }
    }

    private void ReadExactly(Span<byte> destination, long offset)
    {
        while (!destination.IsEmpty)
        {
            int read = RandomAccess.Read(_file, destination, offset);
            if (read == 0)
            {
                throw Invalid(offset, "the file ends", $"{destination.Length} more bytes are expected");
            }

            destination = destination[read..];
            offset += read;
        }
    }

    private void ReadHeader()
    {
        long length = RandomAccess.GetLength(_file);
        Span<byte> prefix = stackalloc byte[SafeTensors.PrefixBytes];
        ReadExactly(prefix, 0);
        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        long mostBytes = long.Min(SafeTensors.MaximumHeaderBytes, length - SafeTensors.PrefixBytes);
        if (headerBytes < 2 || headerBytes > (ulong)mostBytes)
        {
            throw Invalid(0, $"the length of the header is {headerBytes}", $"2 to {mostBytes} is expected");
        }

        byte[] header = new byte[headerBytes];
        ReadExactly(header, SafeTensors.PrefixBytes);
        _dataOffset = SafeTensors.PrefixBytes + header.Length;
        try
        {
            new HeaderParser(this, header).Parse();
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException(
                $"'{_path}' at offset {SafeTensors.PrefixBytes + (exception.BytePositionInLine ?? 0)} (line {exception.LineNumber ?? 0} of the header): a JSON object is expected: {exception.Message}",
                exception);
        }

        long position = 0;
        foreach ((string name, Entry entry) in _entries.OrderBy(pair => pair.Value.Begin))
        {
            if (entry.Begin != position)
            {
                throw Invalid(entry.HeaderOffset, $"the data of tensor '{name}' begin at {entry.Begin}", $"{position}, where those before end, is expected");
            }

            position = entry.End;
        }

        if (_dataOffset + position != length)
        {
            throw Invalid(_dataOffset, $"there are {length - _dataOffset} bytes of data", $"{position} are expected");
        }
    }

    private InvalidDataException Invalid(long offset, string found, string expected) => new($"'{_path}' at offset {offset}: {found}; {expected}.");

    /// <param name="DType">Element type.</param>
    /// <param name="Shape">Sizes.</param>
    /// <param name="Begin">First byte within the data.</param>
    /// <param name="End">Byte after the last one within the data.</param>
    /// <param name="HeaderOffset">Where the file describes the tensor, for messages.</param>
    private readonly record struct Entry(DType DType, long[] Shape, long Begin, long End, long HeaderOffset);

    /// <summary>Reads the header token by token, so that messages can name the offset.</summary>
    private ref struct HeaderParser(SafeTensorsReader reader, ReadOnlySpan<byte> header)
    {
        private Utf8JsonReader _json = new(header);

        public void Parse()
        {
            Next(JsonTokenType.StartObject);
            while (NextName() is string name)
            {
                if (name == SafeTensors.MetadataKey)
                {
                    ParseMetadata();
                }
                else
                {
                    ParseTensor(name);
                }
            }

            // Throws if something follows.
            _json.Read();
        }

        private readonly long Offset => SafeTensors.PrefixBytes + _json.TokenStartIndex;

        private void ParseMetadata()
        {
            Next(JsonTokenType.StartObject);
            while (NextName() is string key)
            {
                Next(JsonTokenType.String);
                if (!reader._metadata.TryAdd(key, Text()))
                {
                    throw Invalid($"the name '{key}' is there again", "names that occur once are expected");
                }
            }
        }

        private void ParseTensor(string name)
        {
            long start = Offset;
            DType? dtype = null;
            long[]? shape = null;
            long[]? offsets = null;
            Next(JsonTokenType.StartObject);
            while (NextName() is string key)
            {
                switch (key)
                {
                    case SafeTensors.DTypeKey when dtype is null:
                        Next(JsonTokenType.String);
                        dtype = Text() switch
                        {
                            "F32" => DType.Float32,
                            "F64" => DType.Float64,
                            string other => throw Invalid($"the element type of tensor '{name}' is '{other}'", "'F32' or 'F64' is expected"),
                        };
                        break;
                    case SafeTensors.ShapeKey when shape is null:
                        shape = ParseNumbers();
                        break;
                    case SafeTensors.OffsetsKey when offsets is null:
                        offsets = ParseNumbers();
                        break;
                    default:
                        throw Invalid($"tensor '{name}' has '{key}'", $"'{SafeTensors.DTypeKey}', '{SafeTensors.ShapeKey}' and '{SafeTensors.OffsetsKey}', each once, are expected");
                }
            }

            if (dtype is null || shape is null || offsets is not { Length: 2 })
            {
                throw Invalid(
                    $"the description of tensor '{name}' is not complete",
                    $"'{SafeTensors.DTypeKey}', '{SafeTensors.ShapeKey}' and '{SafeTensors.OffsetsKey}' with 2 numbers are expected");
            }

            if (shape.Length > Tensor.MaximumRank || shape.Contains(0))
            {
                throw Invalid($"the shape of tensor '{name}' is {Check.FormatShape(shape)}", $"up to {Tensor.MaximumRank} sizes of at least 1 are expected");
            }

            Int128 bytes = dtype.Value.Bytes();
            foreach (long size in shape)
            {
                // Beyond any file; stopping here keeps the product within 128 bits.
                bytes = Int128.Min(bytes * size, (Int128)long.MaxValue + 1);
            }

            if (offsets[0] + bytes != offsets[1])
            {
                throw Invalid(
                    $"the data of tensor '{name}' are said to be bytes {offsets[0]} to {offsets[1]}",
                    $"{bytes} bytes are expected for {dtype} {Check.FormatShape(shape)}");
            }

            if (!reader._entries.TryAdd(name, new Entry(dtype.Value, shape, offsets[0], offsets[1], start)))
            {
                throw Invalid($"tensor '{name}' is there again", "names that occur once are expected");
            }
        }

        private long[] ParseNumbers()
        {
            var numbers = new List<long>();
            Next(JsonTokenType.StartArray);
            while (_json.Read() && _json.TokenType != JsonTokenType.EndArray)
            {
                if (_json.TokenType != JsonTokenType.Number || !_json.TryGetInt64(out long number) || number < 0)
                {
                    throw Invalid("there is no such number", "a whole number, 0 or more, is expected");
                }

                numbers.Add(number);
            }

            return [.. numbers];
        }

        /// <summary>The next name in an object; null at the object's end.</summary>
        private string? NextName()
        {
            _json.Read();
            return _json.TokenType == JsonTokenType.EndObject ? null : Text();
        }

        private readonly string Text()
        {
            try
            {
                return _json.GetString()!;
            }
            catch (InvalidOperationException)
            {
                throw Invalid("the text is not Unicode", "valid UTF-8 is expected");
            }
        }

        private void Next(JsonTokenType expected)
        {
            if (!_json.Read() || _json.TokenType != expected)
            {
                throw Invalid($"there is a JSON {_json.TokenType}", $"a JSON {expected} is expected");
            }
        }

        private readonly InvalidDataException Invalid(string found, string expected) => reader.Invalid(Offset, found, expected);
    }
}
