using System.Xml.Linq;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Serialization;

/// <summary>What methods that touch files throw, and what their documentation says that they throw.</summary>
internal sealed class DocumentedExceptionTests
{
    private static readonly XElement s_members = XDocument.Load(Path.ChangeExtension(typeof(Tensor).Assembly.Location, "xml")).Root!.Element("members")!;

    private static IEnumerable<TestCaseData> Methods()
    {
        static TestCaseData Case(string member, Action<string> call) => new TestCaseData($"M:OrthoNative.{member}", call).SetArgDisplayNames(member);
        static Action<string> WithModel(Action<Sequential, string> call) => path =>
        {
            using var model = new Sequential(Device.Default, 1, new Dense(1, 1));
            call(model, path);
        };
        static Action<string> WithOptimizer(Action<Optimizer, string> call) => WithModel((model, path) =>
        {
            using var adam = new Adam(model);
            call(adam, path);
        });

        DatasetFile[] files = [new("file", 1, "")];
        Uri[] mirrors = [new("http://127.0.0.1:1/")];
        yield return Case("SafeTensors.Save(", path => SafeTensors.Save(path, []));
        yield return Case("SafeTensors.Load(System.String,OrthoNative.Device)", path => SafeTensors.Load(path, Device.Default));
        yield return Case("SafeTensors.Load(System.String,OrthoNative.Device,System.IProgress", path => SafeTensors.Load(path, Device.Default, null, CancellationToken.None));
        yield return Case("SafeTensors.Load(System.String,OrthoNative.Device,System.Collections", path => SafeTensors.Load(path, Device.Default, []));
        yield return Case("SafeTensors.List(", path => SafeTensors.List(path));
        yield return Case("SafeTensors.LoadMetadata(", path => SafeTensors.LoadMetadata(path));
        yield return Case("Model.Save(System.String)", WithModel((model, path) => model.Save(path)));
        yield return Case("Model.Load(System.String)", WithModel((model, path) => model.Load(path)));
        yield return Case("Model.Load(System.String,OrthoNative.Device", path => Model.Load(path, Device.Default).Dispose());
        yield return Case("Optimizer.Save(", WithOptimizer((optimizer, path) => optimizer.Save(path)));
        yield return Case("Optimizer.Load(", WithOptimizer((optimizer, path) => optimizer.Load(path)));
        yield return Case("IdxFile.Read(", path => IdxFile.Read(path, 1));
        yield return Case("Mnist.Load(", path => Mnist.Load(path, DataSplit.Test));
        yield return Case("Mnist.DownloadAsync(", path => Mnist.DownloadAsync(path, mirrors).GetAwaiter().GetResult());
        yield return Case("DatasetDownload.FetchAsync(", path => DatasetDownload.FetchAsync(files, path, mirrors).GetAwaiter().GetResult());
    }

    [TestCaseSource(nameof(Methods))]
    public void What_is_thrown_for_a_path_is_documented(string member, Action<string> call)
    {
        using var folder = new TemporaryFolder();
        string unreadable = folder.File("unreadable");
        File.WriteAllText(unreadable, "none of the formats");
        string[] documented =
        [
            .. s_members.Elements("member").Single(element => ((string)element.Attribute("name")!).StartsWith(member, StringComparison.Ordinal))
                .Elements("exception").Select(exception => ((string)exception.Attribute("cref")!)[2..]),
        ];
        int thrown = 0;
        string device = folder.File("device");
        string[] paths =
        [
            folder.Path, folder.File("missing/file"), unreadable, unreadable + "/below", "", "a\0b", folder.File(new string('n', 300)),
            "/" + string.Concat(Enumerable.Repeat("d/", 3000)), .. OperatingSystem.IsLinux() && FileUser.TryMakeDevice(device, 7) ? (string[])[device] : [],
        ];
        foreach (string path in paths)
        {
            AssertDocumented(path);
        }

        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(unreadable, UnixFileMode.None);
            FileUser.Run(folder.Path, () => AssertDocumented(unreadable));
            File.SetUnixFileMode(folder.Path, UnixFileMode.None);
            FileUser.Run(() => AssertDocumented(folder.Path));
            FileUser.Run(() => AssertDocumented(unreadable));
            File.SetUnixFileMode(folder.Path, (UnixFileMode)0x1C0);
        }

        Assert.That(thrown, Is.GreaterThan(4));

        void AssertDocumented(string path)
        {
            try
            {
                call(path);
            }
            catch (Exception exception)
            {
                thrown++;
                Type? type = exception.GetType();
                while (type is not null && !documented.Contains(type.FullName))
                {
                    type = type.BaseType;
                }

                Assert.That(type, Is.Not.Null, $"{exception.GetType()} for '{path}': {exception.Message}");
            }
        }
    }
}
