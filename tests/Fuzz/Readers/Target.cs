using System.Globalization;

namespace OrthoNative.Fuzz.Readers;

/// <summary>A reader of files and what is promised of it.</summary>
/// <param name="folder">Where its files are.</param>
/// <param name="name">Its name.</param>
internal abstract class Target(WorkingFolder folder, string name) : IDisposable
{
    private const int MaximumMessage = 3000;

    /// <summary>Memory that reading takes beside what the file's length allows.</summary>
    private const long BaseBytes = 1 << 20;

    /// <summary>Name on the command line.</summary>
    public string Name { get; } = name;

    /// <summary>Valid files, from which damaged ones are made.</summary>
    public abstract IReadOnlyList<byte[]> Seeds { get; }

    /// <summary>Inputs that were read without complaint.</summary>
    public long Accepted { get; private set; }

    /// <summary>Managed bytes that reading may take for each byte of the file.</summary>
    protected abstract long BytesForByte { get; }

    /// <summary>The file that is read.</summary>
    protected string FilePath { get; } = folder.File($"{name}.in");

    protected WorkingFolder Folder { get; } = folder;

    /// <summary>Reads an input.</summary>
    /// <returns>Whether it is valid.</returns>
    /// <exception cref="FindingException">A promise is broken.</exception>
    public bool Check(byte[] input)
    {
        File.WriteAllBytes(FilePath, input);
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            Read();
        }
        catch (Exception exception) when (IsDocumented(exception))
        {
            CheckMemory(before, input.Length);
            CheckMessage(exception.Message);
            CheckUnchanged();
            return false;
        }
        catch (Exception exception) when (exception is not FindingException)
        {
            throw new FindingException($"an exception that is not documented: {exception.GetType()}", exception);
        }

        CheckMemory(before, input.Length);
        Accepted++;
        return true;
    }

    public virtual void Dispose()
    {
    }

    /// <summary>Reads <see cref="FilePath"/>.</summary>
    protected abstract void Read();

    /// <summary>Whether the reader's documentation names an exception.</summary>
    protected virtual bool IsDocumented(Exception exception) => exception is InvalidDataException;

    /// <summary>Makes sure that a file which was refused has changed nothing.</summary>
    protected virtual void CheckUnchanged()
    {
    }

    private void CheckMemory(long before, long length)
    {
        long taken = GC.GetAllocatedBytesForCurrentThread() - before;
        if (taken > BaseBytes + (BytesForByte * length))
        {
            throw new FindingException(string.Create(CultureInfo.InvariantCulture, $"{taken} bytes of memory for a file of {length}"));
        }
    }

    private static void CheckMessage(string message)
    {
        if (message.Length > MaximumMessage)
        {
            throw new FindingException(string.Create(CultureInfo.InvariantCulture, $"a message of {message.Length} characters"));
        }

        for (int i = 0; i < message.Length; i += char.IsSurrogatePair(message, i) ? 2 : 1)
        {
            // The category of half a pair is that of a surrogate.
            if (CharUnicodeInfo.GetUnicodeCategory(message, i) is UnicodeCategory.Control or UnicodeCategory.Format
                or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate)
            {
                throw new FindingException(string.Create(CultureInfo.InvariantCulture, $"a message with the character U+{(int)message[i]:X4}"));
            }
        }
    }
}
