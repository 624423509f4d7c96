using System.CommandLine;
using OrthoNative.Cli.Output;
using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Commands;

/// <summary><c>orthonative train</c>: a file, or a task of the field, for which there is one command for each task, with the options that it has a use for.</summary>
internal static class TrainCommand
{
    private const int LongestSequence = 1_000_000;

    /// <summary>The least that <see cref="AdamOptions.Epsilon"/> may be in float32 with the default β₂, rounded up.</summary>
    private const double SmallestEpsilon = 7e-18;

    public static Command Create()
    {
        Command command = TrainFileCommand.Create();
        foreach (TrainingTask task in Tasks.All)
        {
            command.Subcommands.Add(Create(task));
        }

        return command;
    }

    private static Command Create(TrainingTask task)
    {
        var command = new Command(task.Name, task.Summary);
        bool feedforward = IsFeedforward(task);
        var options = new SettingOptions<TrainSettings>(
            command,
            task.Defaults,
            feedforward ? [] : [.. Enum.GetValues<ModelChoice>().Skip(1).Select(choice => (choice.ToName(), task.DefaultsOf(choice)))]);
        Option<ModelChoice>? model = null;
        if (feedforward)
        {
            string[] recurrent = [.. Tasks.All.Where(other => !IsFeedforward(other)).Select(other => other.Name)];
            options.AddRefused("--model", $"the model of '{task.Name}' is feedforward; --model requires a recurrent task, one of {string.Join(", ", recurrent)}");
        }
        else
        {
            model = options.Add("--model", "kind", "Recurrent model: roa, or one to compare with, by default of about as many parameters",
                OptionValue.Choice<ModelChoice>(), (s, v) => s with { Model = v }, _ => ModelChoice.Roa);
        }

        if (task.Defaults.Length is not null)
        {
            options.Add("--length", "steps", task.LengthHelp,
                OptionValue.Whole(task.ShortestLength, LongestSequence), (s, v) => s with { Length = v }, s => s.Length);
        }

        if (task.Defaults.Modulus is not null)
        {
            options.Add("--modulus", "number", "Modulus m: number of digits, and of sums",
                OptionValue.Whole(2, ModularSum.LargestModulus), (s, v) => s with { Modulus = v }, s => s.Modulus);
        }

        if (feedforward)
        {
            options.Add("--layers", "count", "Layers L",
                OptionValue.Whole(1, LongestSequence), (s, v) => s with { Layers = v }, s => s.Layers);
        }

        Func<ParseResult, TrainSettings, Func<TrainSettings, TrainSettings>> complete = AddModel(options, task);
        AddTraining(options, task);
        AddDevice(options);
        AddData(options, task);
        AddInitialization(options, task);
        AddFineTuning(options, task);
        command.SetAction(result =>
        {
            if (UsageErrors.DescribeMisplaced(result.CommandResult) is { } misplaced)
            {
                throw CliException.Usage(misplaced);
            }

            TrainSettings settings = options.Read(result, task.DefaultsOf(model is null ? ModelChoice.Roa : result.GetValue(model)));
            options.Check(result, settings);
            Func<TrainSettings, TrainSettings> fillIn = complete(result, settings);
            // Images tell the length of a chain once they are there; what can be refused before is.
            return task.Generated || feedforward
                ? TaskRun.Execute(task, fillIn(settings), read => read)
                : TaskRun.Execute(task, settings, fillIn);
        });
        return command;
    }

    private static bool IsFeedforward(TrainingTask task) => task.Defaults.Layers is not null;

    /// <summary>Options of the chain.</summary>
    /// <returns>Checks what was given, and gives what fills in α and β where they follow from other settings.</returns>
    private static Func<ParseResult, TrainSettings, Func<TrainSettings, TrainSettings>> AddModel(SettingOptions<TrainSettings> options, TrainingTask task)
    {
        bool feedforward = IsFeedforward(task);
        options.Add("--hidden", "units", feedforward ? "Units N of a layer" : "Units N of the recurrent layer",
            OptionValue.Whole(1, 65536), (s, v) => s with { Hidden = v }, s => s.Hidden);
        Option<double> alpha = options.Add("--alpha", "factor", feedforward ? "Factor of the filtered state" : "Factor of the filtered state of roa",
            OptionValue.Number(-10, 10), (s, v) => s with { Alpha = v }, s => s.Alpha);
        Option<double> beta = options.Add("--beta", "factor", feedforward ? "Factor of the nonlinearity, instead of c / layers" : "Factor of the nonlinearity of roa",
            OptionValue.Number(-10, 10), (s, v) => s with { Beta = v, TotalBeta = null }, s => feedforward ? null : s.Beta);
        RequireModel(options, alpha, s => s.Alpha, ModelChoice.Roa);
        RequireModel(options, beta, s => s.Beta, ModelChoice.Roa);
        if (feedforward)
        {
            options.Add("--total-beta", "c", "c of beta = c / layers; the same c and learning rate suit any depth",
                OptionValue.Number(-1000, 1000), (s, v) => s with { TotalBeta = v }, s => s.TotalBeta);
        }

        Option<bool> convex = options.AddFlag(
            "--convex",
            feedforward
                ? "Set alpha to 1 - beta; the input then fades by e^-c, so choose a c of about 1"
                : "Set alpha of roa to 1 - beta, and beta to 1 / steps unless --beta is given. States shrink with beta, so the scales and rates of W and of the readout's weights grow by as much, unless they are given",
            s => s);
        RequireModel(options, convex, _ => null, ModelChoice.Roa);
        Option<FilterChoice> filter = options.Add("--filter", "kind", feedforward ? "Orthogonal filter O" : "Orthogonal filter O of roa",
            OptionValue.Choice<FilterChoice>(), (s, v) => s with { Filter = v }, s => s.Filter);
        RequireModel(options, filter, s => s.Filter, ModelChoice.Roa);
        Option<Activation> activation = options.Add("--activation", "kind", feedforward ? "Nonlinearity" : "Nonlinearity of roa and elman",
            OptionValue.Choice(Activation.Tanh, Activation.Relu), (s, v) => s with { Activation = v }, s => s.Activation);
        RequireModel(options, activation, s => s.Activation, ModelChoice.Roa, ModelChoice.Elman);
        return (result, given) =>
        {
            bool betaGiven = result.GetResult(beta) is { Implicit: false };
            if (given.Layers is not null && given.TotalBeta is { } c && betaGiven)
            {
                throw CliException.Usage(Texts.Format($"--total-beta is {c} and --beta is {result.GetValue(beta)}; only one of the two may be given"));
            }

            bool isConvex = result.GetValue(convex);
            if (isConvex && result.GetResult(alpha) is { Implicit: false })
            {
                throw CliException.Usage(Texts.Format($"--alpha is {result.GetValue(alpha)} and --convex sets it to 1 - beta; only one of the two may be given"));
            }

            if (isConvex && betaGiven)
            {
                RequireConvex(given, given.Beta!.Value);
            }

            return settings =>
            {
                if (settings.Layers is { } layers && settings.TotalBeta is { } total)
                {
                    settings = settings with { Beta = total / layers };
                }

                if (!isConvex)
                {
                    return settings;
                }

                double convexBeta = betaGiven || feedforward ? settings.Beta!.Value : 1.0 / task.StepsOf(settings);
                RequireConvex(settings, convexBeta);
                // Scales and rates on the command line are meant as they are, so they are put over those that were multiplied.
                return feedforward ? settings with { Alpha = 1 - convexBeta } : options.Read(result, task.Defaults.ToConvex(convexBeta));
            };
        };
    }

    /// <summary>Refuses an option with models that have no use for it.</summary>
    /// <param name="options">The options.</param>
    /// <param name="option">The option.</param>
    /// <param name="value">Its value; null: it has none.</param>
    /// <param name="models">Models that have a use for it.</param>
    private static void RequireModel(
        SettingOptions<TrainSettings> options, Option option, Func<TrainSettings, object?> value, params ModelChoice[] models) =>
        options.Require(
            option,
            s => s.Model is not { } model || models.Contains(model),
            s => $"{option.Name} is {value(s) switch { null => "given", Enum choice => choice.ToString().ToLowerInvariant(), object other => other }} and --model is {s.Model!.Value.ToName()}",
            $"--model {string.Join(" or ", models.Select(model => model.ToName()))}");

    private static void RequireConvex(TrainSettings settings, double beta)
    {
        if (beta is not (> 0 and <= 1))
        {
            throw CliException.Usage(settings.TotalBeta is { } c
                ? Texts.Format($"--total-beta is {c} with --layers {settings.Layers}, which makes beta {beta}; --convex requires a beta above 0 and at most 1")
                : Texts.Format($"--beta is {beta}; with --convex it must be above 0 and at most 1"));
        }
    }

    private static void AddTraining(SettingOptions<TrainSettings> options, TrainingTask task)
    {
        // Before --epochs, which puts itself back if it is given too: then whichever comes first ends the run.
        options.Add("--steps", "count", "Training steps, instead of --epochs; with both, training ends at whichever comes first",
            OptionValue.Whole(1L, 1_000_000_000L), (s, v) => s with { Steps = v, Epochs = null }, s => s.Steps);
        options.Add("--epochs", "count", task.EpochsHelp,
            OptionValue.Whole(1, 1_000_000), (s, v) => s with { Epochs = v }, s => s.Epochs);
        options.Add("--batch", "samples", "Samples in a training step",
            OptionValue.Whole(1, 65536), (s, v) => s with { Batch = v }, s => s.Batch);
        options.Add("--lr", "rate", "Learning rate",
            OptionValue.Number(0, 100, above: true), (s, v) => s with { LearningRate = v }, s => s.LearningRate);
        options.Add("--optimizer", "kind", "Optimizer",
            OptionValue.Choice<OptimizerChoice>(), (s, v) => s with { Optimizer = v }, s => s.Optimizer);
        options.Add("--clip", "norm", "Largest gradient norm; 0: no clipping",
            OptionValue.Number(0, 1e9), (s, v) => s with { Clip = v }, s => s.Clip);
        options.Add("--seed", "number", "Seed of weights, filter, order and samples",
            OptionValue.Whole(0UL, ulong.MaxValue), (s, v) => s with { Seed = v }, s => s.Seed);
    }

    /// <summary>Options of what the run is trained on.</summary>
    private static void AddDevice(SettingOptions<TrainSettings> options)
    {
        options.Add("--device", "name", "Device: the CPU, or an NVIDIA GPU by its number",
            OptionValue.Device, (s, v) => s with { Device = v }, s => s.Device);
        Option<int> threads = options.Add("--threads", "count", "Threads of the CPU; 0: what ORTHONATIVE_THREADS says, or as many as there are cores",
            OptionValue.Whole(0, 1024), (s, v) => s with { Threads = v }, s => s.Threads);
        options.Require(threads, s => s.Device.CudaIndex is null, s => $"--threads is {s.Threads} and --device is {s.Device}", "--device cpu");
        Option<MatrixPrecision> precision = options.Add(
            "--matrix-precision", "kind", "Precision of a GPU's matrix products, except those with the filter",
            OptionValue.Choice<MatrixPrecision>(), (s, v) => s with { MatrixPrecision = v }, s => s.MatrixPrecision);
        options.Require(
            precision,
            s => s.Device.CudaIndex is not null,
            s => $"--matrix-precision is {s.MatrixPrecision.ToString().ToLowerInvariant()} and --device is cpu",
            "--device cuda");
    }

    private static void AddData(SettingOptions<TrainSettings> options, TrainingTask task)
    {
        if (!task.Generated)
        {
            options.Add("--data", "folder", "Where the four MNIST files are, or others of these names",
                OptionValue.Folder, (s, v) => s with { Data = v }, s => s.Data);
            options.AddFlag("--download", "Fetch MNIST into the data folder if it is not there", s => s with { Download = true });
            Option<Uri> mirror = options.Add("--mirror", "address", "Where --download fetches from, instead of the public mirrors",
                OptionValue.WebAddress, (s, v) => s with { Mirror = v }, s => s.Mirror);
            options.Require(mirror, s => s.Download, s => $"--mirror is '{s.Mirror}' and nothing is fetched", "--download");
        }

        options.Add("--limit", "samples", "Use at most this many training samples, the first ones",
            OptionValue.Whole(1L, Array.MaxLength), (s, v) => s with { Limit = v }, s => s.Limit);
        options.Add("--out", "folder", $"Where run.json, model.safetensors and loss.png are written, and what --resume needs until the run has ended; by default runs/{task.Name}-<time>",
            OptionValue.Folder, (s, v) => s with { Out = v }, s => s.Out);
        options.Add("--save-every", "minutes", "Time between saves during the run, from which --resume can continue even if it is killed; 0: save only at the end",
            OptionValue.Number(0, 1e6), (s, v) => s with { SaveEvery = v }, s => s.SaveEvery);
        options.AddFlag("--overwrite", "Replace a run that is in --out", s => s with { Overwrite = true });
        options.AddFlag("--tensorboard", "Write event files for TensorBoard into --out, too", s => s with { TensorBoard = true });
        options.AddFlag("--resume", "Continue the run in --out that was interrupted or killed; all other options must be as they were, except --device, --threads, --data and --save-every", s => s with { Resume = true });
    }

    private static void AddInitialization(SettingOptions<TrainSettings> options, TrainingTask task)
    {
        OptionValue<double> scale = OptionValue.Number(0, 1000);
        bool feedforward = IsFeedforward(task);
        // Of V and b, the uniform values that PyTorch draws.
        string others = feedforward ? "" : "; with elman, gru and lstm U(-s, s)/sqrt(N)";
        options.Add("--weight-scale", "scale", feedforward ? "g of the initial weights W ~ N(0, g^2/N)" : "g of the initial weights W ~ N(0, g^2/N); with elman, gru and lstm s of W ~ U(-s, s)/sqrt(N)",
            scale, (s, v) => s with { WeightScale = v }, s => s.WeightScale);
        options.Add("--input-scale", "scale",
            feedforward ? "s of the initial input weights V ~ U(-s, s)/sqrt(inputs)" : $"s of the initial input weights V ~ U(-s, s){others}",
            scale, (s, v) => s with { InputScale = v }, s => s.InputScale);
        if (!feedforward)
        {
            Option<double> inputOffset = options.Add("--input-offset", "value", "Added to the initial input weights of roa",
                OptionValue.Number(-1000, 1000), (s, v) => s with { InputOffset = v }, s => s.InputOffset);
            RequireModel(options, inputOffset, s => s.InputOffset, ModelChoice.Roa);
        }

        options.Add("--bias-scale", "scale", $"s of the initial bias b ~ U(-s, s){others}",
            scale, (s, v) => s with { BiasScale = v }, s => s.BiasScale);
        Option<double> biasOffset = options.Add("--bias-offset", "value", feedforward ? "Added to the initial bias" : "Added to the initial bias of roa",
            OptionValue.Number(-1000, 1000), (s, v) => s with { BiasOffset = v }, s => s.BiasOffset);
        RequireModel(options, biasOffset, s => s.BiasOffset, ModelChoice.Roa);
        if (!feedforward)
        {
            Option<double> forgetBias = options.Add("--forget-bias", "value", "Mean of the initial bias of the forget gate of lstm",
                OptionValue.Number(-1000, 1000), (s, v) => s with { ForgetBias = v }, s => s.ForgetBias);
            RequireModel(options, forgetBias, s => s.ForgetBias, ModelChoice.Lstm);
        }

        options.Add("--readout-scale", "scale", "s of the initial readout weights and bias ~ U(-s, s)/sqrt(N)",
            scale, (s, v) => s with { ReadoutScale = v, ReadoutBiasScale = null }, s => s.ReadoutScale);
    }

    private static void AddFineTuning(SettingOptions<TrainSettings> options, TrainingTask task)
    {
        bool classifies = task.Metric == Metrics.Accuracy;
        OptionValue<double> factor = OptionValue.Number(0, 1e6);
        options.Add("--weight-rate", "factor", "Factor of the learning rate for W; 0: W stays as it is",
            factor, (s, v) => s with { WeightRate = v }, s => s.WeightRate);
        options.Add("--input-rate", "factor", "Factor of the learning rate for V",
            factor, (s, v) => s with { InputRate = v }, s => s.InputRate);
        options.Add("--bias-rate", "factor", "Factor of the learning rate for b",
            factor, (s, v) => s with { BiasRate = v }, s => s.BiasRate);
        options.Add("--readout-rate", "factor", "Factor of the learning rate for the readout",
            factor, (s, v) => s with { ReadoutRate = v, ReadoutBiasRate = null }, s => s.ReadoutRate);
        options.Add("--schedule", "kind", "Learning rate over the run",
            OptionValue.Choice<Schedule>(), (s, v) => s with { Schedule = v }, s => s.Schedule);
        options.Add("--warmup", "steps", "Steps over which the learning rate rises, at most a tenth of all",
            OptionValue.Whole(0, 1_000_000), (s, v) => s with { Warmup = v }, s => s.Warmup);
        Option<double> epsilon = options.Add("--epsilon", "value", "Added to the root mean square of gradients by adam and adamw",
            OptionValue.Number(SmallestEpsilon, 1), (s, v) => s with { Epsilon = v }, s => s.Epsilon);
        options.Require(epsilon, s => s.Optimizer != OptimizerChoice.Sgd, s => $"--epsilon is {s.Epsilon} and --optimizer is sgd", "--optimizer adam or adamw");
        Option<double> momentum = options.Add("--momentum", "factor", "Momentum of sgd",
            OptionValue.Number(0, 1, below: true), (s, v) => s with { Momentum = v }, s => s.Momentum);
        options.Require(
            momentum,
            s => s.Optimizer == OptimizerChoice.Sgd,
            s => $"--momentum is {s.Momentum} and --optimizer is {s.Optimizer.ToString().ToLowerInvariant()}",
            "--optimizer sgd");
        options.Add("--weight-decay", "factor", "Weight decay, of weights but not of biases",
            OptionValue.Number(0, 100), (s, v) => s with { WeightDecay = v }, s => s.WeightDecay);
        options.Add("--input-noise", "deviation", "Standard deviation of normal noise added to the inputs in training",
            OptionValue.Number(0, 1000), (s, v) => s with { InputNoise = v }, s => s.InputNoise);
        if (classifies)
        {
            options.Add("--label-smoothing", "share", "Label smoothing in training",
                OptionValue.Number(0, 1, below: true), (s, v) => s with { LabelSmoothing = v }, s => s.LabelSmoothing);
        }

        options.Add("--stop-at", task.Metric, Texts.Format($"End training once the {task.Metric} of the latest {TrainingRun.StopWindow} batches is this good"),
            OptionValue.Number(0, classifies ? 1 : 1000), (s, v) => s with { StopAt = v }, s => s.StopAt);
        options.Add("--checkpoint-every", "steps", IsFeedforward(task)
                ? Texts.Format($"Steps between kept states; the others are recomputed, to save memory; 0: keep all; by default sqrt(L) above {RoaFnn.DeepLayers} layers, else 0")
                : "Steps between kept states; the others are recomputed, to save memory; 0: keep all",
            OptionValue.Whole(0, LongestSequence), (s, v) => s with { CheckpointEvery = v }, s => s.CheckpointEvery);
        if (task.Generated)
        {
            options.Add("--test-samples", "count", "Test samples",
                OptionValue.Whole(1, 1_000_000), (s, v) => s with { TestSamples = v }, s => s.TestSamples);
        }

        if (task.Defaults.TestLength is not null)
        {
            options.Add("--test-length", "steps", "Length of a test sequence",
                OptionValue.Whole(1, LongestSequence), (s, v) => s with { TestLength = v }, s => s.TestLength);
        }

        if (task.Defaults.PermutationSeed is not null)
        {
            options.Add("--permutation-seed", "number", "Seed of the order of the pixels",
                OptionValue.Whole(0UL, ulong.MaxValue), (s, v) => s with { PermutationSeed = v }, s => s.PermutationSeed);
        }

        options.AddFlag("--test-every-epoch", "Measure on the test samples after every epoch too", s => s with { TestEveryEpoch = true });
    }
}
