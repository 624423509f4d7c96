using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using OrthoNative.Interop;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Interop;

/// <summary>The generated bindings are those of the library that is loaded.</summary>
internal sealed class BindingsTests
{
    private static readonly Assembly s_bindings = typeof(NativeMethods).Assembly;

    private static IEnumerable<string> Functions() =>
        typeof(NativeMethods).GetMethods(BindingFlags.Public | BindingFlags.Static).Select(method => method.Name);

    private static IEnumerable<Type> Structures() => s_bindings.GetTypes().Where(
        type => type.IsValueType && !type.IsEnum && type.Name.StartsWith("ortho_", StringComparison.Ordinal) && Fields(type).Length > 0);

    [Test]
    public void Every_function_is_one_that_the_library_exports()
    {
        nint library = NativeLibraryLoader.LoadOnce(NativeMethods.ORTHO_ABI_VERSION, NativeMethods.HeaderHash);

        Assert.That(Functions(), Is.Not.Empty);
        Assert.That(Functions().Where(name => !NativeLibrary.TryGetExport(library, name, out _)), Is.Empty);
    }

    [TestCaseSource(nameof(Structures))]
    public void Size_and_field_offsets_are_those_that_the_library_reports(Type structure)
    {
        (string Name, long Bytes)[] assumed =
        [
            (structure.Name, Marshal.SizeOf(structure)),
            .. Fields(structure).Select(field => ($"{structure.Name}.{field.Name}", (long)Marshal.OffsetOf(structure, field.Name))),
        ];

        Assert.That(assumed, Is.EqualTo(assumed.Select(part => (part.Name, Layout(part.Name)))));
    }

    [Test]
    public void A_layout_that_does_not_exist_is_told_apart()
    {
        Assert.That(Layout("ortho_chain_options.no_such_field"), Is.EqualTo(-1));
        Assert.That(Layout("no_such_structure"), Is.EqualTo(-1));
        unsafe
        {
            Assert.That(NativeMethods.ortho_layout(null), Is.EqualTo(-1));
        }
    }

    [Test]
    public void All_types_in_signatures_are_blittable()
    {
        foreach (MethodInfo method in typeof(NativeMethods).GetMethods(BindingFlags.Public | BindingFlags.Static))
        {
            foreach (Type type in method.GetParameters().Select(parameter => parameter.ParameterType).Append(method.ReturnType))
            {
                Assert.That(type.IsPointer || type.IsPrimitive || type.IsEnum || type == typeof(void), $"{method.Name}: {type}");
                Assert.That(type, Is.Not.EqualTo(typeof(bool)).And.Not.EqualTo(typeof(char)), method.Name);
            }
        }
    }

    [Test]
    public void A_changed_header_fails_the_build_with_what_to_do()
    {
        using var folder = new TemporaryFolder();
        string header = Path.Combine(Repository.Root, "native", "include", "orthonative", "orthonative.h");
        string changed = folder.File("orthonative.h");
        File.WriteAllText(changed, File.ReadAllText(header).Replace("int64_t steps", "int32_t steps", StringComparison.Ordinal));

        (int sameExit, string sameOutput) = CheckBindings(header);
        (int changedExit, string changedOutput) = CheckBindings(changed);

        Assert.That(sameExit, Is.Zero, sameOutput);
        Assert.That(changedExit, Is.Not.Zero);
        Assert.That(changedOutput, Does.Contain("ORTHO003").And.Contain("run build.ps1 bindings"));
    }

    private static (int ExitCode, string Output) CheckBindings(string header)
    {
        var start = new ProcessStartInfo(
            "dotnet",
            [
                "msbuild", Path.Combine(Repository.Root, "src", "Interop", "OrthoNative.Interop.csproj"), "-nologo", "-nodeReuse:false",
                "-t:CheckBindings", $"-p:NativeHeader={header}",
            ])
        {
            RedirectStandardOutput = true,
        };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    private static FieldInfo[] Fields(Type type) => type.GetFields(BindingFlags.Public | BindingFlags.Instance);

    private static unsafe long Layout(string name)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(name + "\0"))
        {
            return NativeMethods.ortho_layout(text);
        }
    }
}
