namespace OrthoNative.Cli.Output;

/// <summary>The loss on data that the model does not learn from, at the end of those epochs after which it was measured.</summary>
/// <param name="Name">Name of the data: "validation" or "test".</param>
/// <param name="Points">Its values, all of them finite.</param>
internal sealed record ValidationCurve(string Name, IReadOnlyList<ValidationCurve.Point> Points)
{
    /// <summary>That of epochs.</summary>
    /// <param name="name">Name of the data.</param>
    /// <param name="epochs">Epochs, with or without a result.</param>
    /// <param name="bestEpoch">The epoch whose weights were kept; null: none was chosen.</param>
    public static ValidationCurve Of(string name, IEnumerable<EpochResult> epochs, int? bestEpoch = null) => new(
        name,
        [
            // Read back from the file of a run, a result may have no loss.
            .. epochs.Where(epoch => epoch.Validation is { } result && double.IsFinite(result.Loss))
                .Select(epoch => new Point(epoch.Epoch, epoch.Step, epoch.Validation!.Loss, epoch.Epoch == bestEpoch)),
        ]);

    /// <summary>A value.</summary>
    /// <param name="Epoch">Number of the epoch.</param>
    /// <param name="Step">Its last step.</param>
    /// <param name="Loss">Loss after it.</param>
    /// <param name="IsBest">True of the epoch whose weights were kept.</param>
    public readonly record struct Point(int Epoch, long Step, double Loss, bool IsBest);
}
