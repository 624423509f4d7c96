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

        Assert.That(Contents(folder), Is.EqualTo((string[])["record 2", "weights 2"]));
    }

    [Test]
    public void A_file_that_cannot_be_written_leaves_the_folder_as_it_was()
    {
        using var folder = new TemporaryFolder();
        var run = RunFolder.Open(folder.Path);
        run.Write(Text("weights", "1"), Text("record", "1"));

        Assert.That(
            () => run.Write(Text("weights", "2"), ("record", _ => throw new IOException("No space left on device"))),
            Throws.TypeOf<CliException>().With.Message.Contains("record cannot be written (No space left on device)"));

        Assert.That(Contents(folder), Is.EqualTo((string[])["record 1", "weights 1"]));
    }

    /// <summary>A folder in the place of the picture stands for whatever ends the program between two renamings.</summary>
    [Test]
    public void Where_only_some_files_are_replaced_there_is_no_record()
    {
        using var folder = new TemporaryFolder();
        var run = RunFolder.Open(folder.Path);
        run.Write(Text("weights", "1"), Text("record", "1"));
        Directory.CreateDirectory(folder.File("picture"));

        Assert.That(
            () => run.Write(Text("weights", "2"), Text("picture", "2"), Text("record", "2")),
            Throws.TypeOf<CliException>().With.Message.Contains("picture cannot be written"));

        Assert.That(Contents(folder), Is.EqualTo((string[])["weights 2"]));
    }

    private static (string Name, Action<string> Write) Text(string name, string text) => (name, path => File.WriteAllText(path, text));

    private static string[] Contents(TemporaryFolder folder) =>
        [.. Directory.EnumerateFiles(folder.Path).Order().Select(path => $"{Path.GetFileName(path)} {File.ReadAllText(path)}")];
}
