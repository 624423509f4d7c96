using System.Buffers;
using System.Globalization;
using System.Numerics;

namespace OrthoNative;

/// <summary>
/// Scales each window by its own numbers around layers that forecast: inputs are scaled channel by channel, and the outputs are scaled back, so that they have the units of the inputs.
/// </summary>
/// <remarks>
/// <para>
/// Inputs are <c>[T, B, D]</c>, outputs <c>[B, H C]</c> or <c>[T', B, H C]</c>: H steps of C target channels, step by step. With the mean m and the mean square deviation v of a channel over the steps
/// of a sample, the layers f and the weight w and bias b of the channel, <see cref="WindowScalingMode.RevIn"/> is: x' = w (x - m) / √(v + ε) + b, y' = f(x'), y = √(v + ε) (y' - b) / w + m.
/// <see cref="WindowScalingMode.LastValue"/> is: x' = x - l, y = f(x') + l, with the last value l within the sample's length. A sample without steps stays as it is, and so do
/// channels other than <see cref="WindowScalingOptions.ScaledChannels"/>: their weight and bias, if there are any, are not used and keep their values, but for weight decay.
/// </para>
/// <para>
/// Gradients go through the numbers that windows are scaled by, too. These are of the whole window, so outputs at every step know of later ones: forecasts come from the last step. Losses that are
/// computed from outputs are in the units of the inputs.
/// </para>
/// <para>
/// Parameters, for RevIN with <see cref="WindowScalingOptions.Affine"/>: <c>weight</c> w <c>[D]</c>, which starts at 1, and <c>bias</c> b <c>[D]</c>, which starts at 0. Scaling is computed
/// by the host; for a model on a GPU, inputs and outputs travel there and back, for which the GPU is waited for.
/// </para>
/// </remarks>
public sealed unsafe class WindowScaling : Container
{
    // Buffers.
    private const int Scaled = 0, Statistics = 1, InnerGradient = 2, ScaledGradient = 3;

    private readonly WindowScalingOptions _options;

    /// <summary>Channels of the outputs of a step.</summary>
    private readonly int[] _targets;

    private readonly int[] _scaled;

    /// <summary>Whether each channel is scaled, [D].</summary>
    private readonly bool[] _isScaled;

    /// <summary>Describes a container; memory comes with the model.</summary>
    /// <param name="options">The scaling.</param>
    /// <param name="layers">f: at least one layer, each part of no other container or model; outputs a multiple of the number of target channels.</param>
    /// <exception cref="ArgumentException">
    /// There is no layer, one is part of a model already, two have the same name, one takes another size than the one before gives, or the number of outputs is no multiple of that of target
    /// channels.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public WindowScaling(WindowScalingOptions options, params ReadOnlySpan<Layer> layers)
        : base(layers)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check.Defined(options.Mode);
        Check.Positive(options.Epsilon);
        RequireChain(LayerSpan);
        if (LayerSpan[0].TakesIndices)
        {
            throw new ArgumentException($"{nameof(layers)}[0] takes indices; it must take numbers, which can be scaled.", nameof(layers));
        }

        _options = options;
        _targets = ChannelsOf(options.TargetChannels, InputSize, $"{nameof(options)}.{nameof(options.TargetChannels)}");
        _scaled = ChannelsOf(options.ScaledChannels, InputSize, $"{nameof(options)}.{nameof(options.ScaledChannels)}");
        _isScaled = new bool[InputSize];
        Array.ForEach(_scaled, channel => _isScaled[channel] = true);
        if (Array.FindIndex(_targets, channel => !_isScaled[channel]) is >= 0 and int unscaled)
        {
            throw new ArgumentException(
                $"{nameof(options)}.{nameof(options.ScaledChannels)} lacks channel {_targets[unscaled]}; it must have all of {nameof(options)}.{nameof(options.TargetChannels)}.", nameof(options));
        }

        if (OutputSize % _targets.Length != 0)
        {
            throw new ArgumentException(
                $"{nameof(layers)} have {OutputSize} outputs; they must have a multiple of {_targets.Length}, the number of target channels.", nameof(layers));
        }
    }

    /// <inheritdoc cref="WindowScaling(WindowScalingOptions, ReadOnlySpan{Layer})"/>
    /// <remarks>For languages without <c>params</c> spans, as C# 12 is, the default in projects for .NET 8.</remarks>
    public WindowScaling(WindowScalingOptions options, params Layer[] layers)
        : this(options, new ReadOnlySpan<Layer>(layers))
    {
    }

    /// <summary>Number D of channels.</summary>
    public override long InputSize => Layers[0].InputSize;

    /// <summary>Number H C of outputs.</summary>
    public override long OutputSize => Layers[^1].OutputSize;

    /// <summary>The numbers to scale by.</summary>
    public WindowScalingMode Mode => _options.Mode;

    /// <summary>Channels that the outputs forecast, [C].</summary>
    public IReadOnlyList<int> TargetChannels => _targets;

    /// <summary>Channels that are scaled.</summary>
    public IReadOnlyList<int> ScaledChannels => _scaled;

    /// <inheritdoc/>
    protected internal override IReadOnlyList<ParameterDefinition> Definitions => HasParameters
        ?
        [
            ParameterDefinition.Constant("weight", [InputSize], 1) with { Role = ParameterRole.Norm },
            ParameterDefinition.Constant("bias", [InputSize], 0) with { Role = ParameterRole.Norm },
        ]
        : [];

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings =>
    [
        new("mode", Mode.ToString()),
        new("target_channels", string.Join(',', _targets.Select(channel => channel.ToString(CultureInfo.InvariantCulture)))),
        new("scaled_channels", string.Join(',', _scaled.Select(channel => channel.ToString(CultureInfo.InvariantCulture)))),
        new("epsilon", _options.Epsilon.ToString("R", CultureInfo.InvariantCulture)),
    ];

    /// <summary>True for <see cref="WindowScalingMode.RevIn"/>: the gradient at the inputs is computed from them.</summary>
    protected internal override bool ReadsInputsAgain => IsNormalized;

    private bool IsNormalized => Mode == WindowScalingMode.RevIn;

    private bool HasParameters => IsNormalized && _options.Affine;

    internal override void CheckFor(DType dtype, string name) => Check.That(
        (dtype == DType.Float32 ? (float)_options.Epsilon : _options.Epsilon) > 0 && Check.IsFinite(_options.Epsilon, dtype), _options.Epsilon,
        $"above 0 and finite in {dtype}", $"{name}.{nameof(_options.Epsilon)}");

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => new LayerDescription(nameof(WindowScaling))
        .Add("mode", Mode.ToString())
        .Add("target_channels", Array.ConvertAll(_targets, channel => (double)channel))
        .Add("scaled_channels", Array.ConvertAll(_scaled, channel => (double)channel))
        .Add("epsilon", _options.Epsilon)
        .Add("affine", _options.Affine)
        .AddLayers(LayerSpan);

    internal static WindowScaling Read(LayerReader reader)
    {
        return new WindowScaling(
            new WindowScalingOptions
            {
                Mode = reader.GetEnum<WindowScalingMode>("mode"),
                TargetChannels = ReadChannels(reader, "target_channels"),
                ScaledChannels = ReadChannels(reader, "scaled_channels"),
                Epsilon = reader.GetDouble("epsilon"),
                Affine = reader.GetBoolean("affine"),
            },
            (ReadOnlySpan<Layer>)[.. reader.Layers]);
    }

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        RequireTime(inputs);
        long batch = inputs.Shape[1];
        Tensor scaled = context.Buffer(Scaled, inputs.Shape);
        Tensor statistics = context.Buffer(Statistics, 2, batch, InputSize);
        if (context.DType == DType.Float32)
        {
            Scale<float>(inputs, context.Lengths, statistics, scaled);
        }
        else
        {
            Scale<double>(inputs, context.Lengths, statistics, scaled);
        }

        Tensor inner = ForwardChain(context, LayerSpan, scaled);
        if (inner.Rank is not (2 or 3) || inner.Shape[^2] != batch)
        {
            throw new ArgumentException(
                $"the layers of {Place} give {Check.FormatShape(inner.Shape)} for inputs {Check.FormatShape(inputs.Shape)}; they must give [{batch}, {OutputSize}] or [..., {batch}, {OutputSize}].",
                nameof(inputs));
        }

        Tensor outputs = context.Outputs(inner.Shape);
        if (context.DType == DType.Float32)
        {
            Restore<float>(inner, statistics, outputs);
        }
        else
        {
            Restore<double>(inner, statistics, outputs);
        }

        return outputs;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        // Gradients at the numbers that windows are scaled by, and at weights and biases.
        int count = checked((int)(context.Inputs.Shape[1] * InputSize));
        int parameters = HasParameters ? (int)InputSize : 0;
        double[] rented = ArrayPool<double>.Shared.Rent(2 * (count + parameters));
        Span<double> sums = rented.AsSpan(0, 2 * (count + parameters));
        sums.Clear();
        Span<double> statisticsGradient = sums[..(2 * count)], parameterGradient = sums[(2 * count)..];
        if (context.DType == DType.Float32)
        {
            Backward<float>(context, outputGradient, inputGradient, statisticsGradient, parameterGradient);
        }
        else
        {
            Backward<double>(context, outputGradient, inputGradient, statisticsGradient, parameterGradient);
        }

        ArrayPool<double>.Shared.Return(rented);
    }

    /// <inheritdoc/>
    protected internal override long GetOutputSteps(long steps) => StepsBehind(LayerSpan, steps);

    /// <inheritdoc/>
    protected internal override long GetActivationBytes(long steps, long batch)
    {
        long inputs = batch * InputSize;
        long outputs = GetOutputSteps(steps) * batch * OutputSize;
        long gradients = (IsNormalized ? outputs : 0) + (HasParameters && Owner.IsFirst(this) ? steps * inputs : 0);
        return (((steps + 2) * inputs) + outputs + gradients) * Owner.DType.Bytes();
    }

    internal override long StepsBefore(int index, long steps) => StepsBehind(LayerSpan[..index], steps);

    internal static int[] ReadChannels(LayerReader reader, string option)
    {
        double[] channels = reader.GetDoubles(option);
        if (Array.FindIndex(channels, channel => channel is < 0 or > int.MaxValue || channel != Math.Floor(channel)) is >= 0 and int wrong)
        {
            throw reader.Invalid(string.Create(
                CultureInfo.InvariantCulture, $"option '{option}[{wrong}]' is {channels[wrong]}; a whole number of at least 0 is expected"));
        }

        return Array.ConvertAll(channels, channel => (int)channel);
    }

    private static int[] ChannelsOf(IReadOnlyList<int>? given, long count, string name)
    {
        if (given is null)
        {
            return [.. Enumerable.Range(0, checked((int)count))];
        }

        if (given.Count == 0)
        {
            throw new ArgumentException($"{name} is empty; at least one is required.", Check.Parameter(name));
        }

        int[] channels = [.. given];
        for (int i = 0; i < channels.Length; i++)
        {
            string place = string.Create(CultureInfo.InvariantCulture, $"{name}[{i}]");
            Check.InRange(channels[i], 0, count - 1, place);
            if (Array.IndexOf(channels, channels[i], 0, i) >= 0)
            {
                throw new ArgumentException($"{place} is {channels[i]}, which is there already; channels must be unique.", Check.Parameter(name));
            }
        }

        return channels;
    }

    private static int LengthOf(ReadOnlySpan<int> lengths, long row, long steps) => lengths.IsEmpty ? (int)steps : lengths[(int)row];

    private static double Number<T>(T value) where T : unmanaged, IFloatingPointIeee754<T> => double.CreateTruncating(value);

    /// <summary>Weight and bias of a channel.</summary>
    private static (double Weight, double Bias) AffineOf<T>(T* weight, T* bias, long channel) where T : unmanaged, IFloatingPointIeee754<T> =>
        weight == null ? (1, 0) : (Number(weight[channel]), Number(bias[channel]));

    /// <summary>Finds a shift and a divisor for each channel of each sample, and scales the inputs with them; zeros beyond lengths.</summary>
    /// <param name="inputs">[T, B, D].</param>
    /// <param name="lengths">[B]; empty: all are T.</param>
    /// <param name="statistics">[2, B, D], written: shifts and divisors.</param>
    /// <param name="scaled">[T, B, D], written.</param>
    private void Scale<T>(Tensor inputs, ReadOnlySpan<int> lengths, Tensor statistics, Tensor scaled) where T : unmanaged, IFloatingPointIeee754<T>
    {
        using HostMemory x = HostMemory.Read(inputs), numbers = HostMemory.Write(statistics), y = HostMemory.Write(scaled);
        using HostMemory weights = HostMemory.Read(HasParameters ? Parameters[0].Value : null), biases = HostMemory.Read(HasParameters ? Parameters[1].Value : null);
        (long steps, long batch, long channels) = (inputs.Shape[0], inputs.Shape[1], InputSize);
        long stride = batch * channels;
        T* source = (T*)x.Address, shifts = (T*)numbers.Address, divisors = shifts + stride, target = (T*)y.Address;
        for (long row = 0; row < batch; row++)
        {
            int length = LengthOf(lengths, row, steps);
            for (long channel = 0; channel < channels; channel++)
            {
                long at = (row * channels) + channel;
                (double shift, double divisor) = !_isScaled[channel] ? (0, 1)
                    : IsNormalized ? MomentsOf(source + at, length, stride)
                    : (length == 0 ? 0 : Number(source[((length - 1) * stride) + at]), 1);

                // The outputs are scaled back with the numbers as they are stored.
                shifts[at] = T.CreateTruncating(shift);
                divisors[at] = T.CreateTruncating(divisor);
                (shift, divisor) = (Number(shifts[at]), Number(divisors[at]));
                (double weight, double bias) = _isScaled[channel] ? AffineOf((T*)weights.Address, (T*)biases.Address, channel) : (1, 0);
                for (long step = 0; step < steps; step++)
                {
                    long index = (step * stride) + at;
                    target[index] = step < length ? T.CreateTruncating((weight * ((Number(source[index]) - shift) / divisor)) + bias) : T.Zero;
                }
            }
        }
    }

    /// <summary>Mean and √(v + ε) of numbers; 0 and 1 of none.</summary>
    private (double Mean, double Deviation) MomentsOf<T>(T* values, int count, long stride) where T : unmanaged, IFloatingPointIeee754<T>
    {
        if (count == 0)
        {
            return (0, 1);
        }

        double sum = 0, squares = 0;
        for (long step = 0; step < count; step++)
        {
            sum += Number(values[step * stride]);
        }

        double mean = sum / count;
        for (long step = 0; step < count; step++)
        {
            double distance = Number(values[step * stride]) - mean;
            squares += distance * distance;
        }

        return (mean, Math.Sqrt((squares / count) + _options.Epsilon));
    }

    /// <summary>Scales outputs back.</summary>
    /// <param name="inner">[..., B, H C].</param>
    /// <param name="statistics">[2, B, D].</param>
    /// <param name="outputs">[..., B, H C], written.</param>
    private void Restore<T>(Tensor inner, Tensor statistics, Tensor outputs) where T : unmanaged, IFloatingPointIeee754<T>
    {
        using HostMemory x = HostMemory.Read(inner), numbers = HostMemory.Read(statistics), y = HostMemory.Write(outputs);
        using HostMemory weights = HostMemory.Read(HasParameters ? Parameters[0].Value : null), biases = HostMemory.Read(HasParameters ? Parameters[1].Value : null);
        long batch = statistics.Shape[1], channels = InputSize, width = OutputSize, rows = inner.Count / width;
        T* source = (T*)x.Address, shifts = (T*)numbers.Address, divisors = shifts + (batch * channels), target = (T*)y.Address;
        for (long row = 0; row < rows; row++)
        {
            long sample = row % batch * channels;
            for (long output = 0; output < width; output++)
            {
                int channel = _targets[output % _targets.Length];
                (double weight, double bias) = AffineOf((T*)weights.Address, (T*)biases.Address, channel);
                double value = (Number(source[(row * width) + output]) - bias) / weight;
                target[(row * width) + output] = T.CreateTruncating((value * Number(divisors[sample + channel])) + Number(shifts[sample + channel]));
            }
        }
    }

    private void Backward<T>(
        in BackwardContext context, Tensor outputGradient, Tensor? inputGradient, Span<double> statisticsGradient, Span<double> parameterGradient)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        Tensor statistics = context.Buffer(Statistics);
        Tensor innerOutputGradient = IsNormalized ? context.Buffer(InnerGradient, outputGradient.Shape) : outputGradient;
        BackwardRestore<T>(outputGradient, Layers[^1].Memory.Outputs!, statistics, innerOutputGradient, statisticsGradient, parameterGradient);

        // In the memory of the gradient at the inputs is first that at the scaled inputs.
        Tensor? scaledGradient = inputGradient ?? (HasParameters ? context.Buffer(ScaledGradient, context.Inputs.Shape) : null);
        BackwardChain(context, LayerSpan, innerOutputGradient, scaledGradient);
        if (scaledGradient is not null)
        {
            BackwardScale<T>(context.Inputs, context.Lengths, statistics, scaledGradient, statisticsGradient, parameterGradient);
        }

        for (int which = 0; which < (HasParameters ? 2 : 0); which++)
        {
            Tensor gradient = Parameters[which].Gradient;
            using HostMemory memory = context.Accumulate ? HostMemory.Update(gradient) : HostMemory.Write(gradient);
            for (int channel = 0; channel < InputSize; channel++)
            {
                T* element = (T*)memory.Address + channel;
                *element = T.CreateTruncating((context.Accumulate ? Number(*element) : 0) + parameterGradient[(which * (int)InputSize) + channel]);
            }
        }
    }

    /// <summary>Backpropagates through <see cref="Restore"/>.</summary>
    /// <param name="outputGradient">[..., B, H C].</param>
    /// <param name="inner">[..., B, H C], the outputs of the layers.</param>
    /// <param name="statistics">[2, B, D].</param>
    /// <param name="innerGradient">[..., B, H C], written unless it is the gradient at the outputs itself.</param>
    /// <param name="statisticsGradient">[2, B, D], added to.</param>
    /// <param name="parameterGradient">[2, D] or empty, added to.</param>
    private void BackwardRestore<T>(
        Tensor outputGradient, Tensor inner, Tensor statistics, Tensor innerGradient, Span<double> statisticsGradient, Span<double> parameterGradient)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        using HostMemory dy = HostMemory.Read(outputGradient), x = HostMemory.Read(inner), numbers = HostMemory.Read(statistics);
        using HostMemory dx = HostMemory.Write(innerGradient == outputGradient ? null : innerGradient);
        using HostMemory weights = HostMemory.Read(HasParameters ? Parameters[0].Value : null), biases = HostMemory.Read(HasParameters ? Parameters[1].Value : null);
        long batch = statistics.Shape[1], channels = InputSize, width = OutputSize, rows = outputGradient.Count / width;
        int count = (int)(batch * channels);
        T* gradients = (T*)dy.Address, source = (T*)x.Address, divisors = (T*)numbers.Address + count, target = (T*)dx.Address;
        for (long row = 0; row < rows; row++)
        {
            int sample = (int)(row % batch * channels);
            for (long output = 0; output < width; output++)
            {
                int channel = _targets[output % _targets.Length];
                long index = (row * width) + output;
                double gradient = Number(gradients[index]);
                statisticsGradient[sample + channel] += gradient;
                if (target == null)
                {
                    continue;
                }

                (double weight, double bias) = AffineOf((T*)weights.Address, (T*)biases.Address, channel);
                double divisor = Number(divisors[sample + channel]);
                double value = (Number(source[index]) - bias) / weight;
                double inside = gradient * divisor / weight;
                target[index] = T.CreateTruncating(inside);
                statisticsGradient[count + sample + channel] += gradient * value;
                if (!parameterGradient.IsEmpty)
                {
                    parameterGradient[channel] -= inside * value;
                    parameterGradient[(int)channels + channel] -= inside;
                }
            }
        }
    }

    /// <summary>Backpropagates through <see cref="Scale"/>.</summary>
    /// <param name="inputs">[T, B, D].</param>
    /// <param name="lengths">[B]; empty: all are T.</param>
    /// <param name="statistics">[2, B, D].</param>
    /// <param name="gradient">[T, B, D]: the gradient at the scaled inputs; becomes that at the inputs.</param>
    /// <param name="statisticsGradient">[2, B, D], of the outputs.</param>
    /// <param name="parameterGradient">[2, D] or empty, added to.</param>
    private void BackwardScale<T>(
        Tensor inputs, ReadOnlySpan<int> lengths, Tensor statistics, Tensor gradient, Span<double> statisticsGradient, Span<double> parameterGradient)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        // Of the last values, the inputs are not needed again, and may have changed.
        using HostMemory x = HostMemory.Read(IsNormalized ? inputs : null), numbers = HostMemory.Read(statistics), dx = HostMemory.Update(gradient);
        using HostMemory weights = HostMemory.Read(HasParameters ? Parameters[0].Value : null);
        (long steps, long batch, long channels) = (gradient.Shape[0], gradient.Shape[1], InputSize);
        long stride = batch * channels;
        T* source = (T*)x.Address, shifts = (T*)numbers.Address, divisors = shifts + stride, target = (T*)dx.Address;
        for (long row = 0; row < batch; row++)
        {
            int length = LengthOf(lengths, row, steps);
            for (long channel = 0; channel < channels; channel++)
            {
                int at = (int)((row * channels) + channel);
                if (!_isScaled[channel])
                {
                    // The gradient at such a channel is that at the inputs; beyond lengths, the inputs are not used.
                    for (long step = length; step < steps; step++)
                    {
                        target[(step * stride) + at] = T.Zero;
                    }

                    continue;
                }

                double weight = weights.Address == null ? 1 : Number(((T*)weights.Address)[channel]);
                double shift = Number(shifts[at]), divisor = Number(divisors[at]);
                double sum = 0, products = 0;
                for (long step = 0; step < length; step++)
                {
                    double scaledGradient = Number(target[(step * stride) + at]);
                    sum += scaledGradient;
                    products += IsNormalized ? scaledGradient * ((Number(source[(step * stride) + at]) - shift) / divisor) : 0;
                }

                double shiftGradient = statisticsGradient[at] - (weight * sum / divisor);
                double divisorGradient = statisticsGradient[(int)stride + at] - (weight * products / divisor);
                for (long step = 0; step < steps; step++)
                {
                    long index = (step * stride) + at;
                    double own = weight * Number(target[index]) / divisor;
                    double through = IsNormalized
                        ? (shiftGradient + (divisorGradient * ((Number(source[index]) - shift) / divisor))) / length
                        : step == length - 1 ? shiftGradient : 0;
                    target[index] = step < length ? T.CreateTruncating(own + through) : T.Zero;
                }

                if (!parameterGradient.IsEmpty)
                {
                    parameterGradient[(int)channel] += products;
                    parameterGradient[(int)(channels + channel)] += sum;
                }
            }
        }
    }
}
