using OrthoNative.Tests.Data;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Serialization;

/// <summary>Parts of a model's file, other element types, and streams.</summary>
internal sealed class ModelTransferTests(DeviceKind kind) : DeviceTests(kind)
{
    private TemporaryFolder _folder = null!;
    private string _path = null!;

    [SetUp]
    public void MakeFolder()
    {
        _folder = new TemporaryFolder();
        _path = _folder.File("model.safetensors");
    }

    [TearDown]
    public void Free() => _folder.Dispose();

    [Test]
    public void Layers_are_transferred_with_their_filters([Values] bool permutation)
    {
        using Sequential saved = Pretrained(1, permutation), model = Other(2);
        saved.Save(_path);
        double[] head = Values(Parameter(model, "head.weight").Value);
        using Tensor inputs = ToTensor(Device, Uniform(new Random(3), 5 * 4 * 2), DType.Float32, 5, 4, 2);

        model.Load(_path, layers: ["encoder", "norm"]);

        // What the layers give to the head is the same; the sum of differences is 0.
        Assert.That(Values(Encoded(model)).Zip(Values(Encoded(saved)), (x, y) => Math.Abs(x - y)).Sum(), Is.Zero);
        Assert.That(Values(Parameter(model, "head.weight").Value), Is.EqualTo(head));

        // By their parameters alone they would differ: the filters are of another seed.
        using Sequential copied = Other(2);
        foreach (Parameter parameter in copied.Parameters.Where(parameter => !parameter.Name.StartsWith("head", StringComparison.Ordinal)))
        {
            SetValues(parameter.Value, Values(Parameter(saved, parameter.Name).Value));
        }

        Assert.That(Values(Encoded(copied)).Zip(Values(Encoded(saved)), (x, y) => Math.Abs(x - y)).Sum(), Is.GreaterThan(0.01));

        // And it stays so when the model is saved.
        using Sequential again = Other(9);
        model.Save(_folder.File("second"));
        again.Load(_folder.File("second"));
        Assert.That(Values(again.Forward(inputs)), Is.EqualTo(Values(model.Forward(inputs))));

        // A pass that waited was one with other filters.
        using var gradient = new Tensor(Device, DType.Float32, 4, 7);
        model.Forward(inputs);
        model.Load(_path, layers: ["encoder.1"]);
        Assert.That(() => model.Backward(gradient), Throws.TypeOf<InvalidOperationException>());

        Tensor Encoded(Sequential all)
        {
            all.Training = false;
            all.Forward(inputs);
            return all.Layers[1].Memory.Outputs!;
        }

        Sequential Other(ulong seed) => Pretrained(seed, permutation, outputs: 7);
    }

    [Test]
    public void One_of_a_containers_layers_is_transferred_alone()
    {
        using Sequential saved = Pretrained(1, permutation: false), model = Pretrained(2, permutation: false);
        saved.Save(_path);
        double[] first = Values(Parameter(model, "encoder.0.weight").Value);
        model.Load(_path, layers: ["encoder.1"]);
        Assert.That(Values(Parameter(model, "encoder.1.weight").Value), Is.EqualTo(Values(Parameter(saved, "encoder.1.weight").Value)));
        Assert.That(((RoaRnn)((Sequential)model.Layers[0]).Layers[1]).GetFilter(), Is.EqualTo(((RoaRnn)((Sequential)saved.Layers[0]).Layers[1]).GetFilter()));
        Assert.That(Values(Parameter(model, "encoder.0.weight").Value), Is.EqualTo(first));
    }

    [Test]
    public void What_does_not_match_is_not_transferred_and_changes_nothing()
    {
        using Sequential saved = Pretrained(1, permutation: false);
        saved.Save(_path);
        AssertRefused(Pretrained(2, permutation: true), ["encoder"], "__metadata__.encoder.0.filter is 'Haar'; 'Permutation', as in the model, is expected");
        AssertRefused(Pretrained(2, permutation: false, outputs: 7), ["encoder", "head"], "tensor 'head.weight' is Float32 [5, 8]; Float32 [7, 8] is expected");
        AssertRefused(With(new GatedLinear(8, 5) { Name = "head" }), ["head"], "layer head is of the kind 'Dense'; 'GatedLinear', as in the model, is expected");
        AssertRefused(With(new Residual(new Dense(8, 5)) { Name = "head" }), ["head"], "layer head is of the kind 'Dense'; 'Residual', as in the model, is expected");
        AssertRefused(With(new Residual(new Dense(8, 5)) { Name = "head" }), ["head.0"], "layer head is of the kind 'Dense'; 'Residual', as in the model, is expected");
        AssertRefused(With(new Dense(8, 5) { Name = "new" }), ["new"], "has no layer 'new'; it has 'encoder', 'encoder.0', 'encoder.1', 'norm', 'head'");
        AssertRefused(With(new Dropout(8, 0.5) { Name = "new" }), ["new"], "has no layer 'new'");

        // Told by nobody, what the filters were.
        Dictionary<string, Tensor> tensors = SafeTensors.Load(_path, Device.Default);
        SafeTensors.Save(_path, tensors);
        AssertRefused(Pretrained(1, permutation: false), ["encoder"], "__metadata__.encoder.0.filter is missing");
        using Sequential model = Pretrained(1, permutation: false);
        model.Load(_path, layers: ["head"]);
        Assert.That(() => model.Load(_path, layers: []), Throws.TypeOf<ArgumentException>().With.Message.Contains("layers is empty"));
        Assert.That(() => model.Load(_path, layers: ["encoder", "none"]), Throws.TypeOf<ArgumentException>().With.Message.Contains("layers[1] is 'none'; it must be a layer of the model: 'encoder', 'encoder.0'"));

        void AssertRefused(Sequential model, string[] layers, string message)
        {
            byte[] before = Bytes(model.ParameterData);
            model.Save(_folder.File("before"));
            Assert.That(() => model.Load(_path, layers), Throws.TypeOf<InvalidDataException>().With.Message.Contains(message).And.Message.Contains(_path));
            Assert.That(Bytes(model.ParameterData), Is.EqualTo(before));
            model.Save(_folder.File("after"));
            Assert.That(File.ReadAllBytes(_folder.File("after")), Is.EqualTo(File.ReadAllBytes(_folder.File("before"))));
            model.Dispose();
        }

        Sequential With(Layer layer) => new(Device, 2, new RoaRnn(2, 8) { Name = "first" }, layer, new Dense(layer.OutputSize, 2));
    }

    [Test]
    public void Layers_in_another_order_are_refused()
    {
        using Sequential saved = new(Device, 1, new Dense(3, 3) { Name = "a" }, new Dropout(3, 0.1) { Name = "dropout" }, new Dense(3, 3) { Name = "b" });
        saved.Save(_path);
        using Sequential other = new(Device, 1, new Dense(3, 3) { Name = "b" }, new Dense(3, 3) { Name = "a" });
        using Sequential same = new(Device, 2, new Dense(3, 3) { Name = "a" }, new Dense(3, 3) { Name = "b" });
        double[] before = Values(other.ParameterData);

        Assert.That(
            () => other.Load(_path),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("are in the order 'a', 'b'; 'b', 'a', as in the model, is expected"));
        Assert.That(Values(other.ParameterData), Is.EqualTo(before));
        same.Load(_path);
    }

    [Test]
    public void A_file_that_tells_layers_must_tell_their_states()
    {
        using Sequential saved = new(Device, 1, new Dense(2, 3), new Dropout(3, 0.1), new RoaRnn(3, 4), new Dense(4, 1));
        saved.Save(_path);
        Dictionary<string, string> metadata = SafeTensors.LoadMetadata(_path).ToDictionary();
        Dictionary<string, Tensor> tensors = SafeTensors.Load(_path, Device);
        try
        {
            SafeTensors.Save(_folder.File("no passes"), tensors, metadata.Where(pair => !pair.Key.StartsWith("1.", StringComparison.Ordinal)).ToDictionary());
            SafeTensors.Save(_folder.File("no states"), tensors, metadata.Where(pair => pair.Key == "architecture").ToDictionary());
        }
        finally
        {
            tensors.Values.ToList().ForEach(tensor => tensor.Dispose());
        }

        using Sequential model = new(Device, 2, new Dense(2, 3), new Dropout(3, 0.1), new RoaRnn(3, 4), new Dense(4, 1));
        foreach (Action load in (Action[])[() => model.Load(_folder.File("no passes")), () => Model.Load(_folder.File("no passes"), Device).Dispose()])
        {
            Assert.That(load, Throws.TypeOf<InvalidDataException>().With.Message.Contains("__metadata__.1 has no seed and passes of the random numbers"));
        }

        Assert.That(() => model.Load(_folder.File("no states")), Throws.TypeOf<InvalidDataException>());
    }

    [Test]
    public void A_whole_file_says_which_layer_is_of_another_kind()
    {
        using var saved = new Sequential(Device, 1, new Dense(2, 6), new ActivationLayer(6, Activation.Tanh) { Name = "phi" }, new Residual(new Dense(6, 6)) { Name = "block" });
        saved.Save(_path);
        AssertRefused("layer 0 is of the kind 'Dense'; 'GatedLinear', as in the model, is expected", new GatedLinear(2, 3), new ActivationLayer(3, Activation.Tanh) { Name = "phi" }, new Dense(3, 6));
        AssertRefused("layer block is of the kind 'Residual'; 'Sequential', as in the model, is expected", new Dense(2, 6), new ActivationLayer(6, Activation.Tanh) { Name = "phi" }, new Sequential(new Dense(6, 6)) { Name = "block" });
        AssertRefused("layer phi (ActivationLayer) is not in the model", new Dense(2, 6), new Residual(new Dense(6, 6)) { Name = "block" });

        void AssertRefused(string message, params Layer[] layers)
        {
            using var model = new Sequential(Device, 2, layers);
            Assert.That(() => model.Load(_path), Throws.TypeOf<InvalidDataException>().With.Message.Contains(message).And.Message.Contains(_path));
        }
    }

    [Test]
    public void Numbers_of_another_type_are_converted_on_request_alone()
    {
        using Sequential wide = Make(DType.Float64, 1), narrow = Make(DType.Float32, 2), wideAgain = Make(DType.Float64, 3);
        double[] values = Values(wide.ParameterData);
        values[0] = 1 + Math.Pow(2, -24);
        values[1] = 1 + Math.Pow(2, -24) + Math.Pow(2, -50);
        SetValues(wide.ParameterData, values);
        wide.Save(_path);

        Assert.That(() => narrow.Load(_path), Throws.TypeOf<InvalidDataException>().With.Message.Contains("is Float64 [8, 2]; Float32 [8, 2] is expected"));
        narrow.Load(_path, layers: null, convert: true);
        Assert.That(Values(narrow.ParameterData), Is.EqualTo(values.Select(value => (double)(float)value)), "each is the nearest one, and a tie goes to the even one");
        Assert.That(Values(narrow.ParameterData).Take(2), Is.EqualTo((double[])[1, 1 + Math.Pow(2, -23)]));

        narrow.Save(_path);
        wideAgain.Load(_path, layers: ["1"], convert: true);
        Assert.That(Values(Parameter(wideAgain, "1.weight").Value), Is.EqualTo(Values(Parameter(narrow, "1.weight").Value)));
        foreach (DType dtype in (DType[])[DType.Float32, DType.Float64])
        {
            using Sequential made = Model.Load(_path, Device, new ModelLoadOptions { DType = dtype });
            Assert.That(made.DType, Is.EqualTo(dtype));
            Assert.That(Values(made.ParameterData), Is.EqualTo(Values(narrow.ParameterData)));
        }

        // 1e300 is no float.
        values[2] = 1e300;
        SetValues(wide.ParameterData, values);
        wide.Save(_path);
        byte[] before = Bytes(narrow.ParameterData);
        Assert.That(
            () => narrow.Load(_path, layers: null, convert: true),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("element 2 of tensor '0.weight' is 1E+300; a magnitude of at most 3.4028235E+38 is expected for Float32"));
        Assert.That(Bytes(narrow.ParameterData), Is.EqualTo(before));
        Assert.That(() => Model.Load(_path, Device, new ModelLoadOptions { DType = DType.Float32 }), Throws.TypeOf<InvalidDataException>().With.Message.Contains("1E+300"));
    }

    [TestCase(DType.Float32, StorageType.Float64, 0)]
    [TestCase(DType.Float32, StorageType.Float16, 11)]
    [TestCase(DType.Float32, StorageType.BFloat16, 8)]
    [TestCase(DType.Float64, StorageType.Float32, 24)]
    [TestCase(DType.Float64, StorageType.Float16, 11)]
    [TestCase(DType.Float64, StorageType.BFloat16, 8)]
    public void Parameters_are_saved_in_another_type(DType dtype, StorageType type, int bits)
    {
        using Sequential saved = Make(dtype, 1), given = Make(dtype, 2);
        double[] values = [.. Uniform(new Random(1), saved.ParameterData.Count).Select(value => value < 0 ? value - 0.1 : value + 0.1)];
        SetValues(saved.ParameterData, values);
        values = Values(saved.ParameterData);
        saved.Save(_path, new ModelSaveOptions { StorageType = type });
        given.Load(_path, layers: null, convert: true);
        using Sequential made = Model.Load(_path, Device);

        // Numbers are of magnitude 0.1 or more, far from subnormal ones: rounding to p bits changes them by at most 2^-p of their magnitude.
        double[] loaded = Values(given.ParameterData);
        Assert.That(values.Zip(loaded, (x, y) => Math.Abs(y - x) / Math.Abs(x)).Max(), bits == 0 ? Is.Zero : Is.InRange(double.Epsilon, Math.Pow(2, -bits)));
        Assert.That(Values(made.ParameterData), Is.EqualTo(loaded));
        Assert.That(made.DType, Is.EqualTo(dtype));
        Assert.That(SafeTensors.List(_path).Select(entry => entry.ElementType), Is.All.EqualTo(type switch { StorageType.Float16 => "F16", StorageType.BFloat16 => "BF16", StorageType.Float32 => "F32", _ => "F64" }));
    }

    [Test]
    public void Numbers_that_a_type_cannot_hold_are_refused_by_name_and_write_nothing()
    {
        using Sequential model = Make(DType.Float32, 1);
        model.Save(_path);
        byte[] before = File.ReadAllBytes(_path);
        Parameter(model, "1.weight").Value.CopyFrom<float>(3, [65520]);
        var options = new ModelSaveOptions { StorageType = StorageType.Float16 };
        using var stream = new MemoryStream();

        foreach (Action save in (Action[])[() => model.Save(_path, options), () => model.Save(stream, options)])
        {
            Assert.That(save, Throws.TypeOf<ArgumentException>().With.Message.Contains(
                "options.StorageType is Float16, which cannot hold element 3 of '1.weight', 65520; its largest number is 65504."));
        }

        Assert.That(File.ReadAllBytes(_path), Is.EqualTo(before));
        Assert.That(stream.Length, Is.Zero);

        // The largest one that is rounded to 65504; and what is not finite is in every type.
        Parameter(model, "1.weight").Value.CopyFrom<float>(3, [65519.996f, float.NegativeInfinity, float.NaN]);
        model.Save(_path, options);
        model.Load(_path, layers: null, convert: true);
        Assert.That(Values(Parameter(model, "1.weight").Value).Skip(3).Take(3), Is.EqualTo((double[])[65504, double.NegativeInfinity, double.NaN]));
        Assert.That(() => model.Save(_path, new ModelSaveOptions { StorageType = (StorageType)9 }), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("options.StorageType is 9"));
    }

    [Test]
    public void A_stream_takes_a_model_among_other_content([Values] bool seeks, [Values(1, 3, 1 << 20)] int portion)
    {
        using Sequential first = Make(DType.Float32, 1), second = Pretrained(2, permutation: false), given = Make(DType.Float32, 3);
        using var memory = new MemoryStream();
        memory.Write([1, 2, 3]);
        first.Save(memory);
        second.Save(memory);
        memory.Write([4]);
        memory.Position = 0;
        using Stream stream = new Portions(memory, seeks, portion);
        Assert.That((stream.ReadByte(), stream.ReadByte(), stream.ReadByte()), Is.EqualTo((1, 2, 3)));

        given.Load(stream);
        using Sequential made = Model.Load(stream, Device);

        Assert.That(stream.ReadByte(), Is.EqualTo(4));
        Assert.That(stream.ReadByte(), Is.EqualTo(-1));
        Assert.That(Bytes(given.ParameterData), Is.EqualTo(Bytes(first.ParameterData)));
        Assert.That(Bytes(made.ParameterData), Is.EqualTo(Bytes(second.ParameterData)));

        // The same bytes as a file.
        first.Save(_path);
        Assert.That(memory.ToArray().AsSpan(3, (int)new FileInfo(_path).Length).SequenceEqual(File.ReadAllBytes(_path)));
    }

    [Test]
    public void A_stream_that_ends_early_changes_nothing([Values] bool seeks)
    {
        using Sequential saved = Make(DType.Float32, 1), given = Make(DType.Float32, 2);
        using var memory = new MemoryStream();
        saved.Save(memory);
        byte[] whole = memory.ToArray(), before = Bytes(given.ParameterData);
        Collect();
        long objects = LiveObjects.Count();
        foreach (int length in (int[])[0, 7, 8, 9, 200, whole.Length - 1])
        {
            Assert.That(() => given.Load(new Portions(new MemoryStream(whole[..length]), seeks, 100)), Throws.TypeOf<InvalidDataException>().With.Message.Contains("the stream at offset "));
            Assert.That(() => Model.Load(new Portions(new MemoryStream(whole[..length]), seeks, 100), Device), Throws.TypeOf<InvalidDataException>().With.Message.Contains("the stream at offset "));
        }

        Assert.That(Bytes(given.ParameterData), Is.EqualTo(before));
        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(objects));
    }

    [Test]
    public void A_pipe_that_promises_much_is_not_believed()
    {
        // 2^40 numbers, and the 99 million bytes of a header.
        byte[] header = "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[1099511627776],\"data_offsets\":[0,4398046511104]}}"u8.ToArray();
        byte[] large = [.. BitConverter.GetBytes((ulong)header.Length), .. header, .. new byte[100]], longHeader = [.. BitConverter.GetBytes(99_000_000UL), .. header];
        using Sequential model = Make(DType.Float32, 1);
        foreach (byte[] content in (byte[][])[large, longHeader])
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Assert.That(() => model.Load(new Portions(new MemoryStream(content), seeks: false, 1 << 16)), Throws.TypeOf<InvalidDataException>());
            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
        }
    }

    [Test]
    public void Streams_that_fail_leave_the_model_as_it_was([Values] bool seeks)
    {
        using Sequential saved = Make(DType.Float32, 1), given = Make(DType.Float32, 2);
        using var memory = new MemoryStream();
        saved.Save(memory);
        byte[] before = Bytes(given.ParameterData), whole = memory.ToArray();
        Collect();
        long objects = LiveObjects.Count();

        Assert.That(() => given.Load(new Portions(new MemoryStream(whole), seeks, 50, failsAt: whole.Length - 10)), Throws.TypeOf<IOException>().With.Message.EqualTo("broken"));
        Assert.That(() => Model.Load(new Portions(new MemoryStream(whole), seeks, 50, failsAt: whole.Length - 10), Device), Throws.TypeOf<IOException>().With.Message.EqualTo("broken"));
        Assert.That(() => saved.Save(new Portions(new MemoryStream(), seeks, 50, failsAt: 100)), Throws.TypeOf<IOException>().With.Message.EqualTo("broken"));
        Assert.That(() => saved.Save(new MemoryStream([], writable: false)), Throws.TypeOf<ArgumentException>().With.Message.Contains("stream cannot be written"));
        var closed = new MemoryStream();
        closed.Dispose();
        Assert.That(() => given.Load(closed), Throws.TypeOf<ArgumentException>().With.Message.Contains("stream cannot be read"));

        Assert.That(Bytes(given.ParameterData), Is.EqualTo(before));
        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(objects));
        saved.Save(new MemoryStream());
    }

    [Test]
    public void A_call_that_is_cancelled_leaves_nothing([Values(0, 1, 2)] int report, [Values] bool throws)
    {
        using Sequential saved = Make(DType.Float32, 1), given = Make(DType.Float32, 2);
        saved.Save(_path);
        byte[] before = Bytes(given.ParameterData), file = File.ReadAllBytes(_path);
        Collect();
        long objects = LiveObjects.Count();
        foreach (Action<IProgress<double>, CancellationToken> call in (Action<IProgress<double>, CancellationToken>[])
            [
                (progress, token) => Model.Load(_path, Device, null, progress, token),
                (progress, token) => Model.Load(new Portions(new MemoryStream(file), seeks: false, 50), Device, null, progress, token),
                (progress, token) => given.Load(_path, layers: null, convert: true, progress, token),
                (progress, token) => given.Load(_path, layers: ["1", "0"], convert: true, progress, token),
                (progress, token) => given.Load(new MemoryStream(file), layers: null, convert: false, progress, token),
                (progress, token) => given.Save(_path, new ModelSaveOptions { StorageType = StorageType.BFloat16 }, progress, token),
            ])
        {
            using var source = new CancellationTokenSource();
            int reports = 0;
            var progress = new Reporter(_ =>
            {
                if (reports++ == report)
                {
                    if (throws)
                    {
                        throw new TimeZoneNotFoundException();
                    }

                    source.Cancel();
                }
            });
            Assert.That(() => call(progress, source.Token), Throws.TypeOf(throws ? typeof(TimeZoneNotFoundException) : typeof(OperationCanceledException)));
            Assert.That(() => call(progress, new CancellationToken(true)), Throws.InstanceOf<OperationCanceledException>());
        }

        Assert.That(Bytes(given.ParameterData), Is.EqualTo(before));
        Assert.That(File.ReadAllBytes(_path), Is.EqualTo(file));
        Assert.That(Directory.GetFileSystemEntries(_folder.Path), Is.EqualTo((string[])[_path]));
        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(objects));
    }

    [Test]
    public void A_full_disk_leaves_no_file()
    {
        using Sequential model = Make(DType.Float32, 1);
        string device = _folder.File("device");
        if (!OperatingSystem.IsLinux() || !FileUser.TryMakeDevice(device, 7))
        {
            Assert.Ignore("No device can be made that is always full.");
        }

        Assert.That(() => model.Save(device), Throws.TypeOf<IOException>());
        using var full = new FileStream(device, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        Assert.That(() => model.Save(full), Throws.TypeOf<IOException>());
        model.Save(_path);
    }

    private Sequential Make(DType dtype, ulong seed) => new(Device, new SequentialOptions { DType = dtype, Seed = seed }, new Dense(2, 8, new DenseOptions { Bias = false }), new RoaRnn(8, 4));

    private Sequential Pretrained(ulong seed, bool permutation, int outputs = 5)
    {
        var options = new RoaRnnOptions { Filter = permutation ? Filter.Permutation : Filter.Haar, Beta = 0.5 };
        return new(
            Device, seed, new Sequential(new RoaRnn(2, 8, options with { Output = SequenceOutput.All }), new RoaRnn(8, 8, options)) { Name = "encoder" }, new LayerNorm(8) { Name = "norm" },
            new Dense(8, outputs) { Name = "head" });
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    private sealed class Reporter(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);
    }

    /// <summary>A stream that hands out a few bytes at a time, may be unable to seek, and may break.</summary>
    private sealed class Portions(MemoryStream content, bool seeks, int portion, long failsAt = long.MaxValue) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => seeks;

        public override bool CanWrite => true;

        public override long Length => seeks ? content.Length : throw new NotSupportedException();

        public override long Position
        {
            get => seeks ? content.Position : throw new NotSupportedException();
            set => content.Position = seeks ? value : throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            int length = int.Min(portion, buffer.Length);
            return content.Position + length > failsAt ? throw new IOException("broken") : content.Read(buffer[..length]);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (content.Position + buffer.Length > failsAt)
            {
                throw new IOException("broken");
            }

            content.Write(buffer);
        }

        public override void Flush() => content.Flush();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
