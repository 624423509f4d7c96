using System.Text.Json;
using System.Text.Json.Serialization;
using OrthoNative.Cli.Output;
using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Analysis;

/// <summary>The settings of an analysis of depth; written to report.json as it is.</summary>
internal sealed record DepthSettings
{
    public IReadOnlyList<int> Layers { get; init; } = [10, 100, 1000, 10_000];

    public int Hidden { get; init; } = 64;

    /// <summary>c of β = c / L.</summary>
    public double TotalBeta { get; init; } = 1;

    /// <summary>g of W ~ N(0, g^2 / N), of all networks.</summary>
    public double WeightScale { get; init; } = 1;

    public FilterChoice Filter { get; init; } = FilterChoice.Haar;

    public Activation Activation { get; init; } = Activation.Tanh;

    public ulong Seed { get; init; } = 1;

    [JsonIgnore]
    public string? Out { get; init; }
}

/// <summary>The networks that are compared.</summary>
internal enum DepthModel
{
    /// <summary>Random orthogonal additive filters, α = 1 and β = c / L.</summary>
    Roa,

    /// <summary>α = 0 and β = 1: a multilayer perceptron.</summary>
    Plain,

    /// <summary>O = I and α = β = 1.</summary>
    Residual,
}

/// <summary>The gradient at a layer. All numbers are decimal logarithms, relative to the gradient at the last state.</summary>
/// <param name="Layer">0: the input; L: the output of the last layer.</param>
/// <param name="LogNorm">Measured; null: 0.</param>
/// <param name="LogLower">Bound of the theory; null: 0.</param>
/// <param name="LogUpper">Bound of the theory; null: 0.</param>
internal sealed record GradientPoint(int Layer, double? LogNorm, double? LogLower, double? LogUpper);

/// <summary>One network. Numbers whose names begin with log are decimal logarithms; null stands for that of 0.</summary>
/// <param name="Model">Which one.</param>
/// <param name="Layers">Its depth L.</param>
/// <param name="Alpha">α.</param>
/// <param name="Beta">β.</param>
/// <param name="LogGradient">Norm of the gradient at the input, relative to that at the output.</param>
/// <param name="LogLower">The lower bound of the theory for gradients and singular values.</param>
/// <param name="LogUpper">The upper bound.</param>
/// <param name="WithinBounds">True if all gradients and singular values are within the bounds.</param>
/// <param name="LogSingularValues">
/// Of the input-output Jacobian in descending order: all up to 128 units, the largest and the smallest beyond. Those below 1e-15 of the
/// largest are rounding.
/// </param>
/// <param name="FiniteStates">
/// True if the states of all layers are finite in double precision; where they are not, no other number says anything about the layers behind.
/// </param>
/// <param name="Float32">
/// The gradient as backpropagation in float32 computes it: the number, "zero", or "not finite" where it or a state of the network is not.
/// </param>
/// <param name="WeightNorm">Largest ‖W_k‖₂ of about 1,000 layers.</param>
/// <param name="LargestRadius">Largest ‖diag(β φ') W_k‖₂.</param>
/// <param name="Saturation">Mean share of units with φ' below 0.1.</param>
/// <param name="FilterDrift">‖OᵀO - I‖ as float32 holds O.</param>
/// <param name="Seconds">Wall time.</param>
/// <param name="Gradients">At up to 400 layers, close together near the output.</param>
internal sealed record DepthResult(
    DepthModel Model,
    int Layers,
    double Alpha,
    double Beta,
    double? LogGradient,
    double? LogLower,
    double? LogUpper,
    bool WithinBounds,
    IReadOnlyList<double?> LogSingularValues,
    bool FiniteStates,
    string Float32,
    double WeightNorm,
    double LargestRadius,
    double Saturation,
    double FilterDrift,
    double Seconds,
    IReadOnlyList<GradientPoint> Gradients);

/// <summary>The content of report.json.</summary>
internal sealed record DepthReport(
    string Version,
    DateTimeOffset Started,
    DepthSettings Settings,
    Machine Machine,
    IReadOnlyList<DepthResult> Results,
    double Seconds,
    long PeakBytes)
{
    /// <summary>Writes the file.</summary>
    public void Save(string path)
    {
        using FileStream file = RunFolder.CreateNew(path);
        JsonSerializer.Serialize(file, this, DepthReportJson.Default.DepthReport);
        file.WriteByte((byte)'\n');
        file.Flush(flushToDisk: true);
    }
}

[JsonSourceGenerationOptions(
    WriteIndented = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    Converters = [typeof(CamelCaseEnumConverter<DepthModel>), typeof(CamelCaseEnumConverter<FilterChoice>),
        typeof(CamelCaseEnumConverter<Activation>), typeof(CamelCaseEnumConverter<InstructionSet>)])]
[JsonSerializable(typeof(DepthReport))]
internal sealed partial class DepthReportJson : JsonSerializerContext;
