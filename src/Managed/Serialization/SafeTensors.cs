using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// Named tensors in a file of the safetensors format: the length of a JSON header in 8 bytes, the header, the data.
/// Other libraries read and write it too.
/// </summary>
public static class SafeTensors
{
    internal const string MetadataKey = "__metadata__";
    internal const string DTypeKey = "dtype";
    internal const string ShapeKey = "shape";
    internal const string OffsetsKey = "data_offsets";
    internal const int PrefixBytes = sizeof(ulong);

    /// <summary>The format's own limit on the header.</summary>
    internal const long MaximumHeaderBytes = 100_000_000;

    /// <summary>Header and data begin at multiples of this, so that a mapped file is aligned.</summary>
    private const int Alignment = 8;

    /// <summary>Bytes that are copied from or to a device at once.</summary>
    internal const int ChunkBytes = 1 << 22;

    /// <summary>Saves tensors. The file appears, or replaces an older one, once it is written whole and on the disk.</summary>
    /// <remarks>
    /// The file that replaces an older one has its permissions and, as far as the system allows it, its owner, group, access control list and
    /// user attributes. Through a symbolic link the file behind it is replaced; other hard links to the older file keep its content. Where the
    /// folder allows no new file, but the older one may be written, and into devices and pipes, the content is written in place: what interrupts
    /// that, a cancellation, too, leaves it incomplete.
    /// </remarks>
    /// <param name="path">The file.</param>
    /// <param name="tensors">Tensors by name.</param>
    /// <param name="metadata">Texts by name that go with them; null: none.</param>
    /// <param name="progress">
    /// Told, by the thread that saves, the part of the tensors' bytes that is written, up to 1, after which the file takes its place. An exception of its own
    /// ends the call as a cancellation does. Null: nobody is told.
    /// </param>
    /// <param name="cancellationToken">Ends the call until the file is put in its place; an older one is then left as it was.</param>
    /// <exception cref="ArgumentException">The path is empty or has a null character, a name is empty, reserved or there twice, a tensor or text is null, or a text has half of a surrogate pair.</exception>
    /// <exception cref="IOException">The file cannot be written; an older one is then left as it was, unless it is written in place.</exception>
    /// <exception cref="UnauthorizedAccessException">The file or its folder may not be written, or the path is a folder.</exception>
    /// <exception cref="NotFiniteNumberException">A tensor lies on a GPU whose earlier work met a value that is NaN or infinite.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled in time.</exception>
    /// <exception cref="ObjectDisposedException">A tensor was disposed.</exception>
    public static void Save(
        string path, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null,
        IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        cancellationToken.ThrowIfCancellationRequested();

        KeyValuePair<string, Tensor>[] given = [.. tensors];
        foreach (KeyValuePair<string, Tensor> pair in given)
        {
            if (pair.Value is null)
            {
                throw new ArgumentException($"{nameof(tensors)}['{ForeignText.Clean(pair.Key)}'] is null.", nameof(tensors));
            }
        }

        Store(path, [.. given.Select(pair => new StoredTensor(pair.Key, pair.Value, StoredNumbers.StorageOf(pair.Value.DType)))], metadata, progress, cancellationToken);
    }

    /// <summary>Saves tensors, some of another element type than theirs.</summary>
    internal static void Store(
        string path, IEnumerable<StoredTensor> tensors, IReadOnlyDictionary<string, string>? metadata, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        StoredTensor[] ordered = Order(tensors);
        byte[] header = MakeHeader(ordered, metadata);
        using FileReplacement file = FileReplacement.Begin(path);
        Write(file.Stream, header, ordered, progress, cancellationToken);
        file.Commit();
    }

    /// <summary>Writes to a stream, from its position on, what the other overload writes to a file.</summary>
    internal static void Store(
        Stream stream, IEnumerable<StoredTensor> tensors, IReadOnlyDictionary<string, string>? metadata, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        StoredTensor[] ordered = Order(tensors);
        byte[] header = MakeHeader(ordered, metadata);
        Write(stream, header, ordered, progress, cancellationToken);
        stream.Flush();
    }

    // Wider elements first, so that every tensor is aligned to its own.
    private static StoredTensor[] Order(IEnumerable<StoredTensor> tensors) => [.. tensors.OrderByDescending(tensor => tensor.ElementBytes)];

    private static void Write(Stream stream, byte[] header, StoredTensor[] tensors, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        var transfer = new TransferProgress(tensors.Sum(tensor => tensor.Bytes), progress, cancellationToken);
        stream.Write(header);
        byte[] chunk = new byte[tensors.Aggregate(0L, (most, tensor) => long.Clamp(tensor.Bytes, most, ChunkBytes))];
        foreach (StoredTensor tensor in tensors)
        {
            long bytes = tensor.Bytes;
            for (long position = 0; position < bytes; position += ChunkBytes)
            {
                transfer.ThrowIfCancelled();
                int part = (int)long.Min(ChunkBytes, bytes - position);
                tensor.Read(position, chunk.AsSpan(0, part));
                stream.Write(chunk, 0, part);
                transfer.Add(part);
            }
        }

        transfer.Complete();
    }

    /// <summary>Loads all tensors of a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="device">Where the tensors lie.</param>
    /// <returns>
    /// Tensors by name; the caller disposes them. F16 and BF16 become <see cref="DType.Float32"/>, which has all of their values.
    /// </returns>
    /// <exception cref="ArgumentException">The path is empty or has a null character, or the file has a tensor of I32 and the device is a GPU.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    /// <exception cref="InvalidDataException">
    /// The file is not of the format, is damaged, or has a tensor that no <see cref="Tensor"/> can hold: of another element type than F32, F64,
    /// F16, BF16 and I32, without elements, or of more than 8 dimensions. The message names the offset and what was expected there.
    /// </exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static Dictionary<string, Tensor> Load(string path, Device device) => Load(path, device, null, CancellationToken.None);

    /// <summary>Loads all tensors of a file, tells how far it is, and can be cancelled.</summary>
    /// <param name="path">The file.</param>
    /// <param name="device">Where the tensors lie.</param>
    /// <param name="progress">
    /// Told, by the thread that loads, the part of the tensors' bytes that is read, up to 1. An exception of its own ends the call as a cancellation does. Null:
    /// nobody is told.
    /// </param>
    /// <param name="cancellationToken">Ends the call, which then leaves no tensor.</param>
    /// <returns>As <see cref="Load(string, Device)"/>.</returns>
    /// <exception cref="ArgumentException">The path is empty or has a null character, or the file has a tensor of I32 and the device is a GPU.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    /// <exception cref="InvalidDataException">As in <see cref="Load(string, Device)"/>.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled in time.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static Dictionary<string, Tensor> Load(string path, Device device, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(device);
        cancellationToken.ThrowIfCancellationRequested();
        using SafeTensorsReader reader = SafeTensorsReader.Open(path);
        return reader.ReadAll(device, progress, cancellationToken);
    }

    /// <summary>Loads some tensors of a file. What other tensors it has does not matter.</summary>
    /// <param name="path">The file.</param>
    /// <param name="device">Where the tensors lie.</param>
    /// <param name="names">Their names. Those of all that can be loaded: of the entries of <see cref="List"/> that are <see cref="SafeTensorsEntry.IsLoadable"/>.</param>
    /// <param name="progress">
    /// Told, by the thread that loads, the part of the tensors' bytes that is read, up to 1. An exception of its own ends the call as a cancellation does. Null:
    /// nobody is told.
    /// </param>
    /// <param name="cancellationToken">Ends the call, which then leaves no tensor.</param>
    /// <returns>As <see cref="Load(string, Device)"/>.</returns>
    /// <exception cref="ArgumentException">The path is empty or has a null character, a name is null, or a tensor is of I32 and the device is a GPU.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    /// <exception cref="InvalidDataException">
    /// The file is not of the format or is damaged, or has no tensor of one of the names, or one that no <see cref="Tensor"/> can hold.
    /// </exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled in time.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static Dictionary<string, Tensor> Load(
        string path, Device device, IEnumerable<string> names, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(names);
        cancellationToken.ThrowIfCancellationRequested();
        string[] asked = [.. names];
        if (asked.Contains(null))
        {
            throw new ArgumentException($"{nameof(names)} has a name that is null.", nameof(names));
        }

        using SafeTensorsReader reader = SafeTensorsReader.Open(path);
        return reader.Read(device, asked, progress, cancellationToken);
    }

    /// <summary>Lists the tensors of a file, of any element type and size, in the order of their data.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    /// <exception cref="InvalidDataException">The file is not of the format or is damaged.</exception>
    public static IReadOnlyList<SafeTensorsEntry> List(string path)
    {
        using SafeTensorsReader reader = SafeTensorsReader.Open(path);
        return reader.List();
    }

    /// <summary>Loads the texts that go with the tensors of a file.</summary>
    /// <param name="path">The file.</param>
    /// <returns>Texts by name; empty if there are none.</returns>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    /// <exception cref="InvalidDataException">The file is not of the format or is damaged.</exception>
    public static IReadOnlyDictionary<string, string> LoadMetadata(string path)
    {
        using SafeTensorsReader reader = SafeTensorsReader.Open(path);
        return reader.Metadata;
    }

    internal static string NameOf(DType dtype) => dtype switch
    {
        DType.Float32 => "F32",
        DType.Float64 => "F64",
        _ => "I32",
    };

    private static byte[] MakeHeader(ReadOnlySpan<StoredTensor> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        using var stream = new MemoryStream();
        stream.SetLength(PrefixBytes);
        stream.Position = PrefixBytes;
        var names = new HashSet<string>();
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            if (metadata is not null)
            {
                writer.WriteStartObject(MetadataKey);
                foreach (KeyValuePair<string, string> pair in metadata)
                {
                    Check.Utf8(pair.Key, $"{nameof(metadata)} has a key with", nameof(metadata));
                    if (pair.Value is null)
                    {
                        throw new ArgumentException($"{nameof(metadata)}['{ForeignText.Clean(pair.Key)}'] is null.", nameof(metadata));
                    }

                    Check.Utf8(pair.Value, $"{nameof(metadata)}['{ForeignText.Clean(pair.Key)}'] has", nameof(metadata));
                    writer.WriteString(pair.Key, pair.Value);
                }

                writer.WriteEndObject();
            }

            long offset = 0;
            foreach ((string name, Tensor tensor, StorageType? type) in tensors)
            {
                if (string.IsNullOrEmpty(name) || name == MetadataKey || !names.Add(name))
                {
                    throw new ArgumentException($"{nameof(tensors)} has the name '{ForeignText.Clean(name)}'; names must be unique, not empty and not {MetadataKey}.", nameof(tensors));
                }

                Check.Utf8(name, $"{nameof(tensors)} has a name with", nameof(tensors));
                tensor.ThrowIfDisposed();
                writer.WriteStartObject(name);
                writer.WriteString(DTypeKey, type?.FormatName() ?? NameOf(tensor.DType));
                writer.WriteStartArray(ShapeKey);
                foreach (long size in tensor.Shape)
                {
                    writer.WriteNumberValue(size);
                }

                writer.WriteEndArray();
                writer.WriteStartArray(OffsetsKey);
                writer.WriteNumberValue(offset);
                offset += tensor.Count * (type?.Bytes() ?? tensor.DType.Bytes());
                writer.WriteNumberValue(offset);
                writer.WriteEndArray();
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        while (stream.Length % Alignment != 0)
        {
            stream.WriteByte((byte)' ');
        }

        byte[] header = stream.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)(header.Length - PrefixBytes));
        return header;
    }
}
