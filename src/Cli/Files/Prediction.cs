namespace OrthoNative.Cli.Files;

/// <summary>Rows of what a model says of sequences.</summary>
internal static class Prediction
{
    private const string Id = "id", Step = "step", Class = "class", Probability = "probability";

    /// <summary>Predicts all sequences of a file.</summary>
    /// <param name="model">The model.</param>
    /// <param name="data">The sequences as they were read.</param>
    /// <param name="writer">Takes the rows.</param>
    /// <param name="cancellationToken">Ends it after a batch.</param>
    public static void Run(TrainedModel model, SequenceData data, PredictionWriter writer, CancellationToken cancellationToken)
    {
        if (model.Data.Goal == Goal.Forecast)
        {
            Forecast(model, data, writer, cancellationToken);
            return;
        }

        using var measurement = new ModelMeasurement(model);
        SequenceData scaled = model.Scaled(data);
        // A part at a time, so that long sequences take little memory.
        const long Part = 256;
        for (long first = 0; first < data.Count; first += Part)
        {
            long[] samples = [.. Enumerable.Range(0, (int)Math.Min(Part, data.Count - first)).Select(i => first + i)];
            Predictions predictions = measurement.Trainer.Predict(scaled.Select(samples), cancellationToken);
            for (int i = 0; i < samples.Length; i++)
            {
                WriteSequence(model, data.Ids[(int)samples[i]], predictions, i, writer);
            }
        }
    }

    /// <summary>Writes the rows of one sequence.</summary>
    private static void WriteSequence(TrainedModel model, string id, Predictions predictions, int sample, PredictionWriter writer)
    {
        int steps = predictions.StepsOf(sample);
        bool ofSteps = model.Data.Goal is Goal.ClassifySteps or Goal.PredictSteps;
        for (int step = ofSteps ? 0 : steps - 1; step < steps; step++)
        {
            List<PredictionValue> row = [PredictionValue.Of(Id, id)];
            if (ofSteps)
            {
                row.Add(PredictionValue.Of(Step, step));
            }

            row.AddRange(Values(model, predictions, sample, step));
            writer.Write(row);
        }
    }

    /// <summary>What the model says at a step.</summary>
    public static IEnumerable<PredictionValue> Values(TrainedModel model, Predictions predictions, int sample, int step)
    {
        if (model.Data.Goal is Goal.ClassifySequences or Goal.ClassifySteps)
        {
            double[] probabilities = predictions.ProbabilitiesOf(sample, step);
            int chosen = predictions.ClassOf(sample, step);
            IReadOnlyList<string> names = model.Model.Info.ClassNames;
            return
            [
                PredictionValue.Of(Class, names[chosen]), PredictionValue.Of(Probability, probabilities[chosen]),
                .. probabilities.Select((value, i) => PredictionValue.Of($"p({names[i]})", value)),
            ];
        }

        float[] outputs = predictions[sample].Slice(step * predictions.Outputs, predictions.Outputs).ToArray();
        model.Model.Info.OutputScaling?.Restore(outputs);
        return outputs.Select((value, i) => PredictionValue.Of(model.Data.Targets[i], value));
    }

    /// <summary>Forecasts what follows the end of each sequence.</summary>
    private static void Forecast(TrainedModel model, SequenceData data, PredictionWriter writer, CancellationToken cancellationToken)
    {
        SequenceData scaled = model.Scaled(data);
        long lookBack = model.Data.LookBack!.Value;
        using var measurement = new ModelMeasurement(model);
        for (int i = 0; i < data.Count; i++)
        {
            long steps = data.LengthOf(i);
            if (steps < lookBack)
            {
                throw CliException.Failure(Output.Texts.Format($"sequence '{Interop.ForeignText.Clean(data.Ids[i])}' has {steps:#,0} steps; a forecast needs at least {lookBack:#,0}"));
            }

            Predictions predictions = measurement.Trainer.Predict(scaled.Select([i]).Range(steps - lookBack, lookBack), cancellationToken);
            foreach (IReadOnlyList<PredictionValue> row in ForecastRows(model, data.Ids[i], predictions[0]))
            {
                writer.Write(row);
            }
        }
    }

    /// <summary>A row for each step that is forecast, counted from 1.</summary>
    public static IEnumerable<IReadOnlyList<PredictionValue>> ForecastRows(TrainedModel model, string id, ReadOnlySpan<float> outputs)
    {
        float[] values = outputs.ToArray();
        float[]? lower = null, upper = null;
        if (model.Interval is { } interval)
        {
            lower = [.. values.Select((value, i) => value - interval.HalfWidths[i])];
            upper = [.. values.Select((value, i) => value + interval.HalfWidths[i])];
            model.Model.Info.OutputScaling?.Restore(lower);
            model.Model.Info.OutputScaling?.Restore(upper);
        }

        model.Model.Info.OutputScaling?.Restore(values);
        IReadOnlyList<string> targets = model.Data.Targets;
        return Enumerable.Range(0, values.Length / targets.Count).Select(step =>
        {
            List<PredictionValue> row = [PredictionValue.Of(Id, id), PredictionValue.Of(Step, step + 1)];
            for (int i = 0; i < targets.Count; i++)
            {
                int at = (step * targets.Count) + i;
                row.Add(PredictionValue.Of(targets[i], values[at]));
                if (lower is not null)
                {
                    row.Add(PredictionValue.Of($"{targets[i]}_lower", lower[at]));
                    row.Add(PredictionValue.Of($"{targets[i]}_upper", upper![at]));
                }
            }

            return (IReadOnlyList<PredictionValue>)row;
        });
    }
}

/// <summary>Measures and runs a model that is not trained.</summary>
internal sealed class ModelMeasurement : IDisposable
{
    private const int Batch = 64;

    private readonly Loss _loss;
    private readonly Optimizer _optimizer;

    public ModelMeasurement(TrainedModel model)
    {
        bool hasClasses = model.Data.Goal is Goal.ClassifySequences or Goal.ClassifySteps;
        _loss = hasClasses ? new CrossEntropyLoss() : new MeanSquaredErrorLoss();
        _optimizer = new Sgd(model.Model, 1);
        Confusion = hasClasses ? new ConfusionMatrix(model.Model.Info.ClassNames) : null;
        Trainer = new Trainer(model.Model, _loss, _optimizer, new TrainerOptions
        {
            BatchSize = Batch,
            Metrics = Confusion is { } confusion
                ? [new Accuracy(), new BalancedAccuracy(), new MacroF1(), confusion]
                : [new MeanAbsoluteError(), new RootMeanSquaredError(), new RSquared()],
        });
    }

    /// <summary>Runs the model.</summary>
    public Trainer Trainer { get; }

    /// <summary>Counts of the latest measurement; null: there are no classes.</summary>
    public ConfusionMatrix? Confusion { get; }

    public void Dispose()
    {
        _optimizer.Dispose();
        _loss.Dispose();
    }
}
