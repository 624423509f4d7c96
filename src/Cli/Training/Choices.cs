using System.Globalization;

namespace OrthoNative.Cli.Training;

/// <summary>Models that the command line offers; all but the first are there to compare with.</summary>
internal enum ModelChoice
{
    Roa,
    Elman,
    Gru,
    Lstm,
}

/// <summary>Filters that the command line offers.</summary>
internal enum FilterChoice
{
    Haar,
    Cycle,
    Permutation,
    Identity,
}

/// <summary>The library's objects for what was chosen.</summary>
internal static class ChoiceExtensions
{
    public static Filter ToFilter(this FilterChoice choice) => choice switch
    {
        FilterChoice.Cycle => Filter.Cycle,
        FilterChoice.Permutation => Filter.Permutation,
        FilterChoice.Identity => Filter.Identity,
        _ => Filter.Haar,
    };

    /// <summary>As on the command line.</summary>
    public static string ToName<T>(this T choice) where T : struct, Enum => choice.ToString().ToLowerInvariant();
}

/// <summary>Optimizers that the command line offers.</summary>
internal enum OptimizerChoice
{
    Sgd,
    Adam,
    AdamW,
}

/// <summary>The change of the learning rate during a run.</summary>
internal enum Schedule
{
    /// <summary>It stays.</summary>
    Constant,

    /// <summary>It falls to 0 along half a cosine, over the whole run.</summary>
    Cosine,
}

/// <summary>Where a run is trained.</summary>
/// <param name="CudaIndex">Which GPU; null: the CPU.</param>
internal sealed record DeviceChoice(int? CudaIndex)
{
    public static readonly DeviceChoice Cpu = new((int?)null);

    /// <summary>As on the command line: <c>cpu</c>, <c>cuda:0</c>.</summary>
    public override string ToString() => CudaIndex is { } index ? string.Create(CultureInfo.InvariantCulture, $"cuda:{index}") : "cpu";
}
