using System.Text.Json;
using System.Text.Json.Serialization;
using OrthoNative.Cli.Output;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Files;

/// <summary>A model that <c>train FILE</c> has left: with it, other files are read and predicted as in training.</summary>
internal sealed class TrainedModel : IDisposable
{
    private const string DataKey = "data";
    private const string IntervalKey = "interval";

    private TrainedModel(string path, Model model, DataSettings data, ForecastInterval? interval)
    {
        Path = path;
        Model = model;
        Data = data;
        Interval = interval;
    }

    /// <summary>Path of its file.</summary>
    public string Path { get; }

    /// <summary>The model.</summary>
    public Model Model { get; }

    /// <summary>How a file becomes sequences.</summary>
    public DataSettings Data { get; }

    /// <summary>How far off forecasts are; null: there are none, or training was interrupted.</summary>
    public ForecastInterval? Interval { get; }

    /// <summary>What a model's file says beside the layers.</summary>
    /// <param name="training">The training samples as the model is given them.</param>
    /// <param name="data">How they were read.</param>
    /// <param name="interval">How far off forecasts are; null: unknown.</param>
    public static ModelInfo Describe(Dataset training, DataSettings data, ForecastInterval? interval)
    {
        var properties = new Dictionary<string, string> { [DataKey] = JsonSerializer.Serialize(data, ModelJson.Default.DataSettings) };
        if (interval is not null)
        {
            properties[IntervalKey] = JsonSerializer.Serialize(interval, ModelJson.Default.ForecastInterval);
        }

        var windows = training as WindowDataset;
        ModelInfo info = ModelInfo.Of(windows?.Data ?? (SequenceData)training) with { Properties = properties };
        return windows is null ? info : info with { OutputScaling = OfForecasts(windows) };
    }

    /// <summary>Loads a model.</summary>
    /// <param name="path">Path of its file, or of the folder of a run.</param>
    /// <param name="device">Where it is to lie.</param>
    /// <exception cref="CliException">There is none, or it is of no file.</exception>
    public static TrainedModel Load(string path, Device device)
    {
        string shown = ForeignText.CleanPath(path);
        path = Find(path);
        Model model = Model.Load(path, device);
        try
        {
            DataSettings data = TryReadSettings(model)
                ?? throw CliException.Failure($"'{shown}' does not say how files are read, as models of 'train FILE' do; it cannot be used with files");
            ForecastInterval? interval = model.Info.Properties.TryGetValue(IntervalKey, out string? text) ? Parse(text, IntervalKey, ModelJson.Default.ForecastInterval) : null;
            return new TrainedModel(path, model, data, interval).Checked();
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>The file of a model.</summary>
    /// <param name="path">Path of the file, or of the folder of a run.</param>
    /// <exception cref="CliException">There is none.</exception>
    public static string Find(string path)
    {
        string shown = ForeignText.CleanPath(path);
        string file = Directory.Exists(path) ? System.IO.Path.Combine(path, RunFolder.Weights) : path;
        if (!File.Exists(file))
        {
            throw CliException.Usage($"'{shown}' is no model: there is no file '{ForeignText.CleanPath(file)}'; choose the {RunFolder.Weights} of a run, or the folder of the run");
        }

        return FileStatus.Of(file, follow: true) is { IsDevice: true } ? throw CliException.Usage($"'{shown}' is a pipe or a device; a model must be a file") : file;
    }

    /// <summary>How files are read for a model; null: its file does not say.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public static DataSettings? TryReadSettings(Model model) =>
        model.Info.Properties.TryGetValue(DataKey, out string? data) ? Parse(data, DataKey, ModelJson.Default.DataSettings) : null;

    private static T Parse<T>(string text, string key, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(text, type) ?? throw new JsonException("it is null");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"the model's properties.{key} is damaged ({ForeignText.Clean(exception.Message)})", exception);
        }
    }

    /// <summary>Scales sequences, and cuts windows of them for forecasts, as in training.</summary>
    /// <param name="data">As <see cref="DataFile"/> reads them.</param>
    public Dataset ToDataset(SequenceData data)
    {
        SequenceData scaled = Scaled(data);
        return Data.Goal == Goal.Forecast ? Windows(scaled, WindowsOf(Data), "file") : scaled;
    }

    /// <summary>The windows of a forecast. Those with a missing value among what is to be forecast are left out.</summary>
    public static WindowOptions WindowsOf(DataSettings data) => new() { Length = data.LookBack!.Value, Horizon = data.Horizon!.Value, Targets = data.Targets, SkipMissingTargets = true };

    /// <summary>Cuts windows.</summary>
    /// <param name="data">The series.</param>
    /// <param name="options">The windows.</param>
    /// <param name="part">What is cut, for the message.</param>
    /// <exception cref="CliException">There is no window.</exception>
    public static WindowDataset Windows(SequenceData data, WindowOptions options, string part)
    {
        try
        {
            return data.Windows(options);
        }
        catch (ArgumentException)
        {
            throw CliException.Failure(Texts.Format(
                $"the {part} has no window of {options.Length:#,0} steps and {options.Horizon:#,0} steps to forecast without a missing value; sequences have at most {data.Steps:#,0} steps"));
        }
    }

    /// <summary>Scales sequences as in training.</summary>
    public SequenceData Scaled(SequenceData data)
    {
        ChannelScaling? scaling = Model.Info.InputScaling;
        if (scaling is not null && data.ChannelNames.Count < scaling.Mean.Count)
        {
            // The mask of missing values is not scaled, so it has a scaling of the model alone.
            scaling = new ChannelScaling([.. scaling.Mean.Take(data.ChannelNames.Count)], [.. scaling.Deviation.Take(data.ChannelNames.Count)]);
        }

        SequenceData scaled = data.WithScaling(scaling);
        return data.TargetNames.Count > 0 && data.HasTargets ? scaled.WithTargetScaling(Model.Info.OutputScaling) : scaled;
    }

    public void Dispose() => Model.Dispose();

    private static ChannelScaling? OfForecasts(WindowDataset windows)
    {
        if (windows.Data.Scaling is not { } scaling)
        {
            return null;
        }

        IEnumerable<int> channels = Enumerable.Repeat(windows.TargetChannels, (int)windows.Horizon).SelectMany(all => all);
        return new ChannelScaling([.. channels.Select(channel => scaling.Mean[channel])], [.. channels.Select(channel => scaling.Deviation[channel])]);
    }

    /// <summary>Refuses settings that do not fit the model.</summary>
    private TrainedModel Checked()
    {
        bool isForecast = Data.Goal == Goal.Forecast;
        string? problem = !Enum.IsDefined(Data.Goal) || !Enum.IsDefined(Data.Format) || !Enum.IsDefined(Data.Missing) ? "a choice is unknown"
            : isForecast && (Data.Horizon is not > 0 || Data.LookBack is not > 0) ? "a forecast has no horizon or look-back"
            : isForecast && Data.Horizon * Data.Targets.Count != Model.OutputSize ? "the outputs are other than those of a forecast"
            : Data.Goal is Goal.ClassifySequences or Goal.ClassifySteps && Model.Info.ClassNames.Count == 0 ? "the classes have no names"
            : Data.Goal is Goal.PredictSequences or Goal.PredictSteps && Data.Targets.Count != Model.OutputSize ? "the targets are other than the outputs"
            : Data.Features.Count * (Data.Missing == MissingValues.Mask ? 2 : 1) != Model.InputSize ? "the channels are other than the inputs"
            : Interval is { } interval && interval.HalfWidths.Count != Model.OutputSize ? "the interval is of other outputs"
            : null;
        return problem is null ? this : throw new InvalidDataException($"'{ForeignText.CleanPath(Path)}': properties.{DataKey} is damaged ({problem})");
    }
}

/// <summary>How far off forecasts were on the validation data.</summary>
/// <param name="Coverage">Share of the values that are aimed at.</param>
/// <param name="HalfWidths">For each output, in standardized units: the quantile of the absolute errors.</param>
internal sealed record ForecastInterval(double Coverage, IReadOnlyList<float> HalfWidths);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    Converters = [typeof(CamelCaseEnumConverter<Goal>), typeof(CamelCaseEnumConverter<DataFormat>), typeof(CamelCaseEnumConverter<TableForm>), typeof(CamelCaseEnumConverter<MissingValues>)])]
[JsonSerializable(typeof(DataSettings))]
[JsonSerializable(typeof(ForecastInterval))]
internal sealed partial class ModelJson : JsonSerializerContext;
