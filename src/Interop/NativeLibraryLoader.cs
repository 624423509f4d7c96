using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace OrthoNative.Interop;

/// <summary>Finds the native library, loads it and makes sure that it is the one that these bindings were written for.</summary>
internal static unsafe class NativeLibraryLoader
{
    /// <summary>Environment variable that may name the library's file; then nothing else is tried.</summary>
    public const string PathVariable = "ORTHONATIVE_LIBRARY";

    /// <summary>The library's file name on this operating system.</summary>
    public static string FileName =>
        OperatingSystem.IsWindows() ? "orthonative.dll" :
        OperatingSystem.IsMacOS() ? "liborthonative.dylib" : "liborthonative.so";

    private static readonly object s_loading = new();
    private static nint s_library;

    /// <summary>
    /// Loads the library at the first call. The runtime asks again for every function, and all of them must come from one
    /// library, even if files have changed meanwhile.
    /// </summary>
    /// <exception cref="OrthoNativeLibraryException">As <see cref="Load"/>; the next call tries again.</exception>
    public static nint LoadOnce(uint abiVersion, string headerHash)
    {
        lock (s_loading)
        {
            if (s_library == 0)
            {
                s_library = Load(Candidates(), abiVersion, headerHash);
            }

            return s_library;
        }
    }

    /// <summary>Where the library is looked for, in this order.</summary>
    public static IReadOnlyList<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable(PathVariable) is { Length: > 0 } named)
        {
            return [named];
        }

        var candidates = new List<string>();
        AddFolder(candidates, AppContext.BaseDirectory);
        AddFolder(candidates, AssemblyFolder());

        // The platform's own search: PATH, LD_LIBRARY_PATH, system folders.
        candidates.Add(FileName);
        return candidates;
    }

    /// <summary>Loads the first candidate that loads, and checks it.</summary>
    /// <exception cref="OrthoNativeLibraryException">None loads, or the one that does is of another build.</exception>
    public static nint Load(IReadOnlyList<string> candidates, uint abiVersion, string headerHash)
    {
        var failures = new StringBuilder();
        foreach (string candidate in candidates)
        {
            try
            {
                nint library = NativeLibrary.Load(candidate);
                Check(library, candidate, abiVersion, headerHash);
                return library;
            }
            catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException)
            {
                failures.Append(CultureInfo.InvariantCulture, $"\n  {ForeignText.CleanPath(candidate)}: {OneLine(ForeignText.CleanMessage(exception.Message))}");
            }
        }

        throw new OrthoNativeLibraryException(
            $"The native library {FileName} could not be loaded. Tried:{failures}\n" +
            $"Build the project OrthoNative.Interop or install the package OrthoNative for {RuntimeIdentifier}, " +
            $"or set the environment variable {PathVariable} to the library's path.");
    }

    private static void Check(nint library, string path, uint abiVersion, string headerHash)
    {
        string? difference = null;
        if (!NativeLibrary.TryGetExport(library, nameof(NativeMethods.ortho_abi_version), out nint getAbiVersion) ||
            !NativeLibrary.TryGetExport(library, nameof(NativeMethods.ortho_header_hash), out nint getHeaderHash))
        {
            difference = "it does not export the functions that tell its version";
        }
        else if (((delegate* unmanaged<uint>)getAbiVersion)() is uint foundVersion && foundVersion != abiVersion)
        {
            difference = $"its ABI version is {foundVersion}, expected is {abiVersion}";
        }
        else if (Marshal.PtrToStringUTF8((nint)((delegate* unmanaged<byte*>)getHeaderHash)()) is string foundHash &&
            foundHash != headerHash)
        {
            difference = $"it was built with another orthonative.h (SHA-256 {ForeignText.Clean(foundHash)}, expected is {headerHash})";
        }

        if (difference is not null)
        {
            NativeLibrary.Free(library);
            throw new OrthoNativeLibraryException(
                $"The native library {ForeignText.CleanPath(path)} does not belong to this version of OrthoNative: {difference}. " +
                "Rebuild the project OrthoNative.Interop, or install library and assembly from one package.");
        }
    }

    private static void AddFolder(List<string> candidates, string folder)
    {
        foreach (string path in (ReadOnlySpan<string>)
            [
                Path.Combine(folder, FileName),
                Path.Combine(folder, "runtimes", RuntimeIdentifier, "native", FileName),
            ])
        {
            if (!candidates.Contains(path))
            {
                candidates.Add(path);
            }
        }
    }

    /// <summary>The portable identifier, linux-x64; the runtime's own may name a distribution.</summary>
    private static string RuntimeIdentifier
    {
        get
        {
            string system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux";
            return $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        }
    }

    /// <summary>The folder of this assembly; that of the program where it has none of its own (single file, native AOT).</summary>
    [UnconditionalSuppressMessage("SingleFile", "IL3000", Justification = "An empty location is the case that is handled.")]
    private static string AssemblyFolder() =>
        Path.GetDirectoryName(typeof(NativeLibraryLoader).Assembly.Location) is { Length: > 0 } folder ? folder : AppContext.BaseDirectory;

    private static string OneLine(string text) =>
        string.Join(' ', text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
}
