using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Training;

/// <summary>Training that is saved in a folder, interrupted or killed at any moment, and resumed.</summary>
internal sealed class ResumeTests
{
    private const int Steps = 21;

    private static readonly ArrayDataset s_training = TrainingSetup.Data(50, seed: 1);
    private static readonly ArrayDataset s_validation = TrainingSetup.Data(30, seed: 2);

    private static readonly string[] s_ended = ["model.safetensors", "run.json"];
    private static readonly string[] s_interrupted = ["best.safetensors", "loss.csv", "model.safetensors", "optimizer.safetensors", "run.json"];

    [Test]
    public void A_run_that_is_interrupted_after_any_step_ends_with_the_bits_of_one_that_is_not([Values(1, 3)] int accumulate)
    {
        Outcome straight = Run(null, accumulate);
        int last = accumulate == 1 ? Steps : 9;
        for (int step = 1; step <= last; step++)
        {
            using var folder = new TemporaryFolder();
            Outcome part = Run(folder, accumulate, interruptAt: step);
            string[] files = Names(folder);
            Outcome resumed = Run(folder, accumulate);

            Assert.That(part.Result.Status, Is.EqualTo(TrainingStatus.Interrupted));
            Assert.That(part.Result.Steps, Is.EqualTo(step));
            Assert.That(files, Is.EqualTo(step * accumulate >= 7 ? s_interrupted : s_interrupted[1..]).Or.EqualTo(s_interrupted[1..]));
            AssertSame(resumed, straight, $"interrupted after step {step}");
            Assert.That(Names(folder), Is.EqualTo(s_ended));
        }
    }

    [Test]
    public void A_run_that_is_interrupted_in_any_validation_makes_it_up([Values(1, 2, 3)] int validation)
    {
        using var folder = new TemporaryFolder();
        Outcome straight = Run(null, 1);
        Outcome part = Run(folder, 1, interruptInValidation: validation);
        Outcome resumed = Run(folder, 1);

        Assert.That((part.Result.Status, part.Result.Steps), Is.EqualTo((TrainingStatus.Interrupted, 7L * validation)));
        Assert.That(part.Result.Epochs[^1].Validation, Is.Null);
        AssertSame(resumed, straight, "");
    }

    [Test]
    public void A_run_that_is_interrupted_again_and_again_ends_with_the_same_bits()
    {
        using var folder = new TemporaryFolder();
        Outcome straight = Run(null, 1);
        Outcome resumed = Run(folder, 1, interruptAt: 1);
        for (int step = 2; step <= Steps; step++)
        {
            resumed = Run(folder, 1, interruptAt: step);
        }

        resumed = resumed.Result.Status == TrainingStatus.Interrupted ? Run(folder, 1) : resumed;
        AssertSame(resumed, straight, "");
    }

    /// <summary>What a program that is killed leaves is what its last save has written, whichever save that is.</summary>
    [Test]
    public void A_run_that_is_killed_after_any_save_ends_with_the_same_bits()
    {
        Outcome straight = Run(null, 1);
        using var folder = new TemporaryFolder();
        using var copies = new TemporaryFolder();
        int count = 0;
        Run(folder, 1, saveInterval: TimeSpan.Zero, onStep: _ =>
        {
            if (Directory.Exists(folder.File("run")))
            {
                Copy(folder.File("run"), copies.File($"{count++}/run"));
            }
        });

        Assert.That(count, Is.EqualTo(Steps));
        for (int copy = 0; copy < count; copy++)
        {
            AssertSame(Run(null, 1, path: copies.File($"{copy}/run")), straight, $"killed after save {copy}");
        }
    }

    [Test]
    public void A_run_that_is_killed_after_a_save_that_a_callback_asked_for_ends_with_the_same_bits([Range(1, Steps - 1)] int step)
    {
        Outcome straight = Run(null, 1);
        using var folder = new TemporaryFolder();
        bool early = false;
        Run(folder, 1, onStep: state =>
        {
            if (state.Step == step)
            {
                early = File.Exists(folder.File("run/run.json"));
                state.Save();
            }
            else if (state.Step == step + 1)
            {
                Copy(folder.File("run"), folder.File("killed/run"));
            }
        });
        string report = File.ReadAllText(folder.File("killed/run/run.json"));
        int lines = File.ReadLines(folder.File("killed/run/loss.csv")).Count();

        Assert.That(early, Is.False);
        Assert.That(report, Does.Contain("\"status\": \"running\""));
        Assert.That(lines, Is.EqualTo(1 + step));
        AssertSame(Run(null, 1, path: folder.File("killed/run")), straight, "");
    }

    [Test]
    public void A_save_that_a_callback_asks_for_without_a_folder_changes_nothing()
    {
        Assert.That(Train(state => state.Save()), Is.EqualTo(Train(null)));

        static float[] Train(Action<TrainingState>? onStep)
        {
            using var setup = new TrainingSetup(Options("", 1) with { Folder = null, Callbacks = [new Callback { Step = onStep, Warning = Assert.Fail }] });
            setup.Trainer.Fit(s_training, s_validation);
            return setup.Weights;
        }
    }

    [Test]
    public void What_is_thrown_after_any_step_keeps_the_state_from_which_the_run_is_resumed([Values("step", "epoch", "data", "schedule")] string where)
    {
        Outcome straight = Run(null, 1);
        for (int step = 1; step <= Steps; step++)
        {
            using var folder = new TemporaryFolder();
            if ((where is "epoch" or "schedule" && step % 7 != 0) || (where == "data" && step == 1))
            {
                continue;
            }

            Assert.That(() => Run(folder, 1, throwAt: (where, step)), Throws.TypeOf<InsufficientMemoryException>().With.Message.EqualTo(where), $"step {step}");

            AssertSame(Run(folder, 1), straight, $"thrown at step {step}");
        }
    }

    [Test]
    public void What_fails_within_a_step_of_several_batches_leaves_the_numbers_of_noise_as_they_were()
    {
        Outcome straight = Run(null, 3);
        using var folder = new TemporaryFolder();

        // The second batch of the third step: 8 batches are read before.
        Assert.That(() => Run(folder, 3, throwAt: ("data", 9)), Throws.TypeOf<InsufficientMemoryException>());

        AssertSame(Run(folder, 3), straight, "");
    }

    [Test]
    public void Validation_in_the_midst_of_a_pass_leaves_the_samples_that_follow([Values(0, 2)] int prefetch, [Values(1, 9, 13)] int step)
    {
        // One data set that depends on the epoch lies under both, and an epoch is less than a pass.
        Dataset augmented = s_training.Augment(new AugmentationOptions { NoiseDeviation = [0.2], MaximumShift = 2 }, seed: 5);
        Dataset training = augmented.Subset([.. Enumerable.Range(0, 40)]), validation = augmented.Subset([.. Enumerable.Range(40, 10)]);
        (float[] Weights, TrainingResult Result) Train(string path, int? interruptAt)
        {
            using var cancellation = new CancellationTokenSource();
            using var setup = new TrainingSetup(Options(path, 1) with { Epochs = 6, StepsPerEpoch = 3, Loading = new DataLoaderOptions { Shuffle = true, Prefetch = prefetch } });
            TrainingResult result = setup.Trainer.Fit(training, validation, new DirectProgress(report => Cancel(report.Step)), cancellation.Token);
            return (setup.Weights, result);

            void Cancel(long at)
            {
                if (at == interruptAt)
                {
                    cancellation.Cancel();
                }
            }
        }

        using var folder = new TemporaryFolder();
        (float[] expected, _) = Train(folder.File("straight"), null);
        Train(folder.File("run"), step);
        (float[] found, TrainingResult resumed) = Train(folder.File("run"), null);

        Assert.That(resumed.Steps, Is.EqualTo(18));
        Assert.That(found, Is.EqualTo(expected));
    }

    [Test]
    public void A_run_that_has_ended_gives_its_model_and_result_again()
    {
        using var folder = new TemporaryFolder();
        Outcome straight = Run(folder, 1);
        Outcome again = Run(folder, 1);

        AssertSame(again, straight, "");
        Assert.That(again.Result.Duration, Is.EqualTo(straight.Result.Duration));
    }

    [Test]
    public void The_saved_model_is_the_best_one()
    {
        using var folder = new TemporaryFolder();
        Outcome straight = Run(folder, 1);
        using Sequential model = Model.Load(folder.File("run/model.safetensors"), Device.Default);

        Assert.That(model.ParameterData.ToArray<float>(), Is.EqualTo(straight.Weights));
    }

    [Test]
    public void A_run_is_not_replaced_unless_that_is_asked_for()
    {
        using var folder = new TemporaryFolder();
        Run(folder, 1, interruptAt: 10);
        byte[] before = File.ReadAllBytes(folder.File("run/model.safetensors"));
        using var refused = new TrainingSetup(Options(folder.File("run"), 1) with { ExistingRun = ExistingRun.Refuse });

        Assert.That(
            () => refused.Trainer.Fit(s_training, s_validation),
            Throws.InstanceOf<IOException>().With.Message.EqualTo($"options.Folder is '{folder.File("run")}', which has a run already; choose another folder, or set options.ExistingRun."));
        Assert.That(File.ReadAllBytes(folder.File("run/model.safetensors")), Is.EqualTo(before));

        using var replaced = new TrainingSetup(Options(folder.File("run"), 1) with { ExistingRun = ExistingRun.Replace });
        Assert.That(replaced.Trainer.Fit(s_training, s_validation).Status, Is.EqualTo(TrainingStatus.Completed));
        Assert.That(Names(folder), Is.EqualTo(s_ended));
    }

    [Test]
    public void A_folder_is_used_by_one_training_at_a_time()
    {
        using var folder = new TemporaryFolder();
        string? message = null;
        Run(folder, 1, onStep: _ =>
        {
            using var second = new TrainingSetup(Options(folder.File("run"), 1));
            message ??= Assert.Catch<IOException>(() => second.Trainer.Fit(s_training, s_validation))!.Message;
        });

        Assert.That(message, Is.EqualTo($"options.Folder is '{folder.File("run")}', which another run is using; choose another folder, or wait for that run to end"));
    }

    [Test]
    public void A_run_of_other_settings_or_data_is_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        Run(folder, 1, interruptAt: 10);
        string path = folder.File("run");
        (TrainerOptions Options, string Message)[] cases =
        [
            (Options(path, 1) with { BatchSize = 9 }, "settings.batchSize is 8; expected: 9, as now."),
            (Options(path, 1) with { AccumulateBatches = 2 }, "settings.accumulateBatches is 1; expected: 2, as now."),
            (Options(path, 1) with { ClipNorm = 2 }, "settings.clipNorm is 1; expected: 2, as now."),
            (Options(path, 1) with { Loading = new DataLoaderOptions { Shuffle = true, Seed = 9, BucketBatches = 2 } }, "settings.seed is 3; expected: 9, as now."),
        ];
        Assert.Multiple(() =>
        {
            foreach ((TrainerOptions options, string message) in cases)
            {
                using var setup = new TrainingSetup(options);
                Assert.That(
                    () => setup.Trainer.Fit(s_training, s_validation), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo($"'{Path.Combine(path, "run.json")}': {message}"));
            }

            using var other = new TrainingSetup(Options(path, 1));
            Assert.That(() => other.Trainer.Fit(s_validation, s_validation), Throws.TypeOf<InvalidDataException>().With.Message.Contains("settings.samples is 50; expected: 30, as now."));
        });
    }

    /// <summary>Each damage alone, in a folder that could be resumed otherwise.</summary>
    [TestCase("run.json", "\"epochs\":", "\"other\":", "epochs is missing")]
    [TestCase("run.json", "\"settings\":", "\"other\":", "settings is missing")]
    [TestCase("run.json", "\"step\": 10", "\"step\": 14", "epochs[1] is epoch 2 up to step 14; it must end at step 10 or before, in epochs of 7 steps")]
    [TestCase("run.json", "\"seconds\": ", "\"seconds\": -", "seconds is -")]
    [TestCase("run.json", "\"accuracy\":", "\"other\":", "epochs[0] has no value of the metric 'accuracy'")]
    [TestCase("run.json", "{", "", "run.json': ")]
    [TestCase("loss.csv", "\n4,", "\n5,", "line 5 is '5,")]
    [TestCase("loss.csv", "step", "stop", "line 1 is 'stop,loss,metric'; expected: 'step,loss,metric'.")]
    public void A_damaged_run_is_refused_with_what_is_wrong(string file, string found, string other, string message)
    {
        using var folder = new TemporaryFolder();
        Run(folder, 1, interruptAt: 10);
        string path = Path.Combine(folder.File("run"), file), text = File.ReadAllText(path);
        int at = text.IndexOf(found, StringComparison.Ordinal);
        File.WriteAllText(path, text[..at] + other + text[(at + found.Length)..]);
        using var setup = new TrainingSetup(Options(folder.File("run"), 1));

        Assert.That(() => setup.Trainer.Fit(s_training, s_validation), Throws.TypeOf<InvalidDataException>().With.Message.Contains(message));
    }

    [Test]
    public void A_missing_or_foreign_file_of_a_run_is_refused([Values("model.safetensors", "best.safetensors", "optimizer.safetensors", "loss.csv")] string file)
    {
        using var folder = new TemporaryFolder();
        Run(folder, 1, interruptAt: 10);
        string path = Path.Combine(folder.File("run"), file);
        File.WriteAllText(path, "no such content");
        using (var setup = new TrainingSetup(Options(folder.File("run"), 1)))
        {
            Assert.That(() => setup.Trainer.Fit(s_training, s_validation), Throws.TypeOf<InvalidDataException>().With.Message.Contains(file));
        }

        File.Delete(path);
        using (var setup = new TrainingSetup(Options(folder.File("run"), 1)))
        {
            Assert.That(() => setup.Trainer.Fit(s_training, s_validation), Throws.InstanceOf<IOException>().With.Message.Contains(file));
        }
    }

    [Test]
    [Platform("Linux,MacOsX", Reason = "A folder without the right to write is no obstacle there.")]
    public void A_save_on_the_way_that_fails_is_a_warning_and_the_last_one_is_made_elsewhere()
    {
        using var folder = new TemporaryFolder();
        var warnings = new List<string>();
        float[]? weights = null;
        IOException exception = Assert.Catch<IOException>(() => Run(
            folder,
            1,
            saveInterval: TimeSpan.Zero,
            onStep: state =>
            {
                weights = state.Model.ParameterData.ToArray<float>();
                if (state.Step == 3)
                {
                    Directory.Delete(folder.File("run"), recursive: true);
                    File.WriteAllText(folder.File("run"), "in the way");
                }
            },
            onWarning: warnings.Add))!;

        Assert.That(warnings, Is.Not.Empty);
        Assert.That(warnings[0], Does.StartWith($"options.Folder is '{folder.File("run")}', where run.json cannot be written (").And.EndsWith("; the run continues unsaved"));
        Assert.That(exception.Message, Does.Contain("the run's files were saved in '"));
        string rescue = exception.Message.Split('\'')[^2];
        Assert.That(Directory.EnumerateFiles(rescue).Select(Path.GetFileName), Is.EquivalentTo(s_ended));
        Directory.Delete(rescue, recursive: true);
    }

    private static TrainerOptions Options(string path, int accumulate) => new()
    {
        BatchSize = 8,
        Epochs = 3,
        AccumulateBatches = accumulate,
        ClipNorm = 1,
        Loading = new DataLoaderOptions { Shuffle = true, Seed = 3, BucketBatches = 2 },
        Metrics = [new Accuracy()],
        Folder = path,
        ExistingRun = ExistingRun.Resume,
        SaveInterval = Timeout.InfiniteTimeSpan,
    };

    /// <summary>A run in a folder, or the rest of one; the schedule has a state, and noise and dropout draw numbers.</summary>
    private static Outcome Run(
        TemporaryFolder? folder, int accumulate, int? interruptAt = null, int? interruptInValidation = null, TimeSpan? saveInterval = null, Action<TrainingState>? onStep = null,
        Action<string>? onWarning = null, string? path = null, (string Where, int Step)? throwAt = null)
    {
        void Throw(string where, long step)
        {
            if (throwAt == (where, (int)step))
            {
                throw new InsufficientMemoryException(where);
            }
        }

        using TemporaryFolder? own = folder is null ? new TemporaryFolder() : null;
        using var cancellation = new CancellationTokenSource();
        TrainerOptions options = Options(path ?? (folder ?? own!).File("run"), accumulate);
        using var setup = new TrainingSetup(
            options with
            {
                SaveInterval = saveInterval ?? options.SaveInterval,
                Callbacks =
                [
                    new Callback
                    {
                        Step = state =>
                        {
                            if (state.Step == interruptAt)
                            {
                                cancellation.Cancel();
                            }

                            onStep?.Invoke(state);
                            Throw("step", state.Step);
                        },
                        Epoch = (state, _) => Throw("epoch", state.Step),
                        Warning = onWarning,
                    },
                ],
            },
            schedule: new ThrowingSchedule(new ReduceOnPlateauSchedule(0.05, new ReduceOnPlateauOptions { Patience = 0, Factor = 0.5 }), validation => Throw("schedule", 7 * validation)));
        int batches = 0, validations = 0;
        var training = new WatchedData(s_training, _ => Throw("data", ++batches));
        var validation = new WatchedData(s_validation, sample =>
        {
            validations += sample == 0 ? 1 : 0;
            if (validations == interruptInValidation)
            {
                cancellation.Cancel();
            }
        });
        TrainingResult result = setup.Trainer.Fit(training, validation, null, cancellation.Token);
        return new Outcome(result, setup.Weights);
    }

    /// <summary>Copies what a program that is killed now would leave.</summary>
    private static void Copy(string source, string target)
    {
        Directory.CreateDirectory(target);
        foreach (string file in Directory.EnumerateFiles(source).Where(file => !file.EndsWith(".lock", StringComparison.Ordinal)))
        {
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        }
    }

    private static void AssertSame(Outcome found, Outcome expected, string message)
    {
        Assert.That(found.Weights, Is.EqualTo(expected.Weights), message);
        Assert.That((found.Result.Status, found.Result.Steps, found.Result.BestEpoch!.Epoch), Is.EqualTo((expected.Result.Status, expected.Result.Steps, expected.Result.BestEpoch!.Epoch)), message);
        Assert.That(Numbers(found), Is.EqualTo(Numbers(expected)), message);
    }

    private static (int Epoch, long Step, double Loss, double Metric, EvaluationResult? Validation, double Rate)[] Numbers(Outcome outcome) =>
        [.. outcome.Result.Epochs.Select(epoch => (epoch.Epoch, epoch.Step, epoch.Loss, epoch.Metric, epoch.Validation, epoch.LearningRate))];

    private static string[] Names(TemporaryFolder folder) => [.. Directory.EnumerateFiles(folder.File("run")).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    /// <summary>Another schedule, and code that is called before it is told the value of a validation.</summary>
    private sealed class ThrowingSchedule(ReduceOnPlateauSchedule inner, Action<int> onValidation) : LearningRateSchedule
    {
        private int _validations;

        public override double At(long stepsDone) => inner.At(stepsDone);

        protected internal override IEnumerable<KeyValuePair<string, string>> SaveState() => inner.SaveState();

        protected internal override void LoadState(IReadOnlyDictionary<string, string> state) => inner.LoadState(state);

        protected internal override void OnValidation(double value)
        {
            onValidation(++_validations);
            inner.OnValidation(value);
        }
    }

    private sealed record Outcome(TrainingResult Result, float[] Weights);
}
