using System.Globalization;
using System.Text;

namespace OrthoNative.Diagnostics;

/// <summary>How gradients are checked.</summary>
public sealed record GradientCheckOptions
{
    /// <summary>Step of the central differences, above 0. Default 1e-6.</summary>
    public double Step { get; init; } = 1e-6;

    /// <summary>Tolerance relative to the larger of gradient and central difference, not negative. Default 1e-5.</summary>
    public double RelativeTolerance { get; init; } = 1e-5;

    /// <summary>
    /// Number n of rounded operations between a parameter and the outputs, at least 1. √n times the rounding error of the sum of the outputs, divided by the step, is added to
    /// the relative tolerance. Default 10000.
    /// </summary>
    public double Operations { get; init; } = 10_000;

    /// <summary>The most elements of a tensor that are checked, evenly spaced, at least 1. Default 1000.</summary>
    public int MaximumElements { get; init; } = 1000;

    /// <summary>Seed of the factors by which the outputs are summed. Default 0.</summary>
    public ulong Seed { get; init; }
}

/// <summary>An element of a gradient that differs from the central difference.</summary>
/// <param name="Name">The parameter, or "inputs".</param>
/// <param name="Element">Number of the element, in row-major order.</param>
/// <param name="Gradient">What the backward pass gives.</param>
/// <param name="Difference">The central difference.</param>
/// <param name="Tolerance">The largest difference that passes.</param>
public sealed record GradientMismatch(string Name, long Element, double Gradient, double Difference, double Tolerance);

/// <summary>What a check of gradients found.</summary>
public sealed class GradientCheckResult
{
    internal GradientCheckResult(long elements, IReadOnlyList<GradientMismatch> mismatches, double largestError)
    {
        Elements = elements;
        Mismatches = mismatches;
        LargestError = largestError;
    }

    /// <summary>True if all gradients are those of the outputs.</summary>
    public bool Passed => Mismatches.Count == 0;

    /// <summary>Number of elements that were checked.</summary>
    public long Elements { get; }

    /// <summary>Elements that differ by more than the tolerance.</summary>
    public IReadOnlyList<GradientMismatch> Mismatches { get; }

    /// <summary>The largest distance of a gradient from the central difference, relative to the largest gradient of its tensor.</summary>
    public double LargestError { get; }

    /// <summary>Number of elements and largest error, or the first ones that differ.</summary>
    public override string ToString()
    {
        if (Passed)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{Elements} gradients agree with central differences, the largest error is {LargestError:E1}");
        }

        const int Listed = 10;
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Mismatches.Count} of {Elements} gradients differ from central differences:");
        foreach (GradientMismatch mismatch in Mismatches.Take(Listed))
        {
            text.Append(CultureInfo.InvariantCulture, $"\n  {mismatch.Name}[{mismatch.Element}] is {mismatch.Gradient:R}, the difference {mismatch.Difference:R}, the tolerance {mismatch.Tolerance:E1}");
        }

        return text.ToString();
    }
}

/// <summary>Compares the gradients of a model with central differences: the check of a layer of one's own.</summary>
/// <remarks>
/// The number whose gradient is checked is the sum of the outputs times random factors. <see cref="Dropout"/> and <see cref="GaussianNoise"/> draw the same in all passes of a check. A function
/// with a kink, as relu, has no central difference where the kink lies within the step.
/// </remarks>
public static class GradientCheck
{
    /// <summary>Checks the gradients of all parameters that are not frozen and, where the model computes it, of the inputs.</summary>
    /// <param name="model">A model of <see cref="DType.Float64"/>. Its parameters are as before when the call returns; its gradients are those of the check.</param>
    /// <param name="inputs">Inputs of the model, as before when the call returns.</param>
    /// <param name="forward">Lengths, initial states and the like; null: none.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentException">The model is of another element type, the inputs do not match, or an option is out of range.</exception>
    /// <exception cref="InvalidOperationException">The model was made without gradients, or another thread is using it.</exception>
    /// <exception cref="ObjectDisposedException">The model or the inputs were disposed.</exception>
    public static GradientCheckResult Run(Model model, Tensor inputs, ForwardOptions? forward = null, GradientCheckOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(inputs);
        forward ??= new ForwardOptions();
        options ??= new GradientCheckOptions();
        Check.Positive(options.Step);
        Check.NotNegative(options.RelativeTolerance);
        Check.AtLeast(options.Operations, 1);
        Check.AtLeast(options.MaximumElements, 1);
        if (model.DType != DType.Float64)
        {
            throw new ArgumentException($"{nameof(model)} has element type {model.DType}; it must be {DType.Float64}.", nameof(model));
        }

        bool training = model.Training;
        long passes = model.TrainingPasses;
        try
        {
            model.Training = true;
            return Run(model, inputs, forward, options, passes);
        }
        finally
        {
            model.Training = training;
            model.TrainingPasses = passes;
        }
    }

    private static GradientCheckResult Run(Model model, Tensor inputs, ForwardOptions forward, GradientCheckOptions options, long pass)
    {
        Tensor outputs = model.Forward(inputs, forward);
        using var factors = new Tensor(model.Device, DType.Float64, outputs.Shape);
        double[] factor = new double[factors.Count];
        RandomNumbers.Uniform(options.Seed, Interop.ortho_stream.ORTHO_STREAM_DATA, 0, -1, 1, factor);
        IgnorePadding(outputs, model.Memory.OutputLengths.Span, factor);
        factors.CopyFrom<double>(factor);
        model.Backward(factors);

        double magnitude = Sum(outputs, factor, Math.Abs);
        double rounding = Math.Sqrt(options.Operations) * Math.Pow(2, -53) * magnitude / options.Step;
        List<(string Name, Tensor Value, double[] Gradient)> tensors =
            [.. model.Parameters.Where(parameter => !parameter.IsFrozen).Select(parameter => (parameter.Name, parameter.Value, parameter.Gradient.ToArray<double>()))];
        if (model.ComputesInputGradient)
        {
            tensors.Add((nameof(inputs), inputs, model.InputGradient.ToArray<double>()));
        }

        var mismatches = new List<GradientMismatch>();
        long elements = 0;
        double largestError = 0;
        double[] number = new double[1];
        foreach ((string name, Tensor value, double[] gradient) in tensors)
        {
            double largest = Math.Max(gradient.Max(Math.Abs), double.Epsilon);
            long count = long.Min(gradient.Length, options.MaximumElements);
            for (long i = 0; i < count; i++)
            {
                long element = i * gradient.Length / count;
                value.CopyTo(element, number.AsSpan());
                double original = number[0];
                double difference = (SumAt(original + options.Step) - SumAt(original - options.Step)) / (2 * options.Step);
                Set(original);
                double error = Math.Abs(gradient[element] - difference);
                double tolerance = (options.RelativeTolerance * Math.Max(Math.Abs(difference), Math.Abs(gradient[element]))) + rounding;
                if (!(error <= tolerance))
                {
                    mismatches.Add(new GradientMismatch(name, element, gradient[element], difference, tolerance));
                }

                largestError = Math.Max(largestError, error / largest);
                elements++;

                double SumAt(double changed)
                {
                    Set(changed);
                    try
                    {
                        model.TrainingPasses = pass;
                        return Sum(model.Forward(inputs, forward), factor, x => x);
                    }
                    catch
                    {
                        Set(original);
                        throw;
                    }
                }

                void Set(double changed)
                {
                    number[0] = changed;
                    value.CopyFrom<double>(element, number);
                }
            }
        }

        return new GradientCheckResult(elements, mismatches, largestError);
    }

    private static double Sum(Tensor outputs, double[] factors, Func<double, double> of)
    {
        double[] values = outputs.ToArray<double>();
        double sum = 0;
        for (int i = 0; i < values.Length; i++)
        {
            sum += of(values[i] * factors[i]);
        }

        return sum;
    }

    /// <summary>What lies beyond a sample's length has no gradient.</summary>
    private static void IgnorePadding(Tensor outputs, ReadOnlySpan<int> lengths, double[] factors)
    {
        if (lengths.IsEmpty)
        {
            return;
        }

        int row = (int)(outputs.Count / (outputs.Shape[0] * outputs.Shape[1]));
        for (int t = 0; t < outputs.Shape[0]; t++)
        {
            for (int b = 0; b < lengths.Length; b++)
            {
                if (t >= lengths[b])
                {
                    factors.AsSpan(((t * lengths.Length) + b) * row, row).Clear();
                }
            }
        }
    }
}
