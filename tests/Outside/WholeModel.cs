namespace OrthoNative.Outside;

/// <summary>A model with layers of one's own, which a file has whole.</summary>
public static class WholeModel
{
    /// <summary>The library's kinds and those of this assembly.</summary>
    public static LayerFactories Factories() => new LayerFactories()
        .Register("outside.offset", reader => new Offset(reader.GetInt64("size"), reader.GetDouble("start")))
        .Register("outside.chain", reader => new Chain([.. reader.Layers]));

    /// <summary>Creates the model.</summary>
    public static Sequential Create(Device device, ulong seed) => new(
        device,
        new SequentialOptions { Seed = seed },
        new GaussianNoise(3, 0.1),
        new RoaRnn(3, 8, new RoaRnnOptions { Alpha = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], Output = SequenceOutput.All }) { Name = "rnn" },
        new Chain(new Offset(8, 0.25), new RoaBlock(8, new RoaBlockOptions { Bidirectional = true, HiddenSize = 5, Dropout = 0.25 })) { Name = "chain" },
        new Pooling(8, PoolingKind.Mean),
        new RoaFnn(8, 3, new RoaFnnOptions { FilterPerLayer = true, Filter = Filter.Permutation }),
        new Dense(8, 2) { Name = "head" });

    /// <summary>Makes two training passes and one for inference; nothing is random but what the model draws.</summary>
    public static Dictionary<string, Tensor> Results(Sequential model, string name)
    {
        using var inputs = new Tensor(model.Device, model.DType, 6, 40, 3);
        inputs.CopyFrom<float>([.. Enumerable.Range(0, (int)inputs.Count).Select(i => ((i * 7 % 17) - 8) / 16f)]);
        using var gradient = new Tensor(model.Device, model.DType, 40, 2);
        gradient.Fill(0.5);
        var results = new Dictionary<string, Tensor>();
        model.Training = true;
        for (int pass = 0; pass < 2; pass++)
        {
            results[$"{name}.outputs{pass}"] = Copy(model.Forward(inputs));
            model.Backward(gradient);
            results[$"{name}.gradients{pass}"] = Copy(model.GradientData);
        }

        model.Training = false;
        results[$"{name}.inference"] = Copy(model.Forward(inputs));
        return results;
    }

    private static Tensor Copy(Tensor tensor)
    {
        var copy = new Tensor(tensor.Device, tensor.DType, tensor.Shape);
        copy.CopyFrom(tensor);
        return copy;
    }
}

/// <summary>y = x + o, with a trained offset o for each unit.</summary>
public sealed class Offset(long size, double start) : Layer
{
    public override long InputSize => size;

    public override long OutputSize => size;

    protected override IReadOnlyList<ParameterDefinition> Definitions => [ParameterDefinition.Constant("offset", [size], start) with { Role = ParameterRole.Bias }];

    protected override LayerDescription Describe() => new LayerDescription("outside.offset").Add("size", size).Add("start", start);

    protected override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        Tensor outputs = context.Outputs(inputs.Shape);
        ReadOnlySpan<float> x = inputs.AsSpan<float>(), offset = Parameters[0].Value.AsSpan<float>();
        Span<float> y = outputs.AsSpan<float>();
        for (int i = 0; i < x.Length; i++)
        {
            y[i] = x[i] + offset[i % offset.Length];
        }

        return outputs;
    }

    protected override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        Tensor gradient = Parameters[0].Gradient;
        if (!context.Accumulate)
        {
            gradient.Fill(0);
        }

        ReadOnlySpan<float> dy = outputGradient.AsSpan<float>();
        Span<float> sums = gradient.AsSpan<float>();
        for (int i = 0; i < dy.Length; i++)
        {
            sums[i % sums.Length] += dy[i];
        }

        inputGradient?.CopyFrom(outputGradient);
    }
}

/// <summary>Layers one after another.</summary>
public sealed class Chain(params Layer[] layers) : Container(layers)
{
    public override long InputSize => Layers[0].InputSize;

    public override long OutputSize => Layers[^1].OutputSize;

    protected override LayerDescription Describe() => new LayerDescription("outside.chain").AddLayers([.. Layers]);

    protected override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        Tensor outputs = inputs;
        foreach (Layer layer in Layers)
        {
            outputs = context.Forward(layer, outputs);
        }

        return outputs;
    }

    protected override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        Tensor gradient = outputGradient;
        for (int i = Layers.Count - 1; i >= 0; i--)
        {
            Tensor? target = i > 0 ? context.InputGradient(Layers[i], gradient) : inputGradient;
            context.Backward(Layers[i], gradient, target);
            gradient = target!;
        }
    }
}
