using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace OrthoNative.Interop;

/// <summary>Finds the native library, loads it and makes sure that it is the one that these bindings were written for.</summary>
/// <remarks>
/// It is looked for beside this assembly and the program first, where a package or a build puts it, and then by .NET itself: in the folders that the
/// program's deps.json names, where a single file unpacks what it contains, in what an AssemblyLoadContext or a handler of its events
/// answers, and by the system's loader. A library that does not belong to this assembly is passed over, wherever it is found.
/// </remarks>
internal static unsafe partial class NativeLibraryLoader
{
    /// <summary>Environment variable that may name the library's file, by its full path; then nothing else is tried.</summary>
    public const string PathVariable = "ORTHONATIVE_LIBRARY";

    /// <summary>The library's file name on this operating system.</summary>
    public static string FileName =>
        OperatingSystem.IsWindows() ? "liborthonative.dll" :
        OperatingSystem.IsMacOS() ? "liborthonative.dylib" : "liborthonative.so";

    private static readonly object s_loading = new();
    private static nint s_library;
    private static bool s_loaded;
    private static bool s_askingRuntime;

    /// <summary>
    /// Loads the library at the first call. The runtime asks again for every function, and all of them must come from one
    /// library, even if files have changed meanwhile.
    /// </summary>
    /// <returns>The library; 0 if the runtime has found the right one by itself and is to continue to do so.</returns>
    /// <exception cref="OrthoNativeLibraryException">As <see cref="Load"/>; the next call tries again.</exception>
    public static nint LoadOnce(uint abiVersion, string headerHash)
    {
        lock (s_loading)
        {
            // The runtime asks here first for the functions that AskRuntime calls.
            if (!s_loaded && !s_askingRuntime)
            {
                var failures = new StringBuilder();
                string? named = Named();
                s_library = TryLoad(named is null ? Candidates() : [named], abiVersion, headerHash, failures);
                if (s_library == 0 && (named is not null || !AskRuntime(abiVersion, headerHash, failures)))
                {
                    throw Failure(failures);
                }

                s_loaded = true;
            }

            return s_library;
        }
    }

    /// <summary>The files that are tried before .NET's own search, in this order.</summary>
    public static IReadOnlyList<string> Candidates()
    {
        // The assembly's folder first: a plugin brings a library of its own, and that of the program may be of another version.
        var candidates = new List<string>();
        AddFolder(candidates, AssemblyFolder());
        AddFolder(candidates, Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        return candidates;
    }

    /// <summary>Loads the first candidate that loads and belongs to these bindings.</summary>
    /// <exception cref="OrthoNativeLibraryException">None does; the message says why for each.</exception>
    public static nint Load(IReadOnlyList<string> candidates, uint abiVersion, string headerHash)
    {
        var failures = new StringBuilder();
        nint library = TryLoad(candidates, abiVersion, headerHash, failures);
        return library != 0 ? library : throw Failure(failures);
    }

    /// <summary>The path that the environment variable names; null if it is not set or does not count.</summary>
    /// <exception cref="OrthoNativeLibraryException">It is not a full path.</exception>
    private static string? Named()
    {
        if (Environment.GetEnvironmentVariable(PathVariable) is not { Length: > 0 } named || Privileges.AreRaised)
        {
            return null;
        }

        // What a relative path stands for changes with the current folder, in which anyone may have put a file.
        return Path.IsPathFullyQualified(named)
            ? named
            : throw new OrthoNativeLibraryException($"The environment variable {PathVariable} is '{ForeignText.CleanPath(named)}'; it must be the full path of the library.");
    }

    private static nint TryLoad(IReadOnlyList<string> candidates, uint abiVersion, string headerHash, StringBuilder failures)
    {
        foreach (string candidate in candidates)
        {
            try
            {
                nint library = NativeLibrary.Load(candidate);
                if (Difference(library, abiVersion, headerHash) is not { } difference)
                {
                    return library;
                }

                NativeLibrary.Free(library);
                AddFailure(failures, ForeignText.CleanPath(candidate), difference);
            }
            catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException)
            {
                AddFailure(failures, ForeignText.CleanPath(candidate), OneLine(ForeignText.CleanMessage(exception.Message)));
            }
        }

        return 0;
    }

    /// <summary>Tells whether the library that .NET finds by itself belongs to these bindings.</summary>
    private static bool AskRuntime(uint abiVersion, string headerHash, StringBuilder failures)
    {
        const string Search = ".NET's own search";
        s_askingRuntime = true;
        try
        {
            if (Difference(FoundAbiVersion(), Text(FoundHeaderHash()), abiVersion, headerHash) is not { } difference)
            {
                return true;
            }

            AddFailure(failures, Search, difference);
        }
        catch (EntryPointNotFoundException)
        {
            AddFailure(failures, Search, NoVersion);
        }
        catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException)
        {
            AddFailure(failures, Search, ForeignText.CleanMessage(exception.Message).ReplaceLineEndings("\n").TrimEnd('\n').Replace("\n", "\n    ", StringComparison.Ordinal));
        }
        finally
        {
            s_askingRuntime = false;
        }

        return false;
    }

    // Functions of their own, so that those of NativeMethods are not bound to a library that turns out to be another one.
    [LibraryImport(NativeMethods.Library, EntryPoint = nameof(NativeMethods.ortho_abi_version))]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial uint FoundAbiVersion();

    [LibraryImport(NativeMethods.Library, EntryPoint = nameof(NativeMethods.ortho_header_hash))]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    private static partial byte* FoundHeaderHash();

    private static string? Difference(nint library, uint abiVersion, string headerHash) =>
        NativeLibrary.TryGetExport(library, nameof(NativeMethods.ortho_abi_version), out nint getAbiVersion) &&
        NativeLibrary.TryGetExport(library, nameof(NativeMethods.ortho_header_hash), out nint getHeaderHash)
            ? Difference(
                ((delegate* unmanaged[Cdecl]<uint>)getAbiVersion)(), Text(((delegate* unmanaged[Cdecl]<byte*>)getHeaderHash)()), abiVersion, headerHash)
            : NoVersion;

    private static string? Difference(uint foundVersion, string foundHash, uint abiVersion, string headerHash) =>
        foundVersion != abiVersion ? $"{OfAnotherVersion}: its ABI version is {foundVersion}, expected is {abiVersion}" :
        foundHash != headerHash ? $"{OfAnotherVersion}: it was built with another orthonative.h (SHA-256 {ForeignText.Clean(foundHash)}, expected is {headerHash})" :
        null;

    private const string OfAnotherVersion = "it does not belong to this version of OrthoNative";

    private const string NoVersion = $"{OfAnotherVersion}: it does not export the functions that tell its version";

    private static string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";

    private static void AddFailure(StringBuilder failures, string where, string reason) =>
        failures.Append(CultureInfo.InvariantCulture, $"\n  {where}: {reason}");

    private static OrthoNativeLibraryException Failure(StringBuilder failures)
    {
        string tried = failures.ToString();
        string another = tried.Contains(OfAnotherVersion, StringComparison.Ordinal)
            ? "Rebuild the project OrthoNative.Interop, or install library and assembly from one package. "
            : "";
        string ignored = Privileges.AreRaised
            ? " (The variable is ignored: this program has more rights than the user who started it.)"
            : "";
        return new OrthoNativeLibraryException(
            $"The native library {FileName} could not be loaded. Tried:{tried}\n{another}" +
            $"Build the project OrthoNative.Interop or install the package OrthoNative for {RuntimeIdentifier}, " +
            $"or set the environment variable {PathVariable} to the library's full path.{ignored}");
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

    /// <summary>The portable identifier, linux-x64. The runtime's own may name a distribution: that of Alpine begins with alpine, and its C library is musl, too.</summary>
    private static string RuntimeIdentifier
    {
        get
        {
            string system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" :
                RuntimeInformation.RuntimeIdentifier is var own && (own.Contains("musl", StringComparison.Ordinal) || own.StartsWith("alpine", StringComparison.Ordinal)) ? "linux-musl" : "linux";
            return $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        }
    }

    /// <summary>
    /// The folder of this assembly; that of the program where it has none of its own (single file, native AOT,
    /// loaded from bytes).
    /// </summary>
    [UnconditionalSuppressMessage("SingleFile", "IL3000", Justification = "An empty location is the case that is handled.")]
    private static string AssemblyFolder() =>
        Path.GetDirectoryName(typeof(NativeLibraryLoader).Assembly.Location) is { Length: > 0 } folder
            ? folder
            : Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);

    private static string OneLine(string text) =>
        string.Join(' ', text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
}
