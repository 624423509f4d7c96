namespace OrthoNative;

/// <summary>A number that tells how good a model is, gathered batch by batch.</summary>
/// <remarks>
/// Rows beyond a sample's length and rows of weight 0 do not count; others count by their weights. Derive from this class for a metric of your own. One
/// thread at a time may use a metric.
/// <example><code>
/// foreach (Batch batch in loader.Epoch(0))
/// {
///     accuracy.Add(model.Forward(batch.Inputs, batch.Lengths), batch);
/// }
/// Console.WriteLine(accuracy.Value);
/// </code></example>
/// </remarks>
public abstract class Metric
{
    /// <summary>Creates a metric.</summary>
    protected Metric() { }

    /// <summary>Name in tables and files: small letters and underscores.</summary>
    public abstract string Name { get; }

    /// <summary>True: a larger value is better; false: a smaller one is.</summary>
    public abstract bool HigherIsBetter { get; }

    /// <summary>The metric of all rows that were added since the last <see cref="Reset"/>; NaN if none counted.</summary>
    public abstract double Value { get; }

    /// <summary>Adds the rows of a batch. Waits for a GPU.</summary>
    /// <param name="outputs">What a model makes of the batch's inputs: <c>[K, B, C]</c>, or <c>[B, C]</c> where the last step alone has targets.</param>
    /// <param name="batch">Has the targets, lengths and weights.</param>
    /// <exception cref="ArgumentException">The targets do not fit the outputs.</exception>
    /// <exception cref="NotFiniteNumberException">An output of a row that counts is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">A tensor was disposed.</exception>
    public void Add(Tensor outputs, Batch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Add(outputs, batch.Targets.As(nameof(batch)), nameof(outputs));
    }

    /// <summary>Adds rows. Waits for a GPU.</summary>
    /// <param name="outputs"><c>[..., C]</c>; all dimensions but the last are rows. With lengths <c>[T, B, C]</c>.</param>
    /// <param name="targets">Targets, lengths and weights.</param>
    /// <exception cref="ArgumentException">The targets do not fit the outputs.</exception>
    /// <exception cref="NotFiniteNumberException">An output of a row that counts is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">A tensor was disposed.</exception>
    public void Add(Tensor outputs, Targets targets) => Add(outputs, targets.As(nameof(targets)), nameof(outputs));

    /// <summary>Forgets what was added.</summary>
    public abstract void Reset();

    /// <summary>Adds the rows that count. An exception must leave <see cref="Value"/> as it was.</summary>
    /// <param name="outputs">
    /// <c>[..., C]</c> of <see cref="DType.Float32"/> or <see cref="DType.Float64"/>. They may hold anything in rows that do not count, where
    /// <see cref="Targets.WeightOf"/> is 0.
    /// </param>
    /// <param name="targets">
    /// Lengths and weights, if any, are those of the rows, of which one counts at least. Whether there are the classes or the values that the metric needs,
    /// and whether they fit, is the metric's to check.
    /// </param>
    protected abstract void Update(Tensor outputs, in Targets targets);

    private void Add(Tensor outputs, in Targets targets, string name)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        Check.FloatingPoint(outputs, name);
        outputs.ThrowIfDisposed();
        if (targets.CheckRows(outputs, name) > 0)
        {
            Update(outputs, targets);
        }
    }
}
