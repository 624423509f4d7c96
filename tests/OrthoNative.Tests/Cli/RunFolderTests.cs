using OrthoNative.Cli;
using OrthoNative.Cli.Output;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Cli;

internal sealed class RunFolderTests
{
    [Test]
    public void Files_of_an_earlier_run_are_replaced()
    {
        using var folder = new TemporaryFolder();
        var run = RunFolder.Open(folder.Path);

        run.Write(Text("weights", "1"), Text("record", "1"));
        run.Write(Text("weights", "2"), Text("record", "2"));

        Assert.That(Contents(folder.Path), Is.EqualTo((string[])["record 2", "weights 2"]));
    }

    [Test]
    public void A_file_that_cannot_be_written_leaves_the_folder_as_it_was()
    {
        using var folder = new TemporaryFolder();
        var run = RunFolder.Open(folder.Path);
        run.Write(Text("weights", "1"), Text("record", "1"));

        Assert.That(
            () => run.Write(Text("weights", "2"), ("record", _ => throw new IOException("No space left on device"))),
            Throws.TypeOf<CliException>().With.Message.Match(
                @"record cannot be written \(No space left on device\); the run's files were not saved, nor elsewhere: .*record cannot be written"));

        Assert.That(Contents(folder.Path), Is.EqualTo((string[])["record 1", "weights 1"]));
    }

    /// <summary>A folder in the place of the picture stands for whatever ends the program between two renamings.</summary>
    [Test]
    public void Where_only_some_files_are_replaced_there_is_no_record()
    {
        using var folder = new TemporaryFolder();
        var run = RunFolder.Open(folder.Path);
        run.Write(Text("weights", "1"), Text("record", "1"));
        Directory.CreateDirectory(folder.File("picture"));

        string message = Assert.Throws<CliException>(() => run.Write(Text("weights", "2"), Text("picture", "2"), Text("record", "2"))).Message;

        Assert.That(message, Does.Contain("picture cannot be written"));
        Assert.That(Contents(folder.Path), Is.EqualTo((string[])["weights 2"]));
        string rescue = message.Split('\'')[^2];
        Assert.That(Contents(rescue), Is.EqualTo((string[])["picture 2", "record 2", "weights 2"]));
        Directory.Delete(rescue, recursive: true);
    }

    /// <summary>A fault in the program, which is not a file's.</summary>
    [Test]
    public void Any_exception_leaves_the_folder_as_it_was()
    {
        using var folder = new TemporaryFolder();
        var run = RunFolder.Open(folder.Path);
        run.Write(Text("weights", "1"), Text("record", "1"));

        Assert.That(
            () => run.Write(Text("weights", "2"), ("record", _ => throw new ArgumentException("fault"))),
            Throws.ArgumentException.With.Message.EqualTo("fault"));

        Assert.That(Contents(folder.Path), Is.EqualTo((string[])["record 1", "weights 1"]));
    }

    [Test]
    public void The_error_is_told_where_the_folder_vanishes_while_files_are_written()
    {
        using var folder = new TemporaryFolder();
        var run = RunFolder.Open(folder.File("run"));

        void Fail(string path)
        {
            Directory.Delete(Path.GetDirectoryName(path)!);
            throw new IOException("No space left on device");
        }

        Assert.That(
            () => run.Write(("record", Fail)),
            Throws.TypeOf<CliException>().With.Message.Contains("record cannot be written (No space left on device)"));
    }

    private static (string Name, Action<string> Write) Text(string name, string text) => (name, path => File.WriteAllText(path, text));

    private static string[] Contents(string folder) =>
        [.. Directory.EnumerateFiles(folder).Order().Select(path => $"{Path.GetFileName(path)} {File.ReadAllText(path)}")];
}
