using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>An open safetensors file whose header was read and found valid.</summary>
internal sealed class SafeTensorsReader : IDisposable
{
    /// <summary>The most characters of what the reader of JSON says.</summary>
    private const int MaximumReason = 200;

    private readonly FileContent _content;
    private readonly Dictionary<string, Entry> _entries = [];
    private readonly Dictionary<string, string> _metadata = [];
    private long _dataOffset;
    private long _dataBytes;

    private SafeTensorsReader(FileContent content) => _content = content;

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>The file in messages.</summary>
    public string Place => _content.Place;

    public static SafeTensorsReader Open(string path) => Open(FileContent.Of(path));

    /// <summary>Opens what a stream has from its position on; the stream stays the caller's.</summary>
    public static SafeTensorsReader Open(Stream stream, CancellationToken cancellationToken) => Open(FileContent.Of(stream, cancellationToken));

    private static SafeTensorsReader Open(FileContent content)
    {
        var reader = new SafeTensorsReader(content);
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

    public IReadOnlyList<SafeTensorsEntry> List() =>
    [
        .. _entries.OrderBy(pair => pair.Value.Begin).ThenBy(pair => pair.Value.End).Select(pair => new SafeTensorsEntry(
            pair.Key, pair.Value.ElementType.Name, Array.AsReadOnly(pair.Value.Shape), pair.Value.Problem is null)),
    ];

    public Dictionary<string, Tensor> ReadAll(Device device, IProgress<double>? progress, CancellationToken cancellationToken) =>
        Read(device, [.. _entries.Keys], progress, cancellationToken);

    /// <summary>Reads tensors of given names into new ones. Where this ends early, it leaves none.</summary>
    public Dictionary<string, Tensor> Read(Device device, ReadOnlySpan<string> names, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        long bytes = 0;
        var wanted = new HashSet<string>();
        foreach (string name in names)
        {
            Entry entry = Find(name);
            if (entry.Problem is { } problem)
            {
                throw Invalid(entry.HeaderOffset, $"{problem.Found} of tensor '{ForeignText.Clean(name)}' is {problem.Value}", problem.Expected);
            }

            if (device.Kind != DeviceKind.Cpu && !entry.ElementType.DType!.Value.IsFloatingPoint())
            {
                throw new ArgumentException(
                    $"{nameof(device)} is '{device}'; it must be a CPU device for tensor '{ForeignText.Clean(name)}', whose element type is {entry.ElementType.Description}.",
                    nameof(device));
            }

            bytes += wanted.Add(name) ? entry.End - entry.Begin : 0;
        }

        var transfer = new TransferProgress(bytes, progress, cancellationToken);
        var tensors = new Dictionary<string, Tensor>();
        try
        {
            foreach (string name in wanted)
            {
                transfer.ThrowIfCancelled();
                Entry entry = _entries[name];
                var tensor = new Tensor(device, entry.ElementType.DType!.Value, entry.Shape);
                tensors.Add(name, tensor);
                Read(entry, tensor, ref transfer);
            }

            transfer.Complete();
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

    /// <summary>
    /// Reads the file's tensors into given ones, which must be the same by name, shape and element type. All of them are read before the first
    /// one changes, into as much memory again; what goes wrong until then, a cancellation, too, changes none.
    /// </summary>
    /// <param name="targets">Tensors by name.</param>
    /// <param name="progress">Told the part of the bytes that is read, up to 1, after which the targets are written.</param>
    /// <param name="cancellationToken">Ends the call until then.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled in time.</exception>
    public void ReadInto(ReadOnlySpan<(string Name, Tensor Tensor)> targets, IProgress<double>? progress = null, CancellationToken cancellationToken = default) =>
        ReadInto(targets, converts: false, progress, cancellationToken);

    /// <param name="targets">Tensors by name.</param>
    /// <param name="converts">True: numbers of another element type are converted.</param>
    /// <param name="progress">As in the other overload.</param>
    /// <param name="cancellationToken">As in the other overload.</param>
    public void ReadInto(ReadOnlySpan<(string Name, Tensor Tensor)> targets, bool converts, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        RequireAll(targets, converts);
        long bytes = 0;
        foreach ((string name, _) in targets)
        {
            bytes += _entries[name].End - _entries[name].Begin;
        }

        var transfer = new TransferProgress(bytes, progress, cancellationToken);
        var copies = new Tensor?[targets.Length];
        try
        {
            for (int i = 0; i < targets.Length; i++)
            {
                transfer.ThrowIfCancelled();
                copies[i] = new Tensor(Device.Default, targets[i].Tensor.DType, targets[i].Tensor.Shape);
                Read(_entries[targets[i].Name], copies[i]!, ref transfer);
            }

            transfer.Complete();
            for (int i = 0; i < targets.Length; i++)
            {
                targets[i].Tensor.Overwrite(copies[i]!);
            }
        }
        finally
        {
            foreach (Tensor? copy in copies)
            {
                copy?.Dispose();
            }
        }
    }

    /// <summary>Refuses a file whose tensors are not the same as given ones by name, shape and element type.</summary>
    public void RequireSame(ReadOnlySpan<(string Name, Tensor Tensor)> targets)
    {
        RequireAll(targets, converts: false);
        var expected = new HashSet<string>();
        foreach ((string name, _) in targets)
        {
            expected.Add(name);
        }

        RequireNoOther(expected);
    }

    /// <summary>Refuses a file that lacks one of given tensors by name, shape and element type.</summary>
    /// <param name="targets">Tensors by name.</param>
    /// <param name="converts">True: any element type of real numbers will do.</param>
    public void RequireAll(ReadOnlySpan<(string Name, Tensor Tensor)> targets, bool converts)
    {
        foreach ((string name, Tensor tensor) in targets)
        {
            Require(name, tensor.DType, tensor.Shape, converts);
        }
    }

    /// <summary>Refuses a file that lacks a tensor of a name, shape and element type.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="dtype">Its element type, one of real numbers.</param>
    /// <param name="shape">Its sizes.</param>
    /// <param name="converts">True: any element type of real numbers will do.</param>
    public void Require(string name, DType dtype, ReadOnlySpan<long> shape, bool converts)
    {
        Entry entry = Find(name);
        ElementType type = entry.ElementType;
        if (!(converts ? type.Storage is not null : type.Name == SafeTensors.NameOf(dtype)) || !shape.SequenceEqual(entry.Shape))
        {
            throw Invalid(
                entry.HeaderOffset,
                $"tensor '{ForeignText.Clean(name)}' is {type.Description} {FormatShape(entry.Shape)}",
                $"{(converts ? "Float32, Float64, F16 or BF16" : dtype.ToString())} {Check.FormatShape(shape)} is expected");
        }
    }

    /// <summary>Refuses a file that has a tensor of another name.</summary>
    public void RequireNoOther(IReadOnlySet<string> expected)
    {
        foreach ((string name, Entry entry) in _entries)
        {
            if (!expected.Contains(name))
            {
                throw Invalid(entry.HeaderOffset, $"there is a tensor '{ForeignText.Clean(name)}'", "none of this name is expected");
            }
        }
    }

    /// <summary>The bytes of given tensors.</summary>
    public long BytesOf(IEnumerable<string> names) => names.Sum(name => _entries[name].End - _entries[name].Begin);

    /// <summary>Reads a tensor into a given one of the same shape; numbers of another type are converted.</summary>
    public void ReadInto(string name, Tensor tensor, ref TransferProgress transfer) => Read(_entries[name], tensor, ref transfer);

    /// <summary>Reads one or several square matrices of float64.</summary>
    /// <param name="name">Name of the tensor, [N, N] or [count, N, N].</param>
    /// <param name="count">Number of matrices.</param>
    /// <param name="size">N.</param>
    /// <returns>Their numbers, as many as the file has.</returns>
    public double[] ReadMatrices(string name, out long count, out long size)
    {
        Entry entry = Find(name);
        long[] shape = entry.Shape;
        if (entry.ElementType.Storage != StorageType.Float64 || shape.Length is not (2 or 3) || shape[^1] != shape[^2] || shape.Contains(0) ||
            (entry.End - entry.Begin) / sizeof(double) > Array.MaxLength)
        {
            throw Invalid(
                entry.HeaderOffset, $"tensor '{ForeignText.Clean(name)}' is {entry.ElementType.Description} {FormatShape(shape)}",
                "Float64 [N, N] or [L, N, N] of one or several square matrices is expected");
        }

        (count, size) = (shape.Length == 2 ? 1 : shape[0], shape[^1]);
        var numbers = new double[(entry.End - entry.Begin) / sizeof(double)];
        for (long start = 0; start < numbers.Length; start += SafeTensors.ChunkBytes)
        {
            Span<double> part = numbers.AsSpan((int)start, (int)long.Min(SafeTensors.ChunkBytes, numbers.Length - start));
            ReadExactly(MemoryMarshal.AsBytes(part), _dataOffset + entry.Begin + (start * sizeof(double)));
        }

        return numbers;
    }

    /// <summary>All that was wanted was read: a stream continues behind the file.</summary>
    public void Leave() => _content.Leave(_dataOffset + _dataBytes);

    /// <summary>Refuses a tensor with a number that is NaN, infinite or, if <paramref name="minimum"/> is 0, negative.</summary>
    public void RequireFinite(string name, double minimum, CancellationToken cancellationToken = default)
    {
        Entry entry = _entries[name];
        switch (entry.ElementType.Storage)
        {
            case StorageType.Float32:
                RequireFinite<float>(name, entry, (float)minimum, cancellationToken);
                break;
            case StorageType.Float64:
                RequireFinite<double>(name, entry, minimum, cancellationToken);
                break;
        }
    }

    public void Dispose() => _content.Dispose();

    private Entry Find(string name) => _entries.TryGetValue(name, out Entry entry)
        ? entry
        : throw new InvalidDataException(
            $"{Place} has no tensor '{ForeignText.Clean(name)}'; it has {ForeignText.CleanList(_entries.Keys, _entries.Count)}.");

    private void Read(Entry entry, Tensor tensor, ref TransferProgress transfer)
    {
        StorageType? type = entry.ElementType.Storage;
        if (type == StoredNumbers.StorageOf(tensor.DType))
        {
            ReadBytes(entry, tensor, ref transfer);
        }
        else if (tensor.DType == DType.Float32)
        {
            ReadNumbers<float>(entry, tensor, type!.Value, ref transfer);
        }
        else
        {
            ReadNumbers<double>(entry, tensor, type!.Value, ref transfer);
        }
    }

    private void ReadBytes(Entry entry, Tensor tensor, ref TransferProgress transfer)
    {
        long bytes = entry.End - entry.Begin;
        byte[] chunk = new byte[long.Min(SafeTensors.ChunkBytes, bytes)];
        for (long position = 0; position < bytes; position += chunk.Length)
        {
            transfer.ThrowIfCancelled();
            Span<byte> part = chunk.AsSpan(0, (int)long.Min(chunk.Length, bytes - position));
            ReadExactly(part, _dataOffset + entry.Begin + position);
            tensor.Upload<byte>(position, part);
            transfer.Add(part.Length);
        }
    }

    private void ReadNumbers<T>(Entry entry, Tensor tensor, StorageType type, ref TransferProgress transfer) where T : unmanaged, IFloatingPointIeee754<T>
    {
        int size = type.Bytes();
        byte[] chunk = new byte[long.Min(SafeTensors.ChunkBytes, entry.End - entry.Begin)];
        var numbers = new T[chunk.Length / size];
        for (long start = 0; start < tensor.Count; start += numbers.Length)
        {
            transfer.ThrowIfCancelled();
            int count = (int)long.Min(numbers.Length, tensor.Count - start);
            Span<byte> part = chunk.AsSpan(0, count * size);
            long offset = _dataOffset + entry.Begin + (start * size);
            ReadExactly(part, offset);
            int beyond = StoredNumbers.Decode(part, type, numbers.AsSpan(0, count));
            if (beyond >= 0)
            {
                // Only Float64 has numbers that do not fit.
                throw Invalid(
                    offset + (beyond * size),
                    string.Create(CultureInfo.InvariantCulture, $"element {start + beyond} of tensor '{ForeignText.Clean(NameOf(entry))}' is {MemoryMarshal.Cast<byte, double>(part)[beyond]}"),
                    string.Create(CultureInfo.InvariantCulture, $"a magnitude of at most {float.MaxValue} is expected for {tensor.DType}"));
            }

            tensor.Upload<T>(start, numbers.AsSpan(0, count));
            transfer.Add(part.Length);
        }
    }

    private string NameOf(Entry entry) => _entries.First(pair => pair.Value.Equals(entry)).Key;

    private void RequireFinite<T>(string name, Entry entry, T minimum, CancellationToken cancellationToken) where T : unmanaged, IFloatingPointIeee754<T>
    {
        long bytes = entry.End - entry.Begin;
        byte[] chunk = new byte[long.Min(SafeTensors.ChunkBytes, bytes)];
        for (long position = 0; position < bytes; position += chunk.Length)
        {
            cancellationToken.ThrowIfCancellationRequested();
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
            int read = _content.Read(destination, offset);
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
        Span<byte> prefix = stackalloc byte[SafeTensors.PrefixBytes];
        _content.Fetch(prefix.Length);
        ReadExactly(prefix, 0);
        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        long length = _content.Fetch(SafeTensors.PrefixBytes + (long)ulong.Min(headerBytes, SafeTensors.MaximumHeaderBytes));
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
                string.Create(CultureInfo.InvariantCulture, $"{Place} at offset {SafeTensors.PrefixBytes + (exception.BytePositionInLine ?? 0)} ") +
                string.Create(CultureInfo.InvariantCulture, $"(line {exception.LineNumber ?? 0} of the header): a JSON object is expected: {ForeignText.Clean(exception.Message, MaximumReason)}"),
                exception);
        }

        long position = 0;
        foreach ((string name, Entry entry) in _entries.OrderBy(pair => pair.Value.Begin).ThenBy(pair => pair.Value.End))
        {
            if (entry.Begin != position)
            {
                throw Invalid(entry.HeaderOffset, $"the data of tensor '{ForeignText.Clean(name)}' begin at {entry.Begin}", $"{position}, where those before end, is expected");
            }

            position = entry.End;
        }

        long data = _content.Fetch(_dataOffset + long.Min(position, long.MaxValue - _dataOffset)) - _dataOffset;
        if (_content.MayContinue ? data < position : data != position)
        {
            throw Invalid(_dataOffset, $"there are {data} bytes of data", $"{position} are expected");
        }

        _dataBytes = position;
    }

    private InvalidDataException Invalid(long offset, string found, string expected) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{Place} at offset {offset}: {found}; {expected}."));

    /// <summary>A shape of a file, which may have any number of sizes.</summary>
    private static string FormatShape(ReadOnlySpan<long> shape) => shape.Length <= 2 * Tensor.MaximumRank
        ? Check.FormatShape(shape)
        : string.Create(CultureInfo.InvariantCulture, $"one of {shape.Length} sizes");

    /// <summary>An element type that a file may have.</summary>
    /// <param name="Name">Its name in the file, or what stands in its place.</param>
    /// <param name="Bits">Bits of an element; 0: not known.</param>
    /// <param name="DType">That of a tensor which holds all of its values; null: there is none.</param>
    /// <param name="Storage">The type of real numbers that it is; null: it is none.</param>
    private sealed record ElementType(string Name, int Bits, DType? DType = null, StorageType? Storage = null)
    {
        private static readonly Dictionary<string, ElementType> s_known = new ElementType[]
        {
            new("F64", 64, OrthoNative.DType.Float64, StorageType.Float64),
            new("F32", 32, OrthoNative.DType.Float32, StorageType.Float32),
            new("F16", 16, OrthoNative.DType.Float32, StorageType.Float16),
            new("BF16", 16, OrthoNative.DType.Float32, StorageType.BFloat16),
            new("F8_E4M3", 8), new("F8_E5M2", 8), new("F8_E8M0", 8), new("F6_E2M3", 6), new("F6_E3M2", 6), new("F4", 4),
            new("I32", 32, OrthoNative.DType.Int32),
            new("I64", 64), new("I16", 16), new("I8", 8), new("U64", 64), new("U32", 32), new("U16", 16), new("U8", 8), new("BOOL", 8),
            new("C64", 64),
        }.ToDictionary(type => type.Name);

        /// <summary>As messages call it: as the library does, where it has it.</summary>
        public string Description => DType is { } dtype && Storage is not (StorageType.Float16 or StorageType.BFloat16) ? dtype.ToString() : ForeignText.Clean(Name);

        /// <summary>Types that later versions of the format may add have a size that is not known here.</summary>
        public static ElementType Of(string name) => s_known.GetValueOrDefault(name) ?? new ElementType(name, 0);
    }

    /// <param name="ElementType">Element type.</param>
    /// <param name="Shape">Sizes.</param>
    /// <param name="Begin">First byte within the data.</param>
    /// <param name="End">Byte after the last one within the data.</param>
    /// <param name="HeaderOffset">Where the file describes the tensor, for messages.</param>
    private readonly record struct Entry(ElementType ElementType, long[] Shape, long Begin, long End, long HeaderOffset)
    {
        /// <summary>Why no tensor can hold it; null: one can.</summary>
        public (string Found, string Value, string Expected)? Problem =>
            ElementType.DType is null ? ("the element type", $"'{ForeignText.Clean(ElementType.Name)}'", "'F32', 'F64', 'F16', 'BF16' or 'I32' is expected of a tensor that is loaded") :
            Shape.Length > Tensor.MaximumRank || Shape.Contains(0) ? ("the shape", FormatShape(Shape), $"up to {Tensor.MaximumRank} sizes of at least 1 are expected of a tensor that is loaded") :
            null;
    }

    /// <summary>Reads the header token by token, so that messages can name the offset.</summary>
    private ref struct HeaderParser(SafeTensorsReader reader, ReadOnlySpan<byte> header)
    {
        private Utf8JsonReader _json = new(header);

        public void Parse()
        {
            Next(JsonTokenType.StartObject);
            bool hasMetadata = false;
            while (NextName() is string name)
            {
                if (name == SafeTensors.MetadataKey)
                {
                    if (hasMetadata)
                    {
                        throw Invalid($"the name '{SafeTensors.MetadataKey}' is there again", "names must be unique");
                    }

                    hasMetadata = true;
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
            // Writers that have none write null.
            _json.Read();
            if (_json.TokenType == JsonTokenType.Null)
            {
                return;
            }

            Require(JsonTokenType.StartObject);
            while (NextName() is string key)
            {
                Next(JsonTokenType.String);
                if (!reader._metadata.TryAdd(key, Text()))
                {
                    throw Invalid($"the name '{ForeignText.Clean(key)}' is there again", "names must be unique");
                }
            }
        }

        private void ParseTensor(string name)
        {
            long start = Offset;
            ElementType? type = null;
            long[]? shape = null;
            long[]? offsets = null;
            string shown = ForeignText.Clean(name);
            Next(JsonTokenType.StartObject);
            while (NextName() is string key)
            {
                switch (key)
                {
                    case SafeTensors.DTypeKey when type is null:
                        Next(JsonTokenType.String);
                        type = ElementType.Of(Text());
                        break;
                    case SafeTensors.ShapeKey when shape is null:
                        shape = ParseNumbers();
                        break;
                    case SafeTensors.OffsetsKey when offsets is null:
                        offsets = ParseNumbers();
                        break;
                    case SafeTensors.DTypeKey or SafeTensors.ShapeKey or SafeTensors.OffsetsKey:
                        throw Invalid($"tensor '{shown}' has '{key}' again", "names must be unique");
                    default:
                        // What the format does not name and other readers pass over.
                        _json.Read();
                        _json.Skip();
                        break;
                }
            }

            if (type is null || shape is null || offsets is not { Length: 2 })
            {
                throw Invalid(
                    $"the description of tensor '{shown}' is not complete",
                    $"'{SafeTensors.DTypeKey}', '{SafeTensors.ShapeKey}' and '{SafeTensors.OffsetsKey}' with 2 numbers are expected");
            }

            // Beyond any file; stopping there keeps the product within 128 bits.
            Int128 bits = type.Bits;
            foreach (long size in shape)
            {
                bits = Int128.Min(bits * size, Int128.One << 63);
            }

            if (type.Bits == 0 ? offsets[1] < offsets[0] : (Int128)8 * offsets[0] + bits != (Int128)8 * offsets[1])
            {
                throw Invalid(
                    $"the data of tensor '{shown}' are said to be bytes {offsets[0]} to {offsets[1]}",
                    type.Bits == 0
                        ? "an end that is not before the beginning is expected"
                        : $"{(bits % 8 == 0 ? $"{bits / 8} bytes" : $"whole bytes, and not {bits} bits,")} are expected for {type.Description} {FormatShape(shape)}");
            }

            if (!reader._entries.TryAdd(name, new Entry(type, shape, offsets[0], offsets[1], start)))
            {
                throw Invalid($"tensor '{shown}' is there again", "names must be unique");
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
            _json.Read();
            Require(expected);
        }

        private readonly void Require(JsonTokenType expected)
        {
            if (_json.TokenType != expected)
            {
                throw Invalid($"there is a JSON {_json.TokenType}", $"a JSON {expected} is expected");
            }
        }

        private readonly InvalidDataException Invalid(string found, string expected) => reader.Invalid(Offset, found, expected);
    }
}
