using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace OrthoNative.Arrow;

/// <summary>
/// A Parquet file whose structure was checked before its reader sees it: Parquet.Net follows lengths, offsets and nesting of a file as they are, reads on at its end, and allocates what a page says.
/// </summary>
internal sealed class ParquetFile
{
    /// <summary>Values of a column that a file may have beside those that its length allows; run lengths make many of few bytes.</summary>
    private const long FreeValues = 1 << 20;

    /// <summary>Values of a column for each byte of the file.</summary>
    private const long ValuesForByte = 1 << 10;

    /// <summary>Bytes of a page for each byte of it compressed, beside the first mebibyte.</summary>
    private const long Expansion = 1 << 10;

    private const int MaximumColumns = 1 << 16;
    private const int MaximumDepth = 32;
    private const int TrailerBytes = 8;
    private const int LongestPageHeader = 1 << 16;
    private const int Snappy = 1, Lzo = 3, Zstandard = 6;
    private const int Plain = 0, PlainDictionary = 2, Rle = 3, DeltaBinaryPacked = 5, DeltaLengthByteArray = 6, DeltaByteArray = 7, RleDictionary = 8;
    private const int DataPage = 0, DictionaryPage = 2, DataPageV2 = 3;

    /// <summary>Physical types.</summary>
    private const int Boolean = 0, Int32 = 1, Int64 = 2, Int96 = 3, Float = 4, Double = 5, ByteArray = 6;

    private static readonly ThriftType s_unit = ThriftType.Struct((1, ThriftType.Struct()), (2, ThriftType.Struct()), (3, ThriftType.Struct()));

    private static readonly ThriftType s_time = ThriftType.Struct((1, ThriftType.Logical), (2, s_unit));

    private static readonly ThriftType s_logicalType = ThriftType.Struct(
        (1, ThriftType.Struct()), (2, ThriftType.Struct()), (3, ThriftType.Struct()), (4, ThriftType.Struct()), (5, ThriftType.Struct((1, ThriftType.Int32), (2, ThriftType.Int32))),
        (6, ThriftType.Struct()), (7, s_time), (8, s_time), (10, ThriftType.Struct((1, ThriftType.Byte), (2, ThriftType.Logical))), (12, ThriftType.Struct()), (13, ThriftType.Struct()),
        (14, ThriftType.Struct()), (15, ThriftType.Struct()));

    private static readonly ThriftType s_schemaElement = ThriftType.Struct(
        (1, ThriftType.Int32), (2, ThriftType.Int32), (3, ThriftType.Int32), (4, ThriftType.Binary), (5, ThriftType.Int32), (6, ThriftType.Int32), (7, ThriftType.Int32),
        (8, ThriftType.Int32), (9, ThriftType.Int32), (10, s_logicalType));

    private static readonly ThriftType s_columnMetaData = ThriftType.Struct(
        (1, ThriftType.Int32), (2, ThriftType.List(ThriftType.Int32)), (3, ThriftType.List(ThriftType.Binary)), (4, ThriftType.Int32), (5, ThriftType.Int64), (6, ThriftType.Int64),
        (7, ThriftType.Int64), (9, ThriftType.Int64), (10, ThriftType.Int64), (11, ThriftType.Int64));

    private static readonly ThriftType s_columnChunk = ThriftType.Struct((1, ThriftType.Binary), (2, ThriftType.Int64), (3, s_columnMetaData));

    private static readonly ThriftType s_rowGroup = ThriftType.Struct((1, ThriftType.List(s_columnChunk)), (2, ThriftType.Int64), (3, ThriftType.Int64));

    private static readonly ThriftType s_file = ThriftType.Struct(
        (1, ThriftType.Int32), (2, ThriftType.List(s_schemaElement)), (3, ThriftType.Int64), (4, ThriftType.List(s_rowGroup)));

    private static readonly ThriftType s_statistics = ThriftType.Struct(
        (1, ThriftType.Binary), (2, ThriftType.Binary), (3, ThriftType.Int64), (4, ThriftType.Int64), (5, ThriftType.Binary), (6, ThriftType.Binary), (7, ThriftType.Logical), (8, ThriftType.Logical));

    private static readonly ThriftType s_pageHeader = ThriftType.Struct(
        (1, ThriftType.Int32), (2, ThriftType.Int32), (3, ThriftType.Int32), (4, ThriftType.Int32),
        (5, ThriftType.Struct((1, ThriftType.Int32), (2, ThriftType.Int32), (3, ThriftType.Int32), (4, ThriftType.Int32), (5, s_statistics))),
        (7, ThriftType.Struct((1, ThriftType.Int32), (2, ThriftType.Int32), (3, ThriftType.Logical))),
        (8, ThriftType.Struct(
            (1, ThriftType.Int32), (2, ThriftType.Int32), (3, ThriftType.Int32), (4, ThriftType.Int32), (5, ThriftType.Int32), (6, ThriftType.Int32), (7, ThriftType.Logical), (8, s_statistics))));

    private readonly FileContent _content;
    private readonly TablePlaces _places;
    private readonly ThriftStruct _metaData;
    private readonly byte[] _page = new byte[LongestPageHeader];
    private readonly List<string> _paths;

    private ParquetFile(FileContent content, TablePlaces places, long dataLength, ThriftStruct metaData, List<string> paths)
    {
        (_content, _places, _metaData, _paths) = (content, places, metaData, paths);
        using var tail = new MemoryStream();
        metaData.Write(tail, s_file);
        Span<byte> trailer = stackalloc byte[TrailerBytes];
        BinaryPrimitives.WriteInt32LittleEndian(trailer, (int)tail.Length);
        "PAR1"u8.CopyTo(trailer[4..]);
        tail.Write(trailer);
        DataLength = dataLength;
        Stream = new ContentStream(content, dataLength, tail.ToArray());
    }

    /// <summary>The file with a footer that has what was checked, and nothing else.</summary>
    public ContentStream Stream { get; }

    private long DataLength { get; }

    private List<object> RowGroups => _metaData.List(4)!;

    /// <summary>Checks the footer of a file.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public static ParquetFile Open(FileContent content, TablePlaces places)
    {
        long length = content.Fetch(long.MaxValue);
        Span<byte> end = stackalloc byte[TrailerBytes];
        Span<byte> start = stackalloc byte[4];
        bool isWhole = length >= start.Length + TrailerBytes && ReadExactly(content, start, 0) && ReadExactly(content, end, length - TrailerBytes);
        if (!isWhole || !start.SequenceEqual("PAR1"u8) || !end[4..].SequenceEqual("PAR1"u8))
        {
            throw places.Fault(isWhole && end[4..].SequenceEqual("PARE"u8) ? "the file is encrypted, which is not read" : "found no 'PAR1' at both ends; expected a Parquet file");
        }

        long footer = BinaryPrimitives.ReadUInt32LittleEndian(end);
        long dataLength = length - TrailerBytes - footer;
        if (dataLength < start.Length)
        {
            throw places.Fault(Invariant($"the footer has {footer} bytes; expected at most {length - TrailerBytes - start.Length}"));
        }

        byte[] bytes = new byte[footer];
        if (!ReadExactly(content, bytes, dataLength))
        {
            throw places.Fault("the file became shorter");
        }

        try
        {
            ThriftStruct metaData = new ThriftReader(bytes, isStrict: false).ReadStruct(s_file);
            return new ParquetFile(content, places, dataLength, metaData, Check(metaData, dataLength, length, places));
        }
        catch (InvalidDataException exception) when (exception.InnerException is null && !exception.Message.StartsWith(places.File, StringComparison.Ordinal))
        {
            throw places.Fault($"the footer is damaged ({exception.Message})", exception);
        }
    }

    /// <summary>Checks the pages of a column before they are read.</summary>
    /// <param name="group">Number of the row group.</param>
    /// <param name="path">Path of the column.</param>
    /// <param name="type">Type that its values are read as.</param>
    /// <param name="place">The column for messages.</param>
    /// <returns>The number of values.</returns>
    /// <exception cref="InvalidDataException">They are damaged.</exception>
    public int CheckPages(int group, string path, Type type, int place)
    {
        int column = _paths.IndexOf(path);
        if (column < 0)
        {
            throw Damaged(group, place, "the column has no values");
        }

        var chunk = (ThriftStruct)((ThriftStruct)RowGroups[group]).List(1)![column];
        ThriftStruct metaData = chunk.Struct(3)!;
        long values = metaData.Number(5)!.Value;
        long[] offsets = [metaData.Number(9) ?? 0, metaData.Number(10) ?? 0, metaData.Number(11) ?? 0];
        long at = offsets.Where(offset => offset != 0).DefaultIfEmpty(0).Min();
        long codec = metaData.Number(4)!.Value;
        long stored = metaData.Number(1)!.Value;
        bool hasDictionary = false;
        Require(IsReadAs(stored, type), $"values of the type {stored} of the format are not read as {type.Name}");
        for (long read = 0; read < values;)
        {
            ThriftStruct header = ReadPageHeader(ref at, group, place);
            long compressed = header.Number(3) ?? -1, size = header.Number(2) ?? -1;
            long kind = header.Number(1) ?? -1;
            Require(compressed >= 0 && compressed <= DataLength - at, $"a page has {compressed} bytes; expected at most {DataLength - at}");
            Require(size >= 0 && size <= (1 << 20) + (compressed * Expansion), $"a page has {size} bytes, of {compressed} compressed; expected at most {Expansion} times as many and a mebibyte");
            long count;
            if (kind == DictionaryPage)
            {
                count = header.Struct(7)?.Number(1) ?? -1;

                // An entry takes a byte at least, but for logical values, which have no dictionary.
                Require(!hasDictionary && count >= 0 && count <= size && stored != Boolean, $"the dictionary is damaged");
                hasDictionary = true;
            }
            else
            {
                bool isSecond = kind == DataPageV2;
                ThriftStruct? data = header.Struct(isSecond ? 8 : 5);
                Require(data is not null && kind is DataPage or DataPageV2, $"a page is of kind {kind}; expected data or a dictionary");
                count = data!.Number(1) ?? -1;
                Require(count >= 0 && count <= values - read, $"a page has {count} values; expected at most {values - read}");
                read += count;
                CheckEncoding(data.Number(isSecond ? 4 : 2) ?? -1, stored, hasDictionary, Require);
                if (isSecond)
                {
                    long definitions = data.Number(5) ?? -1, repetitions = data.Number(6) ?? -1, nulls = data.Number(2) ?? -1;
                    Require(nulls >= 0 && nulls <= count, $"the number of missing values is wrong");
                    Require(definitions >= 0 && repetitions >= 0 && definitions + repetitions <= Math.Min(compressed, size), $"the lengths of levels are wrong");
                    CheckCompressed(data.Logical(7) == false ? 0 : codec, at + definitions + repetitions, compressed - definitions - repetitions, size, Require);
                }
                else
                {
                    Require(data.Number(3) is Rle && data.Number(4) is Rle, $"levels are encoded in a way that is not read");
                }
            }

            if (kind != DataPageV2)
            {
                CheckCompressed(codec, at, compressed, size, Require);
            }

            at += compressed;
        }

        return (int)values;

        void Require(bool condition, FormattableString problem)
        {
            if (!condition)
            {
                throw Damaged(group, place, Invariant(problem));
            }
        }
    }

    /// <summary>Creates the error about the values of a column.</summary>
    public InvalidDataException Damaged(int group, int column, string problem, Exception? inner = null) =>
        _places.Fault(string.Create(CultureInfo.InvariantCulture, $"row group {group + 1}, {_places.Describe(column)}: {problem}"), inner);

    /// <summary>Checks the footer. Returns the paths of the columns.</summary>
    private static List<string> Check(ThriftStruct metaData, long dataLength, long length, TablePlaces places)
    {
        List<object> schema = metaData.List(2) ?? [];
        Require(schema.Count is > 1 and <= MaximumColumns, $"the schema has {schema.Count} elements; expected 2 to {MaximumColumns}");
        int at = 0;
        List<string> paths = [];
        CheckElement(0, "");
        Require(at == schema.Count, $"the schema has {schema.Count} elements, of which {at} have a place");
        Require(paths.Distinct(StringComparer.Ordinal).Count() == paths.Count, $"two columns have the same name");
        List<object>? groups = metaData.List(4);
        Require(groups is not null, $"there is no list of row groups");
        long values = 0, limit = FreeValues + (length * ValuesForByte);
        foreach (ThriftStruct group in groups!.Cast<ThriftStruct>())
        {
            List<object> columns = group.List(1) ?? [];
            long rows = group.Number(3) ?? -1;
            Require(columns.Count == paths.Count, $"a row group has {columns.Count} columns; expected {paths.Count}, as the schema has");
            Require(rows is >= 0 and <= int.MaxValue, $"a row group has {rows} rows; expected at most {int.MaxValue}");
            values += rows;
            Require(values <= limit, $"there are {values} rows or more in {length} bytes; expected at most {limit}");
            long most = 0;
            for (int i = 0; i < columns.Count; i++)
            {
                var chunk = (ThriftStruct)columns[i];
                Require(!chunk.Fields.ContainsKey(1), $"a column lies in another file, which is not read");
                ThriftStruct? data = chunk.Struct(3);
                Require(data?.Number(1) is not null && data.Number(4) is not null && data.Number(5) is >= 0 and <= int.MaxValue && data.List(3) is { Count: > 0 }, $"the description of a column is damaged");
                string path = string.Join('\0', data!.List(3)!.Select(part => Encoding.UTF8.GetString((byte[])part)));
                Require(path == paths[i], $"the columns of a row group are others than those of the schema");
                long[] offsets = [data.Number(9) ?? 0, data.Number(10) ?? 0, data.Number(11) ?? 0];
                Require(data.Number(9) is > 0 && offsets.All(offset => offset >= 0 && offset <= dataLength), $"a column begins outside of the file");
                most = Math.Max(most, data.Number(5)!.Value - rows);
            }

            // Lists may have more values than rows.
            values += Math.Max(0, most);
            Require(values <= limit, $"a column has {values} values or more in {length} bytes; expected at most {limit}");
        }

        return paths;

        // Elements in the order of a walk: parents before their children.
        void CheckElement(int depth, string parent)
        {
            Require(depth <= MaximumDepth && at < schema.Count, $"the schema is nested wrongly or too deeply");
            var element = (ThriftStruct)schema[at++];
            long children = element.Number(5) ?? 0;
            bool isLeaf = element.Fields.ContainsKey(1);
            Require(element.Fields.ContainsKey(4) && children >= 0 && children <= schema.Count && (isLeaf ? children == 0 && depth > 0 : children > 0), $"an element of the schema is damaged");
            Require((element.Number(3) ?? 0) is >= 0 and <= 2, $"an element of the schema is damaged");
            string path = depth <= 1 ? element.Text(4)! : $"{parent}\0{element.Text(4)}";
            if (isLeaf)
            {
                paths.Add(path);
            }

            for (long i = 0; i < children; i++)
            {
                CheckElement(depth + 1, path);
            }
        }

        void Require(bool condition, FormattableString problem)
        {
            if (!condition)
            {
                throw places.Fault(Invariant(problem));
            }
        }
    }

    /// <summary>Tells whether a physical type is what a type of .NET is read from. The decoder goes by the latter, without checks.</summary>
    private static bool IsReadAs(long stored, Type type) => stored switch
    {
        Boolean => type == typeof(bool),
        Int32 => type == typeof(int) || type == typeof(uint) || type == typeof(short) || type == typeof(ushort) || type == typeof(sbyte) || type == typeof(byte) || type == typeof(DateTime),
        Int64 => type == typeof(long) || type == typeof(ulong) || type == typeof(DateTime),
        Int96 => type == typeof(DateTime),
        Float => type == typeof(float),
        Double => type == typeof(double),
        ByteArray => type == typeof(ReadOnlyMemory<char>),
        _ => false,
    };

    private static void CheckEncoding(long encoding, long type, bool hasDictionary, Action<bool, FormattableString> require)
    {
        bool fits = encoding switch
        {
            Plain => true,
            PlainDictionary or RleDictionary => hasDictionary,
            Rle => type == Boolean,
            DeltaBinaryPacked => type is Int32 or Int64,
            DeltaLengthByteArray or DeltaByteArray => type == ByteArray,
            _ => false,
        };
        require(fits, $"the values are encoded in the way {encoding} of the format, which is not read for the type {type}");
    }

    /// <summary>Compares the length that compressed data give, by which they are allocated, with that of the page.</summary>
    private void CheckCompressed(long codec, long at, long length, long size, Action<bool, FormattableString> require)
    {
        require(codec is >= 0 and <= 7 and not Lzo, $"the pages are compressed in the way {codec} of the format, which is not read");
        Span<byte> start = stackalloc byte[18];
        start = start[..(int)Math.Min(start.Length, length)];
        if (codec == 0)
        {
            require(size == length, $"a page has {size} bytes, but {length} where it is not compressed");
            return;
        }

        if (codec is not (Snappy or Zstandard))
        {
            return;
        }

        require(ReadExactly(_content, start, at), $"the file became shorter");
        long given = codec == Snappy ? SnappyLength(start) : ZstandardLength(start);
        require(given >= 0 && given <= size, $"compressed data of {given} bytes are in a page of {size}");
    }

    private static long SnappyLength(ReadOnlySpan<byte> data)
    {
        long length = 0;
        for (int i = 0; i < Math.Min(5, data.Length); i++)
        {
            length |= (long)(data[i] & 127) << (7 * i);
            if (data[i] < 128)
            {
                return length;
            }
        }

        return -1;
    }

    /// <summary>The content size of a Zstandard frame (RFC 8878); -1: it gives none.</summary>
    private static long ZstandardLength(ReadOnlySpan<byte> data)
    {
        if (data.Length < 6 || BinaryPrimitives.ReadUInt32LittleEndian(data) != 0xFD2FB528)
        {
            return -1;
        }

        byte descriptor = data[4];
        bool isSingle = (descriptor & 32) != 0;
        int at = 5 + (isSingle ? 0 : 1) + ((descriptor & 3) switch { 0 => 0, 1 => 1, 2 => 2, _ => 4 });
        int bytes = (descriptor >> 6) switch { 0 => isSingle ? 1 : 0, 1 => 2, 2 => 4, _ => 8 };
        if (bytes == 0 || data.Length < at + bytes)
        {
            return -1;
        }

        ulong length = 0;
        for (int i = 0; i < bytes; i++)
        {
            length |= (ulong)data[at + i] << (8 * i);
        }

        return bytes == 2 ? (long)length + 256 : (long)length;
    }

    private ThriftStruct ReadPageHeader(ref long at, int group, int place)
    {
        int read = (int)Math.Min(_page.Length, DataLength - at);
        if (read <= 0 || !ReadExactly(_content, _page.AsSpan(0, read), at))
        {
            throw Damaged(group, place, "the pages end too early");
        }

        try
        {
            var reader = new ThriftReader(_page.AsSpan(0, read), isStrict: true);
            ThriftStruct header = reader.ReadStruct(s_pageHeader);
            at += reader.At;
            return header;
        }
        catch (InvalidDataException exception)
        {
            throw Damaged(group, place, $"the header of a page is damaged ({exception.Message})", exception);
        }
    }

    private static bool ReadExactly(FileContent content, Span<byte> destination, long offset)
    {
        while (!destination.IsEmpty)
        {
            int read = content.Read(destination, offset);
            if (read == 0)
            {
                return false;
            }

            destination = destination[read..];
            offset += read;
        }

        return true;
    }

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
