using OrthoNative.Cli.Output;
using OrthoNative.Cli.Reports;
using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Files;

/// <summary>What is measured once training has ended: results, simple methods beside them, and what the report shows of single samples.</summary>
/// <param name="model">The model.</param>
/// <param name="test">Data of the result; null: the validation data.</param>
/// <param name="given">Result of another model on the validation data, where this one has learnt from them; null: it has not.</param>
/// <param name="start">Where the training began; null: with random weights.</param>
internal sealed class FileFindings(FileModel model, Dataset? test, EvaluationResult? given, LinearStart? start)
{
    /// <summary>Samples of which single outputs are looked at, at most.</summary>
    private const int MostSamples = 2000;

    /// <summary>Sequences that are shown as the worst.</summary>
    private const int WorstSequences = 12;

    /// <summary>Forecasts that are shown.</summary>
    private const int ShownForecasts = 6;

    /// <summary>Share of the validation's values that the interval of a forecast holds.</summary>
    private const double Coverage = 0.9;

    /// <summary>Values of a series that are shown before a forecast, for each step of it.</summary>
    private const int PastForHorizon = 3;

    private const string Accuracy = "accuracy";

    private readonly Goal _goal = model.Content.Settings.Goal;

    /// <summary>On the validation data; null: not measured.</summary>
    public EvaluationResult? Validation { get; private set; }

    /// <summary>True if no epoch was better on the validation data than the start, whose weights the model then has.</summary>
    public bool KeptStart { get; private set; }

    /// <summary>On the test data; null: there are none, or it was not measured.</summary>
    public EvaluationResult? Test { get; private set; }

    /// <summary>Simple methods on the data of the result.</summary>
    public IReadOnlyList<(string Method, string Metric, double Value)> Baselines { get; private set; } = [];

    /// <summary>Counts [true class, predicted class] on the data of the result.</summary>
    public long[,]? Confusion { get; private set; }

    /// <summary>The sequences that the model was most wrong about.</summary>
    public IReadOnlyList<WorstExample> Worst { get; private set; } = [];

    /// <summary>True and predicted values, for each target.</summary>
    public IReadOnlyList<(string Target, float[] Truth, float[] Predicted)> Values { get; private set; } = [];

    /// <summary>A few forecasts.</summary>
    public IReadOnlyList<ForecastExample> Forecasts { get; private set; } = [];

    /// <summary>Root mean squared error of each step of a forecast.</summary>
    public IReadOnlyList<double> ErrorByStep { get; private set; } = [];

    /// <summary>Norm of the gradient of each layer.</summary>
    public IReadOnlyList<(string Layer, double Norm)> GradientNorms { get; private set; } = [];

    /// <summary>Loss of a model that has learnt nothing; null: not known.</summary>
    public double? ChanceLoss => model.Training.IsClassification ? Math.Log(model.Training.Outputs) : _goal == Goal.Forecast ? null : 1;

    /// <summary>The result in one sentence.</summary>
    public string Headline
    {
        get
        {
            EvaluationResult result = Test ?? Validation!;
            string part = Test is null ? "validation" : "test";
            string samples = _goal switch { Goal.Forecast => "windows", Goal.ClassifySteps or Goal.PredictSteps => "sequences, all steps", _ => "sequences" };
            string value = model.Training.IsClassification
                ? $"{part} accuracy {Texts.Metric(Accuracy, result[Accuracy])}"
                : _goal == Goal.Forecast
                    ? $"{part} mean squared error {Texts.Value(result.Loss)}, mean absolute error {Texts.Value(result[model.Metric])} (standardized)"
                    : $"{part} R² {Texts.Value(result["r_squared"])}, mean absolute error {Texts.Value(result[model.Metric])} (standardized)";
            string others = string.Concat(Baselines.Select(baseline => $"; {baseline.Method} {Texts.Metric(baseline.Metric, baseline.Value)}"));
            return $"{value} of {Texts.Format($"{result.Samples:#,0}")} {samples}{others}";
        }
    }

    /// <summary>The epoch whose weights were kept; 0: those of the start.</summary>
    public int? BestEpoch(IReadOnlyList<EpochResult> epochs) => KeptStart ? 0 : epochs.Where(epoch => epoch.Validation is not null).MinBy(epoch => epoch.Validation!.Loss)?.Epoch;

    /// <summary>Measures the model with the weights that it has, or with those of the start, where these are better on the validation data.</summary>
    /// <returns>False: it was cancelled.</returns>
    public bool Measure(CancellationToken cancellationToken)
    {
        Trainer trainer = model.Trainer;
        if ((given ?? MeasureOn(model.Validation)) is not { } validation)
        {
            return false;
        }

        if (start is not null && !(validation.Loss < start.Validation.Loss))
        {
            start.Restore(model.Model);
            (validation, KeptStart) = (start.Validation, true);
        }

        Dataset shown = test ?? model.Validation;
        if (test is not null)
        {
            if (MeasureOn(test) is not { } result)
            {
                return false;
            }

            Test = result;
        }

        Confusion = model.Confusion is { ClassCount: > 0 } confusion ? Counts(confusion) : null;
        Baselines = [.. Simple(shown)];
        try
        {
            Look(shown, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            return false;
        }

        Validation = validation;
        return true;

        EvaluationResult? MeasureOn(Dataset dataset)
        {
            using BatchSource source = trainer.CreateEvaluationSource(dataset);
            return trainer.Measure(source, cancellationToken);
        }
    }

    private static long[,] Counts(ConfusionMatrix confusion)
    {
        long[,] counts = new long[confusion.ClassCount, confusion.ClassCount];
        for (int target = 0; target < confusion.ClassCount; target++)
        {
            for (int predicted = 0; predicted < confusion.ClassCount; predicted++)
            {
                counts[target, predicted] = (long)confusion[target, predicted];
            }
        }

        return counts;
    }

    /// <summary>Simple methods, without which a result says little.</summary>
    private IEnumerable<(string Method, string Metric, double Value)> Simple(Dataset shown)
    {
        if (Confusion is { } counts)
        {
            int most = MostFrequentClass();
            long all = 0, right = 0;
            for (int target = 0; target < counts.GetLength(0); target++)
            {
                for (int predicted = 0; predicted < counts.GetLength(1); predicted++)
                {
                    all += counts[target, predicted];
                    right += target == most ? counts[target, predicted] : 0;
                }
            }

            yield return ($"always '{Interop.ForeignText.Clean(model.Content.Data.ClassNames[most], 40)}'", Accuracy, (double)right / Math.Max(1, all));
        }
        else if (_goal == Goal.Forecast)
        {
            yield return ("last value", Metrics.MeanSquaredError, LastValueError((WindowDataset)shown));
        }
    }

    /// <summary>That of the training data.</summary>
    private int MostFrequentClass()
    {
        var data = (SequenceData)model.Training;
        long[] counts = new long[data.ClassNames.Count];
        for (long sample = 0; sample < data.Count; sample++)
        {
            foreach (int value in data.Classes(sample))
            {
                counts[value]++;
            }
        }

        return Array.IndexOf(counts, counts.Max());
    }

    private static double LastValueError(WindowDataset windows)
    {
        double sum = 0;
        long count = 0;
        float[] inputs = new float[windows.Steps * windows.Features], targets = new float[windows.Outputs];
        int channels = windows.TargetChannels.Count;
        // Every window, but of very many: those at equal distances.
        long stride = Math.Max(1, windows.Count / (MostSamples * 10));
        for (long sample = 0; sample < windows.Count; sample += stride)
        {
            windows.Read([sample], inputs, [], targets);
            for (int i = 0; i < targets.Length; i++)
            {
                double error = targets[i] - inputs[((windows.Steps - 1) * windows.Features) + windows.TargetChannels[i % channels]];
                sum += error * error;
                count++;
            }
        }

        return sum / count;
    }

    /// <summary>Numbers of samples, all or some at equal distances.</summary>
    private static long[] Some(Dataset dataset, int most) => dataset.Count <= most
        ? [.. Enumerable.Range(0, (int)dataset.Count).Select(i => (long)i)]
        : [.. Enumerable.Range(0, most).Select(i => i * (dataset.Count - 1) / (most - 1))];

    private void Look(Dataset shown, CancellationToken cancellationToken)
    {
        long[] samples = Some(shown, MostSamples);
        Dataset part = shown.Subset(samples);
        switch (_goal)
        {
            case Goal.ClassifySequences:
                FindWorstClasses((SequenceData)part, model.Trainer.Predict(part, cancellationToken));
                break;
            case Goal.PredictSequences or Goal.PredictSteps:
                FindValues((SequenceData)part, model.Trainer.Predict(part, cancellationToken));
                break;
            case Goal.Forecast:
                LookAtForecasts((WindowDataset)shown, samples, cancellationToken);
                break;
            default:
                break;
        }

        GradientNorms = MeasureGradients();
    }

    private void FindWorstClasses(SequenceData data, Predictions predictions)
    {
        double[][] probabilities = [.. Enumerable.Range(0, predictions.Count).Select(i => predictions.ProbabilitiesOf(i))];
        Worst = [.. Enumerable.Range(0, predictions.Count)
            .OrderBy(i => probabilities[i][data.ClassOf(i)])
            .Take(WorstSequences)
            .Select(i =>
            {
                int predicted = predictions.ClassOf(i), truth = data.ClassOf(i);
                string detail = predicted == truth
                    ? Texts.Format($"right, with {100 * probabilities[i][predicted]:0.0} %")
                    : Texts.Format($"with {100 * probabilities[i][predicted]:0.0} %; the true class had {100 * probabilities[i][truth]:0.0} %");
                return new WorstExample(data.Ids[i], data.ClassNames[truth], data.ClassNames[predicted], detail, Channels(data, i), data.ChannelNames);
            })];
    }

    private void FindValues(SequenceData data, Predictions predictions)
    {
        int width = data.TargetNames.Count;
        var truth = new List<float>[width];
        var predicted = new List<float>[width];
        for (int target = 0; target < width; target++)
        {
            (truth[target], predicted[target]) = ([], []);
        }

        var errors = new double[predictions.Count];
        for (int sample = 0; sample < predictions.Count; sample++)
        {
            float[] outputs = predictions[sample].ToArray();
            data.TargetScaling?.Restore(outputs);
            ReadOnlySpan<float> targets = data.Targets(sample);
            for (int i = 0; i < Math.Min(outputs.Length, targets.Length); i++)
            {
                truth[i % width].Add(targets[i]);
                predicted[i % width].Add(outputs[i]);
                double deviation = data.TargetScaling?.Deviation[i % width] ?? 1;
                errors[sample] = Math.Max(errors[sample], Math.Abs(outputs[i] - targets[i]) / deviation);
            }
        }

        Values = [.. Enumerable.Range(0, width).Select(i => (data.TargetNames[i], truth[i].ToArray(), predicted[i].ToArray()))];
        if (_goal == Goal.PredictSequences)
        {
            Worst = [.. Enumerable.Range(0, predictions.Count).OrderByDescending(i => errors[i]).Take(WorstSequences).Select(i =>
            {
                float[] outputs = predictions[i].ToArray();
                data.TargetScaling?.Restore(outputs);
                return new WorstExample(
                    data.Ids[i], Join(data.Targets(i)), Join(outputs), Texts.Format($"off by {errors[i]:0.00} standard deviations"), Channels(data, i), data.ChannelNames);
            })];
        }

        static string Join(ReadOnlySpan<float> values)
        {
            const int Most = 4;
            string[] texts = Array.ConvertAll(values[..Math.Min(Most, values.Length)].ToArray(), value => Texts.Value(value));
            return string.Join(", ", texts) + (values.Length > Most ? ", …" : "");
        }
    }

    /// <summary>Values of a sequence in the units of the data, a list for each channel.</summary>
    private static float[][] Channels(SequenceData data, int sample)
    {
        ReadOnlySpan<float> values = data.Values(sample);
        int channels = data.ChannelNames.Count;
        float[][] lists = new float[channels][];
        for (int channel = 0; channel < channels; channel++)
        {
            lists[channel] = new float[values.Length / channels];
            for (int step = 0; step < lists[channel].Length; step++)
            {
                lists[channel][step] = values[(step * channels) + channel];
            }
        }

        return lists;
    }

    private void LookAtForecasts(WindowDataset shown, long[] samples, CancellationToken cancellationToken)
    {
        var validation = (WindowDataset)model.Validation;
        ForecastInterval? interval = MeasureInterval(validation, cancellationToken);
        model.Model.Info = TrainedModel.Describe(model.Training, model.Content.Settings, interval);

        int channels = shown.TargetChannels.Count, horizon = (int)shown.Horizon;
        Predictions predictions = model.Trainer.Predict(shown.Subset(samples), cancellationToken);
        float[] inputs = new float[shown.Steps * shown.Features], targets = new float[shown.Outputs];
        double[] squares = new double[horizon];
        for (int i = 0; i < samples.Length; i++)
        {
            shown.Read([samples[i]], inputs, [], targets);
            for (int at = 0; at < targets.Length; at++)
            {
                double error = predictions[i][at] - targets[at];
                squares[at / channels] += error * error;
            }
        }

        ErrorByStep = [.. squares.Select(sum => Math.Sqrt(sum / ((double)samples.Length * channels)))];
        int windows = (int)Math.Min(Math.Max(1, ShownForecasts / channels), samples.Length);
        int most = Math.Min(channels, ShownForecasts);
        var examples = new List<ForecastExample>();
        for (int number = 0; number < windows; number++)
        {
            int index = windows == 1 ? samples.Length / 2 : (int)((long)number * (samples.Length - 1) / (windows - 1));
            for (int channel = 0; channel < most; channel++)
            {
                examples.Add(Example(shown, samples[index], predictions[index], interval, channel));
            }
        }

        Forecasts = examples;
    }

    private static ForecastExample Example(WindowDataset windows, long sample, ReadOnlySpan<float> forecast, ForecastInterval? interval, int channel)
    {
        int channels = windows.TargetChannels.Count, horizon = (int)windows.Horizon, source = windows.TargetChannels[channel];
        SequenceData data = windows.Data;
        float[] inputs = new float[windows.Steps * windows.Features], targets = new float[windows.Outputs];
        windows.Read([sample], inputs, [], targets);
        float[] expected = forecast.ToArray(), lower = forecast.ToArray(), upper = forecast.ToArray();
        for (int i = 0; i < (interval?.HalfWidths.Count ?? 0); i++)
        {
            lower[i] -= interval!.HalfWidths[i];
            upper[i] += interval.HalfWidths[i];
        }

        foreach (float[] values in (float[][])[targets, expected, lower, upper])
        {
            windows.Restore(values);
        }

        int past = (int)Math.Min(windows.Steps, (long)PastForHorizon * horizon);
        float[] before = new float[past];
        for (int step = 0; step < past; step++)
        {
            float value = inputs[((windows.Steps - past + step) * windows.Features) + source];
            before[step] = data.Scaling is { } scaling ? (float)((value * scaling.Deviation[source]) + scaling.Mean[source]) : value;
        }

        string name = data.Count > 1 ? $"{data.Ids[(int)windows.SequenceOf(sample)]}, {data.ChannelNames[source]}" : data.ChannelNames[source];
        return new ForecastExample(
            Texts.Format($"{name}, from step {windows.StepOf(sample) + 1:#,0}"), before, Column(targets), Column(expected), interval is null ? null : Column(lower), interval is null ? null : Column(upper), interval?.Coverage ?? 0);

        float[] Column(float[] rows) => [.. Enumerable.Range(0, horizon).Select(step => rows[(step * channels) + channel])];
    }

    /// <summary>
    /// The quantile of the absolute errors on validation windows, for each output (split conformal prediction); null: there are too few windows. Windows overlap and have chosen the epoch, so the share
    /// that is aimed at is not a promise.
    /// </summary>
    private ForecastInterval? MeasureInterval(WindowDataset validation, CancellationToken cancellationToken)
    {
        long[] samples = Some(validation, MostSamples);
        // The ⌈(n + 1) q⌉-th smallest of n.
        int rank = (int)Math.Ceiling((samples.Length + 1) * Coverage);
        if (rank > samples.Length)
        {
            return null;
        }

        Predictions predictions = model.Trainer.Predict(validation.Subset(samples), cancellationToken);
        int outputs = (int)validation.Outputs;
        float[][] errors = new float[outputs][];
        for (int i = 0; i < outputs; i++)
        {
            errors[i] = new float[samples.Length];
        }

        float[] inputs = new float[validation.Steps * validation.Features], targets = new float[outputs];
        for (int sample = 0; sample < samples.Length; sample++)
        {
            validation.Read([samples[sample]], inputs, [], targets);
            for (int i = 0; i < outputs; i++)
            {
                errors[i][sample] = Math.Abs(predictions[sample][i] - targets[i]);
            }
        }

        foreach (float[] each in errors)
        {
            Array.Sort(each);
        }

        return new ForecastInterval(Coverage, [.. errors.Select(each => each[rank - 1])]);
    }

    /// <summary>Norms of the gradient of each layer's parameters on the first training batch.</summary>
    private List<(string Layer, double Norm)> MeasureGradients()
    {
        using var loader = new DataLoader(model.Training, (int)Math.Min(model.Plan.Batch, model.Training.Count), new DataLoaderOptions { Device = model.Model.Device, DType = model.Model.DType });
        Model network = model.Model;
        var norms = new List<(string, double)>();
        foreach (Batch batch in loader.Epoch(0))
        {
            network.Training = true;
            Tensor outputs = network.Forward(batch.Inputs, batch.Lengths);
            model.Loss.Forward(outputs, batch);
            network.Backward(model.Loss.Gradient);
            network.Training = false;
            break;
        }

        foreach (IGrouping<string, Parameter> layer in network.Parameters.Where(parameter => !parameter.IsFrozen).GroupBy(parameter => parameter.Name[..Math.Max(0, parameter.Name.LastIndexOf('.'))]))
        {
            double squares = layer.Sum(parameter => parameter.Gradient.ToArray<float>().Sum(value => (double)value * value));
            norms.Add((layer.Key, Math.Sqrt(squares)));
        }

        // Containers that all layers are in would fill the room of the names.
        string[][] paths = [.. norms.Select(norm => norm.Item1.Split('.'))];
        int shared = 0;
        while (paths.Length > 1 && paths.All(path => path.Length > shared + 1 && path[shared] == paths[0][shared]))
        {
            shared++;
        }

        return [.. norms.Select((norm, i) => (string.Join('.', paths[i].Skip(shared)), norm.Item2))];
    }
}
