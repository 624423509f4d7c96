using System.Runtime.InteropServices;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Facts about the library and the machine.</summary>
/// <exception cref="OrthoNativeLibraryException">Every member: the native library cannot be used.</exception>
public static unsafe class SystemInfo
{
    /// <summary>Version of the native library.</summary>
    public static string Version => Marshal.PtrToStringUTF8((nint)NativeMethods.ortho_version())!;

    /// <summary>
    /// Instruction set that the kernels use. The environment variable <c>ORTHONATIVE_CPU</c> (baseline, avx2, avx512) forces a
    /// lower one than the best.
    /// </summary>
    /// <exception cref="NotSupportedException"><c>ORTHONATIVE_CPU</c> names one that is unknown or that the processor lacks.</exception>
    public static InstructionSet InstructionSet => (InstructionSet)Get().instruction_set;

    /// <summary>The highest instruction set that this processor and this build have.</summary>
    public static InstructionSet BestInstructionSet => (InstructionSet)Get().best_instruction_set;

    /// <summary>Processors that this process may use: its affinity, and its control groups' quota rounded up.</summary>
    public static int Cores => Get().cores;

    /// <summary>Physical memory in bytes, or the control groups' limit where that is lower.</summary>
    public static long TotalMemory => Get().total_memory;

    /// <summary>
    /// Memory in bytes that is free now without swapping, with the cache of files that the system would give back: of the
    /// machine, of the process's control groups, and under its limits of address space and data.
    /// </summary>
    public static long AvailableMemory => Get().available_memory;

    /// <summary>Number of native objects that are not yet freed; for leak tests.</summary>
    internal static long LiveObjects => NativeMethods.ortho_live_objects();

    private static ortho_system_info Get()
    {
        var info = new ortho_system_info { struct_size = (uint)sizeof(ortho_system_info) };
        NativeMethods.ortho_get_system_info(&info).ThrowOnFailure();
        return info;
    }
}
