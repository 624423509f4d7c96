using System.Diagnostics;
using System.Runtime.Versioning;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Training;

internal sealed class RunFolderTests
{
    [Test]
    public void Files_of_an_earlier_run_are_replaced()
    {
        using var folder = new TemporaryFolder();
        using var run = RunFolder.Open(folder.Path, "--out", "weights", "record");

        run.Write(Text("weights", "1"), Text("record", "1"));
        run.Write(Text("weights", "2"), Text("record", "2"));

        Assert.That(Contents(folder.Path), Is.EqualTo((string[])["record 2", "weights 2"]));
    }

    [Test]
    public void A_file_that_cannot_be_written_leaves_the_folder_as_it_was()
    {
        using var folder = new TemporaryFolder();
        using var run = RunFolder.Open(folder.Path, "--out", "weights", "record");
        run.Write(Text("weights", "1"), Text("record", "1"));

        Assert.That(
            () => run.Write(Text("weights", "2"), ("record", _ => throw new IOException("No space left on device"))),
            Throws.TypeOf<RunFolderException>().With.Message.Match(
                @"record cannot be written \(No space left on device\); the run's files were not saved, nor elsewhere: .*record cannot be written"));

        Assert.That(Contents(folder.Path), Is.EqualTo((string[])["record 1", "weights 1"]));
    }

    [Test]
    public void A_folder_in_the_place_of_a_file_leaves_the_files_as_they_were()
    {
        using var folder = new TemporaryFolder();
        using var run = RunFolder.Open(folder.Path, "--out", "weights", "picture", "record");
        run.Write(Text("weights", "1"), Text("record", "1"));
        Directory.CreateDirectory(folder.File("picture"));

        string message = Assert.Throws<RunFolderException>(() => run.Write(Text("weights", "2"), Text("picture", "2"), Text("record", "2"))).Message;

        Assert.That(message, Does.Contain("picture cannot be written (a folder has this name)"));
        Assert.That(Contents(folder.Path), Is.EqualTo((string[])["record 1", "weights 1"]));
        string rescue = message.Split('\'')[^2];
        Assert.That(Contents(rescue), Is.EqualTo((string[])["picture 2", "record 2", "weights 2"]));
        Directory.Delete(rescue, recursive: true);
    }

    /// <summary>A program that is killed does nothing any more, and its lock is gone.</summary>
    [Test]
    public void Whenever_the_program_is_killed_the_next_use_of_the_folder_finds_all_files_of_one_save()
    {
        string[] before = ["record 1", "state 1", "weights 1"], after = ["record 2", "state 1", "weights 2"];
        var found = new List<string[]>();
        for (bool ended = false; !ended;)
        {
            using var folder = new TemporaryFolder();
            using (var run = RunFolder.Open(folder.Path, "--out", "weights", "state", "record"))
            {
                run.Write(Text("weights", "1"), Text("state", "1"), Text("record", "1"));
                IEnumerator<string> changes = run.Replace([Text("weights", "2"), Text("record", "2")]).GetEnumerator();
                for (int i = 0; i <= found.Count && !ended; i++)
                {
                    ended = !changes.MoveNext();
                }
            }

            string[] visible = [.. Contents(folder.Path).Where(file => file[0] != '.')];
            Assert.That(visible, Is.EqualTo(before).Or.EqualTo(after).Or.None.StartsWith("record"));

            using (RunFolder.Open(folder.Path, "--out", "weights", "state", "record"))
            {
            }

            found.Add(Contents(folder.Path));
        }

        int saved = found.FindIndex(files => files.SequenceEqual(after));
        Assert.That(saved, Is.InRange(1, found.Count - 2));
        Assert.That(found[..saved], Is.All.EqualTo(before));
        Assert.That(found[saved..], Is.All.EqualTo(after));
    }

    [Test]
    public void What_was_committed_waits_until_what_is_in_its_way_is_gone()
    {
        using var folder = new TemporaryFolder();
        using (var run = RunFolder.Open(folder.Path, "--out", "weights", "picture", "record"))
        {
            void Obstruct(string path)
            {
                File.WriteAllText(path, "2");
                Directory.CreateDirectory(folder.File("picture"));
            }

            string? first = run.TryWrite(Text("weights", "2"), Text("picture", "2"), ("record", Obstruct));
            string? second = run.TryWrite(Text("weights", "3"), Text("picture", "3"), Text("record", "3"));

            Assert.That(first, Does.Contain("where picture cannot be written"));
            Assert.That(second, Does.Contain("where picture cannot be written"));
        }

        Directory.Delete(folder.File("picture"));
        using (RunFolder.Open(folder.Path, "--out", "weights", "picture", "record"))
        {
        }

        Assert.That(Contents(folder.Path), Is.EqualTo((string[])["picture 2", "record 2", "weights 2"]));
    }

    [Test]
    public void What_was_left_unfinished_is_removed_and_nothing_else()
    {
        using var folder = new TemporaryFolder();
        string[] unfinished = [".record.part", ".weights.new", ".weights.new.0a.tmp", ".weights.123.part", ".weights.123.part.0a.tmp"];
        foreach (string name in (string[])[.. unfinished, ".weights.swp", ".other.new"])
        {
            File.WriteAllText(folder.File(name), "");
        }

        using (RunFolder.Open(folder.Path, "--out", "weights", "record"))
        {
        }

        Assert.That(Contents(folder.Path), Is.EqualTo((string[])[".other.new ", ".weights.swp "]));
    }

    [Test]
    public void A_folder_is_taken_by_one_at_a_time()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("run");
        using (RunFolder.Open(path, "--out", "record"))
        {
            Assert.That(
                () => RunFolder.Open(path, "--out", "record"),
                Throws.TypeOf<RunFolderException>().With.Message.StartsWith($"--out is '{path}', which another run is using; "));
        }

        Assert.That(Directory.Exists(path), Is.False);
        using (RunFolder.Open(path, "--out", "record"))
        {
            Assert.That(Directory.Exists(path), Is.True);
        }
    }

    [TestCase(".orthonative.lock")]
    [TestCase(".weights.new")]
    [TestCase(".record.new")]
    [TestCase(".record.part")]
    [TestCase("weights")]
    public void A_folder_in_the_place_of_any_file_is_refused_by_name(string name)
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File(name));

        Assert.That(
            () => RunFolder.Open(folder.Path, "--out", "weights", "record"),
            Throws.TypeOf<RunFolderException>().With.Message.EndsWith($"where {name} is a folder; it must be a file or not exist"));

        Assert.That(Directory.EnumerateFileSystemEntries(folder.Path), Is.EqualTo((string[])[folder.File(name)]));
    }

    [Test]
    [Platform("Linux,MacOsX")]
    public void A_pipe_in_the_place_of_the_lock_is_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        using (var make = Process.Start("mkfifo", [folder.File(".orthonative.lock")]))
        {
            make.WaitForExit();
        }

        var open = Task.Run(() => RunFolder.Open(folder.Path, "--out", "record"));

        Assert.That(
            () => open.WaitAsync(TimeSpan.FromSeconds(30)),
            Throws.TypeOf<RunFolderException>().With.Message.Contains("(.orthonative.lock is a pipe or a device; it must be a file or not exist)"));
        Assert.That(File.Exists(folder.File(".orthonative.lock")), Is.True);
    }

    /// <summary>A report, a log, a model and a picture, each by what writes it in a run.</summary>
    [TestCase(0x180)]
    [TestCase(0x1A0)]
    [TestCase(0x100)]
    [Platform("Linux,MacOsX")]
    [UnsupportedOSPlatform("windows")]
    public void A_save_keeps_the_rights_of_the_files_that_it_replaces(int mode)
    {
        using var folder = new TemporaryFolder();
        using var model = new Sequential(Device.Default, 1, new Dense(2, 2));
        using GrowingFile<int> log = new("n", (number, record) => $"{number}:{record}");
        using var run = RunFolder.Open(folder.Path, "--out", "model", "log", "loss.png", "record");
        string[] names = ["log", "loss.png", "model", "record"];
        var whileWritten = new List<UnixFileMode>();
        void Save(string text)
        {
            void Write(string path)
            {
                using FileStream file = RunFolder.CreateNew(path);
                whileWritten.Add(File.GetUnixFileMode(path));
                file.WriteByte((byte)text[0]);
            }

            Assert.That(run.TryWrite(("model", model.Save), ("log", log.WriteWhole), ("record", Write)), Is.Null);
            Assert.That(run.TryWritePictures(("loss.png", () => [1])), Is.Null);
        }

        Save("1");
        foreach (string name in names)
        {
            File.SetUnixFileMode(folder.File(name), (UnixFileMode)mode);
        }

        Save("2");
        Save("3");

        Assert.That(names.Select(name => File.GetUnixFileMode(folder.File(name))), Is.All.EqualTo((UnixFileMode)mode));
        Assert.That(whileWritten[1..], Is.All.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
        Assert.That(File.ReadAllText(folder.File("record")), Is.EqualTo("3"));
    }

    [Test]
    [Platform("Linux")]
    public void A_save_keeps_the_owner_of_the_files_that_it_replaces()
    {
        using var folder = new TemporaryFolder();
        using var run = RunFolder.Open(folder.Path, "--out", "weights", "record");
        run.Write(Text("weights", "1"), Text("record", "1"));
        FileUser.Give(folder.File("weights"), FileUser.Other);

        run.Write(Text("weights", "2"), Text("record", "2"));

        Assert.That(FileStatus.Of(folder.File("weights"), follow: false)!.Value.User, Is.EqualTo(FileUser.Other));
        Assert.That(Contents(folder.Path), Is.EqualTo((string[])["record 2", "weights 2"]));
    }

    [Test]
    [Platform("Linux,MacOsX")]
    public void A_folder_that_was_removed_and_taken_by_another_is_left_to_it()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("run");
        using var first = RunFolder.Open(path, "--out", "record");
        Directory.Delete(path, recursive: true);
        using var second = RunFolder.Open(path, "--out", "record");
        File.WriteAllText(Path.Combine(path, ".record.part"), "2");

        string? problem = first.TryWrite(Text("record", "1"));
        first.Dispose();

        Assert.That(problem, Does.Contain("record cannot be written (another run is using the folder)"));
        Assert.That(File.Exists(Path.Combine(path, ".record.part")), Is.True);
        Assert.That(() => RunFolder.Open(path, "--out", "record"), Throws.TypeOf<RunFolderException>());
        Assert.That(second.TryWrite(Text("record", "2")), Is.Null);
    }

    [Test]
    [Platform("Linux")]
    public void A_folder_stays_taken_when_its_lock_file_is_removed_or_replaced([Values] bool replaced)
    {
        using var folder = new TemporaryFolder();
        using var first = RunFolder.Open(folder.Path, "--out", "record");
        File.Delete(folder.File(".orthonative.lock"));
        if (replaced)
        {
            File.WriteAllText(folder.File(".orthonative.lock"), "");
        }

        Assert.That(() => RunFolder.Open(folder.Path, "--out", "record"), Throws.TypeOf<RunFolderException>().With.Message.Contains("which another run is using"));
        Assert.That(first.TryWrite(Text("record", "1")), Is.Null);
    }

    [Test]
    [Platform("Linux")]
    public void A_folder_that_was_moved_away_and_replaced_is_not_taken_for_the_one_that_is_locked()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("run");
        using var first = RunFolder.Open(path, "--out", "record");
        Directory.Move(path, folder.File("moved"));
        using var second = RunFolder.Open(path, "--out", "record");

        Assert.That(first.TryWrite(Text("record", "1")), Does.Contain("record cannot be written (another run is using the folder)"));
        Assert.That(second.TryWrite(Text("record", "2")), Is.Null);
    }

    [Test]
    [Platform("Linux,MacOsX")]
    public void A_link_in_the_place_of_the_lock_is_refused_and_its_target_left_as_it_was([Values] bool dangling)
    {
        using var folder = new TemporaryFolder();
        using var elsewhere = new TemporaryFolder();
        string target = elsewhere.File("target");
        if (!dangling)
        {
            File.WriteAllText(target, "precious");
        }

        File.CreateSymbolicLink(folder.File(".orthonative.lock"), target);

        Assert.That(
            () => RunFolder.Open(folder.Path, "--out", "record"),
            Throws.TypeOf<RunFolderException>().With.Message.Contains(".orthonative.lock is a symbolic link; it must be a file or not exist"));
        Assert.That(File.Exists(target) ? File.ReadAllText(target) : "absent", Is.EqualTo(dangling ? "absent" : "precious"));
    }

    [Test]
    public void A_file_in_the_place_of_the_lock_is_not_emptied()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File(".orthonative.lock"), "precious");
        using var run = RunFolder.Open(folder.Path, "--out", "record");

        Assert.That(new FileInfo(folder.File(".orthonative.lock")).Length, Is.EqualTo("precious".Length));
    }

    /// <summary>Someone who may write to the folder puts them there after the run has begun.</summary>
    [TestCase(".weights.new")]
    [TestCase(".record.part")]
    [TestCase(".record.new")]
    [TestCase("weights")]
    [TestCase("record")]
    [TestCase(".loss.png.new")]
    [TestCase("loss.png")]
    [Platform("Linux,MacOsX")]
    public void A_link_in_the_place_of_a_file_is_replaced_and_its_target_left_as_it_was(string name)
    {
        using var folder = new TemporaryFolder();
        using var elsewhere = new TemporaryFolder();
        string target = elsewhere.File("target");
        File.WriteAllText(target, "precious");
        using var run = RunFolder.Open(folder.Path, "--out", "weights", "loss.png", "record");
        File.CreateSymbolicLink(folder.File(name), target);

        string? problem = run.TryWrite(Text("weights", "1"), Text("record", "1"));
        string? pictureProblem = run.TryWritePictures(("loss.png", () => [(byte)'1']));

        Assert.That(File.ReadAllText(target), Is.EqualTo("precious"));
        Assert.That((problem, pictureProblem), Is.EqualTo(((string?)null, (string?)null)));
        Assert.That(Contents(folder.Path), Is.EqualTo((string[])["loss.png 1", "record 1", "weights 1"]));
    }

    [Test]
    [Platform("Linux")]
    public void What_cannot_be_saved_whole_is_saved_in_part_in_a_folder_of_its_owner_alone()
    {
        using var folder = new TemporaryFolder();
        using var run = RunFolder.Open(folder.Path, "--out", "weights", "log", "record");
        (string, Action<string>) weights = Text("weights", "1"), record = Text("record", "1");
        (string, Action<string>) log = ("log", _ => throw new ArgumentOutOfRangeException("value", "too large"));

        string message = Assert.Throws<RunFolderException>(() => run.Write(_ => [weights, log, record], [weights, record]))!.Message;

        Assert.That(message, Does.Contain("log cannot be written (the file is larger than").And.Contains("weights and record alone could be saved"));
        string rescue = message.Split(", in '")[1].Split('\'')[0];
        Assert.That(Contents(rescue), Is.EqualTo((string[])["record 1", "weights 1"]));
        Assert.That(new FileInfo(rescue).UnixFileMode, Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute));
        Assert.That(Contents(folder.Path), Is.Empty);
        Directory.Delete(rescue, recursive: true);
    }

    [Test]
    public void A_picture_that_fails_in_any_way_leaves_the_save_and_no_picture_of_another()
    {
        using var folder = new TemporaryFolder();
        using var run = RunFolder.Open(folder.Path, "--out", "weights", "loss.png", "record");
        run.Write(_ => [Text("weights", "1"), Text("record", "1")], essential: null, ("loss.png", () => [(byte)'1']));

        string? problem = run.Write(
            _ => [Text("weights", "2"), Text("record", "2")], essential: null,
            ("loss.png", () => throw new TypeInitializationException("Picture", new DllNotFoundException("no libSkiaSharp\nand more"))));

        Assert.That(problem, Is.EqualTo("loss.png cannot be written (DllNotFoundException: no libSkiaSharp)"));
        Assert.That(Contents(folder.Path), Is.EqualTo((string[])["record 2", "weights 2"]));
    }

    /// <summary>A fault in the program, which is not a file's.</summary>
    [Test]
    public void Any_exception_leaves_the_folder_as_it_was()
    {
        using var folder = new TemporaryFolder();
        using var run = RunFolder.Open(folder.Path, "--out", "weights", "record");
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
        using var run = RunFolder.Open(folder.File("run"), "--out", "record");

        void Fail(string path)
        {
            Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
            throw new IOException("No space left on device");
        }

        Assert.That(
            () => run.Write(("record", Fail)),
            Throws.TypeOf<RunFolderException>().With.Message.Contains("record cannot be written (No space left on device)"));
    }

    private static (string Name, Action<string> Write) Text(string name, string text) => (name, path => File.WriteAllText(path, text));

    /// <summary>Names and texts, without the lock, whose file may be there or not.</summary>
    private static string[] Contents(string folder) =>
        [.. Directory.EnumerateFiles(folder)
            .Where(path => Path.GetFileName(path) != ".orthonative.lock")
            .OrderBy(Path.GetFileName, StringComparer.Ordinal)
            .Select(path => $"{Path.GetFileName(path)} {File.ReadAllText(path)}")];
}
