using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Serialization;

/// <summary>What saving over a file keeps, and where it is refused: as writing into the file would.</summary>
[UnsupportedOSPlatform("windows")]
[Platform("Linux")]
internal sealed partial class FileReplacementTests
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode All = (UnixFileMode)0x1B6;

    [TestCase(0x180)]
    [TestCase(0x1B0)]
    [TestCase(0x1B6)]
    [TestCase(0x1ED)]
    public void Permissions_of_the_older_file_are_kept(int mode)
    {
        using var folder = new TemporaryFolder();
        string path = Older(folder, (UnixFileMode)mode);

        Save(path, "new");

        Assert.That((File.GetUnixFileMode(path), File.ReadAllText(path)), Is.EqualTo(((UnixFileMode)mode, "new")));
        Assert.That(Directory.GetFiles(folder.Path), Has.Length.EqualTo(1));
    }

    [Test]
    public void Every_writer_keeps_permissions()
    {
        using var folder = new TemporaryFolder();
        using var model = new Sequential(Device.Default, 1, new Dense(2, 2));
        using var adam = new Adam(model);
        foreach (Action<string> write in (Action<string>[])[model.Save, adam.Save, path => SafeTensors.Save(path, [])])
        {
            string path = Older(folder, OwnerOnly);
            write(path);
            Assert.That(File.GetUnixFileMode(path), Is.EqualTo(OwnerOnly));
            Assert.That(() => SafeTensors.List(path), Throws.Nothing);
        }
    }

    [Test]
    public void While_it_is_written_a_file_is_readable_by_no_more_than_the_older_one()
    {
        using var folder = new TemporaryFolder();
        string path = Older(folder, OwnerOnly);

        using FileReplacement file = FileReplacement.Begin(path);

        Assert.That(File.GetUnixFileMode(file.Temporary!), Is.EqualTo(OwnerOnly));
    }

    [Test]
    public void Owner_group_and_attributes_of_the_older_file_are_kept()
    {
        using var folder = new TemporaryFolder();
        string path = Older(folder, OwnerOnly);
        bool attributes = SetAttribute(path, "user.note", "kept"u8, 4, 0) == 0;
        FileUser.Give(path, FileUser.Other);

        Save(path, "new");

        Assert.That(FileStatus.Of(path, follow: false)!.Value.User, Is.EqualTo(FileUser.Other));
        byte[] value = new byte[4];
        Assert.That((int)GetAttribute(path, "user.note", value, 4), Is.EqualTo(attributes ? 4 : -1));
        Assert.That(Encoding.UTF8.GetString(value), Is.EqualTo(attributes ? "kept" : "\0\0\0\0"));
    }

    [Test]
    public void Through_links_their_target_is_replaced([Values] bool absolute, [Values] bool dangling)
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("there"));
        string target = folder.File("there/target");
        if (!dangling)
        {
            File.WriteAllText(target, "old");
        }

        File.CreateSymbolicLink(folder.File("there/inner"), "target");
        File.CreateSymbolicLink(folder.File("link"), absolute ? folder.File("there/inner") : "there/inner");

        Save(folder.File("link"), "new");

        Assert.That(new FileInfo(folder.File("link")).LinkTarget, Is.Not.Null);
        Assert.That(new FileInfo(folder.File("there/inner")).LinkTarget, Is.EqualTo("target"));
        Assert.That((new FileInfo(target).LinkTarget, File.ReadAllText(target)), Is.EqualTo(((string?)null, "new")));
    }

    [Test]
    public void A_link_with_parent_folders_in_it_leads_where_the_system_says()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("a/b"));
        File.WriteAllText(folder.File("a/file"), "right");
        File.WriteAllText(folder.File("file"), "wrong");
        File.CreateSymbolicLink(folder.File("a/b/link"), "../file");
        File.CreateSymbolicLink(folder.File("b"), "a/b");

        // In the folder b, which is a link itself, the name ../file is not that of the text b/../file.
        Save(folder.File("b/link"), "new");

        Assert.That((File.ReadAllText(folder.File("a/file")), File.ReadAllText(folder.File("file"))), Is.EqualTo(("new", "wrong")));
    }

    /// <summary>The link's folder is reached through a link, the text of the link has one in its middle, or both.</summary>
    [TestCase("dl/link", "../real", "b/real")]
    [TestCase("b/c/link", "../../dl/../real", "b/real")]
    [TestCase("dl/link", "../../dl/../real", "b/real")]
    public void New_files_go_where_the_system_would_make_them_through_links_to_folders(string link, string text, string target)
    {
        foreach (bool exists in (bool[])[false, true])
        {
            using var folder = new TemporaryFolder();
            Directory.CreateDirectory(folder.File("b/c"));
            File.CreateSymbolicLink(folder.File("dl"), "b/c");
            File.CreateSymbolicLink(folder.File(link), text);
            if (exists)
            {
                File.WriteAllText(folder.File(target), "old");
            }

            Save(folder.File(link), "new");

            Assert.That(File.ReadAllText(folder.File(target)), Is.EqualTo("new"));
            Assert.That(File.ReadAllText(folder.File(link)), Is.EqualTo("new"));
            Assert.That(File.Exists(folder.File("real")), Is.False);
        }
    }

    [Test]
    public void A_chain_of_dangling_links_is_followed_in_the_folders_that_it_leads_through()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("b/c"));
        Directory.CreateDirectory(folder.File("d/e"));
        File.CreateSymbolicLink(folder.File("dl"), "b/c");
        File.CreateSymbolicLink(folder.File("b/el"), folder.File("d/e"));
        File.CreateSymbolicLink(folder.File("b/c/first"), "../el/second");
        File.CreateSymbolicLink(folder.File("d/e/second"), "../real");

        Save(folder.File("dl/first"), "new");

        Assert.That(File.ReadAllText(folder.File("d/real")), Is.EqualTo("new"));
        Assert.That(Directory.GetFiles(folder.File("b")), Is.Empty);
    }

    [TestCase("missing/../real")]
    [TestCase("missing/")]
    public void A_link_through_a_folder_that_is_missing_is_refused(string text)
    {
        using var folder = new TemporaryFolder();
        File.CreateSymbolicLink(folder.File("link"), text);

        Assert.That(() => Save(folder.File("link"), "new"), Throws.TypeOf<DirectoryNotFoundException>());
        Assert.That(Directory.GetFileSystemEntries(folder.Path), Is.EqualTo((string[])[folder.File("link")]));
    }

    [Test]
    [NonParallelizable]
    public void A_file_that_is_larger_than_a_limit_allows_is_an_io_exception()
    {
        using var folder = new TemporaryFolder();
        using var model = new Sequential(Device.Default, 1, new Dense(1024, 1024));
        using var adam = new Adam(model);
        string path = folder.File("file");
        using (FileSizeLimit.Set(1 << 20))
        {
            foreach (Action save in (Action[])[() => model.Save(path), () => adam.Save(path), () => SaveInParts(path), () => SaveAsync(path).GetAwaiter().GetResult()])
            {
                Assert.That(save, Throws.TypeOf<IOException>().With.Message.Contains("larger than the system, or a limit set for this process, allows"));
            }
        }

        Assert.That(Directory.GetFiles(folder.Path), Is.Empty);

        static void SaveInParts(string path)
        {
            using FileReplacement file = FileReplacement.Begin(path);
            for (int i = 0; i < 3; i++)
            {
                file.Stream.Write(new byte[1 << 19].AsSpan());
            }
        }

        static async Task SaveAsync(string path)
        {
            using FileReplacement file = FileReplacement.Begin(path);
            for (int i = 0; i < 3; i++)
            {
                await file.Stream.WriteAsync(new byte[1 << 19].AsMemory());
            }
        }
    }

    [Test]
    public void A_link_of_another_user_is_replaced_and_its_target_is_not_touched()
    {
        using var folder = new TemporaryFolder();
        string target = Older(folder, OwnerOnly);
        File.CreateSymbolicLink(folder.File("link"), target);
        FileUser.Give(folder.File("link"), FileUser.Other);

        Save(folder.File("link"), "new");

        Assert.That(File.ReadAllText(target), Is.EqualTo("old"));
        Assert.That((new FileInfo(folder.File("link")).LinkTarget, File.ReadAllText(folder.File("link"))), Is.EqualTo(((string?)null, "new")));
    }

    [Test]
    public void Links_that_lead_in_a_circle_are_an_io_exception()
    {
        using var folder = new TemporaryFolder();
        File.CreateSymbolicLink(folder.File("first"), "second");
        File.CreateSymbolicLink(folder.File("second"), "first");

        Assert.That(() => Save(folder.File("first"), "new"), Throws.InstanceOf<IOException>());
    }

    [Test]
    public void A_read_only_file_is_refused_and_left()
    {
        using var folder = new TemporaryFolder();
        string path = Older(folder, UnixFileMode.UserRead);

        FileUser.Run(folder.Path, () => Assert.That(() => Save(path, "new"), Throws.TypeOf<UnauthorizedAccessException>()));

        Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
        Assert.That(Directory.GetFiles(folder.Path), Is.EqualTo((string[])[path]));
    }

    [Test]
    public void In_a_folder_that_cannot_be_written_a_file_that_can_is_written()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("closed"));
        string path = folder.File("closed/file");
        File.WriteAllText(path, "what was longer before");
        File.SetUnixFileMode(folder.File("closed"), UnixFileMode.UserRead | UnixFileMode.UserExecute);

        try
        {
            FileUser.Run(folder.Path, () => Save(path, "new"));

            Assert.That(File.ReadAllText(path), Is.EqualTo("new"));
            Assert.That(Directory.GetFiles(folder.File("closed")), Is.EqualTo((string[])[path]));
            FileUser.Run(folder.Path, () => Assert.That(() => Save(folder.File("closed/other"), "new"), Throws.TypeOf<UnauthorizedAccessException>()));
        }
        finally
        {
            File.SetUnixFileMode(folder.File("closed"), (UnixFileMode)0x1C0);
        }
    }

    [Test]
    public void A_file_that_only_its_owner_may_rename_is_written()
    {
        using var folder = new TemporaryFolder();
        File.SetUnixFileMode(folder.Path, (UnixFileMode)0x1ED);
        string path = folder.File("sticky/file");
        Directory.CreateDirectory(folder.File("sticky"));
        File.WriteAllText(path, "what was longer before");
        File.SetUnixFileMode(path, All);
        File.SetUnixFileMode(folder.File("sticky"), UnixFileMode.StickyBit | (UnixFileMode)0x1FF);

        FileUser.Give(path, FileUser.Other);
        FileUser.Give(folder.File("sticky"), FileUser.Other);
        FileUser.Run(() => Save(path, "new"));

        Assert.That(File.ReadAllText(path), Is.EqualTo("new"));
        Assert.That(Directory.GetFiles(folder.File("sticky")), Is.EqualTo((string[])[path]));
    }

    [Test]
    public void Devices_are_written_and_stay_devices([Values] bool link)
    {
        const int Null = 3, Full = 7;
        using var folder = new TemporaryFolder();
        string device = folder.File("device"), full = folder.File("full"), path = folder.File(link ? "link" : "device");
        if (!FileUser.TryMakeDevice(device, Null) || !FileUser.TryMakeDevice(full, Full))
        {
            Assert.Ignore("Only root makes devices.");
        }

        File.CreateSymbolicLink(folder.File("link"), "device");

        Save(path, "new");
        Assert.That(() => Save(full, "new"), Throws.InstanceOf<IOException>());

        Assert.That(FileStatus.Of(device, follow: false)!.Value.IsDevice, Is.True);
        Assert.That(FileStatus.Of(full, follow: false)!.Value.IsDevice, Is.True);
        Assert.That(new FileInfo(folder.File("link")).LinkTarget, Is.EqualTo("device"));
        Assert.That(Directory.GetFileSystemEntries(folder.Path), Has.Length.EqualTo(3));
    }

    [Test]
    public void A_pipe_gets_the_content()
    {
        using var folder = new TemporaryFolder();
        string pipe = folder.File("pipe");
        Process.Start("mkfifo", pipe).WaitForExit();
        Task<string> read = Task.Run(() => File.ReadAllText(pipe));

        Save(pipe, "new");

        Assert.That(read.Result, Is.EqualTo("new"));
    }

    [Test]
    public void A_file_that_is_open_gets_the_content_through_its_descriptor()
    {
        using var folder = new TemporaryFolder();
        string path = Older(folder, OwnerOnly);
        using FileStream open = File.Open(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);

        Save($"/proc/self/fd/{open.SafeFileHandle.DangerousGetHandle()}", "new");

        using var reader = new StreamReader(open);
        Assert.That(reader.ReadToEnd(), Is.EqualTo("new"));
    }

    [TestCase("n", 255)]
    [TestCase("ü", 127)]
    [TestCase("\U0001F600", 63)]
    public void A_name_as_long_as_names_can_be_is_saved(string character, int count)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File(string.Concat(Enumerable.Repeat(character, count)));

        Save(path, "first");
        Save(path, "second");

        Assert.That(File.ReadAllText(path), Is.EqualTo("second"));
        Assert.That(Directory.GetFiles(folder.Path), Has.Length.EqualTo(1));
    }

    [Test]
    public void A_path_as_long_as_paths_can_be_is_saved_whole_or_not_at_all([Values] bool whole)
    {
        using var folder = new TemporaryFolder();
        const int MostBytes = 4095;
        string deep = folder.Path;
        while (deep.Length + 202 < MostBytes - 10)
        {
            deep = Path.Combine(deep, new string('d', 200));
        }

        Directory.CreateDirectory(deep);
        string path = Path.Combine(deep, new string('f', MostBytes - deep.Length - 1));

        if (whole)
        {
            Save(path, "first");
            Save(path, "second");
            Assert.That(File.ReadAllText(path), Is.EqualTo("second"));
        }
        else
        {
            FileReplacement.Begin(path).Dispose();
            Assert.That(Directory.GetFiles(deep), Is.Empty);
        }
    }

    [Test]
    public void A_folder_is_refused_as_writing_into_it_would_be()
    {
        using var folder = new TemporaryFolder();

        Assert.That(() => Save(folder.Path, "new"), Throws.TypeOf<UnauthorizedAccessException>());
    }

    [Test]
    public void Names_of_files_that_are_being_written_cannot_be_foreseen()
    {
        using var folder = new TemporaryFolder();
        using FileReplacement first = FileReplacement.Begin(folder.File("file"));
        using FileReplacement second = FileReplacement.Begin(folder.File("file"));

        Assert.That(first.Temporary, Is.Not.EqualTo(second.Temporary).And.StartsWith(folder.File("file.")));
        Assert.That(() => new FileStream(first.Temporary!, FileMode.CreateNew), Throws.InstanceOf<IOException>());
    }

    private static string Older(TemporaryFolder folder, UnixFileMode mode)
    {
        string path = folder.File("older");
        File.Delete(path);
        File.WriteAllText(path, "old");
        File.SetUnixFileMode(path, mode);
        return path;
    }

    private static void Save(string path, string content)
    {
        using FileReplacement file = FileReplacement.Begin(path);
        file.Stream.Write(Encoding.UTF8.GetBytes(content));
        file.Commit();
    }

    [LibraryImport("libc", EntryPoint = "setxattr", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetAttribute(string path, string name, ReadOnlySpan<byte> value, nint bytes, int flags);

    [LibraryImport("libc", EntryPoint = "getxattr", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint GetAttribute(string path, string name, [Out] byte[] value, nint bytes);
}
