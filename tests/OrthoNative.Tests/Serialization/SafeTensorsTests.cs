using System.Buffers.Binary;
using System.Text;
using OrthoNative.Tests.Data;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Serialization;

internal sealed class SafeTensorsTests
{
    [Test]
    public void Tensors_and_metadata_come_back_as_they_were()
    {
        using var folder = new TemporaryFolder();
        using Tensor single = ToTensor([1, -2.5, 3, 0, 1e-38, 7], DType.Float32, 2, 3);
        using Tensor twice = ToTensor([Math.PI, double.Epsilon, double.MaxValue], DType.Float64, 3);
        using Tensor scalar = ToTensor([5], DType.Float32);
        string path = folder.File("a.safetensors");

        SafeTensors.Save(
            path,
            new Dictionary<string, Tensor> { ["single"] = single, ["zwei \"ü\""] = twice, ["scalar"] = scalar },
            new Dictionary<string, string> { ["note"] = "a \\ b" });
        Dictionary<string, Tensor> loaded = SafeTensors.Load(path, Device.Default);
        using Tensor loadedSingle = loaded["single"];
        using Tensor loadedTwice = loaded["zwei \"ü\""];
        using Tensor loadedScalar = loaded["scalar"];

        Assert.That(loaded, Has.Count.EqualTo(3));
        Assert.That((loadedSingle.ToString(), loadedTwice.ToString(), loadedScalar.ToString()), Is.EqualTo(("Float32 [2, 3]", "Float64 [3]", "Float32 []")));
        Assert.That(Bytes(loadedSingle), Is.EqualTo(Bytes(single)));
        Assert.That(Bytes(loadedTwice), Is.EqualTo(Bytes(twice)));
        Assert.That(Bytes(loadedScalar), Is.EqualTo(Bytes(scalar)));
        Assert.That(SafeTensors.LoadMetadata(path), Is.EqualTo(new Dictionary<string, string> { ["note"] = "a \\ b" }));
    }

    [Test]
    public void The_file_is_laid_out_as_the_format_says()
    {
        using var folder = new TemporaryFolder();
        using Tensor tensor = ToTensor([1, 2], DType.Float32, 2);
        string path = folder.File("a.safetensors");

        SafeTensors.Save(path, [KeyValuePair.Create("t", tensor)]);
        byte[] bytes = File.ReadAllBytes(path);
        int header = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);

        Assert.That((8 + header) % 8, Is.Zero);
        Assert.That(Encoding.UTF8.GetString(bytes, 8, header).TrimEnd(' '), Is.EqualTo("""{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"""));
        Assert.That(bytes[(8 + header)..], Is.EqualTo((byte[])[0, 0, 0x80, 0x3F, 0, 0, 0, 0x40]));
    }

    [Test]
    public void A_file_of_another_writer_is_read()
    {
        using var folder = new TemporaryFolder();
        string path = Write(folder, """{ "b" : {"data_offsets":[4,12],"shape":[1],"dtype":"F64"}, "__metadata__":{"format":"pt"}, "a":{"shape":[1,1],"dtype":"F32","data_offsets":[0,4]}}   """, 12);

        Dictionary<string, Tensor> loaded = SafeTensors.Load(path, Device.Default);

        Assert.That(loaded.Values.Select(tensor => tensor.ToString()), Is.EquivalentTo((string[])["Float64 [1]", "Float32 [1, 1]"]));
        foreach (Tensor tensor in loaded.Values)
        {
            tensor.Dispose();
        }
    }

    [TestCase("""{"__metadata__":null,"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4)]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":null}""", 4)]
    [TestCase("""{"__metadata__":{},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":{"y":[1,{"z":null}]}}}   """, 4)]
    [TestCase("""{"a":{"byte_order":"little","dtype":"F32","shape":[1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}""", 4)]
    [TestCase("""{"e":{"dtype":"I64","shape":[0,7],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"f":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}""", 4)]
    [TestCase("""{"b":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]},"a":{"dtype":"F32","shape":[1],"data_offsets":[3,7]},"n":{"dtype":"NEW","shape":[9],"data_offsets":[7,8]}}""", 8)]
    [TestCase("""{"f":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]},"g":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[2,5]},"a":{"dtype":"F32","shape":[1],"data_offsets":[5,9]},"c":{"dtype":"C64","shape":[1],"data_offsets":[9,17]}}""", 17)]
    [TestCase("""{"r":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]},"a":{"dtype":"F64","shape":[1],"data_offsets":[4,12]}}""", 12)]
    public void What_the_format_allows_is_no_obstacle_to_a_tensor_that_can_be_loaded(string header, int dataBytes)
    {
        using var folder = new TemporaryFolder();
        string path = Write(folder, header, dataBytes);

        IReadOnlyList<SafeTensorsEntry> entries = SafeTensors.List(path);
        Dictionary<string, Tensor> loaded = SafeTensors.Load(path, Device.Default, entries.Where(entry => entry.IsLoadable).Select(entry => entry.Name));
        using Tensor tensor = loaded["a"];

        Assert.That(tensor.ToArray<double>, tensor.DType == DType.Float64 ? Has.Length.EqualTo(1) : Throws.ArgumentException);
        Assert.That(SafeTensors.LoadMetadata(path), Is.Empty);
        foreach (SafeTensorsEntry entry in entries.Where(entry => !entry.IsLoadable))
        {
            Assert.That(() => SafeTensors.Load(path, Device.Default, [entry.Name]), Throws.TypeOf<InvalidDataException>().With.Message.Contains($"of tensor '{entry.Name}' is "));
            Assert.That(() => SafeTensors.Load(path, Device.Default), Throws.TypeOf<InvalidDataException>().With.Message.Contains(" of tensor '"));
        }
    }

    [Test]
    public void Half_precision_numbers_are_loaded_as_the_numbers_that_they_are()
    {
        using var folder = new TemporaryFolder();

        // All 65536 of both kinds, more than one chunk's worth of nothing else.
        byte[] data = new byte[2 << 17];
        for (int bits = 0; bits < 1 << 16; bits++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(2 * bits), (ushort)bits);
            BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan((2 << 16) + (2 * bits)), (ushort)bits);
        }

        string path = Write(folder, """{"h":{"dtype":"F16","shape":[256,256],"data_offsets":[0,131072]},"b":{"dtype":"BF16","shape":[65536],"data_offsets":[131072,262144]}}""", data.Length);
        using (FileStream file = File.OpenWrite(path))
        {
            file.Position = file.Length - data.Length;
            file.Write(data);
        }

        Dictionary<string, Tensor> loaded = SafeTensors.Load(path, Device.Default);
        using Tensor half = loaded["h"];
        using Tensor brain = loaded["b"];

        Assert.That((half.ToString(), brain.ToString()), Is.EqualTo(("Float32 [256, 256]", "Float32 [65536]")));
        Assert.That(half.ToArray<float>(), Is.EqualTo(Enumerable.Range(0, 1 << 16).Select(bits => (float)BitConverter.UInt16BitsToHalf((ushort)bits))));
        Assert.That(brain.ToArray<float>(), Is.EqualTo(Enumerable.Range(0, 1 << 16).Select(bits => BitConverter.Int32BitsToSingle(bits << 16))));
    }

    [Test]
    public void Half_precision_numbers_of_more_than_a_chunk_come_in_their_order()
    {
        using var folder = new TemporaryFolder();
        const int Count = (SafeTensors.ChunkBytes / 2) + 3;
        string path = Write(folder, $$$"""{"h":{"dtype":"F16","shape":[{{{Count}}}],"data_offsets":[0,{{{2 * Count}}}]}}""", 2 * Count);
        using (FileStream file = File.OpenWrite(path))
        {
            file.Position = file.Length - 2;
            file.Write([0x00, 0x3C]);
        }

        using Tensor half = SafeTensors.Load(path, Device.Default)["h"];

        Assert.That(half.ToArray<float>().Select((value, i) => (value, i)).Where(item => item.value != 0), Is.EqualTo((IEnumerable<(float, int)>)[(1f, Count - 1)]));
    }

    [Test]
    public void Tensors_that_are_not_asked_for_are_not_loaded()
    {
        using var folder = new TemporaryFolder();
        string path = SavedFile(folder);

        Dictionary<string, Tensor> loaded = SafeTensors.Load(path, Device.Default, ["second", "second"]);
        loaded["second"].Dispose();

        Assert.That(loaded.Keys, Is.EqualTo((string[])["second"]));
        Assert.That(SafeTensors.Load(path, Device.Default, []), Is.Empty);
        Assert.That(() => SafeTensors.Load(path, Device.Default, ["second", "third"]), Throws.TypeOf<InvalidDataException>().With.Message.Contains("has no tensor 'third'; it has 'second', 'first'"));
        Assert.That(() => SafeTensors.Load(path, Device.Default, [null!]), Throws.ArgumentException.With.Property("ParamName").EqualTo("names"));
        Assert.That(SafeTensors.List(path).Select(entry => (entry.Name, entry.ElementType, entry.IsLoadable)), Is.EqualTo((IEnumerable<(string, string, bool)>)[("second", "F64", true), ("first", "F32", true)]));
    }

    [Test]
    public void Text_of_a_file_reaches_messages_escaped_and_cut()
    {
        using var folder = new TemporaryFolder();
        string hostile = "\u001b[31m\u009b2J\u202e\n" + new string('x', 1_000_000);
        string[] headers =
        [
            $$$"""{"{{{hostile}}}":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}""",
            $$$"""{"{{{hostile}}}":{"dtype":"{{{hostile}}}","shape":[1],"data_offsets":[0,4]}}""",
            $$$"""{"a":{"dtype":"F32","shape":[{{{string.Join(',', Enumerable.Repeat(1, 100_000))}}}],"data_offsets":[0,4]}}""",
            $$$"""{"{{{hostile}}}":{"dtype":"F32","shape":[1]}}""",
            $$$"""{"__metadata__":{"{{{hostile}}}":"1","{{{hostile}}}":"2"}}""",
            $$$"""{"{{{hostile}}}":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"{{{hostile}}}":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""",
            $$$"""{"a":{{{hostile}}}}""",
        ];
        using var model = new Sequential(Device.Default, 1, new Dense(1, 1));
        foreach (string header in headers)
        {
            string path = Write(folder, header, 4);
            InvalidDataException? exception = Assert.Throws<InvalidDataException>(() => SafeTensors.Load(path, Device.Default), header[..20]);
            AssertHarmless(exception!.Message);
        }

        string many = Write(folder, "{" + string.Join(',', Enumerable.Range(0, 50_000).Select(i => $$$"""{"{{{i}}}":{"dtype":"F32","shape":[1],"data_offsets":[{{{4 * i}}},{{{4 * (i + 1)}}}]}}"""[1..^1])) + "}", 200_000);
        AssertHarmless(Assert.Throws<InvalidDataException>(() => model.Load(many))!.Message);

        static void AssertHarmless(string message)
        {
            Assert.That(message.Length, Is.LessThan(2000));
            Assert.That(message.Where(character => char.IsControl(character) || char.GetUnicodeCategory(character) == System.Globalization.UnicodeCategory.Format), Is.Empty);
        }
    }

    [TestCase("""[]""", 0, "at offset 8: there is a JSON StartArray; a JSON StartObject is expected")]
    [TestCase("""{"a":""", 0, "at offset 13")]
    [TestCase("""{} x""", 0, "at offset 11")]
    [TestCase("""{"a":1}""", 0, "at offset 13: there is a JSON Number; a JSON StartObject is expected")]
    [TestCase("""{"a":{"dtype":"I16","shape":[1],"data_offsets":[0,2]}}""", 2, "the element type of tensor 'a' is 'I16'; 'F32', 'F64', 'F16', 'BF16' or 'I32' is expected")]
    [TestCase("""{"a":{"dtype":"I16","shape":[1],"data_offsets":[0,3]}}""", 3, "the data of tensor 'a' are said to be bytes 0 to 3; 2 bytes are expected for I16 [1]")]
    [TestCase("""{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}""", 2, "whole bytes, and not 12 bits, are expected for F4 [3]")]
    [TestCase("""{"a":{"dtype":"NEW","shape":[3],"data_offsets":[2,0]}}""", 2, "an end that is not before the beginning is expected")]
    [TestCase("""{"__metadata__":null,"__metadata__":{}}""", 0, "the name '__metadata__' is there again")]
    [TestCase("""{"__metadata__":[]}""", 0, "there is a JSON StartArray; a JSON StartObject is expected")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1]}}""", 4, "the description of tensor 'a' is not complete")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", 4, "the description of tensor 'a' is not complete")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}""", 4, "tensor 'a' has 'shape' again; names must be unique")]
    [TestCase("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "a whole number, 0 or more, is expected")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "a whole number, 0 or more, is expected")]
    [TestCase("""{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}""", 4, "a whole number, 0 or more, is expected")]
    [TestCase("""{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}""", 0, "the shape of tensor 'a' is [0]")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}""", 4, "up to 8 sizes")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "the data of tensor 'a' are said to be bytes 0 to 4; 8 bytes are expected for Float32 [2]")]
    [TestCase("""{"a":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904,8],"data_offsets":[0,0]}}""", 0, "bytes are expected for")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "the data of tensor 'a' begin at 4; 0, where those before end, is expected")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "begin at 0; 4, where those before end, is expected")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "tensor 'a' is there again")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 3, "there are 3 bytes of data; 4 are expected")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 5, "there are 5 bytes of data; 4 are expected")]
    [TestCase("""{"__metadata__":{"a":1}}""", 0, "there is a JSON Number; a JSON String is expected")]
    [TestCase("""{"__metadata__":{"a":"\ud800"}}""", 0, "at offset 29: the text is not Unicode; valid UTF-8 is expected")]
    [TestCase("""{"__metadata__":{"\udc00":"a"}}""", 0, "at offset 25: the text is not Unicode; valid UTF-8 is expected")]
    [TestCase("""{"a\ud800b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "at offset 9: the text is not Unicode; valid UTF-8 is expected")]
    [TestCase("""{"a":{"\ud800\u0041":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "at offset 14: the text is not Unicode; valid UTF-8 is expected")]
    [TestCase("""{"a":{"dtype":"\ud83d","shape":[1],"data_offsets":[0,4]}}""", 4, "at offset 22: the text is not Unicode; valid UTF-8 is expected")]
    [TestCase("""{"__metadata__":{"a":"1","a":"2"}}""", 0, "the name 'a' is there again")]
    public void A_bad_header_is_refused_with_the_offset_and_what_was_expected(string header, int dataBytes, string message)
    {
        using var folder = new TemporaryFolder();
        string path = Write(folder, header, dataBytes);

        Assert.That(() => SafeTensors.Load(path, Device.Default), Throws.TypeOf<InvalidDataException>().With.Message.Contains("at offset ").And.Message.Contains(message));
    }

    [TestCase("""{"__metadata__":{"a":"?"}}""", "at offset 29: the text is not Unicode; valid UTF-8 is expected")]
    [TestCase("""{"__metadata__":{"?":"a"}}""", "at offset 25: the text is not Unicode; valid UTF-8 is expected")]
    [TestCase("""{"?":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "at offset 9: the text is not Unicode; valid UTF-8 is expected")]
    [TestCase("""{"a":{"?":"F32","shape":[1],"data_offsets":[0,4]}}""", "at offset 14: the text is not Unicode; valid UTF-8 is expected")]
    [TestCase("""{"a":?{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "at offset 13")]
    public void A_header_that_is_not_UTF8_is_refused_with_the_offset(string header, string message)
    {
        using var folder = new TemporaryFolder();
        foreach (byte[] bad in (byte[][])[[0xFF], [0xC3, 0x28], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82]])
        {
            byte[] text = Encoding.UTF8.GetBytes(header);
            int place = Array.IndexOf(text, (byte)'?');
            string path = Write(folder, [.. text[..place], .. bad, .. text[(place + 1)..]], 4);

            Assert.That(
                () => SafeTensors.Load(path, Device.Default),
                Throws.TypeOf<InvalidDataException>().With.Message.Contains(message),
                Convert.ToHexString(bad));
        }
    }

    [TestCase(0UL)]
    [TestCase(1UL)]
    [TestCase(1000UL)]
    [TestCase(ulong.MaxValue)]
    [TestCase(1UL << 63)]
    public void A_bad_length_of_the_header_is_refused(ulong length)
    {
        using var folder = new TemporaryFolder();
        string path = Write(folder, "{}", 0);
        byte[] bytes = File.ReadAllBytes(path);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        File.WriteAllBytes(path, bytes);

        Assert.That(() => SafeTensors.Load(path, Device.Default), Throws.TypeOf<InvalidDataException>().With.Message.Contains($"at offset 0: the length of the header is {length}; 2 to 2 is expected"));
    }

    [Test]
    public void A_file_cut_off_anywhere_is_refused()
    {
        using var folder = new TemporaryFolder();
        byte[] bytes = File.ReadAllBytes(SavedFile(folder));
        string path = folder.File("cut.safetensors");
        long objects = LiveObjects.Count();
        for (int length = 0; length < bytes.Length; length++)
        {
            File.WriteAllBytes(path, bytes[..length]);
            Assert.That(() => SafeTensors.Load(path, Device.Default), Throws.TypeOf<InvalidDataException>(), $"{length} bytes");
        }

        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(objects));
    }

    [Test]
    public void A_header_with_any_byte_changed_is_refused_or_still_valid()
    {
        using var folder = new TemporaryFolder();
        byte[] bytes = File.ReadAllBytes(SavedFile(folder));
        int end = 8 + (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        string path = folder.File("changed.safetensors");
        for (int i = 0; i < end; i++)
        {
            byte before = bytes[i];
            foreach (byte changed in (byte[])[0, (byte)'"', (byte)'9', (byte)'{', 0xFF, (byte)(before ^ 1)])
            {
                bytes[i] = changed;
                File.WriteAllBytes(path, bytes);
                try
                {
                    foreach (Tensor tensor in SafeTensors.Load(path, Device.Default).Values)
                    {
                        tensor.Dispose();
                    }
                }
                catch (InvalidDataException)
                {
                    // What a file that is not of the format must give; any other exception fails the test.
                }
            }

            bytes[i] = before;
        }
    }

    [Test]
    public void A_save_that_fails_leaves_the_older_file_and_no_other()
    {
        using var folder = new TemporaryFolder();
        string path = SavedFile(folder);
        byte[] before = File.ReadAllBytes(path);
        using var good = new Tensor(Device.Default, DType.Float32, 3);
        var disposed = new Tensor(Device.Default, DType.Float32, 3);
        disposed.Dispose();

        Assert.That(() => SafeTensors.Save(path, new Dictionary<string, Tensor> { ["a"] = good, ["b"] = disposed }), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(before));
        Assert.That(Directory.GetFiles(folder.Path), Is.EqualTo((string[])[path]));
    }

    [Test]
    public void A_save_into_a_folder_that_is_not_there_is_an_io_exception()
    {
        using var folder = new TemporaryFolder();
        using var tensor = new Tensor(Device.Default, DType.Float32, 3);

        Assert.That(
            () => SafeTensors.Save(folder.File("missing/a.safetensors"), [KeyValuePair.Create("t", tensor)]),
            Throws.InstanceOf<IOException>());
        Assert.That(() => SafeTensors.Load(folder.File("missing"), Device.Default), Throws.InstanceOf<IOException>());
    }

    [TestCase("")]
    [TestCase("__metadata__")]
    [TestCase("twice")]
    public void A_name_that_cannot_be_saved_is_refused(string name)
    {
        using var folder = new TemporaryFolder();
        using var tensor = new Tensor(Device.Default, DType.Float32, 3);

        Assert.That(
            () => SafeTensors.Save(folder.File("a"), [KeyValuePair.Create("twice", tensor), KeyValuePair.Create(name, tensor)]),
            Throws.ArgumentException.With.Message.Contains($"the name '{name}'"));
    }

    [Test]
    public void Nothing_in_the_place_of_a_tensor_or_a_text_is_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        using var tensor = new Tensor(Device.Default, DType.Float32, 3);
        string path = folder.File("a.safetensors");

        Assert.That(
            () => SafeTensors.Save(path, [KeyValuePair.Create("first", tensor), KeyValuePair.Create("second", (Tensor)null!)]),
            Throws.ArgumentException.With.Message.StartsWith("tensors['second'] is null."));
        Assert.That(
            () => SafeTensors.Save(path, [KeyValuePair.Create("only", (Tensor)null!)]),
            Throws.ArgumentException.With.Message.StartsWith("tensors['only'] is null.").And.Property("ParamName").EqualTo("tensors"));
        Assert.That(
            () => SafeTensors.Save(path, [KeyValuePair.Create("first", tensor)], new Dictionary<string, string> { ["key"] = null! }),
            Throws.ArgumentException.With.Message.StartsWith("metadata['key'] is null."));
        Assert.That(Directory.GetFiles(folder.Path), Is.Empty);
    }

    // Attributes hold UTF-8, so the surrogates are made here.
    [TestCase(0xD800, -1, "D800 at index 1")]
    [TestCase(0xDBFF, 'x', "DBFF at index 1")]
    [TestCase(0xDC00, 0xD800, "DC00 at index 1")]
    [TestCase(0xD83D, 0xD83D, "D83D at index 1")]
    public void Text_with_half_a_surrogate_pair_is_refused_where_it_is_given(int first, int second, string message)
    {
        using var folder = new TemporaryFolder();
        using var tensor = new Tensor(Device.Default, DType.Float32, 3);
        string text = "a" + (char)first + (second < 0 ? "" : (char)second);
        string path = folder.File("a.safetensors");
        void Save(string name, string key, string value) =>
            SafeTensors.Save(path, [KeyValuePair.Create(name, tensor)], new Dictionary<string, string> { [key] = value });
        void AssertRefused(Action call, string argument, string start) => Assert.That(
            call,
            Throws.TypeOf<ArgumentException>().With.Property(nameof(ArgumentException.ParamName)).EqualTo(argument)
                .And.Message.StartsWith(start).And.Message.Contains($"\\u{message}, half of a surrogate pair; it must be valid Unicode."));

        AssertRefused(() => Save(text, "key", "value"), "tensors", "tensors has a name with ");
        AssertRefused(() => Save("name", text, "value"), "metadata", "metadata has a key with ");
        AssertRefused(() => Save("name", "key", text), "metadata", "metadata['key'] has ");
        AssertRefused(() => _ = new Dense(1, 1) { Name = text }, "Name", "Name has ");
        Assert.That(Directory.GetFiles(folder.Path), Is.Empty);
    }

    [Test]
    public void Text_with_whole_surrogate_pairs_comes_back_as_it_was()
    {
        using var folder = new TemporaryFolder();
        using var tensor = new Tensor(Device.Default, DType.Float32, 3);
        const string Text = "\U0001F600a\U00010000\U0010FFFF";
        string path = folder.File("a.safetensors");

        SafeTensors.Save(path, [KeyValuePair.Create(Text, tensor)], new Dictionary<string, string> { [Text] = Text });
        Dictionary<string, Tensor> loaded = SafeTensors.Load(path, Device.Default);
        loaded.Single().Value.Dispose();

        Assert.That(loaded.Keys, Is.EqualTo((string[])[Text]));
        Assert.That(SafeTensors.LoadMetadata(path), Is.EqualTo(new Dictionary<string, string> { [Text] = Text }));
        Assert.That(new Dense(1, 1) { Name = Text }.Name, Is.EqualTo(Text));
    }

    private static string SavedFile(TemporaryFolder folder)
    {
        using Tensor first = ToTensor([1, 2, 3], DType.Float32, 3);
        using Tensor second = ToTensor([4, 5], DType.Float64, 2, 1);
        string path = folder.File("whole.safetensors");
        SafeTensors.Save(path, new Dictionary<string, Tensor> { ["first"] = first, ["second"] = second }, new Dictionary<string, string> { ["k"] = "v" });
        return path;
    }

    private static string Write(TemporaryFolder folder, string header, int dataBytes) => Write(folder, Encoding.UTF8.GetBytes(header), dataBytes);

    private static string Write(TemporaryFolder folder, byte[] text, int dataBytes)
    {
        byte[] bytes = new byte[8 + text.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)text.Length);
        text.CopyTo(bytes, 8);
        string path = folder.File("written.safetensors");
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
