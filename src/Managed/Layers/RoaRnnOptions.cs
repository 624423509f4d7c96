using System.Globalization;

namespace OrthoNative;

/// <summary>Options of a <see cref="RoaRnn"/>.</summary>
public sealed record RoaRnnOptions : FilterChainOptions
{
    private const double LargestMemoryBeta = 0.5;

    /// <summary>Which states are the output. Default <see cref="SequenceOutput.Last"/>.</summary>
    public SequenceOutput Output { get; init; }

    /// <summary>s, not negative: V starts uniform in <see cref="InputOffset"/> ± s. Default 1.</summary>
    public double InputScale { get; init; } = 1;

    /// <summary>Mean that V starts with. Default 0.</summary>
    public double InputOffset { get; init; }

    /// <summary>Factor of the learning rate of V, not negative. Default 1.</summary>
    public double InputLearningRateScale { get; init; } = 1;

    /// <summary>For memory: carries what it read over a number of steps. α = 1, β = 3 / √T but at most 0.5, and W with g = 0.2.</summary>
    /// <param name="steps">T, the steps over which something is kept, at least 1.</param>
    /// <returns>Options with these α, β and g and all other defaults.</returns>
    /// <remarks>
    /// States drift without bound where they are carried for ever, and counters and state machines, such as parity, are not learnt where β is small: see
    /// <see cref="Computation"/>, <see cref="Streaming"/> and <see cref="MemoryAndComputation"/>. The formula fits copying over 200 and 1,000 steps with a
    /// plain readout and Adam's default rate.
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="steps"/> is less than 1.</exception>
    public static RoaRnnOptions Memory(long steps)
    {
        Check.AtLeast(steps, 1);
        return new() { Alpha = 1, Beta = Math.Min(LargestMemoryBeta, 3 / Math.Sqrt(steps)) };
    }

    /// <summary>For computation: counters and state machines over any number of steps, learnt on short sequences. α = β = 0.5, and W of full scale, g = 1.</summary>
    /// <returns>Options with these α, β and g and all other defaults.</returns>
    /// <remarks>
    /// Parity that was learnt on up to 32 steps is exact over 16,384. What was read is forgotten soon, so long copying is not learnt. State machines of
    /// more states are exact with α = 0.1 and β = 0.9.
    /// </remarks>
    public static RoaRnnOptions Computation() => Convex(0.5) with { WeightScale = 1 };

    /// <summary>For endless streams: states that are carried for ever stay bounded. α = 1 - 1 / T and β = 1 / T, and W with g = 0.2.</summary>
    /// <param name="steps">T, above 1: the steps after which the filter has damped a state to 1 / e. Default 20.</param>
    /// <returns>Options with these α, β and g and all other defaults.</returns>
    /// <remarks>With tanh and N units, ‖x‖ ≤ √N at every step. States shrink with β, so where T is large the readout needs a larger scale and rate.</remarks>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="steps"/> is not above 1, or infinite.</exception>
    public static RoaRnnOptions Streaming(double steps = 20)
    {
        Check.That(steps > 1 && double.IsFinite(steps), steps, "finite and above 1", nameof(steps));
        return Convex(1 / steps);
    }

    /// <summary>
    /// For memory and computation in one layer: two Haar blocks of half the units. The first one has α = 1 and β = 7 / √T but at most 0.5, the second one
    /// α = β = 0.5 as <see cref="Computation"/> has; W has g = 0.2.
    /// </summary>
    /// <param name="hiddenSize">Number of units N of the layer, at least 2.</param>
    /// <param name="steps">T, the steps over which something is kept, at least 1.</param>
    /// <returns>Options with this filter and all other defaults.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public static RoaRnnOptions MemoryAndComputation(long hiddenSize, long steps)
    {
        Check.AtLeast(hiddenSize, 2);
        Check.AtLeast(steps, 1);
        long half = hiddenSize / 2;
        return new()
        {
            Alpha = 1,
            Beta = Math.Min(LargestMemoryBeta, 7 / Math.Sqrt(steps)),
            Filter = Filter.Blocks(new FilterBlock(hiddenSize - half), new FilterBlock(half) { Alpha = 0.5, Beta = 0.5 }),
        };
    }

    /// <summary>
    /// For sequences whose useful time scale is not known, as of recordings and gestures to be classified: four Haar blocks in the convex form with β = 0.5, 0.125, 0.03 and 0.01, which remember
    /// about 2, 8, 33 and 100 steps; W has full scale, g = 1.
    /// </summary>
    /// <param name="hiddenSize">Number of units N of the layer, at least 4; the blocks share them evenly.</param>
    /// <returns>Options with this filter and all other defaults.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="hiddenSize"/> is less than 4.</exception>
    public static RoaRnnOptions MultiScale(long hiddenSize)
    {
        ReadOnlySpan<double> betas = [0.5, 0.125, 0.03, 0.01];
        Check.AtLeast(hiddenSize, betas.Length);
        var blocks = new FilterBlock[betas.Length];
        for (int i = 0; i < blocks.Length; i++)
        {
            long size = ((i + 1) * hiddenSize / blocks.Length) - (i * hiddenSize / blocks.Length);
            blocks[i] = new FilterBlock(size) { Alpha = 1 - betas[i], Beta = betas[i] };
        }

        return Computation() with { Filter = Filter.Blocks(blocks) };
    }

    /// <summary>
    /// For samples of sound as they are, one a step: a bank of resonators. The filter turns each pair of units by the angle of a frequency of its own. The frequencies are evenly spaced on the
    /// mel scale, and each is damped so that its band reaches to both neighbours: α = e^(-2π d / rate) for a distance d. β = 1 - α, W has g = 0.2, and b starts at 0.
    /// </summary>
    /// <param name="hiddenSize">Number of units N of the layer, at least 4. Of an odd number, the last unit only averages.</param>
    /// <param name="sampleRate">Steps a second, above 0.</param>
    /// <param name="lowest">The lowest frequency in Hz, above 0. Default 80.</param>
    /// <param name="highest">The highest frequency in Hz, above <paramref name="lowest"/> and at most half of <paramref name="sampleRate"/>. Null (the default): 0.46 of the sample rate.</param>
    /// <returns>Options with this filter and all other defaults.</returns>
    /// <remarks>
    /// A pair swings while its frequency is in the inputs. An <see cref="ActivationLayer"/> with relu and the mean of a <see cref="WindowPooling"/> behind it measure how far. The filter stays as it is; W learns to
    /// shift what a pair answers to.
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public static RoaRnnOptions Resonators(long hiddenSize, double sampleRate, double lowest = 80, double? highest = null)
    {
        // The mel scale is 2595 log10(1 + f / 700 Hz), of which only the form counts here.
        const double Corner = 700, HighestOfRate = 0.46;
        Check.InRange(hiddenSize, 4, 2048);
        Check.That(sampleRate > 0 && double.IsFinite(sampleRate), sampleRate, "finite and above 0", nameof(sampleRate));
        Check.That(lowest > 0 && lowest < sampleRate / 2, lowest, string.Create(CultureInfo.InvariantCulture, $"above 0 and below {sampleRate / 2}, half of {nameof(sampleRate)}"), nameof(lowest));
        double last = highest ?? HighestOfRate * sampleRate;
        Check.That(last > lowest && last <= sampleRate / 2, last, string.Create(CultureInfo.InvariantCulture, $"above {nameof(lowest)}, {lowest}, and at most {sampleRate / 2}, half of {nameof(sampleRate)}"), nameof(highest));
        long pairs = hiddenSize / 2;
        double spacing = Math.Log((Corner + last) / (Corner + lowest)) / (pairs - 1);
        var blocks = new FilterBlock[pairs + (hiddenSize % 2)];
        for (int i = 0; i < pairs; i++)
        {
            double frequency = ((Corner + lowest) * Math.Exp(i * spacing)) - Corner;
            double alpha = Math.Exp(-2 * Math.PI * (frequency + Corner) * spacing / sampleRate);
            (double sine, double cosine) = Math.SinCos(2 * Math.PI * frequency / sampleRate);
            blocks[i] = new FilterBlock(2) { Filter = Filter.FromMatrix(new[,] { { cosine, -sine }, { sine, cosine } }), Alpha = alpha, Beta = 1 - alpha };
        }

        if (hiddenSize % 2 == 1)
        {
            blocks[pairs] = new FilterBlock(1) { Filter = Filter.Identity, Alpha = blocks[0].Alpha, Beta = blocks[0].Beta };
        }

        return new() { Filter = Filter.Blocks(blocks), BiasScale = 0 };
    }

    /// <summary>The convex form, α = 1 - β: with tanh, states stay within max(‖x₀‖, √N).</summary>
    /// <param name="beta">0 to 1: one number, or one for each unit.</param>
    /// <returns>Options with these α and β and all other defaults.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="beta"/> is outside 0 to 1.</exception>
    public static RoaRnnOptions Convex(UnitValues beta) => new() { Alpha = ConvexAlpha(beta), Beta = beta };

    /// <summary>
    /// What <see cref="Elman"/> computes: α = 0 and β = 1, x_t = φ(W x_{t-1} + V u_t + b), with W ~ N(0, 1/N), V uniform in ± 1 and b = 0.
    /// </summary>
    internal static RoaRnnOptions Plain { get; } = new() { Alpha = 0, Beta = 1, Filter = Filter.Identity, WeightScale = 1, BiasScale = 0 };

    /// <summary>
    /// The residual network, to compare with: O = I and α = β = 1, x_t = x_{t-1} + φ(W x_{t-1} + V u_t + b), with W ~ N(0, 1/N).
    /// </summary>
    public static RoaRnnOptions Residual { get; } = Plain with { Alpha = 1 };
}
