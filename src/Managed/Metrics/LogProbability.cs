namespace OrthoNative;

/// <summary>Logarithms of probabilities from logits, without overflow and precise for probabilities near 0 and near 1.</summary>
internal static class LogProbability
{
    /// <summary>Gives m and l of logits x: log softmax(x)_i is x_i - m - l, with m the largest logit and l = log(Σ exp(x_j - m)).</summary>
    /// <remarks>The largest term of the sum is 1; l is computed from the others, which may be far below the resolution of 1.</remarks>
    public static (double Largest, double LogOfSum) Of(in MetricRow row)
    {
        int largest = row.Predicted;
        double others = 0;
        for (int i = 0; i < row.Outputs.Length; i++)
        {
            others += i == largest ? 0 : Math.Exp(row.Outputs[i] - row.Outputs[largest]);
        }

        return (row.Outputs[largest], LogOnePlus(others));
    }

    /// <summary>-t·log s(x) - (1 - t)·log(1 - s(x)) with s the logistic function.</summary>
    /// <param name="logit">x.</param>
    /// <param name="target">t, 0 to 1.</param>
    public static double BinaryCrossEntropy(double logit, double target)
    {
        // log(1 + exp(x)) - t·x, with exp of a negative number alone. The terms that are linear in x have the same sign.
        double linear = logit > 0 ? (1 - target) * logit : -target * logit;
        return linear + LogOnePlus(Math.Exp(-Math.Abs(logit)));
    }

    /// <summary>log(1 + x) for x of at least 0: the rounding of 1 + x is taken out (W. Kahan).</summary>
    private static double LogOnePlus(double x)
    {
        double sum = 1 + x;
        return sum == 1 ? x : Math.Log(sum) * (x / (sum - 1));
    }
}
