namespace OrthoNative.Tests.Data;

internal sealed class IdxFileTests
{
    private static readonly byte[] s_data = IdxFiles.Noise(2 * 3 * 5);

    private static readonly byte[] s_content = IdxFiles.Content(s_data, 2, 3, 5);

    [TestCase(false)]
    [TestCase(true)]
    public void Content_and_shape_come_back(bool compressed)
    {
        IdxFile file = Read(compressed ? IdxFiles.Compress(s_content) : s_content, 3);

        Assert.That(file.Shape.ToArray(), Is.EqualTo([2, 3, 5]));
        Assert.That(file.Data.ToArray(), Is.EqualTo(s_data));
    }

    [Test]
    public void A_large_compressed_file_of_one_value_is_read()
    {
        // As compressible as content gets: the guard against false headers must not be in its way.
        byte[] zeros = new byte[1 << 22];

        IdxFile file = Read(IdxFiles.Compress(IdxFiles.Content(zeros, zeros.Length)), 1);

        Assert.That(file.Data.Length, Is.EqualTo(zeros.Length));
    }

    private static IEnumerable<TestCaseData> WrongFiles()
    {
        TestCaseData Case(string name, byte[] content, int offset, string found, string expected) =>
            new TestCaseData(content, offset, found, expected).SetArgDisplayNames(name);

        yield return Case("empty", [], 0, "the end of the file", "the 4 bytes of an IDX header");
        yield return Case("no header", s_content[..3], 3, "the end of the file", "1 bytes are missing");
        yield return Case("magic", With(0, 0x89), 0, "bytes 89 00", "00 00");
        yield return Case("second byte", With(1, 7), 0, "bytes 00 07", "00 00");
        yield return Case("type", With(2, 0x0D), 2, "element type 0D (32-bit float)", "08 (unsigned byte)");
        yield return Case("unknown type", With(2, 0x42), 2, "element type 42", "08 (unsigned byte)");
        yield return Case("dimensions", With(3, 1), 3, "1 dimension(s)", "3");
        yield return Case("cut off in a size", s_content[..10], 10, "the end of the file", "the size of dimension 2 of 3; 2 bytes");
        yield return Case("no elements", With(11, 0), 8, "size 0 for dimension 2", "1 to");
        yield return Case("too many elements", With(4, 0x7F), 8, "size 3 for dimension 2", "1 to 1");
        yield return Case("cut off", s_content[..^1], 16, "at most 29 more", "30 bytes of data (2 x 3 x 5)");
        yield return Case("longer than declared", [.. s_content, 1], 46, "more data", "the end of the file after 30 bytes");
    }

    [TestCaseSource(nameof(WrongFiles))]
    public void Wrong_files_are_refused_with_offset_and_expectation(byte[] content, int offset, string found, string expected)
    {
        InvalidDataException exception = Assert.Throws<InvalidDataException>(() => Read(content, 3))!;

        Assert.That(exception.Message, Does.Contain($": offset {offset}: found").And.Contains(found).And.Contains($"expected").And.Contains(expected));
        Assert.That(exception.Message, Does.Contain("test.idx").And.Not.Contains("\n"));
    }

    [TestCaseSource(nameof(WrongFiles))]
    public void The_same_faults_are_found_in_compressed_files(byte[] content, int offset, string found, string expected)
    {
        // What a compressed file holds is known only once it is read to the end.
        bool cutOffInData = found == "at most 29 more";

        InvalidDataException exception = Assert.Throws<InvalidDataException>(() => Read(IdxFiles.Compress(content), 3))!;

        Assert.That(exception.Message, Does.Contain($": offset {(cutOffInData ? 45 : offset)}: found").And.Contains(expected));
    }

    [Test]
    public void A_compressed_file_that_is_cut_off_is_refused_with_the_offset_reached()
    {
        byte[] noise = IdxFiles.Noise(100_000);
        byte[] compressed = IdxFiles.Compress(IdxFiles.Content(noise, noise.Length));

        InvalidDataException exception = Assert.Throws<InvalidDataException>(() => Read(compressed[..(compressed.Length / 2)], 1))!;

        Assert.That(exception.Message, Does.Match(@": offset \d{5}: .*(cannot be read further|end of the file).*expected"));
    }

    [Test]
    public void A_compressed_file_with_a_flipped_bit_is_refused()
    {
        byte[] noise = IdxFiles.Noise(100_000);
        byte[] compressed = IdxFiles.Compress(IdxFiles.Content(noise, noise.Length));
        compressed[compressed.Length / 2] ^= 1;

        InvalidDataException exception = Assert.Throws<InvalidDataException>(() => Read(compressed, 1))!;

        Assert.That(exception.Message, Does.Contain(": offset ").And.Contains("expected"));
    }

    [Test]
    public void A_compressed_file_that_lacks_any_number_of_bytes_at_its_end_is_refused()
    {
        byte[] compressed = IdxFiles.Compress(s_content);

        for (int length = 2; length < compressed.Length; length++)
        {
            AssertRefused(compressed[..length], $"{length} of {compressed.Length} bytes");
        }
    }

    [Test]
    public void Damage_is_found_with_the_trailer_and_when_it_is_cut_off_too()
    {
        byte[] compressed = IdxFiles.Compress(s_content);

        // The fields of the header that say nothing about the content, time and system, may be anything. Deflate fills bytes from the
        // lowest bit on, so that one is never padding.
        for (int at = 10; at < compressed.Length; at++)
        {
            byte[] damaged = [.. compressed];
            damaged[at] ^= 1;
            AssertRefused(damaged, $"byte {at} of {compressed.Length}");
            AssertRefused(damaged[..^8], $"byte {at} of {compressed.Length}, no trailer");
        }
    }

    [TestCase(new byte[] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 })]
    [TestCase(new byte[] { 0x1F, 0x8B })]
    [TestCase(new byte[] { 0x1F, 0x8B, 8, 0xE0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0 })]
    [TestCase(new byte[] { 0, 0, 0, 1 })]
    [TestCase(new byte[] { 0, 0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0 })]
    public void Bytes_behind_the_compressed_data_that_are_no_member_are_refused(byte[] behind) =>
        AssertRefused([.. IdxFiles.Compress(s_content), .. behind], "behind");

    [TestCase(1)]
    [TestCase(8)]
    [TestCase(511)]
    [TestCase(100_000)]
    public void Zeros_that_fill_up_a_compressed_file_are_read_over(int count) =>
        Assert.That(Read([.. IdxFiles.Compress(s_content), .. new byte[count]], 3).Data.ToArray(), Is.EqualTo(s_data));

    [Test]
    public void Zeros_in_place_of_a_trailer_are_refused()
    {
        byte[] compressed = IdxFiles.Compress(s_content);
        for (int missing = 1; missing <= 8; missing++)
        {
            // The highest bytes of the length are zeros already.
            if (compressed.AsSpan()[^missing..].ContainsAnyExcept((byte)0))
            {
                AssertRefused([.. compressed[..^missing], .. new byte[missing]], $"{missing} bytes");
            }
        }
    }

    [TestCase(1)]
    [TestCase(20)]
    [TestCase(45)]
    public void Several_gzip_members_in_one_file_are_read_as_one(int first)
    {
        byte[] empty = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        byte[] rest = IdxFiles.Compress(s_content[first..]);
        byte[] members = [.. empty, .. IdxFiles.Compress(s_content[..first]), .. empty, .. rest, .. empty, 0, 0, 0];

        Assert.That(Read(members, 3).Data.ToArray(), Is.EqualTo(s_data));

        // Damage in any of them is found, and where it is.
        for (int at = 10 + empty.Length; at < members.Length - empty.Length; at++)
        {
            byte[] damaged = [.. members];
            damaged[at] ^= 1;
            bool says = true;
            for (int start = 0; start < members.Length - 10; start++)
            {
                // Whether it is text, time, level and system in a header say nothing about the content.
                says &= !(members.AsSpan(start).StartsWith((byte[])[0x1F, 0x8B, 8, 0]) && at >= start + 3 && at < start + 10);
            }

            if (says)
            {
                AssertRefused(damaged, $"byte {at} of {members.Length}");
            }
        }
    }

    [Test]
    public void Large_members_are_read_to_their_last_byte()
    {
        // Longer than any buffer, so that each end lies somewhere in one.
        byte[] noise = IdxFiles.Noise(300_000);
        byte[] content = IdxFiles.Content(noise, noise.Length);
        byte[] members = [.. IdxFiles.Compress(content[..100_003]), .. IdxFiles.Compress(content[100_003..200_001]), .. IdxFiles.Compress(content[200_001..])];

        Assert.That(Read(members, 1).Data.ToArray(), Is.EqualTo(noise));
    }

    [Test]
    public void Optional_fields_of_a_gzip_header_are_read_over([Range(0, 31)] int flags)
    {
        const int HeaderCheck = 2;
        byte[] compressed = IdxFiles.Compress(s_content);
        List<byte> file = [.. compressed[..10]];
        file[3] = (byte)flags;
        file.AddRange((flags & 4) == 0 ? [] : (byte[])[3, 0, 7, 0, 9]);
        file.AddRange((flags & 8) == 0 ? [] : "labels\0"u8.ToArray());
        file.AddRange((flags & 16) == 0 ? [] : "a comment\0"u8.ToArray());
        uint crc = Crc32.Gzip.Append(0, file.ToArray());
        file.AddRange((flags & HeaderCheck) == 0 ? [] : [(byte)crc, (byte)(crc >> 8)]);
        file.AddRange(compressed[10..]);

        Assert.That(Read([.. file], 3).Data.ToArray(), Is.EqualTo(s_data));
    }

    [Test]
    public void A_compressed_file_whose_header_promises_gigabytes_allocates_little()
    {
        byte[] compressed = IdxFiles.Compress(IdxFiles.Content([1, 2, 3], 2_000_000_000));
        long before = GC.GetAllocatedBytesForCurrentThread();

        Assert.Throws<InvalidDataException>(() => Read(compressed, 1));

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(10_000_000));
    }

    [TestCase(0)]
    [TestCase(256)]
    public void Numbers_of_dimensions_that_the_format_lacks_are_refused(int dimensions)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Read(s_content, dimensions));
    }

    private static void AssertRefused(byte[] content, string what) => Assert.That(
        () => Read(content, 3), Throws.TypeOf<InvalidDataException>().With.Message.Match("test.idx: offset [0-9]+: .*expected"), what);

    private static byte[] With(int at, byte value)
    {
        byte[] content = [.. s_content];
        content[at] = value;
        return content;
    }

    private static IdxFile Read(byte[] content, int dimensions)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("test.idx"), content);
        return IdxFile.Read(folder.File("test.idx"), dimensions);
    }
}
