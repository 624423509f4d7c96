using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Reports;

/// <summary>What the report of a run shows. What is empty or null is left out.</summary>
internal sealed record ReportContent
{
    /// <summary>Name of the data or task.</summary>
    public required string Title { get; init; }

    /// <summary>One sentence: the main result, as "98.7 % of 300 test recordings".</summary>
    public required string Headline { get; init; }

    /// <summary>How the run ended.</summary>
    public required TrainingStatus Status { get; init; }

    /// <summary>The command line.</summary>
    public required string Command { get; init; }

    /// <summary>When the run was started.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>Wall time in seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>Where it ran.</summary>
    public required Machine Machine { get; init; }

    /// <summary>What was found in the data, a sentence each.</summary>
    public IReadOnlyList<string> Findings { get; init; } = [];

    /// <summary>Names and values of the settings.</summary>
    public IReadOnlyList<(string Name, string Value)> Settings { get; init; } = [];

    /// <summary>The model, layer by layer.</summary>
    public ModelSummary? Summary { get; init; }

    /// <summary>Loss of every training step.</summary>
    public LossCurve? Losses { get; init; }

    /// <summary>Name and unit of the loss.</summary>
    public string LossName { get; init; } = "loss";

    /// <summary>Loss of a model that has learnt nothing; null: unknown.</summary>
    public double? ChanceLoss { get; init; }

    /// <summary>The epochs, with their validation.</summary>
    public IReadOnlyList<EpochResult> Epochs { get; init; } = [];

    /// <summary>Name of the first metric, which <see cref="EpochResult.Metric"/> holds; null: it is the loss.</summary>
    public string? Metric { get; init; }

    /// <summary>The epoch whose weights were kept; null: those of the last step.</summary>
    public int? BestEpoch { get; init; }

    /// <summary>Name of the data that epochs are validated on: of a task, they are those of the test.</summary>
    public string ValidationName { get; init; } = "validation";

    /// <summary>Result on the validation data; null: there are none.</summary>
    public EvaluationResult? Validation { get; init; }

    /// <summary>Result on the test data; null: there are none.</summary>
    public EvaluationResult? Test { get; init; }

    /// <summary>Metrics of simple methods on the data of the result, by name, as "most frequent class" or "last value".</summary>
    public IReadOnlyList<(string Method, string Metric, double Value)> Baselines { get; init; } = [];

    /// <summary>Names of the classes.</summary>
    public IReadOnlyList<string> Classes { get; init; } = [];

    /// <summary>Counts [true class, predicted class] on the test data, or on the validation data where there are no others.</summary>
    public long[,]? Confusion { get; init; }

    /// <summary>Sequences that the model was most wrong about, the worst first.</summary>
    public IReadOnlyList<WorstExample> Worst { get; init; } = [];

    /// <summary>True and predicted values of a regression: one list for each target.</summary>
    public IReadOnlyList<(string Target, float[] Truth, float[] Predicted)> Values { get; init; } = [];

    /// <summary>Forecasts of a few windows.</summary>
    public IReadOnlyList<ForecastExample> Forecasts { get; init; } = [];

    /// <summary>Error by the step of a forecast, 1 to the horizon: root mean squared error over all targets, scaled.</summary>
    public IReadOnlyList<double> ErrorByStep { get; init; } = [];

    /// <summary>Norm of the gradient of each layer's parameters on one batch of the training data, from the inputs to the outputs.</summary>
    public IReadOnlyList<(string Layer, double Norm)> GradientNorms { get; init; } = [];

    /// <summary>A short C# program that uses the model.</summary>
    public string? Code { get; init; }
}

/// <summary>A sequence that the model was wrong about, or least sure of.</summary>
/// <param name="Id">Its identifier.</param>
/// <param name="Truth">What is true.</param>
/// <param name="Predicted">What the model says.</param>
/// <param name="Detail">How sure it was, or how far off.</param>
/// <param name="Channels">Values over time in the units of the data, one list for each channel; NaN: missing.</param>
/// <param name="ChannelNames">Names of the channels.</param>
internal sealed record WorstExample(string Id, string Truth, string Predicted, string Detail, IReadOnlyList<float[]> Channels, IReadOnlyList<string> ChannelNames);

/// <summary>A forecast in the units of the data.</summary>
/// <param name="Name">Of the series and channel.</param>
/// <param name="Past">The steps before, the last ones of the look-back.</param>
/// <param name="Truth">The steps that followed.</param>
/// <param name="Forecast">Those that the model expected.</param>
/// <param name="Lower">Lower end of the interval; null: there is none.</param>
/// <param name="Upper">Upper end of the interval.</param>
/// <param name="Coverage">Share of the values that the interval is expected to hold, as 0.8.</param>
internal sealed record ForecastExample(string Name, float[] Past, float[] Truth, float[] Forecast, float[]? Lower, float[]? Upper, double Coverage);
