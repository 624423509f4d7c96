using System.Buffers.Binary;
using System.Runtime.Versioning;
using System.Text;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Training;

/// <summary>Event files, as bytes and read by a small reader that shares no code with the library.</summary>
internal sealed class TensorBoardTests
{
    private const double Start = 1764590000.5;

    private static readonly ArrayDataset s_training = TrainingSetup.Data(50, seed: 1);
    private static readonly ArrayDataset s_validation = TrainingSetup.Data(30, seed: 2);

    /// <summary>
    /// Written by a Python script of its own, which has CRC-32C bit by bit, struct.pack and the wire types of protocol buffers: file version; session log (field 7) of status START at step 1; step 300 with two values;
    /// step 301, a second later, with an infinite one.
    /// </summary>
    [Test]
    public void A_small_file_has_the_bytes_that_another_program_wrote()
    {
        using var folder = new TemporaryFolder();
        using EventFile file = EventFile.Create(folder.File("board"), Start, 1);
        file.Add("train/loss"u8, 0.75);
        file.Add("train/top 2 accuracy"u8, 0.5);
        file.End(Start, 300);
        file.Add("epoch/loss"u8, double.MaxValue);
        file.End(Start + 1, 301);
        file.Flush();

        Assert.That(Convert.ToHexStringLower(Content(file.Path)), Is.EqualTo(
            "1800000000000000a37f4b22090000206c604bda411a0d627261696e2e4576656e743a324ecda691" +
            "0f000000000000006d532b09090000206c604bda4110013a020801670f342e" +
            "3e00000000000000d9d240e7090000206c604bda4110ac022a300a110a0a747261696e2f6c6f7373150000403f0a1b0a14747261696e2f746f702032206163637572616379150000003fc5ef42c9" +
            "2100000000000000017becf6090000606c604bda4110ad022a130a110a0a65706f63682f6c6f7373150000807f8e91631b"));
        Assert.That(Path.GetFileName(file.Path), Does.Match("^events\\.out\\.tfevents\\.1764590000\\.[-A-Za-z0-9_]+\\.[0-9]+\\.[0-9]+$"));
    }

    [Test]
    public void Every_series_has_the_numbers_of_the_training([Values(1, 4)] int interval)
    {
        using var folder = new TemporaryFolder();
        var expected = new Series();
        using var board = new TensorBoardCallback(folder.Path, new TensorBoardOptions { StepInterval = interval });
        var watch = new Callback
        {
            Step = state =>
            {
                if (state.Step % interval == 0)
                {
                    expected.Add("train/loss", state.Step, state.Loss);
                    expected.Add("train/share of right answers (%)", state.Step, state.Metric);
                    expected.Add("train/learning_rate", state.Step, state.LearningRate);
                    expected.Add("train/gradient_norm", state.Step, state.GradientNorm);
                }
            },
            Epoch = (state, epoch) =>
            {
                expected.Add("epoch/loss", state.Step, epoch.Loss);
                expected.Add("epoch/share of right answers (%)", state.Step, epoch.Metric);
                expected.Add("epoch/learning_rate", state.Step, epoch.LearningRate);
                expected.Add("epoch/gradient_norm", state.Step, epoch.GradientNorm);
                expected.Add("epoch/samples_per_second", state.Step, epoch.SamplesPerSecond);
                expected.Add("validation/loss", state.Step, epoch.Validation!.Loss);
                expected.Add("validation/share of right answers (%)", state.Step, epoch.Validation["share of right answers (%)"]);
                expected.Add("validation/accuracy", state.Step, epoch.Validation["accuracy"]);
            },
        };
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 8, Epochs = 3, Metrics = [new Percentage(), new Accuracy()], Callbacks = [watch, board] });

        setup.Trainer.Fit(s_training, s_validation);

        Assert.That(Read(folder.Path), Is.EqualTo(expected.Values));
        Assert.That(expected.Values, Has.Count.EqualTo(12));
    }

    [Test]
    public void Without_a_metric_there_is_no_series_of_it_and_without_an_interval_none_of_steps()
    {
        using var folder = new TemporaryFolder();
        using var board = new TensorBoardCallback(folder.Path, new TensorBoardOptions { StepInterval = 0 });
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 8, Epochs = 2, Callbacks = [board] });

        setup.Trainer.Fit(s_training);

        Assert.That(Read(folder.Path).Keys, Is.EqualTo((string[])["epoch/gradient_norm", "epoch/learning_rate", "epoch/loss", "epoch/samples_per_second"]));
    }

    /// <summary>The last save is of step 9; what the killed program wrote of later steps is replaced.</summary>
    [Test]
    public void A_run_that_was_killed_and_resumed_shows_each_step_once([Values(9, 14)] int savedStep)
    {
        using var folder = new TemporaryFolder();
        var clock = new ManualClock();
        clock.Advance(TimeSpan.FromSeconds(Start));
        Run("straight", null);
        Run("run", state =>
        {
            if (state.Step == savedStep)
            {
                state.Save();
            }
            else if (state.Step == savedStep + 4)
            {
                Copy(folder.File("run"), folder.File("killed"));
                Copy(folder.File("run-board"), folder.File("killed-board"));
            }
        });
        SortedDictionary<string, SortedDictionary<long, float>> killed = Read(folder.File("killed-board"));
        Run("killed", null);

        Assert.That(killed["train/loss"].Keys.Last(), Is.GreaterThan(savedStep), "nothing was written of the steps that are done again");
        Assert.That(Directory.GetFiles(folder.File("killed-board")), Has.Length.EqualTo(2));
        SortedDictionary<string, SortedDictionary<long, float>> straight = Read(folder.File("straight-board")), resumed = Read(folder.File("killed-board"));
        foreach (string measured in (string[])["epoch/gradient_norm", "epoch/samples_per_second"])
        {
            // Of the steps since the run was resumed.
            Assert.That(resumed[measured].Keys, Is.EqualTo(straight[measured].Keys));
            straight.Remove(measured);
            resumed.Remove(measured);
        }

        Assert.That(resumed, Is.EqualTo(straight));

        void Run(string name, Action<TrainingState>? onStep)
        {
            using var board = new TensorBoardCallback(folder.File($"{name}-board"), new TensorBoardOptions { StepInterval = 1 }, clock);
            using var setup = new TrainingSetup(new TrainerOptions
            {
                BatchSize = 8,
                Epochs = 3,
                Folder = folder.File(name),
                ExistingRun = ExistingRun.Resume,
                SaveInterval = Timeout.InfiniteTimeSpan,
                Metrics = [new Accuracy()],
                Callbacks = [board, new Callback { Step = _ => clock.Advance(TimeSpan.FromMinutes(1)) }, new Callback { Step = onStep }],
            });
            setup.Trainer.Fit(s_training, s_validation);
        }
    }

    [Test]
    public void A_validation_that_a_resumed_run_makes_up_leaves_the_step_before_it()
    {
        using var folder = new TemporaryFolder();
        using var cancellation = new CancellationTokenSource();
        var interrupted = new WatchedData(s_validation, _ => cancellation.Cancel());
        Run(interrupted, cancellation.Token);
        Run(s_validation, CancellationToken.None);

        SortedDictionary<string, SortedDictionary<long, float>> series = Read(folder.File("board"));
        Assert.That(series["train/loss"].Keys, Is.EqualTo(Enumerable.Range(1, 14).Select(step => (long)step)));
        Assert.That(series["validation/loss"].Keys, Is.EqualTo((long[])[7, 14]));

        void Run(Dataset validation, CancellationToken token)
        {
            using var board = new TensorBoardCallback(folder.File("board"), new TensorBoardOptions { StepInterval = 1 });
            using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 8, Epochs = 2, Folder = folder.File("run"), ExistingRun = ExistingRun.Resume, Callbacks = [board] });
            setup.Trainer.Fit(s_training, validation, null, token);
        }
    }

    [Test]
    public void Files_of_one_second_are_read_in_the_order_in_which_they_were_begun()
    {
        using var folder = new TemporaryFolder();
        string[] paths = [.. Enumerable.Range(0, 12).Select(_ =>
        {
            using EventFile file = EventFile.Create(folder.Path, Start, 1);
            return file.Path;
        })];

        Assert.That(Directory.GetFiles(folder.Path).Order(StringComparer.Ordinal), Is.EqualTo(paths));
    }

    [Test]
    public void A_long_epoch_is_written_after_half_a_minute()
    {
        using var folder = new TemporaryFolder();
        var clock = new ManualClock();
        using var board = new TensorBoardCallback(folder.Path, new TensorBoardOptions { StepInterval = 1 }, clock);
        using var setup = new TrainingSetup(new TrainerOptions());
        TrainingState state = StateOf(setup, _ => { });
        for (state.Step = 1; state.Step <= 3; state.Step++)
        {
            board.OnStep(state);
            clock.Advance(TimeSpan.FromSeconds(10));
        }

        Assert.That(Read(folder.Path), Is.Empty);
        board.OnStep(state);
        Assert.That(Read(folder.Path)["train/loss"].Keys, Is.EqualTo((long[])[1, 2, 3, 4]));
    }

    [Test]
    public void A_folder_that_cannot_be_created_is_a_warning_and_the_training_has_the_same_bits()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("file"), "");
        (float[] straight, _) = Train(null);
        (float[] weights, List<string> warnings) = Train(new TensorBoardCallback(folder.File("file/board")));

        Assert.That(weights, Is.EqualTo(straight));
        Assert.That(warnings, Has.Count.EqualTo(1));
        Assert.That(warnings[0], Does.StartWith($"the events for TensorBoard in '{folder.File("file/board")}' cannot be written (").And.EndsWith("); the training continues without them"));
    }

    [Test]
    [Platform("Linux,MacOsX")]
    public void A_folder_that_is_removed_on_the_way_is_a_warning_and_the_next_epoch_begins_a_new_file()
    {
        using var folder = new TemporaryFolder();
        (float[] straight, _) = Train(null);
        (float[] weights, List<string> warnings) = Train(new TensorBoardCallback(folder.File("board"), new TensorBoardOptions { StepInterval = 1 }), state =>
        {
            if (state.Step == 3)
            {
                Directory.Delete(folder.File("board"), recursive: true);
            }
        });

        Assert.That(weights, Is.EqualTo(straight));
        Assert.That(warnings, Is.EqualTo((string[])[$"the events for TensorBoard in '{folder.File("board")}' cannot be written (the file was removed); the training continues without them"]));
        SortedDictionary<string, SortedDictionary<long, float>> series = Read(folder.File("board"));
        Assert.That(series["epoch/loss"].Keys, Is.EqualTo((long[])[14, 21]));
        Assert.That(series["train/loss"].Keys, Is.EqualTo(Enumerable.Range(15, 7).Select(step => (long)step)));
    }

    [Test]
    [UnsupportedOSPlatform("windows")]
    [Platform("Linux")]
    [NonParallelizable]
    public void A_write_that_fails_is_a_warning_and_leaves_what_was_written_readable()
    {
        using var folder = new TemporaryFolder();
        (float[] straight, _) = Train(null);
        int epochs = 0;
        FileSizeLimit? limit = null;
        (float[] weights, List<string> warnings) = Train(
            new TensorBoardCallback(folder.Path, new TensorBoardOptions { StepInterval = 1 }),
            onEpoch: () =>
            {
                // The first epoch is written; no file may be as large any more in the second.
                epochs++;
                limit?.Dispose();
                limit = epochs == 1 ? FileSizeLimit.Set(1) : null;
            });

        Assert.That(weights, Is.EqualTo(straight));
        Assert.That(warnings, Has.Count.EqualTo(1));
        Assert.That(warnings[0], Does.Contain("(the file is larger than the system, or a limit set for this process, allows)"));
        Assert.That(Read(folder.Path)["epoch/loss"].Keys, Is.EqualTo((long[])[7, 21]));
    }

    [Test]
    public void A_file_that_is_cut_anywhere_gives_all_records_before()
    {
        using var folder = new TemporaryFolder();
        Train(new TensorBoardCallback(folder.Path, new TensorBoardOptions { StepInterval = 5 }));
        string path = Directory.GetFiles(folder.Path).Single();
        byte[] whole = Content(path);
        long records = 0;
        for (int length = 0; length <= whole.Length; length++)
        {
            int found = Records(whole.AsMemory(0, length)).Count();
            Assert.That(found, Is.EqualTo(records).Or.EqualTo(records + 1));
            records = found;
        }

        Assert.That(records, Is.EqualTo(2 + 4 + 3));
    }

    [Test]
    public void A_step_allocates_nothing()
    {
        using var folder = new TemporaryFolder();
        using var board = new TensorBoardCallback(folder.Path, new TensorBoardOptions { StepInterval = 1 });
        using var setup = new TrainingSetup(new TrainerOptions());
        TrainingState state = StateOf(setup, _ => { });
        long before = 0;
        for (state.Step = 1; state.Step <= 3000; state.Step++)
        {
            // The buffer of a piece has its size after the first piece of 64 KiB.
            before = state.Step == 1001 ? GC.GetAllocatedBytesForCurrentThread() : before;
            board.OnStep(state);
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        Assert.That(Read(folder.Path)["train/loss"], Has.Count.GreaterThan(2500), "no piece was written on the way");
    }

    [Test]
    public void Bad_arguments_are_refused_by_name()
    {
        Assert.That(() => new TensorBoardCallback(null!), Throws.ArgumentNullException.With.Property("ParamName").EqualTo("folder"));
        Assert.That(() => new TensorBoardCallback(""), Throws.ArgumentException.With.Message.StartsWith("folder is empty; it must be a path."));
        Assert.That(() => new TensorBoardCallback("a\0b"), Throws.ArgumentException.With.Message.StartsWith("folder has a null character; it must be a path."));
        Assert.That(
            () => new TensorBoardCallback("a", new TensorBoardOptions { StepInterval = -1 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("options.StepInterval is -1; it must be at least 0."));
    }

    [Test]
    public void A_callback_serves_one_training_after_another_until_it_is_disposed()
    {
        using var folder = new TemporaryFolder();
        var board = new TensorBoardCallback(folder.Path);
        Train(board, dispose: false);
        Train(board, dispose: false);
        board.Dispose();
        board.Dispose();

        Assert.That(Directory.GetFiles(folder.Path), Has.Length.EqualTo(2));
        Assert.That(() => Train(board), Throws.TypeOf<ObjectDisposedException>());
    }

    private static TrainingState StateOf(TrainingSetup setup, Action<string> warn) =>
        new(setup.Model, setup.Optimizer, "accuracy", warn) { Loss = 0.5, Metric = 0.25, GradientNorm = 2, LearningRate = 0.125 };

    private static (float[] Weights, List<string> Warnings) Train(TensorBoardCallback? board, Action<TrainingState>? onStep = null, Action? onEpoch = null, bool dispose = true)
    {
        var warnings = new List<string>();
        var watch = new Callback { Step = onStep, Epoch = (_, _) => onEpoch?.Invoke(), Warning = warnings.Add };
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 8, Epochs = 3, Callbacks = board is null ? [watch] : [board, watch] });
        try
        {
            setup.Trainer.Fit(s_training);
        }
        finally
        {
            if (dispose)
            {
                board?.Dispose();
            }
        }

        return (setup.Weights, warnings);
    }

    private static void Copy(string source, string target)
    {
        Directory.CreateDirectory(target);
        foreach (string file in Directory.EnumerateFiles(source).Where(file => !file.EndsWith(".lock", StringComparison.Ordinal)))
        {
            File.WriteAllBytes(Path.Combine(target, Path.GetFileName(file)), Content(file));
        }
    }

    private static byte[] Content(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        byte[] bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>What TensorBoard shows of a folder: values by tag and step; a mark drops what is before it in the order of files, of its step and later ones.</summary>
    private static SortedDictionary<string, SortedDictionary<long, float>> Read(string folder)
    {
        var series = new Series();
        foreach (string path in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
        {
            bool isFirst = true;
            foreach (ReadOnlyMemory<byte> record in Records(Content(path)))
            {
                Dictionary<int, List<object>> fields = Fields(record);
                Assert.That((double)fields[1].Single(), Is.GreaterThanOrEqualTo(0));
                long step = fields.TryGetValue(2, out List<object>? number) ? (long)number.Single() : 0;
                if (isFirst)
                {
                    Assert.That(Text(fields[3].Single()), Is.EqualTo("brain.Event:2"));
                    isFirst = false;
                }
                else if (fields.TryGetValue(7, out List<object>? session))
                {
                    Assert.That(Fields((ReadOnlyMemory<byte>)session.Single())[1].Single(), Is.EqualTo(1L));
                    series.DropFrom(step);
                }
                else
                {
                    foreach (object value in Fields((ReadOnlyMemory<byte>)fields[5].Single())[1])
                    {
                        Dictionary<int, List<object>> scalar = Fields((ReadOnlyMemory<byte>)value);
                        series.Add(Text(scalar[1].Single()), step, (float)scalar[2].Single());
                    }
                }
            }
        }

        return series.Values;
    }

    private static IEnumerable<ReadOnlyMemory<byte>> Records(ReadOnlyMemory<byte> file)
    {
        while (file.Length >= 12 && file.Length - 16 >= BinaryPrimitives.ReadInt64LittleEndian(file.Span))
        {
            int length = (int)BinaryPrimitives.ReadInt64LittleEndian(file.Span);
            Assert.That(BinaryPrimitives.ReadUInt32LittleEndian(file.Span[8..]), Is.EqualTo(Masked(file.Span[..8])));
            Assert.That(BinaryPrimitives.ReadUInt32LittleEndian(file.Span[(12 + length)..]), Is.EqualTo(Masked(file.Span.Slice(12, length))));
            yield return file.Slice(12, length);
            file = file[(16 + length)..];
        }
    }

    private static uint Masked(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc = System.Numerics.BitOperations.Crc32C(crc, value);
        }

        crc = ~crc;
        return unchecked(((crc >> 15) | (crc << 17)) + 0xA282EAD8);
    }

    private static string Text(object bytes) => Encoding.UTF8.GetString(((ReadOnlyMemory<byte>)bytes).Span);

    /// <summary>The fields of a message: long, double, float or bytes.</summary>
    private static Dictionary<int, List<object>> Fields(ReadOnlyMemory<byte> message)
    {
        var fields = new Dictionary<int, List<object>>();
        for (int at = 0; at < message.Length;)
        {
            ulong key = Varint();
            object value;
            switch (key & 7)
            {
                case 0:
                    value = (long)Varint();
                    break;
                case 1:
                    value = BinaryPrimitives.ReadDoubleLittleEndian(message.Span[at..]);
                    at += 8;
                    break;
                case 2:
                    int length = (int)Varint();
                    value = message.Slice(at, length);
                    at += length;
                    break;
                default:
                    Assert.That(key & 7, Is.EqualTo(5UL));
                    value = BinaryPrimitives.ReadSingleLittleEndian(message.Span[at..]);
                    at += 4;
                    break;
            }

            if (!fields.TryGetValue((int)(key >> 3), out List<object>? values))
            {
                fields.Add((int)(key >> 3), values = []);
            }

            values.Add(value);
            ulong Varint()
            {
                ulong number = 0;
                for (int shift = 0; ; shift += 7)
                {
                    byte next = message.Span[at++];
                    number |= (ulong)(next & 0x7F) << shift;
                    if (next < 0x80)
                    {
                        return number;
                    }
                }
            }
        }

        return fields;
    }

    private sealed class Series
    {
        public SortedDictionary<string, SortedDictionary<long, float>> Values { get; } = new(StringComparer.Ordinal);

        public void Add(string tag, long step, double value)
        {
            if (!Values.TryGetValue(tag, out SortedDictionary<long, float>? steps))
            {
                Values.Add(tag, steps = []);
            }

            // Refuses a step that is there.
            steps.Add(step, (float)value);
        }

        public void DropFrom(long step)
        {
            foreach (SortedDictionary<long, float> steps in Values.Values)
            {
                foreach (long late in steps.Keys.Where(key => key >= step).ToArray())
                {
                    steps.Remove(late);
                }
            }
        }
    }

    /// <summary>An accuracy with a name of several words.</summary>
    private sealed class Percentage : Metric
    {
        private readonly Accuracy _accuracy = new();

        public override string Name => "share of right answers (%)";

        public override bool HigherIsBetter => true;

        public override double Value => 100 * _accuracy.Value;

        public override void Reset() => _accuracy.Reset();

        protected override void Update(Tensor outputs, in Targets targets) => _accuracy.Add(outputs, targets);
    }
}
