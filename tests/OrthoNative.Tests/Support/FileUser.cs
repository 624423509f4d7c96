using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace OrthoNative.Tests;

/// <summary>Runs code with the rights of a user that permissions apply to, which they do not to root.</summary>
internal static partial class FileUser
{
    private const uint Nobody = 65534;

    /// <summary>Number of a user other than the one that runs the tests.</summary>
    public const uint Other = 65533;

    public static bool IsRoot => OperatingSystem.IsLinux() && EffectiveUser() == 0;

    /// <summary>Runs code as a user without privileges, to whom a folder and all that is in it is given first.</summary>
    /// <param name="folder">Path of the folder.</param>
    /// <param name="code">Runs on a thread of its own, whose file rights alone are changed.</param>
    public static void Run(string folder, Action code)
    {
        if (IsRoot)
        {
            foreach (string path in Directory.EnumerateFileSystemEntries(folder, "*", SearchOption.AllDirectories).Append(folder))
            {
                Give(path, Nobody);
            }
        }

        Run(code);
    }

    /// <summary>Runs code as a user without privileges.</summary>
    public static void Run(Action code)
    {
        if (!IsRoot)
        {
            code();
            return;
        }

        Exception? failure = null;
        var thread = new Thread(() =>
        {
            _ = SetFileUser(Nobody);
            try
            {
                code();
            }
            catch (Exception exception)
            {
                failure = exception;
            }
            finally
            {
                _ = SetFileUser(0);
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
    }

    /// <summary>Makes a device of memory as /dev/null is one, which a test may lose.</summary>
    /// <param name="path">Where.</param>
    /// <param name="number">3: /dev/null; 7: /dev/full.</param>
    /// <returns>Whether that is allowed here.</returns>
    public static bool TryMakeDevice(string path, int number)
    {
        using Process process = Process.Start("mknod", [path, "c", "1", number.ToString(CultureInfo.InvariantCulture)]);
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    /// <summary>Gives a file, or a link itself, to a user; the end of the test where that is not allowed.</summary>
    public static void Give(string path, uint user)
    {
        if (ChangeOwner(path, user, user) != 0)
        {
            Assert.Ignore("Only root gives files to another user.");
        }
    }

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUser();

    [LibraryImport("libc", EntryPoint = "setfsuid")]
    private static partial int SetFileUser(uint user);

    [LibraryImport("libc", EntryPoint = "lchown", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeOwner(string path, uint user, uint group);
}
