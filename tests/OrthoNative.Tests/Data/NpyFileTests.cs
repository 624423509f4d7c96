using System.Buffers.Binary;
using System.Text;

namespace OrthoNative.Tests.Data;

internal sealed class NpyFileTests
{
    /// <summary>What numpy.save writes of numpy.array([[1, 2, 3], [4, 5, 6]], "&lt;i2"), byte for byte.</summary>
    private static readonly byte[] s_numpy =
    [
        0x93, .. "NUMPY"u8, 1, 0, 0x76, 0,
        .. "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }                                                          \n"u8,
        1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0,
    ];

    [Test]
    public void A_file_of_numpy_is_read()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("a.npy"), s_numpy);
        NpyFile file = NpyFile.Read(folder.File("a.npy"));

        Assert.That(file.Shape.ToArray(), Is.EqualTo((int[])[2, 3]));
        Assert.That((file.Count, file.ElementType, file.IsText), Is.EqualTo((6, "<i2", false)));
        Assert.That(file.ToSingles(), Is.EqualTo((float[])[1, 2, 3, 4, 5, 6]));
        Assert.That(file.ToInt64s(), Is.EqualTo((long[])[1, 2, 3, 4, 5, 6]));
        Assert.That(file.ToTexts(), Is.EqualTo((string[])["1", "2", "3", "4", "5", "6"]));
    }

    // Numbers as IEEE 754 and two's complement write them.
    [TestCase("<f4", "0000803F000000C0", new double[] { 1, -2 })]
    [TestCase(">f4", "3F800000C0000000", new double[] { 1, -2 })]
    [TestCase("<f8", "000000000000F03F00000000000000C0", new double[] { 1, -2 })]
    [TestCase(">f8", "3FF0000000000000C000000000000000", new double[] { 1, -2 })]
    [TestCase("<f2", "003C00C0", new double[] { 1, -2 })]
    [TestCase(">f2", "3C00C000", new double[] { 1, -2 })]
    [TestCase("|i1", "01FE", new double[] { 1, -2 })]
    [TestCase("<i2", "0100FEFF", new double[] { 1, -2 })]
    [TestCase(">i2", "0001FFFE", new double[] { 1, -2 })]
    [TestCase("<i4", "01000000FEFFFFFF", new double[] { 1, -2 })]
    [TestCase(">i4", "00000001FFFFFFFE", new double[] { 1, -2 })]
    [TestCase("<i8", "0100000000000000FEFFFFFFFFFFFFFF", new double[] { 1, -2 })]
    [TestCase(">i8", "0000000000000001FFFFFFFFFFFFFFFE", new double[] { 1, -2 })]
    [TestCase("|u1", "01FE", new double[] { 1, 254 })]
    [TestCase("<u2", "0100FEFF", new double[] { 1, 65534 })]
    [TestCase(">u4", "00000001FFFFFFFE", new double[] { 1, 4294967294 })]
    [TestCase("<u8", "01000000000000000000000000000080", new double[] { 1, 9223372036854775808 })]
    [TestCase("|b1", "0102", new double[] { 1, 1 })]
    public void Element_types_and_byte_orders(string type, string bytes, double[] expected)
    {
        NpyFile file = Read(Npy(type, "(2,)", Convert.FromHexString(bytes)));

        Assert.That(file.ToDoubles(), Is.EqualTo(expected));
        Assert.That(file.ToSingles(), Is.EqualTo(expected.Select(value => (float)value)));
        if (expected[1] < long.MaxValue)
        {
            Assert.That(file.ToInt64s(), Is.EqualTo(expected.Select(value => (long)value)));
        }
    }

    [Test]
    public void Whole_numbers_beyond_double_stay_exact()
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, (1L << 53) + 1);

        Assert.That(Read(Npy("<i8", "()", bytes)).ToInt64s(), Is.EqualTo((long[])[9007199254740993]));
        Assert.That(Read(Npy("<u8", "()", bytes)).ToInt64s(), Is.EqualTo((long[])[9007199254740993]));
        Assert.That(Read(Npy("<i8", "()", bytes)).ToTexts(), Is.EqualTo((string[])["9007199254740993"]));
        Assert.That(Read(Npy("<u8", "()", bytes)).ToTexts(), Is.EqualTo((string[])["9007199254740993"]));
    }

    [Test]
    public void Numbers_that_are_not_whole_are_refused_as_such()
    {
        Assert.That(
            () => Read(Npy("<f4", "(1,)", BitConverter.GetBytes(1.5f))).ToInt64s(),
            Throws.TypeOf<InvalidDataException>().With.Message.EqualTo("test.npy: found the element 1.5; expected whole numbers of 64 bits."));
        Assert.That(() => Read(Npy("<f8", "(1,)", BitConverter.GetBytes(9223372036854775808.0))).ToInt64s(), Throws.TypeOf<InvalidDataException>());
        Assert.That(Read(Npy("<f8", "(1,)", BitConverter.GetBytes(-9223372036854775808.0))).ToInt64s()[0], Is.EqualTo(long.MinValue));
        Assert.That(
            () => Read(Npy("<u8", "(1,)", BitConverter.GetBytes(ulong.MaxValue))).ToInt64s(),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("found the element 18446744073709551615;"));
        Assert.That(() => Read(Npy("<f8", "(1,)", BitConverter.GetBytes(double.NaN))).ToInt64s(), Throws.TypeOf<InvalidDataException>());
    }

    [Test]
    public void Fortran_order_comes_in_C_order()
    {
        // Element [i, j, k] of [2, 3, 2] is 100 i + 10 j + k; the first index is the fastest in the file.
        byte[] bytes = [.. from k in Enumerable.Range(0, 2) from j in Enumerable.Range(0, 3) from i in Enumerable.Range(0, 2) select (byte)((100 * i) + (10 * j) + k)];
        NpyFile file = Read(Npy("|u1", "(2, 3, 2)", bytes, order: "True"));

        Assert.That(file.ToSingles(), Is.EqualTo((float[])[0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121]));
        Assert.That(file.ToTexts()[6], Is.EqualTo("100"));
        Assert.That(Read(Npy("|S1", "(2, 2)", "acbd"u8.ToArray(), order: "True")).ToTexts(), Is.EqualTo((string[])["a", "b", "c", "d"]));
    }

    [Test]
    public void Texts_are_read()
    {
        byte[] unicode = [.. Encoding.UTF32.GetBytes("ab\0"), .. Encoding.UTF32.GetBytes("ä😀c")];
        byte[] reversed = [.. unicode.Chunk(4).SelectMany(code => code.Reverse())];

        Assert.That(Read(Npy("<U3", "(2,)", unicode)).ToTexts(), Is.EqualTo((string[])["ab", "ä😀c"]));
        Assert.That(Read(Npy(">U3", "(2,)", reversed)).ToTexts(), Is.EqualTo((string[])["ab", "ä😀c"]));
        Assert.That(Read(Npy("|S2", "(2,)", "a\0bc"u8.ToArray())).ToTexts(), Is.EqualTo((string[])["a", "bc"]));
        Assert.That(() => Read(Npy("|S1", "(1,)", [0xE4])).ToTexts(), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo("test.npy: element 0 is not ASCII; save it as str, element type U."));
        Assert.That(() => Read(Npy("<U1", "(1,)", [0, 0xD8, 0, 0])).ToTexts(), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo("test.npy: element 0 has the code D800; it must be valid Unicode."));
        Assert.That(() => Read(Npy("|S1", "(1,)", [65])).ToSingles(), Throws.InvalidOperationException.With.Message.EqualTo("The elements are texts ('|S1'), not numbers; ToTexts gives them."));
    }

    [TestCase(1, "(3,)", new[] { 3 })]
    [TestCase(2, "(3,)", new[] { 3 })]
    [TestCase(3, "( 3 , )", new[] { 3 })]
    [TestCase(1, "(3L, 1)", new[] { 3, 1 })]
    [TestCase(1, "(1,3)", new[] { 1, 3 })]
    public void Versions_and_shapes(int version, string shape, int[] expected)
    {
        NpyFile file = Read(Npy("|u1", shape, [7, 8, 9], version));

        Assert.That(file.Shape.ToArray(), Is.EqualTo(expected));
        Assert.That(file.ToSingles(), Is.EqualTo((float[])[7, 8, 9]));
    }

    [Test]
    public void An_array_may_be_a_single_element_or_empty()
    {
        Assert.That(Read(Npy("|u1", "()", [7])).ToSingles(), Is.EqualTo((float[])[7]));
        Assert.That(Read(Npy("<f8", "(1000000000, 1000000000, 0)", [])).Count, Is.Zero);
    }

    [Test]
    public void Arrays_can_follow_one_another_in_a_stream()
    {
        using var stream = new MemoryStream([.. s_numpy, .. Npy("|u1", "(1,)", [9])]);

        Assert.That(NpyFile.Read(stream, "a").Count, Is.EqualTo(6));
        Assert.That(NpyFile.Read(stream, "b").ToSingles(), Is.EqualTo((float[])[9]));
        Assert.That(() => NpyFile.Read(stream, "c"), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo("c: offset 0: found the end; expected the 8 bytes at the start of an NPY file; 8 bytes are missing."));
    }

    private static IEnumerable<TestCaseData> WrongFiles()
    {
        TestCaseData Case(byte[] content, string message) => new TestCaseData(content, message).SetArgDisplayNames(message);
        byte[] Header(string text) => [0x93, .. "NUMPY"u8, 1, 0, (byte)text.Length, 0, .. Encoding.Latin1.GetBytes(text)];
        const string Keys = "'descr', 'fortran_order' and 'shape'";
        const string Types = "b1, i1 to i8, u1 to u8, f2, f4, f8, U or S, such as '<f4'";

        yield return Case([.. "PK\u0003\u0004 and more"u8], "offset 0: found bytes 504B03042061; expected 934E554D5059, the start of an NPY file.");
        yield return Case([0x93, .. "NUMPY"u8, 4, 0], "offset 6: found version 4.0; expected 1.0, 2.0 or 3.0.");
        yield return Case([0x93, .. "NUMPY"u8, 1], "offset 7: found the end; expected the 8 bytes at the start of an NPY file; 1 bytes are missing.");
        yield return Case([0x93, .. "NUMPY"u8, 2, 0, 0, 0, 2, 0], "offset 8: found a header of 131072 bytes; expected at most 65536.");
        yield return Case([0x93, .. "NUMPY"u8, 1, 0, 9, 0, 32], "offset 11: found the end; expected a header of 9 bytes; 8 bytes are missing.");
        yield return Case(Header("[]"), "offset 10: found '['; expected '{'.");
        yield return Case(Header("{'x': 1}"), $"offset 11: found the key 'x'; expected {Keys}, each once.");
        yield return Case(Header("{'shape': (), 'shape': ()}"), $"offset 24: found the key 'shape'; expected {Keys}, each once.");
        yield return Case(Header("{'descr': '<f4'}"), $"offset 26: found the end of the header without 'fortran_order'; expected {Keys}.");
        yield return Case(Header("{'descr' '<f4'}"), "offset 19: found '''; expected ':'.");
        yield return Case(Header("{'descr': 5}"), "offset 20: found '5'; expected an element type in quotes.");
        yield return Case(Header("{'descr': '|O'}"), $"offset 20: found element type '|O' (Python objects, which only running code could read); expected {Types}.");
        yield return Case(Header("{'descr': '<c8'}"), $"offset 20: found element type '<c8' (complex numbers); expected {Types}.");
        yield return Case(Header("{'descr': '<M8[ns]'}"), $"offset 20: found element type '<M8[ns]' (dates; save them as numbers); expected {Types}.");
        yield return Case(Header("{'descr': [('a', '<f4')]}"), $"offset 20: found an element type of several fields; expected {Types}.");
        yield return Case(Header("{'descr': '<f3'}"), $"offset 20: found element type '<f3'; expected {Types}.");
        yield return Case(Header("{'descr': '<U0'}"), $"offset 20: found element type '<U0'; expected {Types}.");
        yield return Case(Header("{'descr': ''}"), $"offset 20: found element type ''; expected {Types}.");
        yield return Case(Header("{'fortran_order': 0}"), "offset 28: found '0'; expected True or False.");
        yield return Case(Header("{'shape': 3}"), "offset 20: found '3'; expected '('.");
        yield return Case(Header("{'shape': (-1,)}"), $"offset 21: found '-'; expected the size of a dimension, 0 to {Array.MaxLength}.");
        yield return Case(Header("{'shape': (99999999999,)}"), $"offset 21: found size 99999999999; expected the size of a dimension, 0 to {Array.MaxLength}.");
        yield return Case(Header("{'shape': (2 3)}"), "offset 23: found '3'; expected ')'.");
        yield return Case(Header("{'shape': (3,"), "offset 23: found the end of the header; expected the size of a dimension, 0 to 2147483591.");
        yield return Case(Npy("<f4", "(99999, 99999)", []), "offset 10: found an array of more elements; expected at most 2147483591 of '<f4'.");
        yield return Case(Npy("<U9", "(999999999,)", []), "offset 10: found an array of more elements; expected at most 238609287 of '<U9'.");
        yield return Case(Npy("<f4", "(500000000,)", [1]), "offset 128: found 1 more bytes; expected 2000000000 bytes of elements, [500000000] of '<f4'.");
        yield return Case([.. Npy("|u1", "(1,)", [1, 2])], "offset 129: found more data; expected the end of the file behind the array.");
        yield return Case(Header("{'descr': '<f4', 'fortran_order': False, 'shape': ()} x"), "offset 64: found more text behind the header; expected spaces and a line feed.");
    }

    [TestCaseSource(nameof(WrongFiles))]
    public void Wrong_files_are_refused_with_offset_and_expectation(byte[] content, string message)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("wrong.npy");
        File.WriteAllBytes(path, content);

        Assert.That(() => NpyFile.Read(path), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo($"{path}: {message}"));
    }

    [Test]
    public void A_stream_of_unknown_length_takes_no_memory_for_what_is_not_there()
    {
        using var stream = new ForwardStream(Npy("<f8", "(200000000,)", new byte[100]));
        long before = GC.GetAllocatedBytesForCurrentThread();

        Assert.That(() => NpyFile.Read(stream, "test.npy"), Throws.TypeOf<InvalidDataException>());
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
    }

    [Test]
    public void A_long_stream_of_unknown_length_is_read_whole()
    {
        byte[] data = IdxFiles.Noise(300_000);
        using var stream = new ForwardStream(Npy("|u1", "(300000,)", data));

        Assert.That(NpyFile.Read(stream, "test.npy").ToSingles(), Is.EqualTo(data.Select(value => (float)value)));
    }

    [Test]
    public void Arrays_become_sequences()
    {
        NpyFile inputs = Read(Npy("|u1", "(2, 3, 2)", [1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60]));
        SequenceData data = SequenceData.FromNpy(inputs, new NpyDataOptions
        {
            Labels = Read(Npy("<U2", "(2,)", Encoding.UTF32.GetBytes("no" + "a\0"))),
            Lengths = Read(Npy("<i8", "(2,)", [3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])),
            Data = new SequenceDataOptions { ChannelNames = ["x", "y"] },
        });

        Assert.That((data.Count, data.Steps, data.HasLengths, data.LengthOf(1)), Is.EqualTo((2, 3, true, 1)));
        Assert.That(data.Values(0).ToArray(), Is.EqualTo((float[])[1, 10, 2, 20, 3, 30]));
        Assert.That(data.Values(1).ToArray(), Is.EqualTo((float[])[4, 40]));
        Assert.That((data.ClassNames, data.ClassOf(0), data.ChannelNames), Is.EqualTo(((string[])["a", "no"], 1, (string[])["x", "y"])));
        Assert.That(SequenceData.FromNpy(Read(Npy("|u1", "(2, 3)", [1, 2, 3, 4, 5, 6]))).Values(1).ToArray(), Is.EqualTo((float[])[4, 5, 6]));
    }

    [Test]
    public void Labels_and_targets_of_every_shape()
    {
        NpyFile inputs = Read(Npy("|u1", "(2, 2)", [1, 2, 3, 4]));
        NpyFile lengths = Read(Npy("|u1", "(2,)", [2, 1]));
        SequenceData steps = SequenceData.FromNpy(inputs, new NpyDataOptions { Labels = Read(Npy("|u1", "(2, 2)", [10, 9, 9, 8])), Lengths = lengths });
        SequenceData column = SequenceData.FromNpy(inputs, new NpyDataOptions { Labels = Read(Npy("|u1", "(2, 1)", [7, 5])) });
        SequenceData values = SequenceData.FromNpy(inputs, new NpyDataOptions { Targets = Read(Npy("|u1", "(2,)", [7, 5])) });
        SequenceData rows = SequenceData.FromNpy(inputs, new NpyDataOptions { Targets = Read(Npy("|u1", "(2, 3)", [1, 2, 3, 4, 5, 6])) });
        SequenceData stepValues = SequenceData.FromNpy(inputs, new NpyDataOptions { Targets = Read(Npy("|u1", "(2, 2, 1)", [1, 2, 3, 4])), Lengths = lengths });

        // The 8 is beyond the length.
        Assert.That((steps.ClassNames, steps.HasStepTargets, steps.Classes(0).ToArray()), Is.EqualTo(((string[])["9", "10"], true, (int[])[1, 0])));
        Assert.That((column.ClassOf(0), column.ClassOf(1)), Is.EqualTo((1, 0)));
        Assert.That((values.Outputs, values.Targets(1)[0]), Is.EqualTo((1, 5f)));
        Assert.That((rows.Outputs, rows.Targets(1).ToArray()), Is.EqualTo((3, (float[])[4, 5, 6])));
        Assert.That((stepValues.HasStepTargets, stepValues.Targets(1).ToArray()), Is.EqualTo((true, (float[])[3])));
    }

    [Test]
    public void Arrays_of_other_shapes_are_refused()
    {
        NpyFile inputs = Read(Npy("|u1", "(2, 2)", [1, 2, 3, 4]));
        NpyFile one = Read(Npy("|u1", "(4,)", [1, 2, 3, 4]));
        NpyFile text = Read(Npy("|S1", "(2, 2)", [65, 65, 65, 65]));

        Assert.That(() => SequenceData.FromNpy(one), Throws.ArgumentException.With.Message.StartsWith("inputs has shape [4]; it must be [N, T] or [N, T, D], none of them 0."));
        Assert.That(() => SequenceData.FromNpy(text), Throws.ArgumentException.With.Message.StartsWith("inputs has element type '|S1'; it must be numbers."));
        Assert.That(
            () => SequenceData.FromNpy(inputs, new NpyDataOptions { Labels = one }),
            Throws.ArgumentException.With.Message.StartsWith("options.Labels has shape [4]; it must be [2] or [2, 2]."));
        Assert.That(
            () => SequenceData.FromNpy(inputs, new NpyDataOptions { Targets = one }),
            Throws.ArgumentException.With.Message.StartsWith("options.Targets has shape [4]; it must be [2], [2, C] or [2, 2, C]."));
        Assert.That(
            () => SequenceData.FromNpy(inputs, new NpyDataOptions { Targets = text }),
            Throws.ArgumentException.With.Message.StartsWith("options.Targets has element type '|S1'; it must be numbers."));
        Assert.That(
            () => SequenceData.FromNpy(inputs, new NpyDataOptions { Lengths = inputs }),
            Throws.ArgumentException.With.Message.StartsWith("options.Lengths has shape [2, 2]; it must be [2]."));
        Assert.That(
            () => SequenceData.FromNpy(inputs, new NpyDataOptions { Lengths = Read(Npy("|u1", "(2,)", [2, 3])) }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("options.Lengths[1] is 3; it must be from 1 to 2."));
        Assert.That(
            () => SequenceData.FromNpy(inputs, new NpyDataOptions { Labels = Read(Npy("|u1", "(2,)", [2, 3])), Data = new SequenceDataOptions { Labels = ["a", "b"] } }),
            Throws.ArgumentException.With.Message.StartsWith("options.Data.Labels is given, and so is options.Labels; one of them must be null."));
        Assert.That(
            () => SequenceData.FromNpy(inputs, new NpyDataOptions { Labels = Read(Npy("|u1", "(2,)", [2, 3])), Targets = Read(Npy("|u1", "(2,)", [2, 3])) }),
            Throws.ArgumentException.With.Message.StartsWith("options has Labels and Targets; at most one of them may be given."));
    }

    /// <summary>A file as numpy.save writes it.</summary>
    internal static byte[] Npy(string type, string shape, byte[] elements, int version = 1, string order = "False")
    {
        string header = $"{{'descr': '{type}', 'fortran_order': {order}, 'shape': {shape}, }}";
        int lengthBytes = version == 1 ? 2 : 4;
        int end = (8 + lengthBytes + header.Length + 1 + 63) / 64 * 64;
        byte[] length = new byte[lengthBytes];
        length[0] = (byte)(end - 8 - lengthBytes);
        return [0x93, .. "NUMPY"u8, (byte)version, 0, .. length, .. Encoding.Latin1.GetBytes(header.PadRight(end - 8 - lengthBytes - 1)), (byte)'\n', .. elements];
    }

    private static NpyFile Read(byte[] content)
    {
        using var stream = new MemoryStream(content);
        return NpyFile.Read(stream, "test.npy");
    }
}
