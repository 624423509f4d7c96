using System.Numerics;
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

    /// <summary>Starts with a number added to some of the elements.</summary>
    public ParameterDefinition WithOffset(BiasOffset offset) => this with
    {
        Options = $"{Options} and {offset.Option}",
        Initialize = (values, seed, index) =>
        {
            Initialize(values, seed, index);
            if (values.DType == DType.Float32)
            {
                offset.AddTo<float>(values);
            }
            else
            {
                offset.AddTo<double>(values);
            }
        },
    };

    /// <summary>Starts normal with mean 0.</summary>
    public static ParameterDefinition Normal(string name, long[] shape, double standardDeviation, double learningRateScale, string options) =>
        new(name, shape, learningRateScale, options, (values, seed, index) =>
            RandomNumbers.Normal(seed, ortho_stream.ORTHO_STREAM_WEIGHTS, index, standardDeviation, values));

    /// <summary>Starts uniform in center ± radius.</summary>
    public static ParameterDefinition Uniform(string name, long[] shape, double center, double radius, double learningRateScale, string options) =>
        new(name, shape, learningRateScale, options, (values, seed, index) =>
            RandomNumbers.Uniform(seed, ortho_stream.ORTHO_STREAM_WEIGHTS, index, center - radius, center + radius, values));
}

/// <summary>A number that is added to the initial values of some elements of a bias.</summary>
/// <param name="Value">The number.</param>
/// <param name="Start">First element.</param>
/// <param name="Count">Number of elements.</param>
/// <param name="Option">The layer's option that decides it.</param>
internal sealed record BiasOffset(double Value, long Start, long Count, string Option)
{
    /// <summary>Adds it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The element type cannot hold the number or a sum.</exception>
    public void AddTo<T>(Tensor values) where T : unmanaged, INumber<T>
    {
        Check.Finite(Value, values.DType);
        var elements = new T[Count];
        values.CopyTo<T>(Start, elements);
        foreach (ref T element in elements.AsSpan())
        {
            element += T.CreateChecked(Value);
            Check.Finite(double.CreateChecked(element), values.DType, nameof(values));
        }

        values.CopyFrom<T>(Start, elements);
    }
}
