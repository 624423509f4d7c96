namespace OrthoNative;

/// <summary>Options of <see cref="CrossEntropyLoss"/>.</summary>
public sealed record CrossEntropyOptions
{
    /// <summary>s, 0 to 1, 1 excluded: the target distribution is 1 - s at the class plus s / classes everywhere. Default 0.</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>
    /// A weight for each class, finite and not negative, at least one above 0: large for a class that is rare. The loss of a row is the sum over the classes c
    /// of w_c·q_c·(-log p_c), q the target distribution, and the mean is taken over the sum of the weights of the rows' targets, times the weights of the rows. Null, the default: all are 1.
    /// </summary>
    public IReadOnlyList<double>? ClassWeights { get; init; }

    /// <summary>A target that means that there is none, inside or outside the classes: its row does not count. Null, the default: all rows have a target.</summary>
    public int? IgnoreIndex { get; init; }
}
