using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Training;

internal sealed class GrowingFileTests
{
    /// <summary>How many records are formatted is the work of a save.</summary>
    [Test]
    public void A_save_writes_the_new_records_alone()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("log");
        int formatted = 0;
        using var file = new GrowingFile<int>("n", (number, record) =>
        {
            formatted++;
            return $"{number}:{record}";
        });
        for (int i = 0; i < 1000; i++)
        {
            file.Add(i);
        }

        Assert.That(file.TryAppend(path), Is.False);
        file.WriteWhole(path);
        file.Add(1000);
        bool appended = file.TryAppend(path);

        Assert.That(appended, Is.True);
        Assert.That(formatted, Is.EqualTo(1001));
        Assert.That(file.Mark, Is.EqualTo(new FileMark(1001, new FileInfo(path).Length)));
        Assert.That(File.ReadAllLines(path), Is.EqualTo((string[])["n", .. Enumerable.Range(0, 1001).Select(i => $"{i + 1}:{i}")]));
    }

    [TestCase("removed")]
    [TestCase("longer")]
    [TestCase("other")]
    [TestCase("link")]
    [Platform("Linux,MacOsX")]
    public void A_file_that_is_not_what_was_written_is_left_alone_and_all_lines_are_written_elsewhere(string change)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("log"), target = folder.File("target");
        using var file = new GrowingFile<int>("n", (number, record) => $"{number}:{record}");
        file.Add(7);
        file.WriteWhole(path);
        switch (change)
        {
            case "removed":
                File.Delete(path);
                break;
            case "longer":
                File.AppendAllText(path, "more");
                break;
            case "other":
                // Of the same length.
                File.Delete(path);
                File.WriteAllText(path, "n\n1:8\n");
                break;
            default:
                File.Move(path, target);
                File.CreateSymbolicLink(path, target);
                break;
        }

        string? before = File.Exists(path) ? File.ReadAllText(path) : null;
        file.Add(9);

        bool appended = file.TryAppend(path);
        file.WriteWhole(folder.File("whole"));

        Assert.That(appended, Is.False);
        Assert.That(File.Exists(path) ? File.ReadAllText(path) : null, Is.EqualTo(before));
        Assert.That(File.ReadAllText(folder.File("whole")), Is.EqualTo("n\n1:7\n2:9\n"));
    }

    [Test]
    public void What_was_not_committed_is_not_read()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("loss.csv");
        File.WriteAllText(path, "step,loss,metric\n1,2.5,0.25\n2,2.25,0.5\n3,2");
        var read = new List<(double, double)>();

        FileMark mark = LossLog.Load(path, _ => null, new FileMark(2, 39), (loss, metric) => read.Add((loss, metric)));

        Assert.That(mark, Is.EqualTo(new FileMark(2, 39)));
        Assert.That(read, Is.EqualTo(((double, double)[])[(2.5, 0.25), (2.25, 0.5)]));
    }

    [TestCase("step,loss,metric\n1,2.5,1.5\n", "line 2 is '1,2.5,1.5'; expected: a metric from 0 to 1")]
    [TestCase("step,loss,metric\n1,2.5,-0.5\n", "a metric from 0 to 1")]
    [TestCase("step,loss,metric\n1,2.5,0.5", "the line '1,2.5,0.5' has no end")]
    [TestCase("step,loss,metric\n1,\u001b[2J,0.5\n", "'1,\\u001B[2J,0.5'")]
    [TestCase("", "is empty")]
    public void A_damaged_log_is_refused_with_the_line(string content, string expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("loss.csv"), content);

        Assert.That(
            () => LossLog.Load(folder.File("loss.csv"), value => value is >= 0 and <= 1 ? null : "a metric from 0 to 1", mark: null, (_, _) => { }),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains(expected));
    }
}
