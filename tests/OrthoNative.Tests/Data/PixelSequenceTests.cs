namespace OrthoNative.Tests.Data;

internal sealed class PixelSequenceTests
{
    private TemporaryFolder _folder = null!;
    private Mnist _images = null!;

    [OneTimeSetUp]
    public void Load()
    {
        _folder = new TemporaryFolder();
        IdxFiles.WriteSmallMnist(_folder.Path, training: 30);
        _images = Mnist.Load(_folder.Path, DataSplit.Training);
    }

    [OneTimeTearDown]
    public void Remove() => _folder.Dispose();

    [Test]
    public void Pixels_come_row_by_row_time_major_and_standardized()
    {
        var data = new PixelSequence(_images);
        float[] inputs = new float[16 * 2];
        int[] classes = new int[2];

        data.Read([3, 9], inputs, classes, []);

        float black = (float)(-PixelSequence.MnistMean / PixelSequence.MnistStandardDeviation);
        float white = (float)((1 - PixelSequence.MnistMean) / PixelSequence.MnistStandardDeviation);
        Assert.That(classes, Is.EqualTo([3, 9]));
        for (int step = 0; step < 16; step++)
        {
            Assert.That(inputs[step * 2], Is.EqualTo(step < 3 ? white : black));
            Assert.That(inputs[(step * 2) + 1], Is.EqualTo(step < 9 ? white : black));
        }
    }

    [Test]
    public void A_permutation_reorders_the_same_pixels_for_all_images_alike()
    {
        var inOrder = new PixelSequence(_images);
        var permuted = new PixelSequence(_images, new PixelSequenceOptions { PermutationSeed = 7 });
        float[] expected = new float[16];
        float[] actual = new float[16];

        Assert.That(permuted.Order.ToArray(), Is.EquivalentTo(Enumerable.Range(0, 16)).And.Not.EqualTo(Enumerable.Range(0, 16)));
        foreach (long sample in (long[])[2, 7, 25])
        {
            inOrder.Read([sample], expected, new int[1], []);
            permuted.Read([sample], actual, new int[1], []);
            Assert.That(actual, Is.EqualTo(permuted.Order.ToArray().Select(pixel => expected[pixel])));
        }
    }

    [Test]
    public void The_order_depends_on_the_seed_alone()
    {
        int[] Order(ulong seed) => new PixelSequence(_images, new PixelSequenceOptions { PermutationSeed = seed }).Order.ToArray();

        int[] reference = Order(7);
        Assert.That(Order(7), Is.EqualTo(reference));
        Assert.That(Order(8), Is.Not.EqualTo(reference));
    }

    [Test]
    public void Scaling_and_limit_are_options()
    {
        var data = new PixelSequence(_images, new PixelSequenceOptions { Mean = 0, StandardDeviation = 1, Limit = 11 });
        float[] inputs = new float[16];

        data.Read([10], inputs, new int[1], []);

        Assert.That(data.Count, Is.EqualTo(11));
        Assert.That(inputs, Is.All.EqualTo(0));
        Assert.That(new PixelSequence(_images, new PixelSequenceOptions { Limit = 1000 }).Count, Is.EqualTo(30));
    }

    [TestCase(1)]
    [TestCase(4)]
    [TestCase(16)]
    public void Pixels_of_a_step_lie_side_by_side(int pixelsPerStep)
    {
        float[] pixels = new float[32];
        new PixelSequence(_images).Read([3, 7], pixels, new int[2], []);
        var data = new PixelSequence(_images, new PixelSequenceOptions { PixelsPerStep = pixelsPerStep });
        float[] inputs = new float[32];

        data.Read([3, 7], inputs, new int[2], []);

        Assert.That((data.Steps, data.Features), Is.EqualTo((16L / pixelsPerStep, (long)pixelsPerStep)));
        for (int sample = 0; sample < 2; sample++)
        {
            for (int pixel = 0; pixel < 16; pixel++)
            {
                int step = pixel / pixelsPerStep;
                Assert.That(inputs[(((step * 2) + sample) * pixelsPerStep) + (pixel % pixelsPerStep)], Is.EqualTo(pixels[(pixel * 2) + sample]));
            }
        }
    }

    [Test]
    public void The_baseline_is_the_share_of_the_most_frequent_class()
    {
        Assert.That(new PixelSequence(_images).Baseline(), Is.EqualTo(3.0 / 30));
        Assert.That(new PixelSequence(_images, new PixelSequenceOptions { Limit = 11 }).Baseline(), Is.EqualTo(2.0 / 11));
    }

    [Test]
    public void Options_out_of_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new PixelSequence(_images, new PixelSequenceOptions { Mean = double.NaN }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new PixelSequence(_images, new PixelSequenceOptions { StandardDeviation = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new PixelSequence(_images, new PixelSequenceOptions { Limit = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new PixelSequence(_images, new PixelSequenceOptions { PixelsPerStep = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new PixelSequence(_images, new PixelSequenceOptions { PixelsPerStep = 3 }));
    }
}
