using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Images read one pixel, or some pixels, at a time: the class is asked for after the last one.</summary>
/// <remarks>
/// Q. Le, N. Jaitly, G. Hinton: A simple way to initialize recurrent networks of rectified linear units (2015). In row
/// order the task is known as sequential MNIST; in one random order, the same for all images, as permuted sequential
/// MNIST.
/// </remarks>
public sealed class PixelSequence : Dataset
{
    /// <summary>Seed of the pixel order that is used unless another is given, so that results can be compared.</summary>
    public const ulong DefaultPermutationSeed = 92916;

    /// <summary>Mean of all training pixels of MNIST, where 255 counts as 1.</summary>
    public const double MnistMean = 0.1307;

    /// <summary>Standard deviation of all training pixels of MNIST, where 255 counts as 1.</summary>
    public const double MnistStandardDeviation = 0.3081;

    private readonly Mnist _images;
    private readonly int[] _order;
    private readonly float[] _levels;

    /// <summary>Creates sequences of images.</summary>
    /// <param name="images">The images; referenced, not copied.</param>
    /// <param name="options">Order, scaling and number of images; null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public PixelSequence(Mnist images, PixelSequenceOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(images);
        options ??= new PixelSequenceOptions();
        Check.Finite(options.Mean);
        Check.Positive(options.StandardDeviation);
        if (options.Limit is { } limit)
        {
            Check.AtLeast(limit, 1, $"{nameof(options)}.{nameof(options.Limit)}");
        }

        int pixels = images.Rows * images.Columns;
        Check.InRange(options.PixelsPerStep, 1, pixels);
        if (pixels % options.PixelsPerStep != 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(options), options.PixelsPerStep, $"options.PixelsPerStep is {options.PixelsPerStep}; it must be a divisor of {pixels}, the pixels of an image.");
        }

        _images = images;
        Count = Math.Min(options.Limit ?? images.Count, images.Count);
        Features = options.PixelsPerStep;
        Steps = pixels / Features;
        _order = [.. Enumerable.Range(0, pixels)];
        if (options.PermutationSeed is { } seed)
        {
            long[] permutation = new long[pixels];
            RandomNumbers.Permutation(seed, ortho_stream.ORTHO_STREAM_DATA, 0, permutation);
            _order = Array.ConvertAll(permutation, pixel => (int)pixel);
        }

        _levels = new float[256];
        for (int level = 0; level < _levels.Length; level++)
        {
            _levels[level] = (float)(((level / 255.0) - options.Mean) / options.StandardDeviation);
        }
    }

    /// <inheritdoc/>
    public override long Count { get; }

    /// <summary>Length T of a sequence: the number of pixels, by those of a step.</summary>
    public override long Steps { get; }

    /// <summary>The pixels of a step.</summary>
    public override long Features { get; }

    /// <summary>1: the class is asked for at the last step.</summary>
    public override long TargetSteps => 1;

    /// <summary>The number of classes of the images.</summary>
    public override long Outputs => _images.ClassCount;

    /// <summary>True.</summary>
    public override bool IsClassification => true;

    /// <summary>The pixels as they are read; a pixel's number is row * columns + column.</summary>
    public ReadOnlySpan<int> Order => _order;

    /// <summary>Accuracy, on these samples, of a model that always answers with their most frequent class.</summary>
    public double Baseline()
    {
        Span<int> frequency = stackalloc int[byte.MaxValue + 1];
        foreach (byte label in _images.Labels[..(int)Count])
        {
            frequency[label]++;
        }

        int most = 0;
        foreach (int count in frequency)
        {
            most = Math.Max(most, count);
        }

        return (double)most / Count;
    }

    /// <inheritdoc/>
    public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        CheckBuffers(samples, inputs, classes, values);
        int batch = samples.Length;
        for (int row = 0; row < batch; row++)
        {
            Check.InRange(samples[row], 0, Count - 1, nameof(samples));
            int sample = (int)samples[row];
            ReadOnlySpan<byte> image = _images.Image(sample);
            for (int i = 0; i < _order.Length; i++)
            {
                (int step, int feature) = Math.DivRem(i, (int)Features);
                inputs[(((step * batch) + row) * (int)Features) + feature] = _levels[image[_order[i]]];
            }

            classes[row] = _images.Labels[sample] - _images.FirstLabel;
        }
    }
}
