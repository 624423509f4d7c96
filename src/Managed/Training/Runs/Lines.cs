using System.Text;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Reads the lines of a growing file, as far as a save goes.</summary>
internal static class Lines
{
    /// <summary>Longer lines are in none of the program's files.</summary>
    private const int LongestLine = 1 << 16;

    /// <summary>Lines without their ends, and the bytes up to the end of each.</summary>
    /// <param name="path">The file.</param>
    /// <param name="bytes">Bytes to read at most; null: to the end of the file.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">A line has no end, or is too long.</exception>
    public static IEnumerable<(string Line, long End)> Read(string path, long? bytes)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1 << 16);
        long last = Math.Min(bytes ?? long.MaxValue, file.Length);
        byte[] line = new byte[LongestLine];
        int length = 0;
        for (long position = 0; position < last;)
        {
            int value = file.ReadByte();
            position++;
            if (value == '\n')
            {
                // Editors of other systems may have ended it with two characters.
                int end = length > 0 && line[length - 1] == '\r' ? length - 1 : length;
                yield return (Encoding.Latin1.GetString(line, 0, end), position);
                length = 0;
                continue;
            }

            if (value >= 0 && length < line.Length)
            {
                line[length++] = (byte)value;
                if (position < last)
                {
                    continue;
                }
            }

            string start = $"'{ForeignText.Clean(Encoding.Latin1.GetString(line, 0, length))}'";
            throw new InvalidDataException(FormattableString.Invariant($"'{ForeignText.CleanPath(path)}' at offset {position}: the line {start} has no end; expected: a line of at most {LongestLine} bytes."));
        }
    }
}
