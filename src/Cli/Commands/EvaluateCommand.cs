using System.CommandLine;
using OrthoNative.Cli.Files;
using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Commands;

/// <summary><c>orthonative evaluate MODEL FILE</c>.</summary>
internal static class EvaluateCommand
{
    /// <summary>Classes of a confusion matrix that fits on a terminal.</summary>
    private const int MostClasses = 20;

    public static Command Create()
    {
        var command = new Command("evaluate", "Measure a trained model on a file whose classes or values are known");
        ModelFileOptions.Complete(
            command, "File or folder of sequences with classes or values", new SettingOptions<ModelFileSettings>(command, new ModelFileSettings()),
            (model, path, _, interruption) => Run(model, path, interruption.Token));
        return command;
    }

    private static void Run(TrainedModel model, string path, CancellationToken cancellationToken)
    {
        bool isForecast = model.Data.Goal == Goal.Forecast;
        SequenceData data = DataFile.Read(path, model.Data, model.Model.Info.ClassNames, requireTargets: !isForecast, cancellationToken);
        using var measurement = new ModelMeasurement(model);
        EvaluationResult result = measurement.Trainer.Evaluate(model.ToDataset(data), cancellationToken);
        string scale = measurement.Confusion is null ? " (standardized)" : "";
        Console.Out.WriteLine(Texts.Format($"{(isForecast ? "windows" : "sequences")}  {result.Samples:#,0}"));
        Console.Out.WriteLine($"{(measurement.Confusion is null ? "mean squared error" : "cross-entropy")}  {Texts.Value(result.Loss)}{scale}");
        foreach ((string name, double value) in result.Metrics.Where(metric => metric.Key != measurement.Confusion?.Name))
        {
            Console.Out.WriteLine($"{name.Replace('_', ' ')}  {Texts.Metric(name, value)}{(name.EndsWith("error", StringComparison.Ordinal) ? scale : "")}");
        }

        if (measurement.Confusion is { } confusion && confusion.ClassCount <= MostClasses)
        {
            Console.Out.WriteLine();
            Console.Out.WriteLine(confusion);
        }
    }
}
