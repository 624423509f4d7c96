using System.Buffers.Binary;

namespace OrthoNative.Tests.Data;

/// <summary>Readers of long sequences.</summary>
internal sealed class SequenceReaderTests
{
    [Test]
    public void A_file_of_inputs_and_classes_is_read_at_any_step([Values(0, 13)] int offset, [Values] bool isStream)
    {
        const int Rows = 40_000;
        var random = new Random(1);
        float[] numbers = [.. Enumerable.Range(0, Rows * 3).Select(i => i % 3 == 2 ? random.Next(5) : random.NextSingle())];
        using var folder = new TemporaryFolder();
        string path = Write(folder, numbers, offset);
        var options = new SequenceFileOptions { Features = 2, Outputs = 5, IsClassification = true, Offset = offset };
        using SequenceReader reader = isStream ? new SequenceFileReader(File.OpenRead(path), options) : new SequenceFileReader(path, options);

        Assert.That((reader.Sequences, reader.Steps, reader.Features, reader.Outputs), Is.EqualTo((1, (long)Rows, 2L, 5L)));
        Assert.That((reader.IsClassification, reader.HasTargets, reader.InputType), Is.EqualTo((true, true, DType.Float32)));
        foreach ((int start, int steps) in (ReadOnlySpan<(int, int)>)[(0, Rows), (Rows - 1, 1), (17, 30_000), (0, 1)])
        {
            float[] inputs = new float[steps * 2];
            int[] classes = new int[steps];
            reader.Read(start, steps, inputs, classes, []);
            Assert.That(inputs, Is.EqualTo(numbers.Where((_, i) => i % 3 < 2).Skip(start * 2).Take(steps * 2)));
            Assert.That(classes, Is.EqualTo(numbers.Where((_, i) => i % 3 == 2).Skip(start).Take(steps)));
        }
    }

    [Test]
    public void A_file_may_have_values_or_inputs_alone_and_more_rows_than_are_wanted()
    {
        float[] numbers = [.. Enumerable.Range(0, 15).Select(i => i - 7.5f)];
        using var folder = new TemporaryFolder();
        string path = Write(folder, numbers);
        using SequenceReader values = new SequenceFileReader(path, new SequenceFileOptions { Features = 1, Outputs = 2 });
        float[] inputs = new float[3], targets = new float[6];
        values.Read(1, 3, inputs, [], targets);
        Assert.That(inputs, Is.EqualTo((float[])[-4.5f, -1.5f, 1.5f]));
        Assert.That(targets, Is.EqualTo((float[])[-3.5f, -2.5f, -0.5f, 0.5f, 2.5f, 3.5f]));

        using SequenceReader alone = new SequenceFileReader(path, new SequenceFileOptions { Features = 5, HasTargets = false });
        float[] rows = new float[10];
        alone.Read(1, 2, rows, [], []);
        Assert.That(rows, Is.EqualTo(numbers[5..]));

        using SequenceReader part = new SequenceFileReader(path, new SequenceFileOptions { Features = 4, HasTargets = false, Steps = 3 });
        Assert.That(part.Steps, Is.EqualTo(3));
        Assert.That(() => part.Read(3, 1, new float[4], [], []), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("start is 3; it must be from 0 to 2."));
    }

    /// <summary>An NPY file of 2 rows, as numpy 2.1 writes it, is a file of rows behind its header.</summary>
    [Test]
    public void The_data_of_an_NPY_file_are_read_behind_its_header()
    {
        byte[] header = new byte[128];
        "\u0093NUMPY\u0001\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"u8[1..].CopyTo(header.AsSpan(1));
        header[0] = 0x93;
        using var stream = new MemoryStream([.. header, .. ToBytes([1, 2, 3, 4, 5, 6])]);
        using SequenceReader reader = new SequenceFileReader(stream, new SequenceFileOptions { Features = 3, HasTargets = false, Offset = header.Length });
        float[] rows = new float[6];
        reader.Read(0, 2, rows, [], []);
        Assert.That(rows, Is.EqualTo((float[])[1, 2, 3, 4, 5, 6]));
    }

    [Test]
    public void A_stream_is_read_from_its_position_and_left_open_if_that_is_asked_for([Values] bool leaveOpen)
    {
        using var stream = new MemoryStream(ToBytes([9, 1, 2, 3, 4])) { Position = 4 };
        using (SequenceReader reader = new SequenceFileReader(stream, new SequenceFileOptions(), leaveOpen))
        {
            float[] input = new float[1], value = new float[1];
            reader.Read(1, 1, input, [], value);
            Assert.That((reader.Steps, input[0], value[0]), Is.EqualTo((2L, 3f, 4f)));
        }

        Assert.That(stream.CanRead, Is.EqualTo(leaveOpen));
        stream.Dispose();
        Assert.That(() => new SequenceFileReader(stream, new SequenceFileOptions()), Throws.ArgumentException.With.Message.StartsWith("stream cannot be read, does not seek, or was closed; "));
    }

    [Test]
    public void Numbers_that_are_none_are_refused_with_their_place()
    {
        using var folder = new TemporaryFolder();
        float[] numbers = [.. Enumerable.Range(0, 60_000).Select(i => (float)(i % 2))];
        var options = new SequenceFileOptions { Outputs = 2, IsClassification = true, Offset = 1 };
        Refuse(40_000, float.NaN, "row 20000, column 0 (byte 160001) is NaN; it must be finite.");
        Refuse(40_001, float.PositiveInfinity, "row 20000, column 1 (byte 160005) is Infinity; it must be finite.");
        Refuse(59_999, 0.5f, "row 29999, column 1 (byte 239997) is 0.5; it must be a class, a whole number from 0 to 1.");
        Refuse(1, 2, "row 0, column 1 (byte 5) is 2; it must be a class, a whole number from 0 to 1.");
        Refuse(1, -1, "row 0, column 1 (byte 5) is -1; it must be a class, a whole number from 0 to 1.");
        Refuse(1, 1e20f, "row 0, column 1 (byte 5) is 1E+20; it must be a class, a whole number from 0 to 1.");

        void Refuse(int index, float number, string message)
        {
            float[] changed = [.. numbers];
            changed[index] = number;
            string path = Write(folder, changed, offset: 1);
            using SequenceReader reader = new SequenceFileReader(path, options);
            Assert.That(() => reader.Read(0, 30_000, new float[30_000], new int[30_000], []), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo($"'{path}': {message}"));
        }
    }

    [Test]
    public void Files_that_are_not_made_of_rows_are_refused()
    {
        using var folder = new TemporaryFolder();
        string path = Write(folder, [1, 2, 3, 4, 5]);
        Refuse(new SequenceFileOptions(), "has 20 bytes from byte 0 on; expected: a positive multiple of 8, rows of 2 numbers of 4 bytes.");
        Refuse(new SequenceFileOptions { Offset = 20 }, "has 0 bytes from byte 20 on; expected: a positive multiple of 8, rows of 2 numbers of 4 bytes.");
        Refuse(new SequenceFileOptions { Offset = 99 }, "has 0 bytes from byte 99 on; expected: a positive multiple of 8, rows of 2 numbers of 4 bytes.");
        Refuse(new SequenceFileOptions { Steps = 3 }, "has 20 bytes from byte 0 on; expected: at least 24, rows of 2 numbers of 4 bytes.");
        Refuse(new SequenceFileOptions { Steps = long.MaxValue }, "has 20 bytes from byte 0 on; expected: at least 73786976294838206456, rows of 2 numbers of 4 bytes.");
        File.Delete(path);
        Assert.That(() => new SequenceFileReader(path, new SequenceFileOptions()), Throws.TypeOf<FileNotFoundException>());

        void Refuse(SequenceFileOptions options, string message) =>
            Assert.That(() => new SequenceFileReader(path, options), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo($"'{path}' {message}"));
    }

    [Test]
    public void A_file_that_becomes_shorter_is_told()
    {
        using var stream = new MemoryStream();
        stream.Write(ToBytes([.. Enumerable.Repeat(1f, 20)]));
        stream.Position = 0;
        using SequenceReader reader = new SequenceFileReader(stream, new SequenceFileOptions());
        stream.SetLength(60);
        Assert.That(
            () => reader.Read(5, 5, new float[5], [], new float[5]),
            Throws.TypeOf<InvalidDataException>().With.Message.EqualTo("The stream has become shorter: it ends within the 5 rows behind row 5, at byte 40."));
    }

    [Test]
    public void Options_out_of_range_are_refused()
    {
        Refuse(new SequenceFileOptions { Features = 0 }, "options.Features is 0; it must be from 1 to 1048576.");
        Refuse(new SequenceFileOptions { Outputs = 1048577 }, "options.Outputs is 1048577; it must be from 1 to 1048576.");
        Refuse(new SequenceFileOptions { Outputs = 16777217, IsClassification = true }, "options.Outputs is 16777217; it must be from 1 to 16777216.");
        Refuse(new SequenceFileOptions { Offset = -1 }, "options.Offset is -1; it must be from 0 to ");
        Refuse(new SequenceFileOptions { Steps = 0 }, "options.Steps is 0; it must be at least 1.");

        static void Refuse(SequenceFileOptions options, string message)
        {
            using var stream = new MemoryStream(100);
            Assert.That(() => new SequenceFileReader(stream, options), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith(message));
            Assert.That(() => new SequenceFileReader("file", options), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith(message));
        }
    }

    [Test]
    public void Samples_of_a_data_set_are_sequences_side_by_side()
    {
        float[] inputs = [.. Enumerable.Range(0, 3 * 5 * 2).Select(i => (float)i)];
        float[] values = [.. Enumerable.Range(0, 3 * 5).Select(i => 100f + i)];
        using SequenceReader reader = SequenceReader.Of(ArrayDataset.Regression(inputs, 5, 2, values, 1));
        Assert.That((reader.Sequences, reader.Steps, reader.Features, reader.Outputs, reader.IsClassification), Is.EqualTo((3, 5L, 2L, 1L, false)));
        float[] read = new float[12], targets = new float[6];
        reader.Read(3, 2, read, [], targets);
        Assert.That(read, Is.EqualTo((float[])[6, 7, 16, 17, 26, 27, 8, 9, 18, 19, 28, 29]));
        Assert.That(targets, Is.EqualTo((float[])[103, 108, 113, 104, 109, 114]));

        using SequenceReader slice = reader.Slice(2, 3);
        float[] again = new float[12];
        slice.Read(1, 2, again, [], targets);
        Assert.That((slice.Sequences, slice.Steps), Is.EqualTo((3, 3L)));
        Assert.That(again, Is.EqualTo(read));
        Assert.That(() => slice.Read(1, 3, new float[18], [], new float[9]), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("steps is 3; it must be from 1 to 2."));
        Assert.That(() => slice.Read(1, 2, new float[11], [], targets), Throws.ArgumentException.With.Message.StartsWith("inputs has 11 elements; it must have 12."));
        Assert.That(() => slice.Read(1, 2, again, [], []), Throws.ArgumentException.With.Message.StartsWith("values has 0 elements; it must have 6."));
        Assert.That(() => slice.Read(1, 2, again, new int[6], targets), Throws.ArgumentException.With.Message.StartsWith("classes has 6 elements; it must have 0."));
    }

    [Test]
    public void A_sequence_is_split_into_shorter_ones_side_by_side([Values] bool isIndices)
    {
        float[] values = [.. Enumerable.Range(0, 11).Select(i => 100f + i)];
        int[] indices = [.. Enumerable.Range(0, 22)];
        ArrayDataset data = isIndices
            ? ArrayDataset.Regression(indices, 11, 2, values, 1)
            : ArrayDataset.Regression(indices.Select(i => (float)i).ToArray(), 11, 2, values, 1);
        using SequenceReader reader = SequenceReader.Of(data);
        using SequenceReader split = reader.Split(3);
        Assert.That((split.Sequences, split.Steps, split.InputType), Is.EqualTo((3, 3L, isIndices ? DType.Int32 : DType.Float32)));

        float[] numbers = new float[12], targets = new float[6];
        int[] read = new int[12];
        int[] expected = [2, 3, 8, 9, 14, 15, 4, 5, 10, 11, 16, 17];
        if (isIndices)
        {
            split.Read(1, 2, read, [], targets);
            Assert.That(read, Is.EqualTo(expected));
            Assert.That(() => split.Read(1, 2, numbers, [], targets), Throws.TypeOf<NotSupportedException>());
            using SequenceReader slice = split.Slice(1, 2);
            slice.Read(0, 2, read, [], targets);
            Assert.That(read, Is.EqualTo(expected));
        }
        else
        {
            split.Read(1, 2, numbers, [], targets);
            Assert.That(numbers, Is.EqualTo(expected));
            Assert.That(() => split.Read(1, 2, read, [], targets), Throws.TypeOf<NotSupportedException>().With.Message.EndsWith("has no inputs of Int32; its InputType is Float32."));
        }

        Assert.That(targets, Is.EqualTo((float[])[101, 104, 107, 102, 105, 108]));
        Assert.That(() => split.Split(2), Throws.InvalidOperationException.With.Message.EqualTo("The reader has 3 sequences; one is required to split it."));
        Assert.That(() => reader.Split(0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("parts is 0; it must be from 1 to 11."));
        Assert.That(() => reader.Slice(11, 1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("start is 11; it must be from 0 to 10."));
        Assert.That(() => reader.Slice(4, 8), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("steps is 8; it must be from 1 to 7."));
    }

    [Test]
    public void A_part_of_a_reader_leaves_it_open()
    {
        using var stream = new MemoryStream(ToBytes([1, 2, 3, 4]));
        using SequenceReader reader = new SequenceFileReader(stream, new SequenceFileOptions());
        reader.Slice(0, 1).Dispose();
        reader.Split(2).Dispose();
        Assert.That(stream.CanRead, Is.True);
    }

    [Test]
    public void Data_sets_that_are_no_sequences_side_by_side_are_refused()
    {
        ArrayDataset last = ArrayDataset.Classification(new float[12], 3, 2, new int[2], 2);
        ArrayDataset every = ArrayDataset.Classification(new float[12], 3, 2, new int[6], 2);
        Assert.That(() => SequenceReader.Of(last), Throws.ArgumentException.With.Message.StartsWith("dataset.TargetSteps is 1; it must be 3, so that every step has a target."));
        Assert.That(
            () => SequenceReader.Of(every.WithLengths((int[])[3, 2])), Throws.ArgumentException.With.Message.StartsWith("dataset.HasLengths is true; a reader has sequences of one length, without weights."));
        Assert.That(
            () => SequenceReader.Of(every.WithWeights((float[])[1, 2])), Throws.ArgumentException.With.Message.StartsWith("dataset.HasWeights is true; a reader has sequences of one length, without weights."));
        Assert.That(() => SequenceReader.Of(null!), Throws.ArgumentNullException);
    }

    private static string Write(TemporaryFolder folder, float[] numbers, int offset = 0)
    {
        string path = folder.File("rows.bin");
        File.WriteAllBytes(path, [.. new byte[offset], .. ToBytes(numbers)]);
        return path;
    }

    private static byte[] ToBytes(float[] numbers)
    {
        byte[] bytes = new byte[numbers.Length * sizeof(float)];
        for (int i = 0; i < numbers.Length; i++)
        {
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), numbers[i]);
        }

        return bytes;
    }
}
