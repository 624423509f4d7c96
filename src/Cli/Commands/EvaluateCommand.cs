using System.CommandLine;
using OrthoNative.Cli.Files;
using OrthoNative.Cli.Output;
using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Commands;

/// <summary><c>orthonative evaluate MODEL FILE</c>.</summary>
internal static class EvaluateCommand
{
    /// <summary>Classes of a confusion matrix that fits on a terminal.</summary>
    private const int MostClasses = 20;

    public static Command Create()
    {
        var command = new Command("evaluate", "Measure a trained model on a file whose classes or values are known");
        Argument<string> model = ModelFileOptions.Model();
        Argument<string> file = ModelFileOptions.File("File or folder of sequences with classes or values");
        command.Arguments.Add(model);
        command.Arguments.Add(file);
        var options = new SettingOptions<ModelFileSettings>(command, new ModelFileSettings());
        ModelFileOptions.AddDevice(options);
        command.SetAction(result =>
        {
            ModelFileSettings settings = options.Read(result);
            options.Check(result, settings);
            return Run(result.GetValue(model)!, result.GetValue(file)!, settings);
        });
        return command;
    }

    private static int Run(string modelPath, string path, ModelFileSettings settings)
    {
        using var interruption = new Interruption();
        try
        {
            using Device device = settings.OpenDevice();
            using TrainedModel model = TrainedModel.Load(modelPath, device);
            bool isForecast = model.Data.Goal == Goal.Forecast;
            SequenceData data = DataFile.Read(path, model.Data, model.Model.Info.ClassNames, requireTargets: !isForecast, interruption.Token);
            using var measurement = new ModelMeasurement(model);
            EvaluationResult result = measurement.Trainer.Evaluate(model.ToDataset(data), interruption.Token);
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

            return ExitCodes.Success;
        }
        catch (OperationCanceledException)
        {
            return interruption.ExitCode;
        }
    }
}
