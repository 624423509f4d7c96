namespace OrthoNative;

/// <summary>Numbers by which a <see cref="WindowScaling"/> scales each channel of a window.</summary>
public enum WindowScalingMode
{
    /// <summary>
    /// The last value is subtracted from the inputs and added to the outputs, as in the NLinear model (Zeng et al.: Are transformers effective for time series forecasting?, AAAI 2023).
    /// </summary>
    LastValue,

    /// <summary>
    /// Inputs are shifted and divided so that their mean is 0 and their mean square 1, outputs multiplied and shifted back: reversible instance normalization, RevIN (Kim et al.: Reversible instance
    /// normalization for accurate time-series forecasting against distribution shift, ICLR 2022).
    /// </summary>
    RevIn,
}

/// <summary>Options of a <see cref="WindowScaling"/>.</summary>
public sealed record WindowScalingOptions
{
    /// <summary>The numbers to scale by. Default <see cref="WindowScalingMode.LastValue"/>.</summary>
    public WindowScalingMode Mode { get; init; }

    /// <summary>
    /// Channels that the outputs forecast, in their order, each 0 to D - 1, none twice: <see cref="WindowDataset.TargetChannels"/>. The outputs of a window are those of the first step of
    /// the horizon, then those of the second one, and so on. Null (the default): all D channels.
    /// </summary>
    public IReadOnlyList<int>? TargetChannels { get; init; }

    /// <summary>
    /// Channels that are scaled, each 0 to D - 1, none twice, with all target channels; others, such as masks of <see cref="MissingValues.Mask"/> or a time of day, reach the layers as they are. Null (the
    /// default): all D channels.
    /// </summary>
    public IReadOnlyList<int>? ScaledChannels { get; init; }

    /// <summary>Number ε, above 0, which is added to the mean square deviation; of <see cref="WindowScalingMode.RevIn"/> alone. Default 1e-5.</summary>
    public double Epsilon { get; init; } = 1e-5;

    /// <summary>
    /// True (the default): a weight and a bias for each channel are learnt, which are applied to scaled inputs, and undone at the outputs. Of
    /// <see cref="WindowScalingMode.RevIn"/> alone.
    /// </summary>
    public bool Affine { get; init; } = true;
}
