using OrthoNative.Cli;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Cli.Files;

internal sealed class DataCommandTests
{
    [Test]
    public void Command_prints_what_it_finds_and_draws_pictures()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("a.csv"), "id,x,label\n1,1,a\n1,2,a\n2,3,b\n2,4,b\n2,5,b\n3,6,a\n3,7,a\n4,8,b\n4,,b\n");

        CliResult result = CliProcess.Run(folder.Path, "data", "a.csv", "--out", "pictures");

        Assert.That((result.ExitCode, result.Error), Is.EqualTo((ExitCodes.Success, "")));
        Assert.That(result.Output.ReplaceLineEndings("\n"), Is.EqualTo(
            """
            a.csv
              long form, a row is a step: 3 columns separated by ',' (--form)
              column 'id' tells 4 sequences apart (--sequence)
              column 'label' is the class: 2 of them (--label)
              inputs: x (--features)
              1 missing value in 1 channel: interpolated (--missing)

                         sequences    shortest      median     longest
            data                 4           2           2           3

            channel       least        mean        most   deviation   missing
            x             1.000       4.500       8.000       2.291    11.1 %

            class   sequences     share
            a               2    50.0 %
            b               2    50.0 %

            wrote pictures/lengths.png
            wrote pictures/classes.png
            wrote pictures/examples-1.png
            wrote pictures/examples-2.png

            """.ReplaceLineEndings("\n")));
        foreach (string name in (string[])["lengths", "classes", "examples-1", "examples-2"])
        {
            Assert.That(File.ReadAllBytes(folder.File($"pictures/{name}.png")).AsSpan(0, 4).ToArray(), Is.EqualTo(new byte[] { 0x89, 0x50, 0x4E, 0x47 }));
        }
    }

    [TestCase(ExitCodes.Usage, "FILE is missing after 'orthonative data'; give a file or folder")]
    [TestCase(ExitCodes.Failure, "none.csv is not there; expected a file or folder", "none.csv")]
    [TestCase(ExitCodes.Usage, "--horizon is '0'; it must be a whole number from 1 to 1000000", "a.csv", "--horizon", "0")]
    [TestCase(ExitCodes.Usage, "--features is 'x,,y'; it must be names with commas between them, each once", "a.csv", "--features", "x,,y")]
    [TestCase(ExitCodes.Usage, "--missing is 'drop'; it must be one of refuse, interpolate, zero, mean, mask", "a.csv", "--missing", "drop")]
    public void Faults_are_one_line(int code, string message, params string[] arguments)
    {
        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.Run(folder.Path, ["data", .. arguments]);

        Assert.That((result.ExitCode, result.Output), Is.EqualTo((code, "")));
        Assert.That(result.Error.TrimEnd(), Does.EndWith(message).And.Not.Contain("\n"));
    }

    [Test]
    public void Folder_that_cannot_be_written_is_refused_before_anything_is_printed()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("a.csv"), "id,x,label\n1,1,a\n1,2,a\n2,3,b\n2,4,b\n");

        CliResult file = CliProcess.Run(folder.Path, "data", "a.csv", "--out", "a.csv");
        CliResult below = CliProcess.Run(folder.Path, "data", "a.csv", "--out", "a.csv/pictures");

        Assert.That((file.ExitCode, file.Output), Is.EqualTo((ExitCodes.Failure, "")));
        Assert.That(file.Error.TrimEnd(), Does.EndWith("--out is 'a.csv', which cannot be written (it is a file); choose a folder").And.Not.Contain("\n"));
        Assert.That((below.ExitCode, below.Output), Is.EqualTo((ExitCodes.Failure, "")));
        Assert.That(below.Error.TrimEnd(), Does.Contain("--out is 'a.csv/pictures', which cannot be written (").And.Not.Contain("\n"));
        if (OperatingSystem.IsLinux())
        {
            CliResult system = CliProcess.Run(folder.Path, "data", "a.csv", "--out", "/proc/x");
            Assert.That((system.ExitCode, system.Output), Is.EqualTo((ExitCodes.Failure, "")));
            Assert.That(system.Error.TrimEnd(), Does.Contain("--out is '/proc/x', which cannot be written (").And.Not.Contain("\n"));
        }
    }

    [Test]
    public void Pipe_is_refused_and_not_waited_for()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("The kind of a file is told on Linux alone.");
        }

        using var folder = new TemporaryFolder();

        CliResult result = CliProcess.RunIn($"mkfifo p.csv && {CliProcess.Tool}", folder.Path, "data", "p.csv");

        Assert.That((result.ExitCode, result.Error.Contains("p.csv is a pipe or a device; expected a file or folder", StringComparison.Ordinal)), Is.EqualTo((ExitCodes.Failure, true)));
    }
}
