using System.Diagnostics.Metrics;

namespace OrthoNative.Tests.Training;

/// <summary>Training by the library's trainer, without a folder.</summary>
internal sealed class TrainerTests
{
    private static readonly ArrayDataset s_training = TrainingSetup.Data(50, seed: 1);
    private static readonly ArrayDataset s_validation = TrainingSetup.Data(30, seed: 2);

    [Test]
    public void A_model_learns_and_is_left_with_its_best_weights()
    {
        var weights = new List<float[]>();
        var ended = new List<TrainingResult>();
        TrainingSetup? setup = null;
        using (setup = new TrainingSetup(new TrainerOptions
        {
            BatchSize = 8,
            Epochs = 12,
            Metrics = [new Accuracy()],
            Callbacks = [new Callback { Epoch = (_, _) => weights.Add(setup!.Weights), End = ended.Add }],
        }))
        {
            TrainingResult result = setup.Trainer.Fit(s_training, s_validation);

            EpochResult best = result.Epochs.MaxBy(epoch => epoch.Validation!["accuracy"])!;
            Assert.That(result.Status, Is.EqualTo(TrainingStatus.Completed));
            Assert.That(result.Steps, Is.EqualTo(12 * 7));
            Assert.That(result.Epochs.Select(epoch => (epoch.Epoch, epoch.Step)), Is.EqualTo(Enumerable.Range(1, 12).Select(epoch => (epoch, 7L * epoch))));
            Assert.That(result.BestEpoch, Is.SameAs(best), "the first one of equals");
            Assert.That(best.Validation!["accuracy"], Is.GreaterThan(0.9));
            Assert.That(setup.Weights, Is.EqualTo(weights[best.Epoch - 1]));
            Assert.That(setup.Trainer.Evaluate(s_validation), Is.EqualTo(best.Validation));
            Assert.That(ended, Is.EqualTo((TrainingResult[])[result]));
        }
    }

    /// <summary>The loop that the documents of the parts show.</summary>
    [Test]
    public void Steps_are_those_of_a_loop_of_ones_own([Values(1, 3)] int accumulate, [Values(null, 0.5)] double? clip)
    {
        using var expected = new TrainingSetup(new TrainerOptions());
        using var loader = new DataLoader(s_training, 8, new DataLoaderOptions { Shuffle = true, Seed = 3, BucketBatches = 2 });
        using var accumulator = new GradientAccumulator(expected.Model);
        var losses = new List<double>();
        for (int epoch = 0; epoch < 3; epoch++)
        {
            double sum = 0;
            int batches = 0;
            foreach (Batch batch in loader.Epoch(epoch))
            {
                double loss = expected.Loss.Forward(expected.Model.Forward(batch.Inputs, batch.Lengths), batch);
                sum += accumulate == 1 ? loss : loss * batch.Size;
                batches++;
                if (accumulate == 1)
                {
                    expected.Model.Backward(expected.Loss.Gradient);
                }
                else
                {
                    accumulator.Backward(expected.Loss.Gradient, batch.Size);
                }

                if (batches % accumulate == 0 || batches == loader.BatchesPerEpoch)
                {
                    double samples = accumulate == 1 ? 1 : accumulator.Complete();
                    if (clip is { } norm)
                    {
                        expected.Model.ClipGradientNorm(norm);
                    }

                    expected.Optimizer.Step();
                    losses.Add(sum / samples);
                    sum = 0;
                }
            }
        }

        var found = new List<double>();
        using var setup = new TrainingSetup(new TrainerOptions
        {
            BatchSize = 8,
            Epochs = 3,
            AccumulateBatches = accumulate,
            ClipNorm = clip,
            Loading = new DataLoaderOptions { Shuffle = true, Seed = 3, BucketBatches = 2 },
            Callbacks = [new Callback { Step = state => found.Add(state.Loss) }],
        });
        TrainingResult result = setup.Trainer.Fit(s_training);

        Assert.That(result.Steps, Is.EqualTo(accumulate == 1 ? 21 : 9));
        Assert.That(result.BestEpoch, Is.Null);
        Assert.That(found, Is.EqualTo(losses));
        Assert.That(setup.Weights, Is.EqualTo(expected.Weights));
    }

    [Test]
    public void Bits_do_not_depend_on_the_number_of_threads()
    {
        var all = new List<float[]>();
        foreach (int threads in (int[])[1, 2, 3])
        {
            using Device device = Device.Cpu(threads);
            using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 16, Epochs = 3, Metrics = [new Accuracy()] }, device: device);
            setup.Trainer.Fit(s_training, s_validation);
            all.Add(setup.Weights);
        }

        Assert.That(all[1], Is.EqualTo(all[0]));
        Assert.That(all[2], Is.EqualTo(all[0]));
    }

    [Test]
    public void Progress_comes_in_order_with_a_result_at_the_end_of_every_epoch()
    {
        var reports = new List<TrainingProgress>();
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 16, Epochs = 3, Metrics = [new Accuracy()] });
        TrainingResult result = setup.Trainer.Fit(s_training, s_validation, new DirectProgress(reports.Add));

        Assert.That(reports.Where(report => report.EpochResult is null).Select(report => report.Step), Is.EqualTo(Enumerable.Range(1, 12)));
        Assert.That(reports.Where(report => report.EpochResult is not null).Select(report => report.EpochResult), Is.EqualTo(result.Epochs));
        Assert.That(reports.Where(report => report.EpochResult is not null).Select(report => report.Step), Is.EqualTo((long[])[4, 8, 12]));
        Assert.That(reports.Zip(reports.Skip(1)).All(pair => pair.First.Step <= pair.Second.Step), Is.True);
        Assert.That(reports, Has.All.Matches<TrainingProgress>(report => report.Steps == 12 && report.Epochs == 3 && report.Epoch == ((report.Step - 1) / 4) + 1));
    }

    [Test]
    public void Cancellation_takes_effect_within_the_step([Values(1, 5, 8)] int step)
    {
        using var cancellation = new CancellationTokenSource();
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 16, Epochs = 3 });
        TrainingResult result = setup.Trainer.Fit(s_training, null, new DirectProgress(report => Cancel(report.Step)), cancellation.Token);

        Assert.That((result.Status, result.Steps, setup.Optimizer.StepCount), Is.EqualTo((TrainingStatus.Interrupted, (long)step, (long)step)));

        void Cancel(long at)
        {
            if (at == step)
            {
                cancellation.Cancel();
            }
        }
    }

    [Test]
    public void Training_ends_where_validation_does_not_improve()
    {
        // With the learning rate 0 nothing changes after the first epoch.
        using var setup = new TrainingSetup(
            new TrainerOptions { BatchSize = 16, Epochs = 50, Metrics = [new Accuracy()], Monitor = "loss", EarlyStopping = new EarlyStopping { Patience = 3 } }, learningRate: 0);
        TrainingResult result = setup.Trainer.Fit(s_training, s_validation);

        Assert.That((result.Status, result.Epochs.Count, result.BestEpoch!.Epoch), Is.EqualTo((TrainingStatus.StoppedEarly, 4, 1)));
    }

    [Test]
    public void Small_improvements_do_not_count_where_a_minimum_is_given()
    {
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 16, Epochs = 50, EarlyStopping = new EarlyStopping { Patience = 2, MinimumChange = 100 } });
        TrainingResult result = setup.Trainer.Fit(s_training, s_validation);

        Assert.That((result.Status, result.Epochs.Count), Is.EqualTo((TrainingStatus.StoppedEarly, 3)));
        Assert.That(result.BestEpoch, Is.SameAs(result.Epochs.MinBy(epoch => epoch.Validation!.Loss)), "the best is kept all the same");
    }

    [Test]
    public void Training_ends_at_a_goal_or_where_a_callback_stops_it()
    {
        using var goal = new TrainingSetup(new TrainerOptions { BatchSize = 8, Epochs = 200, Metrics = [new Accuracy()], StopAt = 0.9 });
        using var stopped = new TrainingSetup(new TrainerOptions { BatchSize = 8, Epochs = 200, Callbacks = [new Callback { Step = state => Stop(state, 10) }] });

        TrainingResult reached = goal.Trainer.Fit(s_training);
        TrainingResult ended = stopped.Trainer.Fit(s_training, s_validation);

        Assert.That(reached.Status, Is.EqualTo(TrainingStatus.GoalReached));
        Assert.That(reached.Steps, Is.InRange(TrainingRun.StopWindow, 7 * 200 - 1));
        Assert.That((ended.Status, ended.Steps), Is.EqualTo((TrainingStatus.StoppedEarly, 10L)));
        Assert.That(ended.Epochs[^1].Validation, Is.Not.Null, "the last epoch is always validated");

        static void Stop(TrainingState state, long step)
        {
            if (state.Step == step)
            {
                state.Stop();
            }
        }
    }

    [Test]
    public void Validation_comes_at_its_interval_and_after_the_last_epoch()
    {
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 16, Epochs = 5, ValidationInterval = 2 });
        TrainingResult result = setup.Trainer.Fit(s_training, s_validation);

        Assert.That(result.Epochs.Where(epoch => epoch.Validation is not null).Select(epoch => epoch.Epoch), Is.EqualTo((int[])[2, 4, 5]));
    }

    [Test]
    public void Epochs_may_be_a_number_of_steps_over_data_without_end()
    {
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 8, Epochs = 4, StepsPerEpoch = 5, Steps = 18 });
        TrainingResult result = setup.Trainer.Fit(s_training, s_validation);

        Assert.That(result.Epochs.Select(epoch => epoch.Step), Is.EqualTo((long[])[5, 10, 15, 18]));
        Assert.That(result.Epochs[^1].Validation, Is.Not.Null);
    }

    [Test]
    public void What_a_callback_throws_ends_the_training_and_leaves_the_best_weights([Values("step", "epoch", "progress")] string where)
    {
        var ended = new List<TrainingResult>();
        float[]? best = null;
        TrainingSetup? setup = null;
        using (setup = new TrainingSetup(new TrainerOptions
        {
            BatchSize = 16,
            Epochs = 3,
            Callbacks =
            [
                new Callback
                {
                    Step = state => Throw("step", state.Step),
                    Epoch = (state, epoch) =>
                    {
                        best ??= setup!.Weights;
                        Throw("epoch", state.Step);
                    },
                    End = ended.Add,
                },
            ],
        }))
        {
            Assert.That(
                () => setup.Trainer.Fit(s_training, s_validation, new DirectProgress(report => Throw("progress", report.Step))),
                Throws.TypeOf<InsufficientMemoryException>().With.Message.EqualTo(where));
            Assert.That(ended.Single().Status, Is.EqualTo(TrainingStatus.Interrupted));
            Assert.That(setup.Weights, Is.EqualTo(best));
            Assert.That(setup.Trainer.Fit(s_training).Status, Is.EqualTo(TrainingStatus.Completed), "the trainer can be used again");
        }

        void Throw(string at, long step)
        {
            if (at == where && step == (at == "epoch" ? 4 : 6) && ended.Count == 0)
            {
                throw new InsufficientMemoryException(where);
            }
        }
    }

    [Test]
    public void Divergence_is_an_exception_with_the_step_and_what_may_help([Values] bool clips)
    {
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 16, Epochs = 50, ClipNorm = clips ? 1 : null }, learningRate: 3e37);
        TrainingDivergedException exception = Assert.Throws<TrainingDivergedException>(() => setup.Trainer.Fit(s_training))!;

        Assert.That(exception.Step, Is.GreaterThan(1));
        Assert.That(exception.Advice, Is.EqualTo(clips ? "a lower learning rate or ClipNorm may help" : "a lower learning rate may help, or ClipNorm, which is off"));
        Assert.That(exception.Message, Does.StartWith($"Training diverged at step {exception.Step} (").And.Contains("; nothing is saved; "));
        Assert.That(exception.SavedStep, Is.Zero);
        Assert.That(setup.Weights, Has.All.Matches<float>(float.IsFinite));
    }

    [Test]
    public void Divergence_of_the_first_step_is_that_of_the_initial_weights()
    {
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 16 });
        setup.Model.ParameterData.Fill(3e38);

        TrainingDivergedException exception = Assert.Throws<TrainingDivergedException>(() => setup.Trainer.Fit(s_training))!;

        Assert.That((exception.Step, exception.Loss), Is.EqualTo((1L, double.NaN)));
        Assert.That(exception.Advice, Is.EqualTo("the initial model is beyond Float32: smaller initial weights may help"));
    }

    [Test]
    public void An_update_of_the_first_step_that_overflows_is_that_of_the_learning_rate()
    {
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 16 }, learningRate: 3.4e38);

        TrainingDivergedException exception = Assert.Throws<TrainingDivergedException>(() => setup.Trainer.Fit(s_training))!;

        Assert.That((exception.Step, exception.Advice), Is.EqualTo((1L, "a lower learning rate may help, or ClipNorm, which is off")));
    }

    [Test]
    public void A_reducing_schedule_sees_the_validation()
    {
        var schedule = new WarmupSchedule(2, new ReduceOnPlateauSchedule(1e-30, new ReduceOnPlateauOptions { Patience = 0, Factor = 0.5 }));
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 16, Epochs = 4 }, schedule: schedule);
        TrainingResult result = setup.Trainer.Fit(s_training, s_validation);

        // The first validation is better than none; none after it is better.
        Assert.That(result.Epochs.Select(epoch => epoch.LearningRate), Is.EqualTo((double[])[1e-30, 1e-30, 0.5e-30, 0.25e-30]));
    }

    [Test]
    public void The_search_for_a_learning_rate_leaves_every_bit_as_it_was()
    {
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 8, Epochs = 2 }, schedule: new CosineSchedule(0.01, 100));
        using var other = new TrainingSetup(new TrainerOptions { BatchSize = 8, Epochs = 2 }, schedule: new CosineSchedule(0.01, 100));
        setup.Trainer.Fit(s_training);
        other.Trainer.Fit(s_training);

        LearningRateSearch search = setup.Trainer.FindLearningRate(s_training, new LearningRateSearchOptions { Lowest = 1e-5, Highest = 100, Steps = 60 });

        Assert.That(search.Points.Select(point => point.LearningRate), Is.Ordered.Ascending);
        Assert.That(search.Points[0].LearningRate, Is.EqualTo(1e-5));
        Assert.That(search.Points.Count, Is.InRange(20, 60));
        Assert.That(search.Suggestion, Is.InRange(1e-4, 10));
        Assert.That(setup.Weights, Is.EqualTo(other.Weights));
        Assert.That(setup.Model.GradientData.ToArray<float>(), Is.EqualTo(other.Model.GradientData.ToArray<float>()));
        Assert.That((setup.Optimizer.StepCount, setup.Optimizer.LearningRate, setup.Optimizer.Schedule), Is.EqualTo((other.Optimizer.StepCount, other.Optimizer.LearningRate, setup.Optimizer.Schedule)));

        // Numbers of dropout and the moments of Adam, too: both go on alike.
        setup.Trainer.Fit(s_training);
        other.Trainer.Fit(s_training);
        Assert.That(setup.Weights, Is.EqualTo(other.Weights));
    }

    [Test]
    public void The_search_gives_back_all_where_it_fails_or_is_cancelled([Values] bool cancelled)
    {
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 8 });
        float[] before = setup.Weights;
        using var cancellation = new CancellationTokenSource();
        int batches = 0;
        var data = new WatchedData(s_training, _ =>
        {
            if (++batches < 3)
            {
                return;
            }

            if (cancelled)
            {
                cancellation.Cancel();
            }
            else
            {
                throw new IOException("disk");
            }
        });

        Assert.That(() => setup.Trainer.FindLearningRate(data, null, cancellation.Token), cancelled ? Throws.InstanceOf<OperationCanceledException>() : Throws.InstanceOf<IOException>());

        Assert.That(setup.Weights, Is.EqualTo(before));
        Assert.That(setup.Optimizer.StepCount, Is.Zero);
    }

    /// <summary>The trainer takes an accuracy from a loss where both count alike.</summary>
    [Test]
    public void An_accuracy_is_that_of_the_rows_whatever_the_loss_counts([Values] bool weightsClasses, [Values] bool weightsSamples, [Values(null, 1)] int? lossIgnores, [Values(null, 1)] int? metricIgnores)
    {
        using var setup = new TrainingSetup(new TrainerOptions());
        ArrayDataset data = weightsSamples ? s_validation.WithWeights(Enumerable.Range(0, 30).Select(i => (float)(i % 3)).ToArray()) : s_validation;
        using var loss = new CrossEntropyLoss(new CrossEntropyOptions { ClassWeights = weightsClasses ? [1, 2, 3] : null, IgnoreIndex = lossIgnores });
        var expected = new Accuracy(metricIgnores);
        using (var loader = new DataLoader(data, 7))
        {
            setup.Model.Training = false;
            foreach (Batch batch in loader.Epoch(0))
            {
                expected.Add(setup.Model.Forward(batch.Inputs, batch.Lengths), batch);
            }

            setup.Model.Training = true;
        }

        var trainer = new Trainer(setup.Model, loss, setup.Optimizer, new TrainerOptions
        {
            BatchSize = 30,
            EvaluationBatchSize = 7,
            Epochs = 1,
            Loading = new DataLoaderOptions(),
            Metrics = [new Accuracy(metricIgnores)],
        });

        Assert.That(trainer.Evaluate(data)["accuracy"], Is.EqualTo(expected.Value));

        // Without noise and dropout the one step of training sees the same outputs.
        using var plain = new Sequential(Device.Default, 1, new RoaRnn(2, 4), new Dense(4, TrainingSetup.Classes));
        using var sgd = new Sgd(plain, 0);
        double trained = 0;
        var plainTrainer = new Trainer(plain, loss, sgd, trainer.Options with { Callbacks = [new Callback { Step = state => trained = state.Metric }] });
        plainTrainer.Fit(data);
        Assert.That(trained, Is.EqualTo(plainTrainer.Evaluate(data)["accuracy"]));
    }

    [Test]
    public void Predictions_are_the_models_outputs_in_the_order_of_the_data()
    {
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 7 });
        setup.Trainer.Fit(s_training);
        Predictions predictions = setup.Trainer.Predict(s_validation);

        Assert.That((predictions.Count, predictions.Outputs), Is.EqualTo((30, TrainingSetup.Classes)));
        using var loader = new DataLoader(s_validation, 1);
        setup.Model.Training = false;
        int correct = 0, sample = 0;
        foreach (Batch batch in loader.Epoch(0))
        {
            float[] expected = setup.Model.Forward(batch.Inputs, batch.Lengths).ToArray<float>();
            Assert.That(predictions[sample].ToArray(), Is.EqualTo(expected));
            Assert.That(predictions.ClassOf(sample), Is.EqualTo(Array.IndexOf(expected, expected.Max())));
            double[] exponentials = [.. expected.Select(value => Math.Exp(value))];
            Assert.That(predictions.ProbabilitiesOf(sample), Is.EqualTo(exponentials.Select(value => value / exponentials.Sum())).Within(1e-12));
            correct += predictions.ClassOf(sample) == batch.Classes[0] ? 1 : 0;
            sample++;
        }

        using var measured = new TrainingSetup(new TrainerOptions { BatchSize = 7, Metrics = [new Accuracy()] });
        measured.Model.ParameterData.CopyFrom(setup.Model.ParameterData);
        Assert.That(measured.Trainer.Evaluate(s_validation)["accuracy"], Is.EqualTo(correct / 30.0));
    }

    [Test]
    public void Predictions_of_all_steps_end_at_each_samples_length()
    {
        using var model = new Sequential(Device.Default, 1, new RoaRnn(2, 4, new RoaRnnOptions { Output = SequenceOutput.All }), new Dense(4, 1));
        using var loss = new BinaryCrossEntropyLoss();
        using var sgd = new Sgd(model, 0.1);
        Predictions predictions = new Trainer(model, loss, sgd, new TrainerOptions { BatchSize = 4 }).Predict(s_validation);

        for (int sample = 0; sample < 30; sample++)
        {
            Assert.That(predictions.StepsOf(sample), Is.EqualTo(s_validation.LengthOf(sample)));
            Assert.That(predictions.ClassOf(sample, 0), Is.EqualTo(predictions[sample][0] > 0 ? 1 : 0));
            Assert.That(predictions.ProbabilitiesOf(sample, 0)[1], Is.EqualTo(1 / (1 + Math.Exp(-predictions[sample][0]))).Within(1e-12));
        }

        Assert.That(() => predictions.ClassOf(0, 100), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("step is 100; it must be from 0 to "));
        Assert.That(() => predictions[30].Length, Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("sample is 30; it must be from 0 to 29."));
    }

    [Test]
    public void The_suggested_batch_is_the_largest_power_of_two_that_fits()
    {
        using var setup = new TrainingSetup(new TrainerOptions());
        long Bytes(long batch) => setup.Model.Summary(batch, s_training.Steps, new AdamOptions()).TotalBytes + (batch * ((s_training.Steps * 2 * 4) + 4));

        int suggested = setup.Trainer.SuggestBatchSize(s_training, Bytes(16));

        Assert.That(suggested, Is.EqualTo(16));
        Assert.That(setup.Trainer.SuggestBatchSize(s_training, Bytes(16) - 1), Is.EqualTo(8));
        Assert.That(setup.Trainer.SuggestBatchSize(s_training), Is.EqualTo(64), "50 samples fit into the next power of two");
        Assert.That(() => setup.Trainer.SuggestBatchSize(s_training, 1), Throws.TypeOf<OutOfMemoryException>().With.Message.StartsWith("out of memory: a batch of one sample of 8 steps needs "));
        Assert.That(() => setup.Trainer.SuggestBatchSize(s_training, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("memory is 0; it must be at least 1."));
    }

    [Test]
    public void Steps_allocate_nothing([Values(1, 2)] int accumulate)
    {
        long At(int steps)
        {
            long start = 0, end = 0;
            using var setup = new TrainingSetup(new TrainerOptions
            {
                BatchSize = 8,
                AccumulateBatches = accumulate,
                Epochs = 1000,
                Steps = steps,
                StepsPerEpoch = 1000,
                ClipNorm = 1,
                Metrics = [new Accuracy()],
                Callbacks =
                [
                    new Callback
                    {
                        Step = state =>
                        {
                            start = state.Step == 20 ? GC.GetAllocatedBytesForCurrentThread() : start;
                            end = GC.GetAllocatedBytesForCurrentThread();
                        },
                    },
                ],
            });
            setup.Trainer.Fit(s_training, null, new DirectProgress(_ => { }));
            return end - start;
        }

        At(30);
        Assert.That(At(200), Is.Zero);
    }

    [Test]
    public void A_meter_counts_steps_and_samples()
    {
        long steps = 0, samples = 0;
        double loss = 0;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, listening) =>
        {
            if (instrument.Meter.Name == "OrthoNative")
            {
                listening.EnableMeasurementEvents(instrument);
            }
        };
        int thread = Environment.CurrentManagedThreadId;
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) =>
        {
            if (Environment.CurrentManagedThreadId == thread)
            {
                steps += instrument.Name == "orthonative.training.steps" ? value : 0;
                samples += instrument.Name == "orthonative.training.samples" ? value : 0;
            }
        });
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) =>
        {
            if (Environment.CurrentManagedThreadId == thread)
            {
                loss = instrument.Name == "orthonative.training.loss" ? value : loss;
            }
        });
        listener.Start();
        double last = 0;
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 16, Epochs = 2, Callbacks = [new Callback { Step = state => last = state.Loss }] });
        setup.Trainer.Fit(s_training);

        Assert.That((steps, samples, loss), Is.EqualTo((8L, 100L, last)));
    }

    [Test]
    public async Task Training_in_another_thread_gives_the_same_bits()
    {
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 16, Epochs = 2 });
        using var other = new TrainingSetup(new TrainerOptions { BatchSize = 16, Epochs = 2 });
        TrainingResult result = await setup.Trainer.FitAsync(s_training, s_validation).ConfigureAwait(false);
        other.Trainer.Fit(s_training, s_validation);

        Assert.That(result.Status, Is.EqualTo(TrainingStatus.Completed));
        Assert.That(setup.Weights, Is.EqualTo(other.Weights));
    }

    [Test]
    public void One_call_at_a_time_is_made_of_a_trainer()
    {
        TrainingSetup? setup = null;
        using (setup = new TrainingSetup(new TrainerOptions { BatchSize = 16, Callbacks = [new Callback { Step = _ => setup!.Trainer.Evaluate(s_validation) }] }))
        {
            Assert.That(
                () => setup.Trainer.Fit(s_training),
                Throws.InvalidOperationException.With.Message.EqualTo("Another call of this Trainer is running; one call at a time is made of a trainer."));
        }
    }

    [Test]
    public void A_model_of_double_precision_is_trained()
    {
        using var setup = new TrainingSetup(new TrainerOptions { BatchSize = 8, Epochs = 12, Metrics = [new Accuracy()] }, dtype: DType.Float64);
        TrainingResult result = setup.Trainer.Fit(s_training, s_validation);

        Assert.That(result.BestEpoch!.Validation!["accuracy"], Is.GreaterThan(0.9));
        Assert.That(setup.Trainer.Predict(s_validation).Count, Is.EqualTo(30));
    }

    [Test]
    public void Options_out_of_range_are_refused_by_name()
    {
        using var setup = new TrainingSetup(new TrainerOptions());
        (TrainerOptions Options, string Message)[] cases =
        [
            (new TrainerOptions { BatchSize = 0 }, "options.BatchSize is 0; it must be at least 1."),
            (new TrainerOptions { EvaluationBatchSize = 0 }, "options.EvaluationBatchSize is 0; it must be at least 1."),
            (new TrainerOptions { Epochs = 0 }, "options.Epochs is 0; it must be at least 1."),
            (new TrainerOptions { Steps = 0 }, "options.Steps is 0; it must be at least 1."),
            (new TrainerOptions { StepsPerEpoch = -1 }, "options.StepsPerEpoch is -1; it must be at least 1."),
            (new TrainerOptions { AccumulateBatches = 0 }, "options.AccumulateBatches is 0; it must be at least 1."),
            (new TrainerOptions { ClipNorm = 0 }, "options.ClipNorm is 0; it must be finite and above 0."),
            (new TrainerOptions { ValidationInterval = 0 }, "options.ValidationInterval is 0; it must be at least 1."),
            (new TrainerOptions { EarlyStopping = new EarlyStopping { Patience = 0 } }, "options.EarlyStopping.Patience is 0; it must be at least 1."),
            (new TrainerOptions { StopAt = double.NaN }, "options.StopAt is NaN; it must be finite."),
            (new TrainerOptions { Folder = "" }, "options.Folder is empty; it must be a path, or null."),
            (new TrainerOptions { SaveInterval = TimeSpan.FromSeconds(-5) }, "options.SaveInterval is -00:00:05; it must not be negative."),
            (new TrainerOptions { Metrics = [new Accuracy(), new Accuracy()] }, "options.Metrics[1] has the name 'accuracy'; names must be unique, and none be 'loss'."),
            (new TrainerOptions { Monitor = "accuracy" }, "options.Monitor is 'accuracy'; it must be one of loss."),
            (new TrainerOptions { ExistingRun = (ExistingRun)7 }, "options.ExistingRun is 7; it must be one of Refuse, Resume, Replace."),
        ];
        Assert.Multiple(() =>
        {
            foreach ((TrainerOptions options, string message) in cases)
            {
                ArgumentException exception = Assert.Catch<ArgumentException>(() => _ = new Trainer(setup.Model, setup.Loss, setup.Optimizer, options))!;
                Assert.That(exception.Message, Does.StartWith(message));
                Assert.That(exception.ParamName, Is.EqualTo("options"));
            }
        });
    }

    [Test]
    public void Wrong_arguments_are_refused_by_name()
    {
        using var setup = new TrainingSetup(new TrainerOptions { EarlyStopping = new EarlyStopping() });
        using var other = new TrainingSetup(new TrainerOptions());

        Assert.That(() => _ = new Trainer(setup.Model, setup.Loss, other.Optimizer), Throws.ArgumentException.With.Message.StartsWith("optimizer is of another model; it must be of model."));
        Assert.That(
            () => setup.Trainer.Fit(s_training),
            Throws.ArgumentException.With.Message.StartsWith("validation is null, but options.EarlyStopping is given, which needs validation data."));
        Assert.That(() => setup.Trainer.Fit(null!), Throws.ArgumentNullException.With.Message.Contains("training"));
        Assert.That(() => setup.Trainer.Evaluate(null!), Throws.ArgumentNullException);
        Assert.That(() => setup.Trainer.Predict(null!), Throws.ArgumentNullException);
        Assert.That(
            () => other.Trainer.FindLearningRate(s_training, new LearningRateSearchOptions { Highest = 1e-9 }),
            Throws.InstanceOf<ArgumentException>().With.Message.StartsWith("options.Highest is 1E-09; it must be finite and above Lowest, 1E-06."));
        Assert.That(() => other.Trainer.Evaluate(s_training, new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(() => other.Trainer.Evaluate(s_training)["accuracy"], Throws.ArgumentException.With.Message.StartsWith("name is 'accuracy'; it must be one of loss."));
    }
}
