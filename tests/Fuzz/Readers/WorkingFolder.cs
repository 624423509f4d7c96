namespace OrthoNative.Fuzz.Readers;

/// <summary>A folder for the files that are read, in memory where the system has one there.</summary>
internal sealed class WorkingFolder : IDisposable
{
    private const string Memory = "/dev/shm";

    private readonly string _path = Directory.Exists(Memory)
        ? Directory.CreateDirectory(Path.Combine(Memory, $"orthonative-fuzz-{Guid.NewGuid():N}")).FullName
        : Directory.CreateTempSubdirectory("orthonative-fuzz-").FullName;

    public string File(string name) => Path.Combine(_path, name);

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
