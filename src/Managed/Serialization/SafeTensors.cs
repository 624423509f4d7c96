using System.Buffers.Binary;
using System.Text.Json;

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
    /// <param name="path">The file.</param>
    /// <param name="tensors">Tensors by name.</param>
    /// <param name="metadata">Texts by name that go with them; null: none.</param>
    /// <exception cref="ArgumentException">A name is empty, reserved or there twice, a tensor or text is null, or a text has half of a surrogate pair.</exception>
    /// <exception cref="IOException">The file cannot be written; an older one is then left as it was.</exception>
    /// <exception cref="NotFiniteNumberException">A tensor lies on a GPU whose earlier work met a value that is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">A tensor was disposed.</exception>
    public static void Save(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);

        // Wider elements first, so that every tensor is aligned to its own.
        KeyValuePair<string, Tensor>[] ordered = [.. tensors.OrderByDescending(pair => pair.Value is { } tensor
            ? tensor.DType.Bytes()
            : throw new ArgumentException($"{nameof(tensors)}['{pair.Key}'] is null.", nameof(tensors)))];
        byte[] header = MakeHeader(ordered, metadata);

        string temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0))
            {
                stream.Write(header);
                byte[] chunk = new byte[ChunkBytes];
                foreach (KeyValuePair<string, Tensor> pair in ordered)
                {
                    long bytes = pair.Value.Count * pair.Value.DType.Bytes();
                    for (long position = 0; position < bytes; position += ChunkBytes)
                    {
                        Span<byte> part = chunk.AsSpan(0, (int)long.Min(ChunkBytes, bytes - position));
                        pair.Value.Download(position, part);
                        stream.Write(part);
                    }
                }

                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Loads all tensors of a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="device">Where the tensors lie.</param>
    /// <returns>Tensors by name; the caller disposes them.</returns>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">
    /// The file is not of the format, is damaged, or has element types other than F32 and F64; the message names the offset and
    /// what was expected there.
    /// </exception>
    /// <exception cref="OutOfMemoryException">The memory cannot be had.</exception>
    public static Dictionary<string, Tensor> Load(string path, Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        using SafeTensorsReader reader = SafeTensorsReader.Open(path);
        return reader.ReadAll(device);
    }

    /// <summary>Loads the texts that go with the tensors of a file.</summary>
    /// <param name="path">The file.</param>
    /// <returns>Texts by name; empty if there are none.</returns>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">As for <see cref="Load"/>.</exception>
    public static IReadOnlyDictionary<string, string> LoadMetadata(string path)
    {
        using SafeTensorsReader reader = SafeTensorsReader.Open(path);
        return reader.Metadata;
    }

    internal static string NameOf(DType dtype) => dtype == DType.Float32 ? "F32" : "F64";

    private static byte[] MakeHeader(ReadOnlySpan<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        using var stream = new MemoryStream();
        stream.SetLength(PrefixBytes);
        stream.Position = PrefixBytes;
        var names = new HashSet<string>();
        using (var writer = new Utf8JsonWriter(stream))
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
                        throw new ArgumentException($"{nameof(metadata)}['{pair.Key}'] is null.", nameof(metadata));
                    }

                    Check.Utf8(pair.Value, $"{nameof(metadata)}['{pair.Key}'] has", nameof(metadata));
                    writer.WriteString(pair.Key, pair.Value);
                }

                writer.WriteEndObject();
            }

            long offset = 0;
            foreach ((string name, Tensor tensor) in tensors)
            {
                if (string.IsNullOrEmpty(name) || name == MetadataKey || !names.Add(name))
                {
                    throw new ArgumentException($"{nameof(tensors)} has the name '{name}'; names that occur once, are not empty and not {MetadataKey} are allowed.", nameof(tensors));
                }

                Check.Utf8(name, $"{nameof(tensors)} has a name with", nameof(tensors));
                tensor.ThrowIfDisposed();
                writer.WriteStartObject(name);
                writer.WriteString(DTypeKey, NameOf(tensor.DType));
                writer.WriteStartArray(ShapeKey);
                foreach (long size in tensor.Shape)
                {
                    writer.WriteNumberValue(size);
                }

                writer.WriteEndArray();
                writer.WriteStartArray(OffsetsKey);
                writer.WriteNumberValue(offset);
                offset += tensor.Count * tensor.DType.Bytes();
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
