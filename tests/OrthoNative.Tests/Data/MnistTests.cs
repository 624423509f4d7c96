namespace OrthoNative.Tests.Data;

internal sealed class MnistTests
{
    [Test]
    public void Plain_and_compressed_files_are_found_and_read()
    {
        using var folder = new TemporaryFolder();
        IdxFiles.WriteSmallMnist(folder.Path, training: 30, test: 20);

        Mnist training = Mnist.Load(folder.Path, DataSplit.Training);
        Mnist test = Mnist.Load(folder.Path, DataSplit.Test);

        Assert.That(training.Count, Is.EqualTo(30));
        Assert.That(test.Count, Is.EqualTo(20));
        Assert.That((training.Rows, training.Columns), Is.EqualTo((4, 4)));
        Assert.That(training.Labels[13], Is.EqualTo(3));
        Assert.That(training.Image(13).ToArray(), Is.EqualTo((byte[])[255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    }

    [Test]
    public void Names_with_a_dot_are_found()
    {
        using var folder = new TemporaryFolder();
        IdxFiles.WriteSmallMnist(folder.Path, training: 30, test: 20);
        foreach (string path in Directory.GetFiles(folder.Path))
        {
            File.Move(path, path.Replace("-idx", ".idx", StringComparison.Ordinal));
        }

        Assert.That(Mnist.MissingMessage(folder.Path), Is.Null);
        Assert.That((Mnist.Load(folder.Path, DataSplit.Training).Count, Mnist.Load(folder.Path, DataSplit.Test).Count), Is.EqualTo((30, 20)));
    }

    [Test]
    public void Labels_from_1_are_classes_from_0_at_both_parts()
    {
        using var folder = new TemporaryFolder();
        WriteLabels(folder, "train", [.. Enumerable.Range(1, 26).Select(label => (byte)label)]);
        WriteLabels(folder, "t10k", [26, 2]);

        Mnist test = Mnist.Load(folder.Path, DataSplit.Test);
        var data = new PixelSequence(test);
        int[] classes = new int[2];
        data.Read([0, 1], new float[2], classes, []);

        Assert.That((test.ClassCount, test.FirstLabel, data.Outputs), Is.EqualTo((26, 1, 26L)));
        Assert.That(test.Labels.ToArray(), Is.EqualTo((byte[])[26, 2]));
        Assert.That(classes, Is.EqualTo((int[])[25, 1]));
    }

    [Test]
    public void Up_to_10_classes_are_those_of_mnist()
    {
        using var folder = new TemporaryFolder();
        WriteLabels(folder, "train", [3, 9, 1]);
        WriteLabels(folder, "t10k", [0]);

        Mnist training = Mnist.Load(folder.Path, DataSplit.Training);

        Assert.That((training.ClassCount, training.FirstLabel), Is.EqualTo((10, 0)));
        Assert.That(Mnist.Load(folder.Path, DataSplit.Test).Count, Is.EqualTo(1));
    }

    [Test]
    public void A_test_label_that_is_no_training_label_is_refused()
    {
        using var folder = new TemporaryFolder();
        WriteLabels(folder, "train", [.. Enumerable.Range(0, 47).Select(label => (byte)label)]);
        WriteLabels(folder, "t10k", [0, 47]);

        Assert.That(
            () => Mnist.Load(folder.Path, DataSplit.Test),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("t10k-labels-idx1-ubyte: offset 9: found label 47; expected 0 to 46"));
    }

    private static void WriteLabels(TemporaryFolder folder, string part, byte[] labels)
    {
        File.WriteAllBytes(folder.File($"{part}-images-idx3-ubyte"), IdxFiles.Content(new byte[labels.Length], labels.Length, 1, 1));
        File.WriteAllBytes(folder.File($"{part}-labels-idx1-ubyte"), IdxFiles.Content(labels, labels.Length));
    }

    [Test]
    public void Absent_files_are_all_named_with_the_folder()
    {
        using var folder = new TemporaryFolder();

        FileNotFoundException exception = Assert.Throws<FileNotFoundException>(() => Mnist.Load(folder.Path, DataSplit.Training))!;

        Assert.That(exception.Message, Does.Contain(folder.Path));
        foreach (DatasetFile file in Mnist.Files)
        {
            Assert.That(exception.Message, Does.Contain(file.Name));
        }
    }

    [Test]
    public void One_absent_file_is_said_to_be_lacking()
    {
        using var folder = new TemporaryFolder();
        IdxFiles.WriteSmallMnist(folder.Path);
        File.Delete(folder.File("t10k-images-idx3-ubyte"));

        Assert.That(Mnist.MissingMessage(folder.Path), Does.Contain("lacks t10k-images-idx3-ubyte in"));
    }

    [Test]
    public void Another_number_of_labels_than_images_is_refused()
    {
        using var folder = new TemporaryFolder();
        IdxFiles.WriteSmallMnist(folder.Path, training: 30);
        File.WriteAllBytes(folder.File("train-labels-idx1-ubyte"), IdxFiles.Content(new byte[29], 29));

        InvalidDataException exception = Assert.Throws<InvalidDataException>(() => Mnist.Load(folder.Path, DataSplit.Training))!;

        Assert.That(exception.Message, Does.Contain("train-labels-idx1-ubyte: offset 4: found 29 labels; expected 30"));
    }

    [Test]
    public void A_label_above_9_is_refused_with_its_offset()
    {
        using var folder = new TemporaryFolder();
        IdxFiles.WriteSmallMnist(folder.Path, training: 30);
        byte[] labels = new byte[30];
        labels[17] = 10;
        File.WriteAllBytes(folder.File("train-labels-idx1-ubyte"), IdxFiles.Content(labels, 30));

        InvalidDataException exception = Assert.Throws<InvalidDataException>(() => Mnist.Load(folder.Path, DataSplit.Training))!;

        Assert.That(exception.Message, Does.Contain("offset 25: found label 10; expected 0 to 9"));
    }

    [Test]
    public void The_real_files_are_read_and_have_the_statistics_that_are_known()
    {
        string folder = IdxFiles.RequireMnist();

        Mnist training = Mnist.Load(folder, DataSplit.Training);
        Mnist test = Mnist.Load(folder, DataSplit.Test);

        Assert.That((training.Count, training.Rows, training.Columns), Is.EqualTo((60_000, 28, 28)));
        Assert.That(test.Count, Is.EqualTo(10_000));
        Assert.That(training.Labels[..5].ToArray(), Is.EqualTo((byte[])[5, 0, 4, 1, 9]));
        double sum = 0;
        double squares = 0;
        for (int i = 0; i < training.Count; i++)
        {
            foreach (byte pixel in training.Image(i))
            {
                sum += pixel / 255.0;
                squares += pixel / 255.0 * (pixel / 255.0);
            }
        }

        double mean = sum / (60_000 * 784);
        double deviation = Math.Sqrt((squares / (60_000 * 784)) - (mean * mean));
        Assert.That(mean, Is.EqualTo(PixelSequence.MnistMean).Within(5e-5));
        Assert.That(deviation, Is.EqualTo(PixelSequence.MnistStandardDeviation).Within(5e-5));
    }
}
