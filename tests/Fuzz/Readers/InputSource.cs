using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;

namespace OrthoNative.Fuzz.Readers;

/// <summary>Damaged files, the same for the same seed. What lengths and compression would hide is damaged beneath them.</summary>
internal sealed class InputSource(ulong seed, IReadOnlyList<byte[]> seeds)
{
    private const int MaximumBytes = 1 << 16;

    private static readonly byte[][] s_tokens =
    [
        .. ((string[])[
            "null", "{}", "[]", "\"\"", "-1", "0", "1e999", "1e12", "9223372036854775807", "9223372036854775808", "18446744073709551615", "NaN", "Infinity", "true",
            "\"__metadata__\":null,", "\"__metadata__\":{},", "__metadata__", "dtype", "shape", "data_offsets", "BF16", "F16", "F32", "F64", "I64", "F4", "C64", "[0]", "[1,0]",
            "\\u001b[31m", "\\u202e", "\\ud800", "\\u0000", "\u001b[2J", "\u009b2J", "\u202e", "\u2028", "\r", "\n", "\n\n", "\"a\":", ",", ":", "{", "}", "[", "]", "/**/", "\uFEFF",
            "@data\n", "@dimensions 2\n", "@equalLength true\n", "@timeStamps true\n", "@classLabel true a b\n", "@targetLabel true\n", "'descr': ", "'fortran_order': True", "'shape': (2,)", "(0, 9999999)", "'<f4'", "'>u8'", "'|O'", "LIST", "data", "fmt ", "PK", ".npy", ":", "?", "(0,1)", "#",
            ";", "\t", "|", "\"", "\"\"", "\r\n", "id", "label", "x_0", "2020-01-01", "T00:00:00Z", "1,5", "NA", "PAR1", "ARROW1",
            "kind", "options", "layers", "path", "hidden_size", "RoaRnn", "Residual", "Haar", "Custom", "2147483647", "step_count", "optimizer", "Adam", "beta1", "filter_seed", "filter", "status", "interrupted", "running", "epochs", "settings",
        ]).Select(Encoding.UTF8.GetBytes),
        [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3], [3, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0, 0, 8, 3], [0x7F, 0xFF, 0xFF, 0xFF], [0, 0, 0, 0, 0, 0, 0, 0],
    ];

    private readonly Random _random = new(unchecked((int)(seed ^ (seed >> 32))));

    /// <summary>The next input.</summary>
    public byte[] Next()
    {
        byte[] input = seeds[_random.Next(seeds.Count)];
        return _random.Next(4) switch
        {
            0 or 1 when _random.Next(2) == 0 && HeaderOf(input) is { } header && WithArchitecture(header) is { } changed =>
                WithHeader(changed, input.AsSpan(sizeof(ulong) + header.Length)),
            0 when IsGzip(input) => Compress(Mutate(Decompress(input))),
            0 when HeaderOf(input) is { } header => WithHeader(Mutate(header), input.AsSpan(sizeof(ulong) + header.Length)),
            1 when HeaderOf(input) is { } header => WithHeader(Mutate(header), Mutate(input[(sizeof(ulong) + header.Length)..])),
            _ => Mutate(input),
        };
    }

    private byte[] Mutate(byte[] input)
    {
        List<byte> bytes = [.. input];
        for (int times = 1 + _random.Next(1 << _random.Next(5)); times > 0; times--)
        {
            int at = _random.Next(bytes.Count + 1);
            int length = Math.Min(1 + _random.Next(1 << _random.Next(10)), bytes.Count - at);
            switch (_random.Next(10))
            {
                case 0 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << _random.Next(8));
                    break;
                case 1 when at < bytes.Count:
                    bytes[at] = (byte)_random.Next(256);
                    break;
                case 2:
                    bytes.RemoveRange(at, length);
                    break;
                case 3:
                    bytes.InsertRange(_random.Next(bytes.Count + 1), bytes.GetRange(at, length));
                    break;
                case 4:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                case 5:
                    byte[] other = seeds[_random.Next(seeds.Count)];
                    int from = _random.Next(other.Length + 1);
                    bytes.InsertRange(at, other[from..(from + Math.Min(other.Length - from, 1 + _random.Next(100)))]);
                    break;
                case 6 when bytes.Count - at >= sizeof(long):
                    byte[] number = BitConverter.GetBytes(_random.NextInt64(-2, 3) * (_random.Next(2) == 0 ? 1 : 1L << _random.Next(63)));
                    bytes.RemoveRange(at, number.Length);
                    bytes.InsertRange(at, number);
                    break;
                case 7 when _random.Next(20) == 0:
                    bytes.InsertRange(at, Enumerable.Repeat((byte)_random.Next(256), _random.Next(1 << 14)));
                    break;
                default:
                    byte[] token = s_tokens[_random.Next(s_tokens.Length)];
                    if (_random.Next(2) == 0)
                    {
                        bytes.RemoveRange(at, Math.Min(token.Length, bytes.Count - at));
                    }

                    bytes.InsertRange(at, token);
                    break;
            }
        }

        return [.. bytes.Take(MaximumBytes)];
    }

    /// <summary>A header whose description of the layers is changed: its bytes, or values of it, which are then of a kind that a reader expects.</summary>
    private byte[]? WithArchitecture(byte[] header)
    {
        const string Metadata = "__metadata__", Key = "architecture";
        if (JsonNode.Parse(header) is not JsonObject file || file[Metadata] is not JsonObject metadata || (string?)metadata[Key] is not { } text)
        {
            return null;
        }

        if (_random.Next(2) == 0)
        {
            metadata[Key] = Encoding.UTF8.GetString(Mutate(Encoding.UTF8.GetBytes(text)));
        }
        else
        {
            JsonNode root = JsonNode.Parse(text)!;
            for (int times = 1 + _random.Next(3); times > 0; times--)
            {
                ChangeValue(root);
            }

            metadata[Key] = root.ToJsonString();
        }

        return Encoding.UTF8.GetBytes(file.ToJsonString());
    }

    private void ChangeValue(JsonNode root)
    {
        List<JsonNode> all = [];
        Collect(root);
        JsonNode at = all[_random.Next(all.Count)], other = all[_random.Next(all.Count)];
        JsonNode? value = _random.Next(4) switch
        {
            0 => other.DeepClone(),
            1 => JsonValue.Create(_random.NextInt64(-2, 5) * (_random.Next(2) == 0 ? 1 : 1L << _random.Next(62))),
            2 => JsonValue.Create(_random.NextDouble() * Math.Pow(10, _random.Next(-320, 309))),
            _ => null,
        };
        switch (at.Parent)
        {
            case JsonObject members when value is null && _random.Next(2) == 0:
                members.Remove(at.GetPropertyName());
                break;
            case JsonObject members:
                members[at.GetPropertyName()] = value;
                break;
            case JsonArray items when _random.Next(2) == 0:
                items.Insert(_random.Next(items.Count + 1), value);
                break;
            case JsonArray items:
                items[at.GetElementIndex()] = value;
                break;
        }

        void Collect(JsonNode? node)
        {
            if (node is null)
            {
                return;
            }

            all.Add(node);
            foreach (JsonNode? child in node is JsonObject members ? members.Select(member => member.Value) : node as JsonArray ?? Enumerable.Empty<JsonNode?>())
            {
                Collect(child);
            }
        }
    }

    private static bool IsGzip(byte[] input) => input is [0x1F, 0x8B, ..];

    private static byte[] Decompress(byte[] input)
    {
        using var gzip = new GZipStream(new MemoryStream(input), CompressionMode.Decompress);
        using var content = new MemoryStream();
        gzip.CopyTo(content);
        return content.ToArray();
    }

    private static byte[] Compress(byte[] content)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Fastest))
        {
            gzip.Write(content);
        }

        return target.ToArray();
    }

    /// <summary>The header of a safetensors file.</summary>
    private static byte[]? HeaderOf(byte[] input) =>
        input.Length > sizeof(ulong) && BinaryPrimitives.ReadUInt64LittleEndian(input) is ulong length && length <= (ulong)(input.Length - sizeof(ulong))
            ? input[sizeof(ulong)..(sizeof(ulong) + (int)length)]
            : null;

    private static byte[] WithHeader(byte[] header, ReadOnlySpan<byte> data)
    {
        byte[] file = new byte[sizeof(ulong) + header.Length + data.Length];
        BinaryPrimitives.WriteUInt64LittleEndian(file, (ulong)header.Length);
        header.CopyTo(file, sizeof(ulong));
        data.CopyTo(file.AsSpan(sizeof(ulong) + header.Length));
        return file;
    }
}
