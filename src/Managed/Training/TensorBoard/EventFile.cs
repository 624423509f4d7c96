using System.Buffers.Binary;
using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace OrthoNative;

/// <summary>A file of events that TensorBoard reads: TFRecords, each with a message <c>Event</c> (tensorflow/core/util/event.proto).</summary>
/// <remarks>
/// A scalar is a <c>simple_value</c>, as TensorFlow 1 and PyTorch write it, and not a tensor with the metadata of the plugin "scalars", as TensorFlow 2 does. TensorBoard shows both alike (it turns the first into
/// the second as it reads), and the first takes half the bytes.
/// </remarks>
internal sealed class EventFile : IDisposable
{
    /// <summary>Bytes from which records are written to the disk.</summary>
    private const int PieceBytes = 1 << 16;

    private const string Prefix = "events.out.tfevents.";
    private const int SecondDigits = 10;
    private const long MaximumSecond = 9_999_999_999;

    // Fields of the messages Event, SessionLog, Summary and Summary.Value.
    private const int WallTime = 1, Step = 2, FileVersion = 3, SummaryMessage = 5, SessionLogMessage = 7;
    private const int Status = 1, StatusStart = 1;
    private const int Value = 1;
    private const int Tag = 1, SimpleValue = 2;

    private static int s_count;

    private readonly SafeFileHandle _file;
    private readonly ProtobufBuffer _value = new();
    private readonly ProtobufBuffer _message = new();
    private readonly ProtobufBuffer _event = new();
    private readonly ProtobufBuffer _pending = new();
    private long _length;

    private EventFile(string path)
    {
        Path = path;
        _file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read | FileShare.Delete);
    }

    /// <summary>Path of the file.</summary>
    public string Path { get; }

    /// <summary>Creates a file in a folder, and the folder if there is none.</summary>
    /// <param name="folder">Path of the folder.</param>
    /// <param name="time">Seconds since 1970.</param>
    /// <param name="firstStep">The first step of the file: what earlier files of the folder have of this step and later ones counts no more.</param>
    public static EventFile Create(string folder, double time, long firstStep)
    {
        string full = Directory.CreateDirectory(folder).FullName;
        string host = string.Concat(Environment.MachineName.Select(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' ? letter : '_'));
        var file = new EventFile(System.IO.Path.Combine(full, string.Create(
            CultureInfo.InvariantCulture, $"{Prefix}{SecondOf(full, (long)time):D10}.{host}.{Environment.ProcessId}.{Interlocked.Increment(ref s_count)}")));
        file._event.Write(WallTime, time);
        file._event.Write(FileVersion, "brain.Event:2"u8);
        file.EndRecord();
        file._message.Write(Status, StatusStart);
        file.End(SessionLogMessage, time, firstStep);
        return file;
    }

    /// <summary>Adds a value to the event that <see cref="End(double, long)"/> completes.</summary>
    /// <param name="tag">Name of its series, in UTF-8.</param>
    /// <param name="value">The value, which is stored as a float.</param>
    public void Add(ReadOnlySpan<byte> tag, double value)
    {
        _value.Clear();
        _value.Write(Tag, tag);
        _value.Write(SimpleValue, (float)value);
        _message.Write(Value, _value.Written);
    }

    /// <summary>Completes an event.</summary>
    /// <param name="time">Seconds since 1970.</param>
    /// <param name="step">The training step that it is of.</param>
    public void End(double time, long step)
    {
        End(SummaryMessage, time, step);
        if (_pending.Written.Length >= PieceBytes)
        {
            Flush();
        }
    }

    /// <summary>Writes what is not yet written, so that it is there if the program is killed.</summary>
    public void Flush()
    {
        RandomAccess.Write(_file, _pending.Written, _length);
        _length += _pending.Written.Length;
        _pending.Clear();
    }

    /// <summary>Closes the file, without a flush.</summary>
    public void Dispose() => _file.Dispose();

    private void End(int field, double time, long step)
    {
        _event.Write(WallTime, time);
        _event.Write(Step, step);
        _event.Write(field, _message.Written);
        _message.Clear();
        EndRecord();
    }

    private void EndRecord()
    {
        Span<byte> number = stackalloc byte[sizeof(ulong)];
        ReadOnlySpan<byte> data = _event.Written;
        BinaryPrimitives.WriteUInt64LittleEndian(number, (ulong)data.Length);
        _pending.Append(number);
        AppendChecksum(number);
        _pending.Append(data);
        AppendChecksum(data);
        _event.Clear();
    }

    /// <summary>Appends a checksum in the form that TFRecords have, in which it does not look like one of the bytes and itself.</summary>
    private void AppendChecksum(ReadOnlySpan<byte> data)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, uint.RotateRight(Crc32.Castagnoli.Append(0, data), 15) + 0xA282EAD8);
        _pending.Append(bytes);
    }

    /// <summary>The second in a new file's name. TensorBoard reads files in the order of their names: a new one comes after those that are there, even if two are of one second or the clock was put back.</summary>
    private static long SecondOf(string folder, long second)
    {
        foreach (string path in Directory.EnumerateFiles(folder, Prefix + "*"))
        {
            ReadOnlySpan<char> name = System.IO.Path.GetFileName(path.AsSpan())[Prefix.Length..];
            int end = name.IndexOf('.');
            if (end == SecondDigits && long.TryParse(name[..end], NumberStyles.None, CultureInfo.InvariantCulture, out long earlier) && earlier < MaximumSecond)
            {
                second = long.Max(second, earlier + 1);
            }
        }

        return second;
    }
}
