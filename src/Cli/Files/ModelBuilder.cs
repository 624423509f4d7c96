using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Files;

/// <summary>Creates the model of a plan.</summary>
internal static class ModelBuilder
{
    /// <summary>End of the names of the linear map's parameters in the model of a forecast.</summary>
    public const string LinearWeight = "linear.map.weight", LinearBias = "linear.map.bias";

    /// <summary>End of the name of the weights that turn the recurrence into forecasts.</summary>
    public const string RecurrentWeight = "recurrent.readout.weight";

    /// <summary>The lowest frequency of a recurrent layer over samples of sound, in Hz.</summary>
    private const double LowestFrequency = 80;

    /// <summary>Creates a model with its first weights.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="goal">What the model learns.</param>
    /// <param name="training">What it learns from.</param>
    /// <param name="device">Where it lies.</param>
    public static Sequential Create(ModelPlan plan, Goal goal, Dataset training, Device device) =>
        goal == Goal.Forecast ? CreateForecast(plan, (WindowDataset)training, device) : new Sequential(device, plan.Seed, [.. Stack(plan, goal, training)]);

    private static IEnumerable<Layer> Stack(ModelPlan plan, Goal goal, Dataset training)
    {
        long size = training.Features;
        long steps = training.Steps;
        if (plan.FrontRecurrence is { } front)
        {
            // A state swings around 0. The mean of its positive half is the strength of its frequency, and the normalization takes out the loudness of the sound.
            yield return Front(plan, front, size);
            yield return new ActivationLayer(front.Units, Activation.Relu) { Name = "rectifier" };
            yield return new WindowPooling(front.Units, front.Window, PoolingKind.Mean) { Name = "windows" };
            yield return new LayerNorm(front.Units) { Name = "loudness" };
            size = front.Units;
            steps = Math.Max(1, steps / front.Window);
        }

        if (plan.InputNoise > 0)
        {
            yield return new GaussianNoise(size, plan.InputNoise) { Name = "noise" };
        }

        for (int i = 0; i < plan.Convolutions.Count; i++)
        {
            ConvolutionPlan window = plan.Convolutions[i];
            yield return new Conv1D(size, window.Units, window.Kernel, new Conv1DOptions { Stride = window.Stride, Padding = window.Kernel / 2 }) { Name = $"convolution{i + 1}" };
            size = window.Units;
            steps = Math.Max(1, steps / window.Stride);
            Layer norm = new LayerNorm(size) { Name = $"norm{i + 1}" }, activation = new ActivationLayer(size, Activation.Gelu) { Name = $"activation{i + 1}" };
            bool isLast = i == plan.Convolutions.Count - 1;
            yield return isLast ? norm : activation;
            yield return isLast ? activation : norm;
        }

        if (size != plan.Hidden || plan.Convolutions.Count == 0)
        {
            yield return new Dense(size, plan.Hidden) { Name = "input" };
        }

        if (plan.FrontRecurrence is not null)
        {
            yield return new ActivationLayer(plan.Hidden, Activation.Gelu) { Name = "activation" };
            yield return new LayerNorm(plan.Hidden) { Name = "norm" };
        }

        for (int i = 0; i < plan.Layers; i++)
        {
            yield return new RoaBlock(plan.Hidden, Recurrence(plan, plan.Hidden, steps, i), plan.Dropout) { Name = $"block{i + 1}" };
        }

        if (goal is Goal.ClassifySequences or Goal.PredictSequences)
        {
            yield return new Branches(new Pooling(plan.Hidden, PoolingKind.Mean) { Name = "mean" }, new Pooling(plan.Hidden, PoolingKind.Max) { Name = "max" }) { Name = "pooling" };
            yield return new Dense(2 * plan.Hidden, training.Outputs) { Name = "readout" };
        }
        else
        {
            yield return new Dense(plan.Hidden, training.Outputs) { Name = "readout" };
        }
    }

    /// <summary>
    /// Every channel by itself with the same weights: the sum of a linear map of the whole look-back and of a recurrence over patches of it. Around both, each window is scaled: its last value is
    /// subtracted, and the rest divided by its deviation.
    /// </summary>
    private static Sequential CreateForecast(ModelPlan plan, WindowDataset training, Device device)
    {
        ConvolutionPlan patch = plan.Convolutions[0];
        long lookBack = training.Steps, patches = ((lookBack - patch.Kernel) / patch.Stride) + 1;
        long units = plan.Hidden * (plan.Bidirectional ? 2 : 1);
        var recurrent = new List<Layer> { new Conv1D(1, plan.Hidden, patch.Kernel, new Conv1DOptions { Stride = patch.Stride }) { Name = "patches" } };
        for (int i = 0; i < plan.Layers; i++)
        {
            recurrent.Add(Recurrence(plan, i == 0 ? plan.Hidden : units, patches, i));
        }

        recurrent.AddRange(
        [
            new Pooling(units, PoolingKind.Last) { Name = "last" },
            new Dropout(units, plan.Dropout) { Name = "dropout" },
            new Dense(units, training.Horizon, new DenseOptions { Bias = false }) { Name = "readout" },
        ]);
        var linear = new Sequential(new Flatten(lookBack, 1) { Name = "flatten" }, new Dense(lookBack, training.Horizon) { Name = "map" }) { Name = "linear" };
        var both = new BranchSum(linear, new Sequential([.. recurrent]) { Name = "recurrent" }) { Name = "paths" };
        IReadOnlyList<int> targets = training.TargetChannels;
        int[] scaled = [.. Enumerable.Range(0, training.Data.ChannelNames.Count)];
        var channels = new PerChannel(training.Features, targets, both) { Name = "channels" };
        var last = new WindowScaling(new WindowScalingOptions { Mode = WindowScalingMode.LastValue, TargetChannels = targets, ScaledChannels = scaled }, channels) { Name = "last" };
        var deviation = new WindowScalingOptions { Mode = WindowScalingMode.RevIn, Affine = false, TargetChannels = targets, ScaledChannels = scaled };
        return new Sequential(device, plan.Seed, new WindowScaling(deviation, last) { Name = "scaling" });
    }

    private static Layer Recurrence(ModelPlan plan, long inputs, long steps, int number)
    {
        string name = $"recurrence{number + 1}";
        return plan.Bidirectional ? new Bidirectional(One("forward"), One("backward")) { Name = name } : One(name);

        RecurrentLayer One(string own) => Single(plan, inputs, steps, own);
    }

    private static RecurrentLayer Front(ModelPlan plan, RecurrencePlan front, long inputs) =>
        Single(plan.Model, inputs, front.Units, () => RoaRnnOptions.Resonators(front.Units, front.Rate, Math.Min(LowestFrequency, front.Rate / 100)), "front");

    private static RecurrentLayer Single(ModelPlan plan, long inputs, long steps, string name) =>
        Single(plan.Model, inputs, plan.Hidden, () => Options(plan.Regime!.Value, plan.Hidden, steps), name);

    private static RecurrentLayer Single(ModelChoice model, long inputs, long units, Func<RoaRnnOptions> ofRoa, string name) => model switch
    {
        ModelChoice.Elman => new Elman(inputs, units, new ElmanOptions { Output = SequenceOutput.All }) { Name = name },
        ModelChoice.Gru => new Gru(inputs, units, new GruOptions { Output = SequenceOutput.All }) { Name = name },
        ModelChoice.Lstm => new Lstm(inputs, units, new LstmOptions { Output = SequenceOutput.All }) { Name = name },
        _ => new RoaRnn(inputs, units, ofRoa() with { Output = SequenceOutput.All }) { Name = name },
    };

    private static RoaRnnOptions Options(Regime regime, long units, long steps) => regime switch
    {
        Regime.Memory => RoaRnnOptions.Memory(steps),
        Regime.Streaming => RoaRnnOptions.Streaming(),
        Regime.Mixed when units > 1 => RoaRnnOptions.MemoryAndComputation(units, steps),
        Regime.MultiScale when units > 3 => RoaRnnOptions.MultiScale(units),
        _ => RoaRnnOptions.Computation(),
    };
}
