using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace OrthoNative.Tests.Data;

internal sealed class WavFolderTests
{
    [Test]
    public void Names_give_labels_groups_and_ids()
    {
        using TemporaryFolder folder = Make(("7_anna_0.wav", 8000, [1, 2, 3, 4, 5]), ("10_bob_b_1.WAV", 8000, [6, 7]), ("readme.txt", 8000, []));
        SequenceData data = SequenceData.FromWavFolder(folder.Path, new WavFolderOptions { Pattern = "{label}_{speaker:group}_{index}", FrameLength = 2 });

        // In the order of characters; fields are as short as the text behind them allows.
        Assert.That(data.Ids, Is.EqualTo((string[])["10_bob_b_1", "7_anna_0"]));
        Assert.That(data.Groups, Is.EqualTo((string[])["bob", "anna"]));
        Assert.That((data.ClassNames, data.ClassOf(0)), Is.EqualTo(((string[])["7", "10"], 1)));
        Assert.That((data.Features, data.LengthOf(0), data.LengthOf(1)), Is.EqualTo((2, 1, 2)));
        Assert.That(data.Values(1).ToArray(), Is.EqualTo(Scaled(1, 2, 3, 4)));
    }

    [Test]
    public void Folders_can_be_labels()
    {
        using TemporaryFolder folder = Make(("yes/a.wav", 8000, [1]), ("no/a.wav", 8000, [2]), ("no/b.wav", 8000, [3]));
        SequenceData data = SequenceData.FromWavFolder(folder.Path, new WavFolderOptions { Pattern = "{label}/{take}", FrameLength = 1, ClassNames = ["yes", "no"] });
        SequenceData expression = SequenceData.FromWavFolder(
            folder.Path, new WavFolderOptions { Expression = new Regex("^(?<id>(?<group>[^/]+)/.*)$"), Recursive = true, FrameLength = 1 }, null);

        Assert.That((data.Ids, data.ClassNames, data.ClassOf(0)), Is.EqualTo(((string[])["no/a", "no/b", "yes/a"], (string[])["yes", "no"], 1)));
        Assert.That((data.HasTargets, data.Groups), Is.EqualTo((true, (IReadOnlyList<string>?)null)));
        Assert.That(expression.Groups, Is.EqualTo((string[])["no", "no", "yes"]));
        Assert.That(expression.HasTargets, Is.False);
    }

    [Test]
    public void An_id_comes_once()
    {
        using TemporaryFolder folder = Make(("yes/a.wav", 8000, [1]), ("no/a.wav", 8000, [2]));

        Assert.That(
            () => SequenceData.FromWavFolder(folder.Path, new WavFolderOptions { Pattern = "{label}/{id}" }),
            Throws.TypeOf<InvalidDataException>().With.Message.EqualTo($"{folder.Path}: found the id 'a' in the file names 'no/a.wav' and 'yes/a.wav'; expected each id once."));
        Assert.That(
            () => SequenceData.FromWavFolder(folder.Path, new WavFolderOptions { Pattern = "{label}/{take}", ClassNames = ["no"] }),
            Throws.ArgumentException.With.Message.StartsWith("options.Labels[1] is 'yes', the class of sample 1 ('yes/a'); it must be one of options.ClassNames: 'no'."));
    }

    [Test]
    public void Frames_overlap_or_leave_out_as_the_hop_says()
    {
        using TemporaryFolder folder = Make(("a.wav", 8000, [1, 2, 3, 4, 5, 6]), ("b.wav", 8000, [7]));
        SequenceData overlapping = SequenceData.FromWavFolder(folder.Path, new WavFolderOptions { FrameLength = 3, Hop = 2 });
        SequenceData apart = SequenceData.FromWavFolder(folder.Path, new WavFolderOptions { FrameLength = 1, Hop = 4 });

        Assert.That(overlapping.Values(0).ToArray(), Is.EqualTo(Scaled(1, 2, 3, 3, 4, 5)));
        Assert.That(overlapping.Values(1).ToArray(), Is.EqualTo(Scaled(7, 0, 0)));
        Assert.That(apart.Values(0).ToArray(), Is.EqualTo(Scaled(1, 5)));
        Assert.That((overlapping.HasTargets, overlapping.Groups, overlapping.Ids), Is.EqualTo((false, (IReadOnlyList<string>?)null, (string[])["a", "b"])));
    }

    [Test]
    public void Channels_are_averaged_or_side_by_side()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("a.wav"), WavFileTests.Wav(1, 2, 8000, 16, Bytes(1, 3, 5, 9)));

        Assert.That(SequenceData.FromWavFolder(folder.Path, new WavFolderOptions { FrameLength = 2 }).Values(0).ToArray(), Is.EqualTo(Scaled(2, 7)));
        Assert.That(SequenceData.FromWavFolder(folder.Path, new WavFolderOptions { FrameLength = 2, Mono = false }).Values(0).ToArray(), Is.EqualTo(Scaled(1, 5, 3, 9)));
        File.WriteAllBytes(folder.File("b.wav"), WavFileTests.Wav(1, 1, 8000, 16, Bytes(1, 3, 5, 9)));
        Assert.That(
            () => SequenceData.FromWavFolder(folder.Path, new WavFolderOptions { FrameLength = 2, Mono = false }),
            Throws.TypeOf<InvalidDataException>().With.Message.EqualTo($"{folder.File("b.wav")}: found 1 channels; expected 2, as 'a.wav' has, or the option Mono."));
    }

    [Test]
    public void Log_mel_frames_are_those_of_the_formulas()
    {
        using TemporaryFolder folder = Make(("a.wav", 8000, [.. Enumerable.Range(0, 300).Select(i => (short)((((i * i * 37) + (i * 11)) % 2001) - 1000))]));
        SequenceData data = SequenceData.FromWavFolder(
            folder.Path, new WavFolderOptions { FrameLength = 200, Hop = 80, MelBands = 8, MinimumFrequency = 100, MaximumFrequency = 3800 });

        // Computed by a program in Python from the definition, with the sum of the Fourier transform written out.
        float[] expected =
        [
            -2.736049f, -2.358155f, -1.070783f, -1.203639f, -1.356483f, -1.022250f, -1.015803f, -0.187896f,
            -1.922095f, -1.735285f, -1.608854f, -1.312766f, -1.489439f, -0.978801f, -0.787137f, -0.514324f,
        ];
        Assert.That((data.Features, data.Steps), Is.EqualTo((8, 2)));
        Assert.That(data.Values(0).ToArray(), Is.EqualTo(expected).Within(1e-6));
    }

    [Test]
    public void Silence_has_the_least_power()
    {
        using TemporaryFolder folder = Make(("a.wav", 8000, new short[256]));

        Assert.That(
            SequenceData.FromWavFolder(folder.Path, new WavFolderOptions { MelBands = 3 }).Values(0).ToArray(),
            Is.EqualTo(Enumerable.Repeat((float)Math.Log(1e-10), 3)));
    }

    [Test]
    public void A_tone_has_its_power_in_its_band()
    {
        // 1,000 Hz is bin 32 of 256; of 10 bands up to 4,000 Hz, peak 5 at 926 Hz is the nearest: mel 1170 = 6 x 2146 / 11.
        using TemporaryFolder folder = Make(("a.wav", 8000, [.. Enumerable.Range(0, 256).Select(i => (short)(10_000 * Math.Sin(2 * Math.PI * i / 8)))]));
        float[] bands = SequenceData.FromWavFolder(folder.Path, new WavFolderOptions { MelBands = 10 }).Values(0).ToArray();

        Assert.That(Array.IndexOf(bands, bands.Max()), Is.EqualTo(4));
    }

    [Test]
    public void Spoken_digits_become_sequences()
    {
        using var folder = new TemporaryFolder();
        string recordings = SharedData.Require("spoken-digits", "recordings");
        foreach (string file in Directory.EnumerateFiles(recordings, "*_0.wav"))
        {
            File.Copy(file, folder.File(Path.GetFileName(file)));
        }

        var fractions = new List<double>();
        SequenceData data = SequenceData.FromWavFolder(
            folder.Path, new WavFolderOptions { Pattern = "{label}_{speaker:group}_{index}", FrameLength = 200, Hop = 80, MelBands = 24 }, new Progress(fractions.Add));

        Assert.That((data.Count, data.Features, data.ClassNames, data.Groups!.Distinct().Count()), Is.EqualTo((60, 24, Enumerable.Range(0, 10).Select(i => $"{i}").ToArray(), 6)));
        Assert.That(Enumerable.Range(0, 60).Select(i => data.ClassOf(i)).GroupBy(number => number).Select(group => group.Count()), Is.All.EqualTo(6));
        Assert.That((fractions.Count, fractions[^1]), Is.EqualTo((60, 1.0)));
        Assert.That(fractions, Is.Ordered);

        // The digits' lengths: 1,148 to 18,262 samples.
        Assert.That(data.Steps, Is.InRange(1, 1 + ((18_262 - 200) / 80)));
        SequenceData scaled = data.WithScaling(ChannelScaling.Of(data));
        using var loader = new DataLoader(scaled, 60);
        foreach (Batch batch in loader.Epoch(0))
        {
            Assert.That(batch.Inputs.ToArray<float>().Max(MathF.Abs), Is.LessThan(10));
        }
    }

    [Test]
    public void Reading_can_be_cancelled()
    {
        using TemporaryFolder folder = Make(("a.wav", 8000, [1]), ("b.wav", 8000, [1]));
        using var source = new CancellationTokenSource();
        var fractions = new List<double>();

        Assert.That(
            () => SequenceData.FromWavFolder(folder.Path, null, new Progress(fraction =>
            {
                fractions.Add(fraction);
                source.Cancel();
            }), source.Token),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(fractions, Is.EqualTo((double[])[0.5]));
    }

    [Test]
    public void Files_that_do_not_fit_are_refused()
    {
        using TemporaryFolder folder = Make(("a_1.wav", 8000, [1]), ("b_2.wav", 16000, [1]), ("c.wav", 8000, [1]));

        Assert.That(
            () => SequenceData.FromWavFolder(folder.Path),
            Throws.TypeOf<InvalidDataException>().With.Message.EqualTo(
                $"{folder.File("b_2.wav")}: found 16000 samples in a second; expected 8000, as 'a_1.wav' has. Sounds are not resampled: convert them first."));
        Assert.That(
            () => SequenceData.FromWavFolder(folder.Path, new WavFolderOptions { Pattern = "{label}_{n}" }),
            Throws.TypeOf<InvalidDataException>().With.Message.EqualTo($"{folder.Path}: found the file name 'c'; expected '{{label}}_{{n}}'."));
        Assert.That(
            () => SequenceData.FromWavFolder(folder.Path, new WavFolderOptions { Expression = new Regex("^.(_(?<label>.))?") }),
            Throws.TypeOf<InvalidDataException>().With.Message.EqualTo($"{folder.Path}: found the file name 'c' without a label; expected '^.(_(?<label>.))?'."));
        Assert.That(() => SequenceData.FromWavFolder(folder.File("absent")), Throws.TypeOf<DirectoryNotFoundException>());
        using TemporaryFolder empty = Make();
        Assert.That(() => SequenceData.FromWavFolder(empty.Path), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo($"{empty.Path}: found no files '*.wav'; expected at least one."));
        using TemporaryFolder silent = Make(("a.wav", 8000, []));
        Assert.That(() => SequenceData.FromWavFolder(silent.Path), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo($"{silent.File("a.wav")}: found no samples; expected at least one."));
    }

    private static IEnumerable<TestCaseData> WrongOptions()
    {
        TestCaseData Case(WavFolderOptions options, string message) => new TestCaseData(options, message).SetArgDisplayNames(message);
        const string Form = "it must be as '{label}_{speaker:group}_{index}'.";

        yield return Case(new() { FrameLength = 0 }, "options.FrameLength is 0; it must be from 1 to 1048576.");
        yield return Case(new() { Hop = 0 }, "options.Hop is 0; it must be at least 1.");
        yield return Case(new() { MelBands = -1 }, "options.MelBands is -1; it must be from 0 to 256.");
        yield return Case(new() { MelBands = 5, MinimumFrequency = -1 }, "options.MinimumFrequency is -1; it must be finite and not negative.");
        yield return Case(new() { MelBands = 5, MaximumFrequency = 4001 }, "options.MaximumFrequency is 4001; it must be above MinimumFrequency, 0, and at most 4000, half the sample rate.");
        yield return Case(
            new() { MelBands = 100 },
            "options.MelBands is 100; band 0, 0.0 to 26.9 Hz, has none of the frequencies of a transform of 256 samples, which are 31.25 Hz apart: there must be fewer bands, or a longer options.FrameLength.");
        yield return Case(new() { Pattern = "{label}", Expression = new Regex("a") }, "options has Pattern and Expression; at most one of them may be given.");
        yield return Case(new() { ClassNames = ["a"] }, "options.ClassNames is given without labels in the file names; it must be null.");
        yield return Case(new() { Pattern = "{label" }, $"options.Pattern is '{{label', which has a '{{' without '}}'; {Form}");
        yield return Case(new() { Pattern = "label}" }, $"options.Pattern is 'label}}', which has a '}}' without '{{'; {Form}");
        yield return Case(new() { Pattern = "{}" }, $"options.Pattern is '{{}}', which has the field '{{}}'; {Form}");
        yield return Case(new() { Pattern = "{a:b}" }, $"options.Pattern is '{{a:b}}', which has the field '{{a:b}}', which is neither of label, group and id; {Form}");
        yield return Case(new() { Pattern = "{label}{x:label}" }, $"options.Pattern is '{{label}}{{x:label}}', which has the label twice; {Form}");
    }

    [TestCaseSource(nameof(WrongOptions))]
    public void Options_that_do_not_fit_are_refused(WavFolderOptions options, string message)
    {
        using TemporaryFolder folder = Make(("a.wav", 8000, [1]));
        ArgumentException exception = Assert.Catch<ArgumentException>(() => SequenceData.FromWavFolder(folder.Path, options))!;

        Assert.That(exception.Message, Does.StartWith(message));
    }

    private static TemporaryFolder Make(params (string Name, int Rate, short[] Samples)[] files)
    {
        var folder = new TemporaryFolder();
        foreach ((string name, int rate, short[] samples) in files)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(folder.File(name))!);
            File.WriteAllBytes(folder.File(name), WavFileTests.Wav(1, 1, rate, 16, Bytes(samples)));
        }

        return folder;
    }

    private static byte[] Bytes(params short[] samples) => MemoryMarshal.AsBytes(samples.AsSpan()).ToArray();

    private static float[] Scaled(params int[] samples) => [.. samples.Select(sample => sample / 32768f)];

    private sealed class Progress(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);
    }
}
