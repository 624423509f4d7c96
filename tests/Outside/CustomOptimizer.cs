using System.Numerics;

namespace OrthoNative.Outside;

/// <summary>Options of <see cref="AdaGrad"/>.</summary>
public sealed record AdaGradOptions : OptimizerOptions
{
    public double Epsilon { get; init; } = 1e-10;

    protected override IReadOnlyList<OptimizerState> State => [new("square_sum", IsSquare: true)];

    protected override IEnumerable<KeyValuePair<string, string>> Settings => [new("kind_of_sum", "plain")];
}

/// <summary>AdaGrad (Duchi, Hazan and Singer, 2011), an optimizer of a user's: s ← s + g²; p ← p - rate·g / (√s + ε), g with its weight decay.</summary>
public sealed class AdaGrad(Model model, double learningRate, AdaGradOptions options) : Optimizer(model, learningRate, options)
{
    /// <summary>Number of the latest step, as the context told it.</summary>
    public long LastNumber { get; private set; }

    /// <summary>Names of the parameters in the latest step.</summary>
    public IReadOnlyList<string> LastNames { get; private set; } = [];

    protected override void Update(in StepContext context)
    {
        LastNumber = context.Number;
        var names = new List<string>();
        foreach (StepGroup group in context.Groups)
        {
            names.Add(group.Parameter.Name);
            if (context.Parameters.DType == DType.Float32)
            {
                Update<float>(context, group);
            }
            else
            {
                Update<double>(context, group);
            }
        }

        LastNames = names;
    }

    private void Update<T>(in StepContext context, StepGroup group) where T : unmanaged, IFloatingPointIeee754<T>
    {
        Span<T> p = context.Parameters.AsSpan<T>(group.Offset, (int)group.Count);
        ReadOnlySpan<T> gradients = context.Gradients.AsSpan<T>(group.Offset, (int)group.Count);
        Span<T> s = context.State("square_sum").AsSpan<T>(group.Offset, (int)group.Count);
        T rate = T.CreateChecked(group.LearningRate);
        T decay = T.CreateChecked(group.WeightDecay);
        T epsilon = T.CreateChecked(options.Epsilon);
        for (int i = 0; i < p.Length; i++)
        {
            T g = gradients[i] + (decay * p[i]);
            s[i] += g * g;
            p[i] -= rate * g / (T.Sqrt(s[i]) + epsilon);
        }
    }
}
