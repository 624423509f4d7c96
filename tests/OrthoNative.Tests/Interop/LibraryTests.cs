using System.Diagnostics;
using System.Runtime.InteropServices;
using OrthoNative.Interop;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Interop;

/// <summary>The library is found, is the right one, and where it is not, one exception says all there is to know.</summary>
internal sealed class LibraryTests
{
    [Test]
    public void The_library_was_built_with_the_header_that_the_bindings_were_written_for()
    {
        Assert.That(NativeMethods.HeaderHash, Does.Match("^[0-9a-f]{64}$"));
        Assert.That(SystemInfo.Version, Is.EqualTo(typeof(Sequential).Assembly.GetName().Version!.ToString(3)));
    }

    [Test]
    public void The_library_is_found_in_the_folder_of_the_program()
    {
        nint library = NativeLibraryLoader.Load(NativeLibraryLoader.Candidates(), NativeMethods.ORTHO_ABI_VERSION, NativeMethods.HeaderHash);
        NativeLibrary.Free(library);

        // Never by name alone: .NET's own search, which comes after these, leaves out the current folder.
        Assert.That(NativeLibraryLoader.Candidates(), Has.Some.Contains(Path.Combine("runtimes", "")).And.All.Matches<string>(Path.IsPathFullyQualified));
    }

    [Test]
    public void A_missing_library_gives_one_exception_with_every_path_the_loader_s_words_and_the_remedy()
    {
        using var folder = new TemporaryFolder();
        string missing = folder.File("missing.so");
        string text = folder.File(NativeLibraryLoader.FileName);
        File.WriteAllText(text, "not a library");

        Assert.That(
            () => NativeLibraryLoader.Load([missing, text], NativeMethods.ORTHO_ABI_VERSION, NativeMethods.HeaderHash),
            Throws.TypeOf<OrthoNativeLibraryException>()
                .With.Message.Contains($"{missing}: Unable to load")
                .And.Message.Contains($"{text}: Unable to load")
                .And.Message.Contains("Build the project OrthoNative.Interop or install the package")
                .And.Message.Contains("ORTHONATIVE_LIBRARY"));
    }

    [Test]
    public void A_library_of_another_abi_version_is_refused() =>
        Assert.That(
            () => NativeLibraryLoader.Load(NativeLibraryLoader.Candidates(), 99, NativeMethods.HeaderHash),
            Throws.TypeOf<OrthoNativeLibraryException>()
                .With.Message.Contains($"its ABI version is {NativeMethods.ORTHO_ABI_VERSION}, expected is 99").And.Message.Contains("Rebuild"));

    [Test]
    public void A_library_built_with_another_header_is_refused() =>
        Assert.That(
            () => NativeLibraryLoader.Load(NativeLibraryLoader.Candidates(), NativeMethods.ORTHO_ABI_VERSION, new string('0', 64)),
            Throws.TypeOf<OrthoNativeLibraryException>()
                .With.Message.Contains($"SHA-256 {NativeMethods.HeaderHash}, expected is {new string('0', 64)}").And.Message.Contains("Rebuild"));

    [Test]
    public void Another_library_is_refused()
    {
        string other = Directory.GetFiles(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "*System.Native.*")
            .First(path => Path.GetExtension(path) is ".so" or ".dylib" or ".dll");

        Assert.That(
            () => NativeLibraryLoader.Load([other], NativeMethods.ORTHO_ABI_VERSION, NativeMethods.HeaderHash),
            Throws.TypeOf<OrthoNativeLibraryException>().With.Message.Contains("it does not export the functions that tell its version"));
    }

    [Test]
    public void The_environment_variable_names_the_only_file_that_is_tried_and_the_exception_reaches_the_caller()
    {
        // A process of its own: this one has the library loaded already.
        var start = new ProcessStartInfo("dotnet", [typeof(OrthoNative.Cli.ExitCodes).Assembly.Location, "info"])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        start.Environment[NativeLibraryLoader.PathVariable] = "/nowhere/liborthonative.so";
        using Process process = Process.Start(start)!;
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();

        Assert.That(process.ExitCode, Is.Not.Zero);
        Assert.That(error, Does.Contain("/nowhere/liborthonative.so: ").And.Contain("ORTHONATIVE_LIBRARY"));
        Assert.That(error, Does.Not.Contain("runtimes").And.Not.Contain(nameof(TypeInitializationException)));
    }

    [TestCase("liborthonative.so")]
    [TestCase("./liborthonative.so")]
    public void A_relative_path_in_the_environment_variable_is_refused(string path)
    {
        using var folder = new TemporaryFolder();
        string library = NativeLibraryLoader.Candidates().First(File.Exists);
        File.Copy(library, folder.File("liborthonative.so"));

        Cli.CliResult result = Cli.CliProcess.RunWith((NativeLibraryLoader.PathVariable, path), folder.Path, "info");

        Assert.That(result.ExitCode, Is.Not.Zero);
        Assert.That(result.Error, Does.Contain($"ORTHONATIVE_LIBRARY is '{path}'; it must be the full path of the library"));
    }

    /// <summary>A copy of the tool's program, first as it is and then setuid, run by a user whose environment names a library.</summary>
    [Test]
    [Platform("Linux")]
    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    public void A_setuid_program_does_not_believe_the_environment_of_its_user()
    {
        const string SetPriv = "/usr/bin/setpriv", Id = "/usr/bin/id", Missing = "/nowhere/liborthonative.so";
        string program = Path.ChangeExtension(typeof(OrthoNative.Cli.ExitCodes).Assembly.Location, null);
        if (!Environment.IsPrivilegedProcess || !File.Exists(SetPriv) || !File.Exists(Id) || !File.Exists(program))
        {
            Assert.Ignore($"Only root makes a program setuid; and {SetPriv}, {Id} and {program} are needed.");
        }

        using var folder = new TemporaryFolder();
        const UnixFileMode Executable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute |
            UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        File.SetUnixFileMode(folder.Path, Executable);
        foreach (string entry in Directory.GetFileSystemEntries(Path.GetDirectoryName(program)!).Where(entry => entry != program))
        {
            File.CreateSymbolicLink(folder.File(Path.GetFileName(entry)), entry);
        }

        string copy = folder.File(Path.GetFileName(program)), id = folder.File("id");
        File.Copy(program, copy);
        File.Copy(Id, id);
        File.SetUnixFileMode(copy, Executable);
        File.SetUnixFileMode(id, Executable | UnixFileMode.SetUser);
        if (Run(id, "-u") is not (_, "0\n", _))
        {
            Assert.Ignore($"{folder.Path} is on a file system without setuid programs.");
        }

        (int exitCode, _, string error) = Run(copy, "info");
        Assert.That(exitCode, Is.Not.Zero);
        Assert.That(error, Does.Contain($"{Missing}: "));

        File.SetUnixFileMode(copy, Executable | UnixFileMode.SetUser);
        (exitCode, _, error) = Run(copy, "info");
        Assert.That(exitCode, Is.Zero, error);

        (int ExitCode, string Output, string Error) Run(string file, string argument)
        {
            var start = new ProcessStartInfo(SetPriv, ["--reuid=65534", "--regid=65534", "--clear-groups", file, argument])
            {
                RedirectStandardError = true,
                RedirectStandardOutput = true,
                WorkingDirectory = "/",
            };
            start.Environment[NativeLibraryLoader.PathVariable] = Missing;
            using Process process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output, errors.Result);
        }
    }

    [Test]
    public void A_library_that_does_not_belong_is_passed_over_for_one_that_does_and_named_if_none_does()
    {
        using var folder = new TemporaryFolder();
        string other = Directory.GetFiles(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "*System.Native.*")
            .First(path => Path.GetExtension(path) is ".so" or ".dylib" or ".dll");
        string stale = folder.File(NativeLibraryLoader.FileName);
        File.Copy(other, stale);

        NativeLibrary.Free(NativeLibraryLoader.Load([stale, .. NativeLibraryLoader.Candidates()], NativeMethods.ORTHO_ABI_VERSION, NativeMethods.HeaderHash));

        Assert.That(
            () => NativeLibraryLoader.Load([stale, "/nowhere"], NativeMethods.ORTHO_ABI_VERSION, NativeMethods.HeaderHash),
            Throws.TypeOf<OrthoNativeLibraryException>().With.Message.Contains($"{stale}: it does not belong to this version").And.Message.Contains("/nowhere: Unable to load"));
    }

    [Test]
    public void A_status_becomes_the_exception_that_stands_for_it()
    {
        (int Status, Type Exception)[] expected =
        [
            (1, typeof(ArgumentException)),
            (2, typeof(OutOfMemoryException)),
            (3, typeof(NotFiniteNumberException)),
            (4, typeof(InvalidOperationException)),
            (5, typeof(NotSupportedException)),
            (6, typeof(OrthoNativeException)),
            (77, typeof(OrthoNativeException)),
        ];
        foreach ((int status, Type exception) in expected)
        {
            Exception actual = new NativeError((ortho_status)status, ortho_cause.ORTHO_CAUSE_OTHER, null, -1, "").ToException("the message");
            Assert.That(actual, Is.TypeOf(exception));
            Assert.That(actual.Message, Does.Contain("the message"));
        }
    }

    [Test]
    public void A_device_that_is_not_there_is_not_supported_and_what_is_missing_is_named() =>
        Assert.That(
            () => Device.Cuda(1000),
            Throws.TypeOf<NotSupportedException>().With.Message.Match(@"liborthonative_cuda|the NVIDIA driver|^index is 1000; there (is|are) \d+ GPU"));

    [Test]
    public void The_machine_is_described()
    {
        Assert.That(SystemInfo.Cores, Is.InRange(1, Environment.ProcessorCount));
        Assert.That(SystemInfo.TotalMemory, Is.GreaterThan(0));
        Assert.That(SystemInfo.AvailableMemory, Is.InRange(1, SystemInfo.TotalMemory));
        Assert.That(SystemInfo.InstructionSet, Is.LessThanOrEqualTo(SystemInfo.BestInstructionSet));
    }
}
