using OrthoNative.Interop;

namespace OrthoNative.Cli.Files;

/// <summary>Files that belong together by their names.</summary>
internal static class DataFolder
{
    /// <summary>Extensions of files of data, the first ones preferred where a folder has the same data several times.</summary>
    private static readonly string[] s_extensions = [".ts", ".tsv", ".csv", ".parquet", ".arrow", ".feather", ".npz", ".npy", ".txt"];

    /// <summary>Names of the two parts of data.</summary>
    private static readonly (string Training, string Test)[] s_parts = [("TRAIN", "TEST"), ("train", "test"), ("Train", "Test"), ("TRAINING", "TEST"), ("training", "test")];

    /// <summary>The file with the test data beside that with the training data; null: there is none.</summary>
    public static string? FindTest(string path)
    {
        string name = Path.GetFileName(path);
        string stem = Stem(name);
        foreach ((string training, string test) in s_parts)
        {
            if (stem.EndsWith(training, StringComparison.Ordinal) && (stem.Length == training.Length || stem[^(training.Length + 1)] is '_' or '-' or '.' or ' '))
            {
                string other = Path.Combine(Path.GetDirectoryName(path) ?? "", $"{stem[..^training.Length]}{test}{name[stem.Length..]}");
                if (File.Exists(other))
                {
                    return other;
                }
            }
        }

        return null;
    }

    /// <summary>The file of a folder with the data; null: the folder has WAV files.</summary>
    /// <exception cref="CliException">There is none, or there are several.</exception>
    public static string? FindFile(string folder)
    {
        // Not a pipe, which would be waited for.
        string[] files =
        [
            .. Directory.EnumerateFiles(folder)
                .Where(file => s_extensions.Contains(Extension(file)) && FileStatus.Of(file, follow: true) is not { IsDevice: true })
                .Order(StringComparer.Ordinal),
        ];
        string[] training = [.. files.Where(file => FindTest(file) is not null)];
        if (training.Select(file => Stem(Path.GetFileName(file))).Distinct(StringComparer.Ordinal).Count() == 1)
        {
            return training.MinBy(file => Array.IndexOf(s_extensions, Extension(file)));
        }

        if (training.Length == 0 && files.Length == 1)
        {
            return files[0];
        }

        if (SoundFolder.HasSounds(folder))
        {
            return null;
        }

        string[] named = training.Length > 0 ? training : files;
        throw CliException.Failure(named.Length == 0
            ? $"{ForeignText.CleanPath(folder)} has no files of data and no WAV files; expected one file, a pair such as X_TRAIN.ts and X_TEST.ts, or WAV files"
            : $"{ForeignText.CleanPath(folder)} has several files of data, {ForeignText.CleanList(named.Select(file => Path.GetFileName(file)), named.Length)}; give one of them");
    }

    /// <summary>A name without its extension, and without that of compression.</summary>
    private static string Stem(string name) => Path.GetFileNameWithoutExtension(IsCompressed(name) ? name[..^3] : name);

    private static string Extension(string path) => Path.GetExtension(IsCompressed(path) ? path[..^3] : path).ToLowerInvariant();

    private static bool IsCompressed(string name) => name.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);
}
