namespace OrthoNative.Tests.Losses;

/// <summary>A loss with the definition of what it gives for a row.</summary>
/// <param name="Name">For messages.</param>
/// <param name="Make">Creates the loss.</param>
/// <param name="Outputs">Outputs of a row.</param>
/// <param name="RowLoss">Loss of a row, from its outputs and its targets.</param>
internal sealed record LossCase(string Name, Func<Loss> Make, int Outputs, Func<double[], double[], double> RowLoss)
{
    /// <summary>Target values of a row; 0: the target is a class, which <see cref="RowLoss"/> gets as its only target.</summary>
    public int Values { get; init; }

    /// <summary>Whether the values are probabilities.</summary>
    public bool Probabilities { get; init; }

    /// <summary>What a row's weight is multiplied by, from its targets.</summary>
    public Func<double[], double> RowWeight { get; init; } = _ => 1;

    /// <summary>All losses, with their options.</summary>
    public static IReadOnlyList<LossCase> All { get; } =
    [
        CrossEntropy("cross-entropy", null, 0),
        CrossEntropy("cross-entropy with label smoothing", null, 0.2),
        CrossEntropy("cross-entropy with class weights", [0.5, 0, 3, 1], 0),
        CrossEntropy("cross-entropy with both", [0.5, 0, 3, 1], 0.2),
        Errors("mean squared error", () => new MeanSquaredErrorLoss(), e => e * e),
        Errors("mean absolute error", () => new MeanAbsoluteErrorLoss(), Math.Abs),
        Errors("Huber", () => new HuberLoss(0.75), e => Math.Abs(e) <= 0.75 ? e * e / 2 : 0.75 * (Math.Abs(e) - 0.375)),
        Errors("log-cosh", () => new Outside.LogCoshLoss(), e => Math.Log(Math.Cosh(e))),
        new("quantiles", () => new QuantileLoss(0.1, 0.5, 0.9), 6, (x, t) => x.Select((output, i) => Pinball(t[i / 3] - output, new[] { 0.1, 0.5, 0.9 }[i % 3])).Average()) { Values = 2 },
        BinaryCrossEntropy("binary cross-entropy", null),
        BinaryCrossEntropy("binary cross-entropy with weights", [1, 0, 2.5]),
    ];

    public override string ToString() => Name;

    private static LossCase CrossEntropy(string name, double[]? weights, double smoothing)
    {
        double[] each = weights ?? [1, 1, 1, 1];
        return new LossCase(
            name,
            () => new CrossEntropyLoss(new CrossEntropyOptions { ClassWeights = weights, LabelSmoothing = smoothing }),
            4,
            (x, t) => x.Select((logit, c) => each[c] * ((c == (int)t[0] ? 1 - smoothing : 0) + (smoothing / 4)) * (Math.Log(x.Sum(Math.Exp)) - logit)).Sum())
        {
            RowWeight = t => each[(int)t[0]],
        };
    }

    private static LossCase Errors(string name, Func<Loss> make, Func<double, double> loss) =>
        new(name, make, 3, (x, t) => x.Zip(t, (output, target) => loss(output - target)).Average()) { Values = 3 };

    private static LossCase BinaryCrossEntropy(string name, double[]? weights)
    {
        double[] each = weights ?? [1, 1, 1];
        return new LossCase(
            name,
            () => new BinaryCrossEntropyLoss(new BinaryCrossEntropyOptions { PositiveWeights = weights }),
            3,
            (x, t) => x.Select((logit, i) => (each[i] * t[i] * Math.Log(1 + Math.Exp(-logit))) + ((1 - t[i]) * Math.Log(1 + Math.Exp(logit)))).Average())
        {
            Values = 3,
            Probabilities = true,
        };
    }

    private static double Pinball(double error, double quantile) => Math.Max(quantile * error, (quantile - 1) * error);
}
