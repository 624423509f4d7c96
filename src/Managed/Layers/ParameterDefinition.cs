using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A parameter of a layer: name, shape and initial values.</summary>
/// <param name="Name">Name within the layer.</param>
/// <param name="Shape">Sizes.</param>
/// <param name="LearningRateScale">Factor of the learning rate.</param>
/// <param name="Options">The layer's options that decide how it starts, for messages.</param>
/// <param name="Initialize">Fills the tensor from a seed and the index of a random stream.</param>
internal sealed record ParameterDefinition(string Name, long[] Shape, double LearningRateScale, string Options, Action<Tensor, ulong, uint> Initialize)
{
    /// <summary>True if weight decay leaves the parameter out.</summary>
    public bool IsBias { get; init; }

    /// <summary>Number of elements; shapes beyond memory are counted, too.</summary>
    public Int128 Count => Shape.Aggregate(Int128.One, (product, size) => product * size);

    /// <summary>Starts normal with mean 0.</summary>
    public static ParameterDefinition Normal(string name, long[] shape, double standardDeviation, double learningRateScale, string options) =>
        new(name, shape, learningRateScale, options, (values, seed, index) =>
            RandomNumbers.Normal(seed, ortho_stream.ORTHO_STREAM_WEIGHTS, index, standardDeviation, values));

    /// <summary>Starts uniform in center ± radius.</summary>
    public static ParameterDefinition Uniform(string name, long[] shape, double center, double radius, double learningRateScale, string options) =>
        new(name, shape, learningRateScale, options, (values, seed, index) =>
            RandomNumbers.Uniform(seed, ortho_stream.ORTHO_STREAM_WEIGHTS, index, center - radius, center + radius, values));
}
