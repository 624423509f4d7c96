using System.Buffers.Binary;
using System.Runtime.InteropServices;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Reads one sequence from a file of rows of 32-bit floating-point numbers, little-endian, one row for each step: inputs, and behind them the targets.</summary>
/// <remarks>
/// The file may be larger than memory: what is read at once is what is asked for. The data of an NPY file of element type <c>&lt;f4</c> and shape <c>[T, columns]</c> in C order is such a file
/// behind its header (<see cref="SequenceFileOptions.Offset"/>).
/// </remarks>
public sealed class SequenceFileReader : SequenceReader
{
    private const int MaximumColumns = 1 << 20;

    // A float has all whole numbers up to this one.
    private const int MaximumClasses = 1 << 24;
    private const int ChunkBytes = 1 << 16;

    private readonly Stream _stream;
    private readonly bool _leaveOpen;
    private readonly string _place;
    private readonly long _first;
    private readonly int _columns;
    private readonly byte[] _chunk;

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Its layout.</param>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <exception cref="InvalidDataException">The file is not made of whole rows, or has fewer than the options say.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public SequenceFileReader(string path, SequenceFileOptions options)
        : this(Open(path, options), options, leaveOpen: false, $"'{ForeignText.CleanPath(path)}'", isOpenedHere: true)
    {
    }

    /// <summary>Reads from a stream.</summary>
    /// <param name="stream">Read from its position on; it must seek.</param>
    /// <param name="options">Its layout.</param>
    /// <param name="leaveOpen">True: the stream is left open when the reader is disposed.</param>
    /// <exception cref="ArgumentException">The stream cannot be read, or does not seek.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <exception cref="InvalidDataException">The stream is not made of whole rows, or has fewer than the options say.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public SequenceFileReader(Stream stream, SequenceFileOptions options, bool leaveOpen = false)
        : this(Given(stream, options), options, leaveOpen, stream is FileStream file ? $"'{ForeignText.CleanPath(file.Name)}'" : "The stream", isOpenedHere: false)
    {
    }

    private SequenceFileReader(Stream stream, SequenceFileOptions options, bool leaveOpen, string place, bool isOpenedHere)
    {
        (_stream, _leaveOpen, _place) = (stream, leaveOpen, place);
        (Features, HasTargets, IsClassification, Outputs) = (options.Features, options.HasTargets, options.IsClassification, options.Outputs);
        _columns = options.Features + (!options.HasTargets ? 0 : options.IsClassification ? 1 : options.Outputs);
        try
        {
            long length = stream.Length - stream.Position;
            _first = stream.Position + options.Offset;
            long bytes = length - options.Offset;
            long rows = bytes / RowBytes;
            if (options.Steps is { } steps ? rows < steps : rows < 1 || bytes % RowBytes != 0)
            {
                string expected = options.Steps is { } required ? $"at least {required * (Int128)RowBytes}" : $"a positive multiple of {RowBytes}";
                throw new InvalidDataException(FormattableString.Invariant(
                    $"{place} has {long.Max(bytes, 0)} bytes from byte {_first} on; expected: {expected}, rows of {_columns} numbers of 4 bytes."));
            }

            Steps = options.Steps ?? rows;
            _chunk = new byte[(int)long.Min(Steps, int.Max(1, ChunkBytes / RowBytes)) * RowBytes];
        }
        catch when (isOpenedHere)
        {
            stream.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override long Steps { get; }

    /// <inheritdoc/>
    public override long Features { get; }

    /// <inheritdoc/>
    public override long Outputs { get; }

    /// <inheritdoc/>
    public override bool IsClassification { get; }

    /// <inheritdoc/>
    public override bool HasTargets { get; }

    private int RowBytes => _columns * sizeof(float);

    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">A number is NaN or infinite, or no class, or the file has become shorter. The message has the row and the byte.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The reader was disposed.</exception>
    public override void Read(long start, int steps, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        CheckBuffers(start, steps, inputs.Length, classes.Length, values.Length, nameof(inputs));
        _stream.Position = _first + (start * RowBytes);
        int features = (int)Features;
        int most = _chunk.Length / RowBytes;
        for (int done = 0; done < steps;)
        {
            int rows = int.Min(most, steps - done);
            ReadOnlySpan<float> numbers = ReadRows(start + done, rows);
            for (int i = 0; i < rows; i++, done++)
            {
                ReadOnlySpan<float> row = numbers.Slice(i * _columns, _columns);
                row[..features].CopyTo(inputs[(done * features)..]);
                if (!classes.IsEmpty)
                {
                    classes[done] = ClassOf(row[features], start + done);
                }
                else if (!values.IsEmpty)
                {
                    row[features..].CopyTo(values[(done * (_columns - features))..]);
                }
            }
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!_leaveOpen)
        {
            _stream.Dispose();
        }

        base.Dispose(disposing);
    }

    private static FileStream Open(string path, SequenceFileOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(options);
        Validate(options);
        return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
    }

    private static Stream Given(Stream stream, SequenceFileOptions options)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(options);
        Validate(options);
        return stream.CanRead && stream.CanSeek
            ? stream
            : throw new ArgumentException($"{nameof(stream)} cannot be read, does not seek, or was closed; it must be readable and seek.", nameof(stream));
    }

    private static void Validate(SequenceFileOptions options)
    {
        Check.InRange(options.Features, 1, MaximumColumns);
        Check.InRange(options.Outputs, 1, options.IsClassification ? MaximumClasses : MaximumColumns);
        Check.InRange(options.Offset, 0, long.MaxValue / 2);
        Check.AtLeast(options.Steps ?? 1, 1, $"{nameof(options)}.{nameof(options.Steps)}");
    }

    /// <summary>Reads rows from where the stream stands.</summary>
    private ReadOnlySpan<float> ReadRows(long first, int rows)
    {
        Span<byte> bytes = _chunk.AsSpan(0, rows * RowBytes);
        try
        {
            _stream.ReadExactly(bytes);
        }
        catch (EndOfStreamException exception)
        {
            throw new InvalidDataException(
                FormattableString.Invariant($"{_place} has become shorter: it ends within the {rows} rows behind row {first}, at byte {_first + (first * RowBytes)}."), exception);
        }

        Span<float> numbers = MemoryMarshal.Cast<byte, float>(bytes);
        if (!BitConverter.IsLittleEndian)
        {
            Span<int> words = MemoryMarshal.Cast<byte, int>(bytes);
            BinaryPrimitives.ReverseEndianness(words, words);
        }

        for (int i = 0; i < numbers.Length; i++)
        {
            if (!float.IsFinite(numbers[i]))
            {
                throw Invalid(first + (i / _columns), i % _columns, numbers[i], "it must be finite");
            }
        }

        return numbers;
    }

    private int ClassOf(float number, long row)
    {
        int index = (int)number;
        return index == number && index >= 0 && index < Outputs
            ? index
            : throw Invalid(row, (int)Features, number, FormattableString.Invariant($"it must be a class, a whole number from 0 to {Outputs - 1}"));
    }

    private InvalidDataException Invalid(long row, int column, float number, string required) => new(FormattableString.Invariant(
        $"{_place}: row {row}, column {column} (byte {_first + (row * RowBytes) + (column * sizeof(float))}) is {number}; {required}."));
}
