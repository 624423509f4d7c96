using System.Runtime.InteropServices;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Training;

/// <summary>The memory of a training on a sequence that is far longer than a window.</summary>
[NonParallelizable] // measures the process
internal sealed class StreamMemoryTests
{
    private const long Steps = 10_000_000;
    private const int Window = 10_000;

    [Test]
    [Platform("Linux")]
    public void The_peak_does_not_grow_with_the_sequence()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("parity.bin");
        Write(path);
        long before = Peak(reset: true);
        using SequenceReader reader = new SequenceFileReader(path, new SequenceFileOptions { Outputs = 2, IsClassification = true });
        using var model = new Sequential(
            Device.Default, 1, new RoaRnn(1, 16, new RoaRnnOptions { Alpha = 0.5, Beta = 0.5, Output = SequenceOutput.All }), new Dense(16, 2));
        using var loss = new CrossEntropyLoss();
        using var adam = new Adam(model, 0.01);
        var trainer = new Trainer(model, loss, adam, new TrainerOptions { Epochs = 1, Metrics = [new Accuracy()] });
        TrainingResult result = trainer.FitStream(reader, Window);
        long after = Peak(reset: false);
        TestContext.Out.WriteLine(FormattableString.Invariant($"{(after - before) >> 10} KiB more, {after >> 20} MiB in all, {result.Duration.TotalSeconds:F1} s, accuracy {result.Epochs[0].Metric:F3}"));

        // States, outputs and gradients of a window are 5 MB; the file is 80 MB, and all states of the sequence would be 640 MB.
        Assert.That(result.Steps, Is.EqualTo(Steps / Window));
        Assert.That(after - before, Is.LessThan(32 << 20));
    }

    /// <summary>A bit at each step, and as its class whether it differs from the one before.</summary>
    private static void Write(string path)
    {
        var random = new Random(1);
        using FileStream file = File.Create(path);
        float[] rows = new float[2 * Window];
        int last = 0;
        for (long step = 0; step < Steps; step += Window)
        {
            for (int i = 0; i < Window; i++)
            {
                int bit = random.Next(2);
                (rows[2 * i], rows[(2 * i) + 1], last) = (bit, bit ^ last, bit);
            }

            file.Write(MemoryMarshal.AsBytes<float>(rows));
        }
    }

    /// <summary>The most memory that the process has had in use at once, in bytes.</summary>
    /// <param name="reset">True: from now on.</param>
    private static long Peak(bool reset)
    {
        if (reset)
        {
            File.WriteAllText("/proc/self/clear_refs", "5");
        }

        string line = File.ReadLines("/proc/self/status").Single(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        return long.Parse(line.AsSpan(6, line.Length - 9).Trim(), System.Globalization.CultureInfo.InvariantCulture) << 10;
    }
}
