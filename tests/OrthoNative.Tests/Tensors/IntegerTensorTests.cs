using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Tensors;

internal sealed class IntegerTensorTests
{
    [Test]
    public void Elements_are_those_that_were_given()
    {
        using Tensor tensor = Tensor.From<int>(Device.Default, [int.MinValue, -1, 0, 1, 16_777_217, int.MaxValue], 2, 3);

        Assert.That((tensor.DType, tensor.ToString()), Is.EqualTo((DType.Int32, "Int32 [2, 3]")));
        Assert.That(tensor.ToArray<int>(), Is.EqualTo((int[])[int.MinValue, -1, 0, 1, 16_777_217, int.MaxValue]));
        Assert.That(tensor.AsSpan<int>(4, 2).ToArray(), Is.EqualTo((int[])[16_777_217, int.MaxValue]));
    }

    [Test]
    public void Copies_and_ranges_change_the_elements()
    {
        using Tensor source = Tensor.From<int>(Device.Default, [1, 2, 3, 4], 4);
        using var tensor = new Tensor(Device.Default, DType.Int32, 4);
        tensor.CopyFrom(source);
        tensor.CopyFrom<int>(1, [-20, -30]);
        tensor.AsSpan<int>()[3] = 7;
        int[] part = new int[2];
        tensor.CopyTo(2, part.AsSpan());
        int[] all = new int[4];
        tensor.CopyTo<int>(all);

        Assert.That(all, Is.EqualTo((int[])[1, -20, -30, 7]));
        Assert.That(part, Is.EqualTo((int[])[-30, 7]));
    }

    [TestCase(0.0)]
    [TestCase(-5.0)]
    [TestCase(2147483647.0)]
    [TestCase(-2147483648.0)]
    public void Whole_numbers_fill_a_tensor(double value)
    {
        using var tensor = new Tensor(Device.Default, DType.Int32, 3, 5);
        tensor.Fill(value);

        Assert.That(TestData.Values(tensor), Is.All.EqualTo(value));
    }

    [TestCase(0.5, "0.5")]
    [TestCase(2147483648.0, "2147483648")]
    [TestCase(-2147483649.0, "-2147483649")]
    [TestCase(double.NaN, "NaN")]
    [TestCase(double.NegativeInfinity, "-Infinity")]
    public void What_is_no_whole_number_that_fits_is_refused(double value, string text)
    {
        using Tensor tensor = Tensor.From<int>(Device.Default, [1, 2], 2);

        Assert.That(
            () => tensor.Fill(value),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains($"value is {text}; it must be a whole number from -2147483648 to 2147483647"));
        Assert.That(tensor.ToArray<int>(), Is.EqualTo((int[])[1, 2]));
    }

    [Test]
    public void Other_element_types_are_refused()
    {
        using var integers = new Tensor(Device.Default, DType.Int32, 2);
        using var numbers = new Tensor(Device.Default, DType.Float32, 2);

        Assert.That(() => integers.ToArray<float>(), Throws.ArgumentException.With.Message.Contains("T is Single; the element type is Int32"));
        Assert.That(() => integers.AsSpan<uint>().Length, Throws.ArgumentException.With.Message.Contains("T is UInt32; it must be float, double or int"));
        Assert.That(() => numbers.CopyFrom(integers), Throws.ArgumentException.With.Message.Contains("source has element type Int32; it must be Float32"));
    }

    [Test]
    public void A_disposed_tensor_is_not_filled()
    {
        var tensor = new Tensor(Device.Default, DType.Int32, 2);
        tensor.Dispose();

        Assert.That(() => tensor.Fill(1), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Filling_is_a_write_that_a_waiting_pass_notices()
    {
        using var tensor = new Tensor(Device.Default, DType.Int32, 2);
        long mark = tensor.Watch.BeginPass();
        tensor.Fill(0);

        Assert.That(tensor.Watch.EndPass(mark), Is.False);
    }

    [Test]
    public void Files_hold_integers_beside_other_tensors()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Join(folder.Path, "integers.safetensors");
        using Tensor integers = Tensor.From<int>(Device.Default, [int.MinValue, 7, int.MaxValue], 3);
        using Tensor numbers = Tensor.From<double>(Device.Default, [0.1], 1);
        SafeTensors.Save(path, new Dictionary<string, Tensor> { ["i"] = integers, ["x"] = numbers });

        Dictionary<string, Tensor> loaded = SafeTensors.Load(path, Device.Default);
        using Tensor i = loaded["i"];
        using Tensor x = loaded["x"];

        Assert.That(SafeTensors.List(path).Select(entry => (entry.Name, entry.ElementType, entry.IsLoadable)), Is.EqualTo((IEnumerable<(string, string, bool)>)[("x", "F64", true), ("i", "I32", true)]));
        Assert.That((i.ToString(), x.ToString()), Is.EqualTo(("Int32 [3]", "Float64 [1]")));
        Assert.That(i.ToArray<int>(), Is.EqualTo((int[])[int.MinValue, 7, int.MaxValue]));
        Assert.That(x.ToArray<double>(), Is.EqualTo((double[])[0.1]));
    }

    [Test]
    public void A_model_refuses_a_file_of_integers()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Join(folder.Path, "integers.safetensors");
        using var weight = new Tensor(Device.Default, DType.Int32, 1, 2);
        SafeTensors.Save(path, new Dictionary<string, Tensor> { ["weight"] = weight });
        using var wanted = new Tensor(Device.Default, DType.Float32, 1, 2);
        wanted.Fill(3);

        using (SafeTensorsReader reader = SafeTensorsReader.Open(path))
        {
            Assert.That(
                () => reader.ReadInto([("weight", wanted)]),
                Throws.TypeOf<InvalidDataException>().With.Message.Contains("tensor 'weight' is Int32 [1, 2]; Float32 [1, 2] is expected"));
        }

        Assert.That(wanted.ToArray<float>(), Is.All.EqualTo(3));
    }

    [Test]
    public void What_computes_needs_a_floating_point_type()
    {
        Assert.That(() => Check.FloatingPoint(DType.Float64), Throws.Nothing);
        Assert.That(
            () => Check.FloatingPoint(DType.Int32, "options.DType"),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("options.DType is Int32; it must be Float32 or Float64.").And.Property("ParamName").EqualTo("options"));
        Assert.That(
            () => Check.FloatingPoint((DType)(-1), "dtype"),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("dtype is -1; it must be Float32 or Float64."));
        Assert.That(() => DType.Int32.ToNative(), Throws.ArgumentException.With.Message.Contains("The element type is Int32; it must be Float32 or Float64"));
    }
}
