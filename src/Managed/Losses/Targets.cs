namespace OrthoNative;

/// <summary>What the outputs of a model should be, row by row, and how much each row counts.</summary>
/// <remarks>
/// <para>
/// A row is a step of a sample: outputs <c>[T, B, C]</c> have T·B rows, outputs <c>[B, C]</c> have B. Rows are numbered as they lie in the outputs: row t·B + b is
/// step t of sample b.
/// </para>
/// <para>
/// A row counts if it lies within its sample's length and has a weight above 0. Others are neither read nor checked, and gradients are 0 there.
/// </para>
/// <example><code>
/// loss.Forward(outputs, Targets.Of(classes) with { Lengths = lengths, Weights = weights });
/// </code></example>
/// </remarks>
public readonly ref struct Targets
{
    /// <summary>Target classes, one for each row; empty if the targets are values.</summary>
    public ReadOnlySpan<int> Classes { get; init; }

    /// <summary>Target values, with the rows of the outputs; null if the targets are classes.</summary>
    public Tensor? Values { get; init; }

    /// <summary>Lengths of the samples, <c>[B]</c>, each 0 to T; they need outputs <c>[T, B, C]</c>. Empty, the default: all are T.</summary>
    public ReadOnlySpan<int> Lengths { get; init; }

    /// <summary>Weights of the rows, <c>[T, B]</c>, finite and not negative; below 1.2E-38 they count as 0. Empty, the default: all are 1.</summary>
    public ReadOnlySpan<float> Weights { get; init; }

    /// <summary>The public method's argument that this is, for messages; null: the method has an argument for each part.</summary>
    private string? Argument { get; init; }

    /// <summary>Targets that are classes.</summary>
    /// <param name="classes">One for each row. Referenced, not copied.</param>
    public static Targets Of(ReadOnlySpan<int> classes) => new() { Classes = classes, Argument = "targets" };

    /// <summary>Targets that are values.</summary>
    /// <param name="values">With the rows of the outputs. Referenced, not copied.</param>
    public static Targets Of(Tensor values) => new() { Values = values, Argument = "targets" };

    /// <summary>Weight of a row: 0 if it does not count.</summary>
    /// <param name="row">0 to T·B - 1.</param>
    /// <exception cref="IndexOutOfRangeException">There is no such row.</exception>
    public float WeightOf(int row)
    {
        if (!Lengths.IsEmpty)
        {
            (int step, int sample) = Math.DivRem(row, Lengths.Length);
            if (step >= Lengths[sample])
            {
                return 0;
            }
        }

        return Weights.IsEmpty ? 1 : Counted(Weights[row]);
    }

    /// <summary>The same targets as a part of another argument of a public method.</summary>
    internal Targets As(string? argument) => this with { Argument = argument };

    /// <summary>The public method's argument with a part of the targets.</summary>
    /// <param name="part">Name of the part.</param>
    internal string ArgumentOf(string part) => Check.Parameter(NameOf(part));

    /// <summary>Name of a part of the targets in messages.</summary>
    /// <param name="part">Name of the property.</param>
    internal string NameOf(string part) => Argument is not null
        ? $"{Argument}.{part}"
        : part switch
        {
            nameof(Lengths) => "lengths",
            nameof(Weights) => "weights",
            _ => "targets",
        };

    /// <summary>Refuses lengths and weights that are not those of the rows of outputs.</summary>
    /// <param name="outputs">The outputs.</param>
    /// <param name="name">Their name.</param>
    /// <returns>The sum of the weights of the rows that count.</returns>
    internal double CheckRows(Tensor outputs, string name)
    {
        (long steps, long batch) = outputs.StepsAndBatch;
        long counted = steps * batch;
        if (!Lengths.IsEmpty)
        {
            counted = CheckLengths(outputs, name);
        }

        if (Weights.IsEmpty)
        {
            return counted;
        }

        if (Weights.Length != steps * batch)
        {
            throw new ArgumentException(
                $"{NameOf(nameof(Weights))} has {Weights.Length} elements; it must have {steps * batch}, one for each row of {name}.", ArgumentOf(nameof(Weights)));
        }

        double sum = 0;
        int row = 0;
        for (int step = 0; step < steps; step++)
        {
            for (int sample = 0; sample < batch; sample++, row++)
            {
                if (Lengths.IsEmpty || step < Lengths[sample])
                {
                    if (!(float.IsFinite(Weights[row]) && Weights[row] >= 0))
                    {
                        Check.NotNegative(Weights[row], $"{NameOf(nameof(Weights))}[{row}]");
                    }

                    sum += Counted(Weights[row]);
                }
            }
        }

        return sum;
    }

    /// <summary>Refuses targets of which no row counts.</summary>
    internal void ThrowIfNoRow(double weightSum)
    {
        if (weightSum == 0)
        {
            string part = Weights.IsEmpty ? nameof(Lengths) : nameof(Weights);
            throw new ArgumentException($"{NameOf(part)} has zeros only; at least one must be above 0.", ArgumentOf(part));
        }
    }

    /// <summary>Refuses classes that are not those of the rows of outputs <c>[..., classes]</c>.</summary>
    /// <param name="outputs">The outputs.</param>
    /// <param name="name">Their name.</param>
    /// <param name="ignored">A number that is no class, but allowed.</param>
    /// <param name="oneIsBinary">Outputs <c>[..., 1]</c> have two classes: 0, and 1, whose logit the output is.</param>
    internal void CheckClasses(Tensor outputs, string name, int? ignored, bool oneIsBinary = false)
    {
        if (outputs.Rank < 2)
        {
            throw new ArgumentException($"{name} has shape {Check.FormatShape(outputs.Shape)}; it must be [..., classes] with at least 2 dimensions.", name);
        }

        long classes = outputs.Shape[^1];
        long rows = outputs.Count / classes;
        if (Classes.Length != rows)
        {
            throw new ArgumentException(
                $"{NameOf(nameof(Classes))} has {Classes.Length} elements; it must have {rows}, one for each row of {name}.", ArgumentOf(nameof(Classes)));
        }

        int highest = classes == 1 && oneIsBinary ? 1 : (int)long.Min(classes, int.MaxValue) - 1;
        int wrong = Classes.IndexOfAnyExceptInRange(0, highest);
        for (int row = wrong; row >= 0 && row < Classes.Length; row++)
        {
            if ((Classes[row] < 0 || Classes[row] > highest) && Classes[row] != ignored && WeightOf(row) > 0)
            {
                Check.InRange(Classes[row], 0, highest, $"{NameOf(nameof(Classes))}[{row}]");
            }
        }
    }

    /// <summary>Refuses values that are not those of the rows of outputs <c>[..., C·N]</c>: <c>[..., C]</c>, of the same element type, on the same device.</summary>
    /// <param name="outputs">The outputs; of any shape where N is 1.</param>
    /// <param name="name">Their name.</param>
    /// <param name="quantiles">N, the number of outputs of a value.</param>
    internal void CheckValues(Tensor outputs, string name, int quantiles = 1)
    {
        // The name of the values is a new string, which only a message needs.
        if (Values is not { IsDisposed: false } || Check.Mismatch(Values, outputs.Device, outputs.DType, name) is not null)
        {
            Check.Compatible(Values!, outputs.Device, outputs.DType, NameOf(nameof(Values)));
        }

        if (quantiles > 1 && (outputs.Rank == 0 || outputs.Shape[^1] % quantiles != 0))
        {
            throw new ArgumentException(
                $"{name} has shape {Check.FormatShape(outputs.Shape)}; the last size must be a multiple of {quantiles}, the number of quantiles.", name);
        }

        Span<long> expected = stackalloc long[outputs.Rank];
        outputs.Shape.CopyTo(expected);
        if (quantiles > 1)
        {
            expected[^1] /= quantiles;
        }

        if (!Values!.Shape.SequenceEqual(expected))
        {
            Check.Shape(Values, expected, NameOf(nameof(Values)));
        }
    }

    /// <summary>A number below the smallest normal one counts as 0, as it does natively.</summary>
    internal static float Counted(float weight) => weight < 1.17549435e-38f ? 0 : weight;

    private long CheckLengths(Tensor outputs, string name)
    {
        if (outputs.Rank != 3)
        {
            throw new ArgumentException($"{name} has shape {Check.FormatShape(outputs.Shape)}; with {NameOf(nameof(Lengths))} it must be [T, B, C].", name);
        }

        if (Lengths.Length != outputs.Shape[1])
        {
            throw new ArgumentException(
                $"{NameOf(nameof(Lengths))} has {Lengths.Length} elements; it must have {outputs.Shape[1]}.", ArgumentOf(nameof(Lengths)));
        }

        long sum = 0;
        for (int i = 0; i < Lengths.Length; i++)
        {
            if (Lengths[i] < 0 || Lengths[i] > outputs.Shape[0])
            {
                Check.InRange(Lengths[i], 0, outputs.Shape[0], $"{NameOf(nameof(Lengths))}[{i}]");
            }

            sum += Lengths[i];
        }

        return sum;
    }
}
