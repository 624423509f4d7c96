using System.Security.Cryptography;
using System.Text;
using CppSharp;
using CppSharp.AST;
using CppSharp.Generators;
using CppSharp.Parser;

namespace OrthoNative.Interop.Generator;

/// <summary>
/// Reads <c>native/include/orthonative/orthonative.h</c> with CppSharp and writes what follows from it: the C# bindings,
/// and the table from which the library reports the layout of its structures.
/// </summary>
internal static class Program
{
    private const string Header = "native/include/orthonative/orthonative.h";
    private const string Bindings = "src/Interop/Generated/NativeMethods.g.cs";
    private const string Layout = "native/src/abi/layout.g.inc";

    private const string Help = """
        Usage: OrthoNative.Interop.Generator ROOT [--check]

          ROOT      folder of the repository
          --check   write nothing; fail if a generated file is not what the header gives

        """;

    private static int Main(string[] arguments)
    {
        if (arguments is not ([string] or [string, "--check"]) || arguments[0].StartsWith('-'))
        {
            Console.Error.Write(Help);
            return 2;
        }

        string root = arguments[0];
        try
        {
            string header = Path.GetFullPath(Path.Combine(root, Header));
            TranslationUnit unit = Parse(header);
            string hash = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(header)));
            (string Path, string Text)[] outputs =
            [
                (Bindings, new BindingsWriter(unit).Write(Header, hash)),
                (Layout, LayoutWriter.Write(unit, Header)),
            ];
            return arguments.Length == 2 ? Check(root, outputs) : Save(root, outputs);
        }
        catch (Exception exception) when (exception is UnmappedException or IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine(exception.Message);
            return 1;
        }
    }

    /// <exception cref="UnmappedException">The header does not parse; CppSharp has then printed why.</exception>
    private static TranslationUnit Parse(string header)
    {
        if (!File.Exists(header))
        {
            throw new FileNotFoundException($"{header} is missing; ROOT must be the folder of the repository.");
        }

        using var driver = new Driver(new DriverOptions { GeneratorKind = GeneratorKind.CSharp, Quiet = true });
        driver.ParserOptions.LanguageVersion = LanguageVersion.C99;
        Module module = driver.Options.AddModule("orthonative");
        module.Headers.Add(header);
        driver.Setup();
        return driver.ParseCode()
            ? driver.Context.ASTContext.TranslationUnits.Single(unit => unit.IsValid && unit.FileName == Path.GetFileName(header))
            : throw new UnmappedException($"{header} does not parse; see the messages above.");
    }

    private static int Check(string root, (string Path, string Text)[] outputs)
    {
        int stale = 0;
        foreach ((string path, string text) in outputs)
        {
            string file = Path.Combine(root, path);
            if (!File.Exists(file) || File.ReadAllText(file) != text)
            {
                Console.Error.WriteLine($"{path} is not what {Header} gives; run build.ps1 bindings and commit what it writes.");
                stale++;
            }
        }

        return stale == 0 ? 0 : 1;
    }

    private static int Save(string root, (string Path, string Text)[] outputs)
    {
        foreach ((string path, string text) in outputs)
        {
            string file = Path.GetFullPath(Path.Combine(root, path));
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            string unfinished = file + ".tmp";
            using (var stream = new FileStream(unfinished, FileMode.Create, FileAccess.Write))
            {
                stream.Write(new UTF8Encoding(false).GetBytes(text));
                stream.Flush(flushToDisk: true);
            }

            File.Move(unfinished, file, overwrite: true);
            Console.WriteLine(path);
        }

        return 0;
    }
}
