using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

// All signatures are blittable, so the runtime's marshalling is never needed.
[assembly: DisableRuntimeMarshalling]

// .NET's own search: not the current folder and PATH, in which Windows would look, too.
[assembly: DefaultDllImportSearchPaths(DllImportSearchPath.AssemblyDirectory | DllImportSearchPath.SafeDirectories)]

namespace OrthoNative.Interop;

internal static unsafe partial class NativeMethods
{
    internal const string Library = "liborthonative";

    /// <remarks>
    /// Runs before the first call into the library. The library itself is loaded by that call, so that a failure reaches
    /// the caller as it is and not wrapped into a <see cref="TypeInitializationException"/>.
    /// </remarks>
    static NativeMethods() => NativeLibrary.SetDllImportResolver(typeof(NativeMethods).Assembly, static (name, _, _) =>
        name == Library ? NativeLibraryLoader.LoadOnce(ORTHO_ABI_VERSION, HeaderHash) : 0);
}
