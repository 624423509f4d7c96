using OrthoNative.Tests.Data;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Serialization;

/// <summary>Saving and loading tell how far they are, and leave nothing half done where they are cancelled or fail.</summary>
internal sealed class TransferTests
{
    /// <summary>Of float32: a chunk and a half.</summary>
    private const int Many = 3 * SafeTensors.ChunkBytes / 2 / sizeof(float);

    /// <summary>Bytes of the test's tensors: two of a chunk and a half, and a short one.</summary>
    private const double Total = (2 * Many * sizeof(float)) + (3 * sizeof(double));

    /// <summary>Wider elements come first.</summary>
    private static readonly double[] s_parts =
    [
        24 / Total, (24 + SafeTensors.ChunkBytes) / Total, (24 + (1.5 * SafeTensors.ChunkBytes)) / Total, (24 + (2.5 * SafeTensors.ChunkBytes)) / Total, 1,
    ];

    private static readonly float[][] s_numbers = [.. Enumerable.Range(1, 2).Select(seed => Array.ConvertAll(Uniform(new Random(seed), Many), x => (float)x))];

    /// <summary>Numbers of the report at which a call is ended.</summary>
    private static int[] Reports => [.. Enumerable.Range(0, s_parts.Length)];

    private Dictionary<string, Tensor> _tensors = null!;
    private TemporaryFolder _folder = null!;
    private string _path = null!;

    [SetUp]
    public void MakeTensors()
    {
        _folder = new TemporaryFolder();
        _path = _folder.File("tensors");
        _tensors = new Dictionary<string, Tensor>
        {
            ["a"] = Tensor.From<float>(Device.Default, s_numbers[0], Many),
            ["b"] = Tensor.From<float>(Device.Default, s_numbers[1], 3, Many / 3),
            ["c"] = ToTensor([1, 2, 3], DType.Float64, 3),
        };
    }

    [TearDown]
    public void Free()
    {
        Dispose(_tensors);
        _folder.Dispose();
    }

    [Test]
    public void Progress_is_the_part_of_the_bytes_and_ends_at_one()
    {
        var saved = new Recorder();
        var loaded = new Recorder();
        var some = new Recorder();
        SafeTensors.Save(_path, _tensors, null, saved);
        Dispose(SafeTensors.Load(_path, Device.Default, loaded, CancellationToken.None));
        Dispose(SafeTensors.Load(_path, Device.Default, ["c", "a", "c"], some));

        Assert.That(saved.Values, Is.EqualTo(s_parts));
        Assert.That(loaded.Values, Is.EqualTo(s_parts));
        double wanted = (Many * sizeof(float)) + 24;
        Assert.That(some.Values, Is.EqualTo((double[])[24 / wanted, (24 + SafeTensors.ChunkBytes) / wanted, 1]));
    }

    [Test]
    public void Progress_of_no_bytes_is_one()
    {
        var saved = new Recorder();
        var loaded = new Recorder();
        SafeTensors.Save(_path, [], null, saved);
        SafeTensors.Load(_path, Device.Default, loaded, CancellationToken.None);

        Assert.That((saved.Values, loaded.Values), Is.EqualTo(((List<double>)[1], (List<double>)[1])));
    }

    [Test]
    public void A_save_that_is_cancelled_leaves_the_older_file_and_no_other([ValueSource(nameof(Reports))] int report, [Values] bool older, [Values] bool throws)
    {
        byte[]? before = WriteOlder(older);
        using var source = new CancellationTokenSource();
        var progress = new Ending(report, throws, source);

        Assert.That(() => SafeTensors.Save(_path, _tensors, null, progress, source.Token), Throws.TypeOf(throws ? typeof(TimeZoneNotFoundException) : typeof(OperationCanceledException)));
        AssertOlder(before);

        // What was ended can be done again.
        SafeTensors.Save(_path, _tensors);
        AssertSaved();
    }

    [Test]
    public void A_save_that_was_cancelled_before_it_began_touches_nothing([Values] bool older)
    {
        byte[]? before = WriteOlder(older);
        var progress = new Recorder();

        Assert.That(() => SafeTensors.Save(_path, _tensors, null, progress, new CancellationToken(true)), Throws.TypeOf<OperationCanceledException>());
        Assert.That(progress.Values, Is.Empty);
        AssertOlder(before);
    }

    [Test]
    public void Cancellation_after_the_end_changes_nothing()
    {
        using var source = new CancellationTokenSource();
        SafeTensors.Save(_path, _tensors, null, null, source.Token);
        Dictionary<string, Tensor> loaded = SafeTensors.Load(_path, Device.Default, null, source.Token);
        source.Cancel();

        AssertSaved();
        AssertEqual(loaded, _tensors);
        Dispose(loaded);
    }

    [Test]
    public void A_load_that_is_cancelled_leaves_no_tensor([ValueSource(nameof(Reports))] int report, [Values] bool byName, [Values] bool throws)
    {
        SafeTensors.Save(_path, _tensors);
        using var source = new CancellationTokenSource();
        var progress = new Ending(report, throws, source);
        Collect();
        long before = LiveObjects.Count();

        Assert.That(
            () => byName
                ? SafeTensors.Load(_path, Device.Default, ["c", "a", "b"], progress, source.Token)
                : SafeTensors.Load(_path, Device.Default, progress, source.Token),
            Throws.TypeOf(throws ? typeof(TimeZoneNotFoundException) : typeof(OperationCanceledException)));
        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(before));
    }

    [Test]
    public void A_load_that_was_cancelled_before_it_began_opens_nothing()
    {
        Assert.That(() => SafeTensors.Load(_path, Device.Default, null, new CancellationToken(true)), Throws.TypeOf<OperationCanceledException>(), "there is no file");
        Assert.That(() => SafeTensors.Load(_path, Device.Default, ["a"], null, new CancellationToken(true)), Throws.TypeOf<OperationCanceledException>());
    }

    [Test]
    public void What_is_read_into_changes_as_a_whole_or_not_at_all([ValueSource(nameof(Reports))] int report, [Values] bool throws)
    {
        SafeTensors.Save(_path, _tensors);
        (string Name, Tensor Tensor)[] targets = MakeTargets();
        using var source = new CancellationTokenSource();
        var progress = new Ending(report, throws, source);
        Collect();
        long objects = LiveObjects.Count();
        using (SafeTensorsReader reader = SafeTensorsReader.Open(_path))
        {
            Assert.That(() => reader.ReadInto(targets, progress, source.Token), Throws.TypeOf(throws ? typeof(TimeZoneNotFoundException) : typeof(OperationCanceledException)));
            AssertUnchanged(targets);

            // Not a single write, which a waiting pass would notice.
            Assert.That(targets.Select(target => target.Tensor.Watch.Writes), Is.All.EqualTo(1));
            reader.ReadInto(targets);
        }

        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(objects));
        Dictionary<string, Tensor> read = targets.ToDictionary(target => target.Name, target => target.Tensor);
        AssertEqual(read, _tensors);
        Dispose(read);
    }

    [Test]
    public void A_file_that_is_cut_while_it_is_read_changes_nothing()
    {
        SafeTensors.Save(_path, _tensors);
        (string Name, Tensor Tensor)[] targets = MakeTargets();
        var progress = new Ending(2, () =>
        {
            using FileStream file = new(_path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            file.SetLength(file.Length - 1);
        });
        using (SafeTensorsReader reader = SafeTensorsReader.Open(_path))
        {
            Assert.That(() => reader.ReadInto(targets, progress), Throws.TypeOf<InvalidDataException>().With.Message.Contains("the file ends; "));
        }

        AssertUnchanged(targets);
        Dispose(targets.ToDictionary(target => target.Name, target => target.Tensor));
    }

    [Test]
    public void Reading_into_tells_the_same_progress()
    {
        SafeTensors.Save(_path, _tensors);
        (string Name, Tensor Tensor)[] targets = MakeTargets();
        var progress = new Recorder();
        using (SafeTensorsReader reader = SafeTensorsReader.Open(_path))
        {
            reader.ReadInto(targets, progress);
            Assert.That(() => reader.ReadInto(targets, progress, new CancellationToken(true)), Throws.TypeOf<OperationCanceledException>());
            Assert.That(() => reader.RequireFinite("a", 0, new CancellationToken(true)), Throws.TypeOf<OperationCanceledException>());
        }

        Assert.That(progress.Values, Is.EqualTo(s_parts));
        Dispose(targets.ToDictionary(target => target.Name, target => target.Tensor));
    }

    /// <summary>Tensors like those of the test, of 0.5, in the order of the file.</summary>
    private (string Name, Tensor Tensor)[] MakeTargets() =>
    [
        .. _tensors.OrderByDescending(pair => pair.Value.DType.Bytes()).Select(pair =>
        {
            var target = new Tensor(Device.Default, pair.Value.DType, pair.Value.Shape);
            target.Fill(0.5);
            return (pair.Key, target);
        }),
    ];

    private static void AssertUnchanged((string Name, Tensor Tensor)[] targets)
    {
        foreach ((string name, Tensor tensor) in targets)
        {
            bool unchanged = tensor.DType == DType.Float32
                ? !tensor.AsSpan<float>().ContainsAnyExcept(0.5f)
                : !tensor.AsSpan<double>().ContainsAnyExcept(0.5);
            Assert.That(unchanged, name);
        }
    }

    private byte[]? WriteOlder(bool older)
    {
        if (!older)
        {
            return null;
        }

        SafeTensors.Save(_path, [KeyValuePair.Create("old", _tensors["c"])]);
        return File.ReadAllBytes(_path);
    }

    private void AssertOlder(byte[]? before)
    {
        Assert.That(Directory.GetFileSystemEntries(_folder.Path), Is.EqualTo(before is null ? (string[])[] : [_path]));
        if (before is not null)
        {
            Assert.That(File.ReadAllBytes(_path), Is.EqualTo(before));
        }
    }

    private void AssertSaved()
    {
        Assert.That(Directory.GetFileSystemEntries(_folder.Path), Is.EqualTo((string[])[_path]));
        Dictionary<string, Tensor> loaded = SafeTensors.Load(_path, Device.Default);
        AssertEqual(loaded, _tensors);
        Dispose(loaded);
    }

    private static void AssertEqual(Dictionary<string, Tensor> actual, Dictionary<string, Tensor> expected)
    {
        Assert.That(actual.Keys, Is.EquivalentTo(expected.Keys));
        foreach ((string name, Tensor tensor) in actual)
        {
            Assert.That(Bytes(tensor).AsSpan().SequenceEqual(Bytes(expected[name])), name);
        }
    }

    private static void Dispose(Dictionary<string, Tensor> tensors)
    {
        foreach (Tensor tensor in tensors.Values)
        {
            tensor.Dispose();
        }
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    private sealed class Recorder : IProgress<double>
    {
        public List<double> Values { get; } = [];

        public void Report(double value) => Values.Add(value);
    }

    /// <summary>Does something at one of a call's reports.</summary>
    private sealed class Ending(int report, Action end) : IProgress<double>
    {
        private int _reports;

        /// <summary>Ends the call: by an exception that nothing else here throws, or by its token.</summary>
        public Ending(int report, bool throws, CancellationTokenSource source)
            : this(report, throws ? () => throw new TimeZoneNotFoundException() : source.Cancel)
        {
        }

        public void Report(double value)
        {
            if (_reports++ == report)
            {
                end();
            }
        }
    }
}
