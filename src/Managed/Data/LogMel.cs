using System.Globalization;

namespace OrthoNative;

/// <summary>Logarithms of the power of sound in the bands of the mel scale.</summary>
internal sealed class LogMel
{
    private const double Floor = 1e-10;

    private readonly double[] _window;
    private readonly double[] _real;
    private readonly double[] _imaginary;
    private readonly double[] _cosines;
    private readonly double[] _sines;

    /// <summary>The first bin of each band, and the weights from there on.</summary>
    private readonly (int First, double[] Weights)[] _bands;

    /// <summary>Computes window and filters.</summary>
    /// <param name="frameLength">Samples of a frame.</param>
    /// <param name="bands">Number of bands.</param>
    /// <param name="sampleRate">Samples in a second.</param>
    /// <param name="minimum">Lowest frequency in Hz.</param>
    /// <param name="maximum">Highest frequency in Hz.</param>
    /// <exception cref="ArgumentException">A band has no frequency of the transform.</exception>
    public LogMel(int frameLength, int bands, int sampleRate, double minimum, double maximum)
    {
        int size = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)frameLength);
        _window = new double[frameLength];
        for (int i = 0; i < frameLength; i++)
        {
            _window[i] = 0.5 - (0.5 * Math.Cos(2 * Math.PI * i / frameLength));
        }

        _real = new double[size];
        _imaginary = new double[size];
        _cosines = new double[size / 2];
        _sines = new double[size / 2];
        for (int i = 0; i < _cosines.Length; i++)
        {
            _cosines[i] = Math.Cos(2 * Math.PI * i / size);
            _sines[i] = -Math.Sin(2 * Math.PI * i / size);
        }

        _bands = new (int, double[])[bands];
        double low = ToMel(minimum);
        double step = (ToMel(maximum) - low) / (bands + 1);
        for (int band = 0; band < bands; band++)
        {
            double left = ToHertz(low + (step * band)), peak = ToHertz(low + (step * (band + 1))), right = ToHertz(low + (step * (band + 2)));
            int first = -1;
            List<double> weights = [];
            for (int bin = 0; bin <= size / 2; bin++)
            {
                double frequency = (double)bin * sampleRate / size;
                double weight = Math.Min((frequency - left) / (peak - left), (right - frequency) / (right - peak));
                if (weight > 0)
                {
                    first = first < 0 ? bin : first;
                    weights.Add(weight);
                }
            }

            _bands[band] = first >= 0 ? (first, [.. weights]) : throw new ArgumentException(string.Create(
                CultureInfo.InvariantCulture,
                $"options.{nameof(WavFolderOptions.MelBands)} is {bands}; band {band}, {left:F1} to {right:F1} Hz, has none of the frequencies of a transform of {size} samples, which " +
                $"are {(double)sampleRate / size:F2} Hz apart: there must be fewer bands, or a longer options.{nameof(WavFolderOptions.FrameLength)}."), Check.Parameter("options"));
        }
    }

    /// <summary>Transforms a frame.</summary>
    /// <param name="frame">[frameLength]; fewer: zeros behind it.</param>
    /// <param name="destination">[bands], written.</param>
    public void Compute(ReadOnlySpan<float> frame, Span<float> destination)
    {
        Array.Clear(_real);
        Array.Clear(_imaginary);
        for (int i = 0; i < frame.Length; i++)
        {
            _real[i] = frame[i] * _window[i];
        }

        Transform();
        for (int band = 0; band < _bands.Length; band++)
        {
            (int first, double[] weights) = _bands[band];
            double power = 0;
            for (int i = 0; i < weights.Length; i++)
            {
                double real = _real[first + i], imaginary = _imaginary[first + i];
                power += weights[i] * ((real * real) + (imaginary * imaginary));
            }

            destination[band] = (float)Math.Log(Math.Max(power, Floor));
        }
    }

    private static double ToMel(double hertz) => 2595 * Math.Log10(1 + (hertz / 700));

    private static double ToHertz(double mel) => 700 * (Math.Pow(10, mel / 2595) - 1);

    /// <summary>The discrete Fourier transform, in place, of a power of two of numbers: Cooley and Tukey's, decimation in time.</summary>
    private void Transform()
    {
        int size = _real.Length;
        for (int i = 1, reversed = 0; i < size; i++)
        {
            int bit = size >> 1;
            for (; (reversed & bit) != 0; bit >>= 1)
            {
                reversed ^= bit;
            }

            reversed ^= bit;
            if (i < reversed)
            {
                // The imaginary parts are 0 still.
                (_real[i], _real[reversed]) = (_real[reversed], _real[i]);
            }
        }

        for (int half = 1; half < size; half *= 2)
        {
            int stride = size / (2 * half);
            for (int start = 0; start < size; start += 2 * half)
            {
                for (int k = 0; k < half; k++)
                {
                    int a = start + k, b = a + half;
                    double cosine = _cosines[k * stride], sine = _sines[k * stride];
                    double real = (_real[b] * cosine) - (_imaginary[b] * sine);
                    double imaginary = (_real[b] * sine) + (_imaginary[b] * cosine);
                    (_real[b], _imaginary[b]) = (_real[a] - real, _imaginary[a] - imaginary);
                    (_real[a], _imaginary[a]) = (_real[a] + real, _imaginary[a] + imaginary);
                }
            }
        }
    }
}
