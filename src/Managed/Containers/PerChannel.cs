using System.Globalization;

namespace OrthoNative;

/// <summary>
/// Runs layers on each channel by itself, with the same weights: what is learnt from one channel serves all (Y. Nie et al., A Time Series is Worth 64 Words, ICLR 2023, name it channel independence).
/// </summary>
/// <remarks>
/// Inputs <c>[T, B, D]</c> become <c>[T, B C, 1]</c> for the C target channels; the layers give <c>[B C, H]</c>, which become the outputs <c>[B, H C]</c>, step by step: the order of the targets of
/// a <see cref="WindowDataset"/>. All sequences must have T steps. No parameters of its own. Elements are copied by the host; for a model on a GPU they travel there and back. Random layers inside
/// draw numbers for each channel of each sample.
/// </remarks>
public sealed unsafe class PerChannel : Container
{
    private const int Channels = 0, InnerGradient = 1, ChannelGradient = 2;

    private readonly int[] _targets;

    /// <summary>Describes a container; memory comes with the model.</summary>
    /// <param name="channels">Number D of channels, 1 to 65536.</param>
    /// <param name="targetChannels">Numbers of the C channels that the layers are run on, from 0, each once; null: all, in their order.</param>
    /// <param name="layers">At least one layer, the first one of one input; they give one row for each sequence.</param>
    /// <exception cref="ArgumentException">
    /// There is no layer, one is part of a model already, two have the same name, one takes another size than the one before gives, the first one takes other than one input, or a channel is there twice.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A channel is out of range.</exception>
    public PerChannel(long channels, IReadOnlyList<int>? targetChannels, params ReadOnlySpan<Layer> layers)
        : base(layers)
    {
        Check.InRange(channels, 1, 65536);
        RequireChain(LayerSpan);
        if (LayerSpan[0].InputSize != 1 || LayerSpan[0].TakesIndices)
        {
            throw new ArgumentException($"{nameof(layers)}[0] takes {(LayerSpan[0].TakesIndices ? "indices" : $"{LayerSpan[0].InputSize} inputs")}; it must take 1 input, a channel.", nameof(layers));
        }

        InputSize = channels;
        _targets = targetChannels is null ? [.. Enumerable.Range(0, (int)channels)] : [.. targetChannels];
        if (_targets.Length == 0)
        {
            throw new ArgumentException($"{nameof(targetChannels)} is empty; at least one is required.", nameof(targetChannels));
        }

        for (int i = 0; i < _targets.Length; i++)
        {
            string place = string.Create(CultureInfo.InvariantCulture, $"{nameof(targetChannels)}[{i}]");
            Check.InRange(_targets[i], 0, channels - 1, place);
            if (Array.IndexOf(_targets, _targets[i], 0, i) >= 0)
            {
                throw new ArgumentException($"{place} is {_targets[i]}, which is there already; channels must be unique.", nameof(targetChannels));
            }
        }
    }

    /// <inheritdoc cref="PerChannel(long, IReadOnlyList{int}, ReadOnlySpan{Layer})"/>
    /// <remarks>For languages without <c>params</c> spans, as C# 12 is, the default in projects for .NET 8.</remarks>
    public PerChannel(long channels, IReadOnlyList<int>? targetChannels, params Layer[] layers)
        : this(channels, targetChannels, new ReadOnlySpan<Layer>(layers))
    {
    }

    /// <summary>Number D of channels.</summary>
    public override long InputSize { get; }

    /// <summary>Number H C of outputs.</summary>
    public override long OutputSize => Layers[^1].OutputSize * _targets.Length;

    /// <summary>Channels that the layers are run on, [C].</summary>
    public IReadOnlyList<int> TargetChannels => _targets;

    /// <inheritdoc/>
    protected internal override bool ReadsInputsAgain => false;

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings =>
        [new("target_channels", string.Join(',', _targets.Select(channel => channel.ToString(CultureInfo.InvariantCulture))))];

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => new LayerDescription(nameof(PerChannel))
        .Add("channels", InputSize)
        .Add("target_channels", Array.ConvertAll(_targets, channel => (double)channel))
        .AddLayers(LayerSpan);

    internal static PerChannel Read(LayerReader reader) =>
        new(reader.GetInt64("channels"), WindowScaling.ReadChannels(reader, "target_channels"), (ReadOnlySpan<Layer>)[.. reader.Layers]);

    /// <inheritdoc/>
    protected internal override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        RequireTime(inputs);
        long steps = inputs.Shape[0], batch = inputs.Shape[1];
        RequireWholeSequences(context.Lengths, inputs, steps);
        Tensor channels = context.Buffer(Channels, steps, batch * _targets.Length, 1);
        using (HostMemory x = HostMemory.Read(inputs), y = HostMemory.Write(channels))
        {
            if (context.DType == DType.Float32)
            {
                Gather((float*)x.Address, (float*)y.Address, steps * batch);
            }
            else
            {
                Gather((double*)x.Address, (double*)y.Address, steps * batch);
            }
        }

        // The lengths are those of whole sequences, of another number.
        Tensor inner = ForwardChain(context.WithoutLengths(), LayerSpan, channels);
        if (inner.Rank != 2)
        {
            throw new ArgumentException(
                $"the layers of {Place} give {Check.FormatShape(inner.Shape)} for inputs {Check.FormatShape(inputs.Shape)}; they must give one row for each sequence, [{batch * _targets.Length}, {Layers[^1].OutputSize}].",
                nameof(inputs));
        }

        Tensor outputs = context.Outputs(batch, OutputSize);
        using HostMemory rows = HostMemory.Read(inner), joined = HostMemory.Write(outputs);
        if (context.DType == DType.Float32)
        {
            Transpose((float*)rows.Address, (float*)joined.Address, batch, _targets.Length, Layers[^1].OutputSize);
        }
        else
        {
            Transpose((double*)rows.Address, (double*)joined.Address, batch, _targets.Length, Layers[^1].OutputSize);
        }

        context.SetOutputLengths(default);
        return outputs;
    }

    /// <inheritdoc/>
    protected internal override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        long batch = outputGradient.Shape[0], horizon = Layers[^1].OutputSize;
        Tensor inner = context.Buffer(InnerGradient, batch * _targets.Length, horizon);
        using (HostMemory joined = HostMemory.Read(outputGradient), rows = HostMemory.Write(inner))
        {
            if (context.DType == DType.Float32)
            {
                Transpose((float*)joined.Address, (float*)rows.Address, batch, horizon, _targets.Length);
            }
            else
            {
                Transpose((double*)joined.Address, (double*)rows.Address, batch, horizon, _targets.Length);
            }
        }

        Tensor? channels = inputGradient is null ? null : context.Buffer(ChannelGradient, context.Buffer(Channels).Shape);
        BackwardChain(context, LayerSpan, inner, channels);
        if (inputGradient is null)
        {
            return;
        }

        using HostMemory source = HostMemory.Read(channels), target = HostMemory.Write(inputGradient);
        long count = inputGradient.Count / InputSize;
        if (context.DType == DType.Float32)
        {
            Scatter((float*)source.Address, (float*)target.Address, count);
        }
        else
        {
            Scatter((double*)source.Address, (double*)target.Address, count);
        }
    }

    /// <inheritdoc/>
    protected internal override long GetOutputSteps(long steps) => 1;

    /// <inheritdoc/>
    protected internal override long GetActivationBytes(long steps, long batch)
    {
        long channels = steps * batch * _targets.Length, outputs = batch * OutputSize;
        return 2 * (channels + outputs) * Owner.DType.Bytes();
    }

    internal override long StepsBefore(int index, long steps) => StepsBehind(LayerSpan[..index], steps);

    internal override long SamplesInside(long batch) => batch * _targets.Length;

    /// <summary>Copies the target channels: [rows, D] to [rows, C].</summary>
    private void Gather<T>(T* source, T* target, long rows) where T : unmanaged
    {
        for (long row = 0; row < rows; row++, source += InputSize, target += _targets.Length)
        {
            for (int i = 0; i < _targets.Length; i++)
            {
                target[i] = source[_targets[i]];
            }
        }
    }

    /// <summary>Undoes <see cref="Gather"/>, with zeros for other channels.</summary>
    private void Scatter<T>(T* source, T* target, long rows) where T : unmanaged
    {
        for (long row = 0; row < rows; row++, source += _targets.Length, target += InputSize)
        {
            new Span<T>(target, (int)InputSize).Clear();
            for (int i = 0; i < _targets.Length; i++)
            {
                target[_targets[i]] = source[i];
            }
        }
    }

    /// <summary>Exchanges the last two dimensions: [B, rows, columns] to [B, columns, rows].</summary>
    private static void Transpose<T>(T* source, T* target, long batch, long rows, long columns) where T : unmanaged
    {
        for (long sample = 0; sample < batch; sample++, source += rows * columns, target += rows * columns)
        {
            for (long row = 0; row < rows; row++)
            {
                for (long column = 0; column < columns; column++)
                {
                    target[(column * rows) + row] = source[(row * columns) + column];
                }
            }
        }
    }
}
