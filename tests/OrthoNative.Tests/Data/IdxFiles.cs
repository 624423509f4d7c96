using System.Buffers.Binary;
using System.IO.Compression;

namespace OrthoNative.Tests.Data;

/// <summary>Makes IDX files, right and wrong ones, and finds the real ones.</summary>
internal static class IdxFiles
{
    /// <summary>Content of an IDX file of unsigned bytes.</summary>
    public static byte[] Content(ReadOnlySpan<byte> data, params ReadOnlySpan<int> shape)
    {
        byte[] content = new byte[4 + (4 * shape.Length) + data.Length];
        content[2] = 0x08;
        content[3] = (byte)shape.Length;
        for (int i = 0; i < shape.Length; i++)
        {
            BinaryPrimitives.WriteInt32BigEndian(content.AsSpan(4 + (4 * i)), shape[i]);
        }

        data.CopyTo(content.AsSpan(4 + (4 * shape.Length)));
        return content;
    }

    public static byte[] Compress(byte[] content)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Optimal))
        {
            gzip.Write(content);
        }

        return target.ToArray();
    }

    /// <summary>Bytes that are no pattern, the same each time.</summary>
    public static byte[] Noise(int count)
    {
        byte[] noise = new byte[count];
        new Random(5).NextBytes(noise);
        return noise;
    }

    /// <summary>A small data set in MNIST's four files: images of 4 x 4 pixels whose rows tell the label.</summary>
    public static void WriteSmallMnist(string folder, int training = 64, int test = 20)
    {
        WritePart(folder, "train", training);
        WritePart(folder, "t10k", test);
    }

    /// <summary>The folder of the real files, or the end of the test with the reason.</summary>
    public static string RequireMnist()
    {
        string folder = SharedData.Require("mnist");
        if (Mnist.MissingMessage(folder) is { } message)
        {
            Assert.Ignore(message);
        }

        return folder;
    }

    private static void WritePart(string folder, string name, int count)
    {
        byte[] labels = new byte[count];
        byte[] images = new byte[count * 16];
        for (int i = 0; i < count; i++)
        {
            labels[i] = (byte)(i % 10);
            images.AsSpan(i * 16, labels[i]).Fill(255);
        }

        File.WriteAllBytes(Path.Combine(folder, $"{name}-images-idx3-ubyte"), Content(images, count, 4, 4));
        File.WriteAllBytes(Path.Combine(folder, $"{name}-labels-idx1-ubyte.gz"), Compress(Content(labels, count)));
    }
}
