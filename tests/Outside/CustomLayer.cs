using System.Numerics;
using OrthoNative.Diagnostics;

namespace OrthoNative.Outside;

/// <summary>The README's example of a layer of one's own.</summary>
public static class CustomLayer
{
    /// <summary>Runs it.</summary>
    public static void Run()
    {
        // begin of the example
        using var model = new Sequential(Device.Default, new SequentialOptions { DType = DType.Float64 },
            new RoaBlock(8), new Scale(8), new Pooling(8, PoolingKind.Mean), new Dense(8, 2));
        using var inputs = new Tensor(Device.Default, DType.Float64, 20, 3, 8);
        inputs.Fill(0.5);
        Console.WriteLine(GradientCheck.Run(model, inputs));

        // end of the example
    }
}

// begin of the example
/// <summary>y = s x, with a trained factor s for each unit.</summary>
public sealed class Scale(long size) : Layer
{
    public override long InputSize => size;

    public override long OutputSize => size;

    protected override IReadOnlyList<ParameterDefinition> Definitions => [ParameterDefinition.Constant("scale", [size], 1)];

    protected override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        Tensor outputs = context.Outputs(inputs.Shape);
        if (context.DType == DType.Float32)
        {
            Forward(inputs.AsSpan<float>(), Parameters[0].Value.AsSpan<float>(), outputs.AsSpan<float>());
        }
        else
        {
            Forward(inputs.AsSpan<double>(), Parameters[0].Value.AsSpan<double>(), outputs.AsSpan<double>());
        }

        return outputs;
    }

    protected override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        Parameter scale = Parameters[0];
        if (!context.Accumulate)
        {
            scale.Gradient.Fill(0);
        }

        if (context.DType == DType.Float32)
        {
            Backward(context.Inputs.AsSpan<float>(), scale.Value.AsSpan<float>(), outputGradient.AsSpan<float>(), scale.Gradient.AsSpan<float>(), inputGradient is null ? [] : inputGradient.AsSpan<float>());
        }
        else
        {
            Backward(context.Inputs.AsSpan<double>(), scale.Value.AsSpan<double>(), outputGradient.AsSpan<double>(), scale.Gradient.AsSpan<double>(), inputGradient is null ? [] : inputGradient.AsSpan<double>());
        }
    }

    private static void Forward<T>(ReadOnlySpan<T> x, ReadOnlySpan<T> s, Span<T> y) where T : INumber<T>
    {
        for (int i = 0; i < x.Length; i++)
        {
            y[i] = s[i % s.Length] * x[i];
        }
    }

    private static void Backward<T>(ReadOnlySpan<T> x, ReadOnlySpan<T> s, ReadOnlySpan<T> dy, Span<T> ds, Span<T> dx) where T : INumber<T>
    {
        for (int i = 0; i < x.Length; i++)
        {
            ds[i % s.Length] += dy[i] * x[i];
            if (!dx.IsEmpty)
            {
                dx[i] = dy[i] * s[i % s.Length];
            }
        }
    }
}

// end of the example
