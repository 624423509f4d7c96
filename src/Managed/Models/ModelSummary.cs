using System.Globalization;
using System.Text;

namespace OrthoNative;

/// <summary>The parameters and memory of a layer.</summary>
/// <param name="Name">Path in the model: <c>2.forward</c>.</param>
/// <param name="Description">Kind and sizes.</param>
/// <param name="Parameters">Number of parameters.</param>
/// <param name="ActivationBytes">Bytes for states, outputs and the gradient at the inputs.</param>
/// <param name="SumBytes">Bytes for sums of gradients over samples, of which a chain layer keeps several apart.</param>
public sealed record LayerSummary(string Name, string Description, long Parameters, long ActivationBytes, long SumBytes);

/// <summary>The parameters of a model, and the memory in bytes that training it takes. Prints as a table.</summary>
/// <remarks>
/// Not counted: packed weights, which do not grow with depth, sums of gradients of other layers than chain layers, the batch itself, and filters,
/// of which a GPU keeps one for each layer with <see cref="RoaFnnOptions.FilterPerLayer"/>.
/// </remarks>
public sealed class ModelSummary
{
    internal ModelSummary(IReadOnlyList<LayerSummary> layers, long batch, DType dtype, int gradientValues, int optimizerValues)
    {
        Layers = layers;
        Batch = batch;
        DType = dtype;
        Parameters = layers.Sum(layer => layer.Parameters);
        WeightBytes = Parameters * dtype.Bytes();
        GradientBytes = gradientValues * WeightBytes;
        OptimizerBytes = optimizerValues * WeightBytes;
        ActivationBytes = layers.Sum(layer => layer.ActivationBytes);
        SumBytes = layers.Sum(layer => layer.SumBytes);
    }

    /// <summary>The layers in their order.</summary>
    public IReadOnlyList<LayerSummary> Layers { get; }

    /// <summary>Samples in a step.</summary>
    public long Batch { get; }

    /// <summary>Element type.</summary>
    public DType DType { get; }

    /// <summary>Number of parameters.</summary>
    public long Parameters { get; }

    /// <summary>Bytes of the parameters.</summary>
    public long WeightBytes { get; }

    /// <summary>Bytes of their gradients; 0 in a model without them.</summary>
    public long GradientBytes { get; }

    /// <summary>Bytes of what the optimizer keeps.</summary>
    public long OptimizerBytes { get; }

    /// <summary>Bytes of states, outputs and gradients at the inputs of layers.</summary>
    public long ActivationBytes { get; }

    /// <summary>Bytes of sums of gradients over samples, which backward passes keep apart before they are added.</summary>
    public long SumBytes { get; }

    /// <summary>All of these.</summary>
    public long TotalBytes => WeightBytes + GradientBytes + OptimizerBytes + ActivationBytes + SumBytes;

    /// <summary>The sum in words: what each part takes, and the whole.</summary>
    internal string Arithmetic =>
        $"weights {Bytes(WeightBytes)} + gradients {Bytes(GradientBytes)} + optimizer {Bytes(OptimizerBytes)} + " +
        $"activations {Bytes(ActivationBytes)} + sums {Bytes(SumBytes)} = {Bytes(TotalBytes)}";

    /// <summary>A table of the layers, and below it the sum of the memory.</summary>
    public override string ToString()
    {
        int name = Layers.Max(layer => layer.Name.Length);
        int description = Layers.Max(layer => layer.Description.Length);
        var text = new StringBuilder();
        foreach (LayerSummary layer in Layers)
        {
            text.Append(layer.Name.PadRight(name + 2)).Append(layer.Description.PadRight(description + 2));
            text.Append(CultureInfo.InvariantCulture, $"{layer.Parameters,15:#,0} parameters  {Bytes(layer.ActivationBytes),9} activations  {Bytes(layer.SumBytes),9} sums").Append('\n');
        }

        return text.Append(CultureInfo.InvariantCulture, $"{Parameters:#,0} parameters of {DType.Bytes()} bytes, batch {Batch}: {Arithmetic}").ToString();
    }

    /// <summary>Bytes in the binary unit that fits: 850 MiB, 3.2 GiB.</summary>
    internal static string Bytes(Int128 bytes)
    {
        ReadOnlySpan<string> units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        double value = (double)bytes;
        int unit = 0;
        while (value >= 1024 && unit < units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{Math.Round(value, value < 100 ? 1 : 0)} {units[unit]}");
    }
}
