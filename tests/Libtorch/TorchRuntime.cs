using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace OrthoNative.Libtorch;

/// <summary>What has to be done before libtorch is loaded. On Linux only; elsewhere everything is left as it is.</summary>
internal static partial class TorchRuntime
{
    private const string NativeLibrary = "libLibTorchSharp.so";
    private const int RtldNow = 2;
    private const int RtldGlobal = 0x100;

    /// <summary>The one thing that TorchSharp's library wants from the C++ runtime of GCC 13.</summary>
    private const string NewestRuntimeVersion = "GLIBCXX_3.4.32";

    private static readonly string s_folder = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native");

    /// <summary>Lets TorchSharp load where the C++ runtime is that of GCC 12 or older. Once for each process.</summary>
    public static void Prepare()
    {
        if (!IsLinuxX64 || HasNewestRuntime())
        {
            return;
        }

        // GCC 13 moved the initialization of std::cout into the C++ runtime and calls for it by an empty function. An older
        // runtime has no such function and needs none: libtorch itself initializes the streams.
        MakeOptional(Path.Combine(s_folder, NativeLibrary), NewestRuntimeVersion);
        LoadBefore("ios_base_library", "void _ZSt21ios_base_library_initv(void) {}");
    }

    /// <summary>
    /// Lets MKL use AVX-512 on processors of any maker: it asks a function of its own whether the maker is Intel before it
    /// does. libtorch exports that function, so one that was loaded before takes its place. MKL_ENABLE_INSTRUCTIONS and
    /// MKL_CBWR do not do it: both are upper bounds.
    /// </summary>
    public static void ForceAvx512() => LoadBefore("mkl_intel_cpu", "int mkl_serv_intel_cpu_true(void) { return 1; }");

    /// <summary>Whether <see cref="ForceAvx512"/> can have an effect here.</summary>
    public static bool CanForceAvx512 =>
        IsLinuxX64 && System.Runtime.Intrinsics.X86.Avx512F.IsSupported && FindCompiler() is not null;

    private static bool IsLinuxX64 => OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64;

    private static bool HasNewestRuntime()
    {
        nint runtime = Open("libstdc++.so.6", RtldNow);
        return runtime != 0 && FindSymbol(runtime, "_ZSt21ios_base_library_initv") != 0;
    }

    /// <summary>Compiles a library and loads it so that its symbols come before those of all that is loaded later.</summary>
    private static void LoadBefore(string name, string source)
    {
        // In a folder of this user alone, where nobody else can have put a file of this name.
        string folder = Directory.CreateTempSubdirectory("orthonative-").FullName;
        string library = Path.Combine(folder, $"{name}.so");
        string compiler = FindCompiler() ?? throw new NotSupportedException("There is no C compiler (cc, gcc or clang) on the PATH.");
        var start = new ProcessStartInfo(compiler, ["-shared", "-fPIC", "-nostdlib", "-x", "c", "-", "-o", library])
        {
            RedirectStandardInput = true,
        };
        using (Process process = Process.Start(start)!)
        {
            process.StandardInput.Write(source);
            process.StandardInput.Close();
            process.WaitForExit();
            if (process.ExitCode != 0)
            {
                throw new NotSupportedException($"{compiler} could not build {name}.");
            }
        }

        nint handle = Open(library, RtldNow | RtldGlobal);
        Directory.Delete(folder, recursive: true);
        if (handle == 0)
        {
            throw new NotSupportedException($"{name} could not be loaded.");
        }
    }

    private static string? FindCompiler() =>
        (from name in (string[])["cc", "gcc", "clang"]
         from folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
         select Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    /// <summary>
    /// Marks a version that a library needs as weak, so that the loader continues without it. The copy beside this program is
    /// replaced, never changed where it lies, since other files may share its content.
    /// </summary>
    private static void MakeOptional(string path, string version)
    {
        const int SectionHeadersAt = 40, SectionHeaderSizeAt = 58, VersionNeeds = 0x6ffffffe;
        const ushort Weak = 2;
        byte[] file = File.ReadAllBytes(path);
        int headers = (int)Long(file, SectionHeadersAt);
        int headerSize = Short(file, SectionHeaderSizeAt);
        int count = Short(file, SectionHeaderSizeAt + 2);
        for (int header = headers; header < headers + (count * headerSize); header += headerSize)
        {
            if (Int(file, header + 4) != VersionNeeds)
            {
                continue;
            }

            // Elf64_Verneed: version, count, file, first entry, next; Elf64_Vernaux: hash, flags, other, name, next.
            int strings = (int)Long(file, headers + (Int(file, header + 40) * headerSize) + 24);
            int need = (int)Long(file, header + 24);
            for (int needs = Int(file, header + 44); needs > 0; needs--, need += Int(file, need + 12))
            {
                int entry = need + Int(file, need + 8);
                for (int entries = Short(file, need + 2); entries > 0; entries--, entry += Int(file, entry + 12))
                {
                    if (TextAt(file, strings + Int(file, entry + 8)) != version || Short(file, entry + 4) == Weak)
                    {
                        continue;
                    }

                    BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(entry + 4), Weak);
                    string changed = $"{path}.{Guid.NewGuid():N}";
                    File.WriteAllBytes(changed, file);
                    File.Move(changed, path, overwrite: true);
                    return;
                }
            }
        }
    }

    private static ushort Short(byte[] file, int at) => BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(at));

    private static int Int(byte[] file, int at) => BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(at));

    private static long Long(byte[] file, int at) => BinaryPrimitives.ReadInt64LittleEndian(file.AsSpan(at));

    private static string TextAt(byte[] file, int at) => Encoding.ASCII.GetString(file, at, Array.IndexOf(file, (byte)0, at) - at);

    // The runtime's own NativeLibrary loads without RTLD_GLOBAL, hence apart.
    [LibraryImport("libc.so.6", EntryPoint = "dlopen", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Open(string path, int flags);

    [LibraryImport("libc.so.6", EntryPoint = "dlsym", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint FindSymbol(nint library, string name);
}
