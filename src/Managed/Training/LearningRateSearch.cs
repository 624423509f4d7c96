namespace OrthoNative;

/// <summary>A step of a search for a learning rate.</summary>
/// <param name="LearningRate">Learning rate of the step.</param>
/// <param name="Loss">Loss of its batch, before the step.</param>
/// <param name="SmoothedLoss">Exponential mean of the losses so far, with a weight of 0.05 for the newest, corrected for its start.</param>
public readonly record struct LearningRatePoint(double LearningRate, double Loss, double SmoothedLoss);

/// <summary>The outcome of <see cref="Trainer.FindLearningRate"/>.</summary>
/// <param name="Points">The steps, at rising rates; the last one may be where the loss diverged.</param>
/// <param name="Suggestion">
/// A tenth of the rate at which the smoothed loss was lowest: a rate at which it still falls fast. Half of it is safer for long trainings without a schedule.
/// </param>
public sealed record LearningRateSearch(IReadOnlyList<LearningRatePoint> Points, double Suggestion)
{
    private const double Smoothing = 0.95;
    private const double Safety = 10;

    internal static LearningRateSearch Run(Trainer trainer, Dataset training, LearningRateSearchOptions options, CancellationToken cancellationToken)
    {
        Model model = trainer.Model;
        TrainerOptions trainerOptions = trainer.Options;
        using var loader = new DataLoader(
            training, (int)long.Min(trainerOptions.BatchSize, training.Count), trainerOptions.Loading with { Device = model.Device, DType = model.DType });
        using var snapshot = new TrainingSnapshot(model, trainer.Optimizer);
        var points = new List<LearningRatePoint>(options.Steps);
        bool wasTraining = model.Training;
        NotFiniteNumberException? failure = null;
        try
        {
            model.Training = true;
            trainer.Optimizer.Schedule = null;
            double factor = Math.Pow(options.Highest / options.Lowest, 1.0 / (options.Steps - 1));
            double mean = 0, lowest = double.PositiveInfinity;
            DataLoader.Enumerator batches = loader.Epoch(0).GetEnumerator();
            for (int step = 0, pass = 0; step < options.Steps; step++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (!batches.MoveNext())
                {
                    batches = loader.Epoch(++pass).GetEnumerator();
                    batches.MoveNext();
                }

                double rate = options.Lowest * Math.Pow(factor, step);
                double loss = Learn(batches.Current, rate);
                mean = (Smoothing * mean) + ((1 - Smoothing) * loss);
                double smoothed = mean / (1 - Math.Pow(Smoothing, step + 1));
                points.Add(new LearningRatePoint(rate, loss, smoothed));

                if (!double.IsFinite(smoothed) || smoothed > options.StopFactor * lowest)
                {
                    break;
                }

                lowest = double.Min(lowest, smoothed);
            }
        }
        finally
        {
            snapshot.Restore();
            model.Training = wasTraining;
        }

        if (!double.IsFinite(points[0].SmoothedLoss))
        {
            throw new TrainingDivergedException(1, double.NaN, inValidation: false, isInitial: true, TrainingRun.InitialAdvice(model), "nothing is saved", 0, failure!);
        }

        return new LearningRateSearch(points.AsReadOnly(), points.Where(point => double.IsFinite(point.SmoothedLoss)).MinBy(point => point.SmoothedLoss).LearningRate / Safety);

        double Learn(Batch batch, double rate)
        {
            try
            {
                double loss = trainer.Loss.Forward(model.Forward(batch.Inputs, batch.Lengths), batch);
                model.Backward(trainer.Loss.Gradient);
                if (trainerOptions.ClipNorm is { } norm)
                {
                    model.ClipGradientNorm(norm);
                }

                trainer.Optimizer.LearningRate = rate;
                trainer.Optimizer.Step();
                model.Device.Synchronize();
                return double.IsFinite(loss) ? loss : throw new NotFiniteNumberException(FormattableString.Invariant($"The loss is {loss}; it must be finite."), loss);
            }
            catch (NotFiniteNumberException exception)
            {
                failure = exception;
                return double.PositiveInfinity;
            }
        }
    }
}
