using System.Numerics;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A parameter of a layer before there is a model: name, shape and how it starts.</summary>
/// <remarks>Random numbers follow from the model's seed and the parameter's place in the model alone.</remarks>
public sealed record ParameterDefinition
{
    private readonly long[] _shape;

    private ParameterDefinition(string name, ReadOnlySpan<long> shape, Action<Tensor, ulong, uint, Action<long>?> initialize)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Check.Utf8(name, $"{nameof(name)} has", nameof(name));
        foreach (long size in shape)
        {
            Check.AtLeast(size, 1, nameof(shape));
        }

        Name = name;
        _shape = shape.ToArray();
        Initialize = initialize;
    }

    /// <summary>Name within the layer.</summary>
    public string Name { get; }

    /// <summary>Sizes; weights are [out, in].</summary>
    public ReadOnlySpan<long> Shape => _shape;

    /// <summary>What the parameter is for. Default <see cref="ParameterRole.Weight"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is unknown.</exception>
    public ParameterRole Role
    {
        get;
        init
        {
            Check.Defined(value, nameof(Role));
            field = value;
        }
    }

    /// <summary>Factor of the optimizer's learning rate, finite and not negative. Default 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, infinite or not a number.</exception>
    public double LearningRateScale
    {
        get;
        init
        {
            Check.NotNegative(value, nameof(LearningRateScale));
            field = value;
        }
    } = 1;

    /// <summary>The layer's options that decide how it starts, for messages.</summary>
    internal string Options { get; init; } = "initial values";

    /// <summary>Fills the tensor from a seed and the index of a random stream; the last argument is told the number of elements so far, and may throw.</summary>
    internal Action<Tensor, ulong, uint, Action<long>?> Initialize { get; private init; }

    /// <summary>Number of elements; shapes beyond memory are counted, too.</summary>
    internal Int128 Count => _shape.Aggregate(Int128.One, (product, size) => product * size);

    /// <summary>A parameter that starts normal with mean 0.</summary>
    /// <param name="name">Name within the layer, not empty.</param>
    /// <param name="shape">Sizes, each at least 1.</param>
    /// <param name="standardDeviation">Of the values; finite, not negative.</param>
    /// <exception cref="ArgumentException">The name is empty, or an argument is out of range.</exception>
    public static ParameterDefinition Normal(string name, ReadOnlySpan<long> shape, double standardDeviation)
    {
        Check.NotNegative(standardDeviation);
        return new(name, shape, (values, seed, index, filled) =>
            RandomNumbers.Normal(seed, ortho_stream.ORTHO_STREAM_WEIGHTS, index, standardDeviation, values, filled));
    }

    /// <summary>A parameter that starts uniform in center ± radius.</summary>
    /// <param name="name">Name within the layer, not empty.</param>
    /// <param name="shape">Sizes, each at least 1.</param>
    /// <param name="center">Finite.</param>
    /// <param name="radius">Finite, not negative.</param>
    /// <exception cref="ArgumentException">The name is empty, or an argument is out of range.</exception>
    public static ParameterDefinition Uniform(string name, ReadOnlySpan<long> shape, double center, double radius)
    {
        Check.Finite(center);
        Check.NotNegative(radius);
        return new(name, shape, (values, seed, index, filled) =>
            RandomNumbers.Uniform(seed, ortho_stream.ORTHO_STREAM_WEIGHTS, index, center - radius, center + radius, values, filled));
    }

    /// <summary>A parameter whose elements all start with one number.</summary>
    /// <param name="name">Name within the layer, not empty.</param>
    /// <param name="shape">Sizes, each at least 1.</param>
    /// <param name="value">Finite.</param>
    /// <exception cref="ArgumentException">The name is empty, or an argument is out of range.</exception>
    public static ParameterDefinition Constant(string name, ReadOnlySpan<long> shape, double value)
    {
        Check.Finite(value);
        return new(name, shape, (values, _, _, filled) =>
        {
            Check.Finite(value, values.DType);
            values.Fill(value);
            filled?.Invoke(values.Count);
        });
    }

    /// <summary>A parameter [..., rows, columns] that starts normal with mean 0 and a standard deviation for each row, the same in all matrices.</summary>
    internal static ParameterDefinition NormalRows(string name, ReadOnlySpan<long> shape, double[] deviations)
    {
        long columns = shape[^1];
        return new(name, shape, (values, seed, index, filled) =>
            RandomNumbers.Normal(seed, ortho_stream.ORTHO_STREAM_WEIGHTS, index, deviations, columns, values, filled));
    }

    /// <summary>Starts with a number added to some of the elements.</summary>
    internal ParameterDefinition WithOffset(BiasOffset offset)
    {
        Action<Tensor, ulong, uint, Action<long>?> initialize = Initialize;
        return this with
        {
            Options = $"{Options} and {offset.Option}",
            Initialize = (values, seed, index, filled) =>
            {
                initialize(values, seed, index, filled);
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
    }
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
