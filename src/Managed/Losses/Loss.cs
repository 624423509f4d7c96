namespace OrthoNative;

/// <summary>A measure of a model's outputs, of which training makes the mean small.</summary>
/// <remarks>
/// <para>
/// The loss of a batch is the mean over its rows: samples, or the steps of samples. Rows beyond a sample's length and rows of weight 0 do not count: they are
/// neither read nor checked, and their gradients are 0. With weights, the mean is Σ w·l / Σ w.
/// </para>
/// <para>
/// <c>Forward</c> and <c>Evaluate</c> return the loss and so wait for a GPU; <c>Differentiate</c> gives the gradient alone and lets the GPU work on. One thread at a
/// time may use a loss.
/// </para>
/// <para>
/// Derive from this class for a loss of your own: <see cref="Compute"/> is all that it needs.
/// </para>
/// </remarks>
public abstract class Loss : IDisposable
{
    private Tensor? _gradient;
    private bool _gradientIsValid;
    private bool _disposed;

    /// <summary>Creates a loss.</summary>
    protected Loss() { }

    /// <summary>
    /// Gradient of the loss at the outputs of the last <c>Forward</c> or <c>Differentiate</c>, shaped as they were. Belongs to the loss and changes
    /// with the next such call.
    /// </summary>
    /// <exception cref="InvalidOperationException">There was no such call yet, or the last one failed.</exception>
    /// <exception cref="ObjectDisposedException">The loss was disposed.</exception>
    public Tensor Gradient
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _gradientIsValid ? _gradient! : throw new InvalidOperationException("There was no forward pass yet, or the last one failed.");
        }
    }

    /// <summary>
    /// Sum of the weights of the rows that counted in the last call, over which the mean was taken; without weights their number. The mean over several
    /// batches is the sum of their losses, each multiplied by it, divided by the sum of it. A loss that weights its classes counts their weights, too.
    /// </summary>
    public double WeightSum { get; protected set; }

    /// <summary>Computes the loss of a batch and <see cref="Gradient"/>.</summary>
    /// <param name="outputs">What a model makes of the batch's inputs: <c>[K, B, C]</c>, or <c>[B, C]</c> where the last step alone has targets.</param>
    /// <param name="batch">Has the targets, lengths and weights.</param>
    /// <returns>The mean over the rows that count; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">The targets do not fit the outputs, or no row counts.</exception>
    /// <exception cref="NotFiniteNumberException">An output or a target of a row that counts is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public double Forward(Tensor outputs, Batch batch) => Run(outputs, TargetsOf(batch), wantsGradient: true, wantsValue: true);

    /// <summary>Computes the loss and <see cref="Gradient"/>.</summary>
    /// <param name="outputs"><c>[..., C]</c>; all dimensions but the last are rows. With lengths <c>[T, B, C]</c>.</param>
    /// <param name="targets">Targets, lengths and weights.</param>
    /// <returns>The mean over the rows that count; infinite where a double is too small for their sum.</returns>
    /// <exception cref="ArgumentException">The targets do not fit the outputs, or no row counts.</exception>
    /// <exception cref="NotFiniteNumberException">An output or a target of a row that counts is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public double Forward(Tensor outputs, Targets targets) => Run(outputs, targets.As(nameof(targets)), wantsGradient: true, wantsValue: true);

    /// <summary>Computes the loss of a batch alone, and leaves <see cref="Gradient"/> as it is.</summary>
    /// <inheritdoc cref="Forward(Tensor, Batch)"/>
    public double Evaluate(Tensor outputs, Batch batch) => Run(outputs, TargetsOf(batch), wantsGradient: false, wantsValue: true);

    /// <summary>Computes the loss alone, and leaves <see cref="Gradient"/> as it is.</summary>
    /// <inheritdoc cref="Forward(Tensor, Targets)"/>
    public double Evaluate(Tensor outputs, Targets targets) => Run(outputs, targets.As(nameof(targets)), wantsGradient: false, wantsValue: true);

    /// <summary>Computes <see cref="Gradient"/> of a batch alone, for which nothing waits for a GPU.</summary>
    /// <param name="outputs">What a model makes of the batch's inputs: <c>[K, B, C]</c>, or <c>[B, C]</c> where the last step alone has targets.</param>
    /// <param name="batch">Has the targets, lengths and weights.</param>
    /// <exception cref="ArgumentException">The targets do not fit the outputs, or no row counts.</exception>
    /// <exception cref="NotFiniteNumberException">
    /// An output or a target of a row that counts is NaN or infinite. On a GPU the next call that waits says so: see <see cref="Device"/>.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public void Differentiate(Tensor outputs, Batch batch) => Run(outputs, TargetsOf(batch), wantsGradient: true, wantsValue: false);

    /// <summary>Computes <see cref="Gradient"/> alone, for which nothing waits for a GPU.</summary>
    /// <param name="outputs"><c>[..., C]</c>; all dimensions but the last are rows. With lengths <c>[T, B, C]</c>.</param>
    /// <param name="targets">Targets, lengths and weights.</param>
    /// <exception cref="ArgumentException">The targets do not fit the outputs, or no row counts.</exception>
    /// <exception cref="NotFiniteNumberException">
    /// An output or a target of a row that counts is NaN or infinite. On a GPU the next call that waits says so: see <see cref="Device"/>.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The loss or a tensor was disposed.</exception>
    public void Differentiate(Tensor outputs, Targets targets) => Run(outputs, targets.As(nameof(targets)), wantsGradient: true, wantsValue: false);

    /// <summary>Frees the memory of the gradient.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Computes the mean loss of the rows that count, its gradient, or both.</summary>
    /// <param name="outputs">
    /// <c>[..., C]</c> of <see cref="DType.Float32"/> or <see cref="DType.Float64"/>. They may hold anything in rows that do not count, where
    /// <see cref="Targets.WeightOf"/> is 0.
    /// </param>
    /// <param name="targets">
    /// Lengths and weights, if any, are those of the rows. Whether there are the classes or the values that the loss needs, and whether they fit, is
    /// the loss's to check.
    /// </param>
    /// <param name="gradient">
    /// Shaped as the outputs: every element must be written, 0 in rows that do not count. It holds anything before. Null: the gradient is not wanted.
    /// </param>
    /// <param name="wantsValue">False: the returned number is not used.</param>
    /// <returns>Σ w·l / <see cref="WeightSum"/>, which is above 0: the sum of the weights of the rows that count.</returns>
    protected abstract double Compute(Tensor outputs, in Targets targets, Tensor? gradient, bool wantsValue);

    /// <summary>Frees what the loss holds; <see cref="Dispose()"/> calls it.</summary>
    /// <param name="disposing">True.</param>
    protected virtual void Dispose(bool disposing)
    {
        _disposed = true;
        _gradient?.Release();
    }

    /// <summary>Refuses targets that do not fit the outputs, before anything is written.</summary>
    private protected virtual void CheckTargets(Tensor outputs, in Targets targets) { }

    internal double Run(Tensor outputs, in Targets targets, bool wantsGradient, bool wantsValue)
    {
        // Where a call fails that computes the gradient, no older gradient stands for its own.
        _gradientIsValid &= !wantsGradient;
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(outputs);
        Check.FloatingPoint(outputs);
        outputs.ThrowIfDisposed();
        double weights = targets.CheckRows(outputs, nameof(outputs));
        targets.ThrowIfNoRow(weights);
        CheckTargets(outputs, targets);
        WeightSum = weights;
        Tensor? gradient = wantsGradient ? Tensor.Ensure(ref _gradient, outputs.Device, outputs.DType, outputs.Shape, source: outputs) : null;
        double value = Compute(outputs, targets, gradient, wantsValue);
        _gradientIsValid |= wantsGradient;
        return value;
    }

    /// <summary>The sum of the weights of the rows that count; 0: a call with these targets would have no mean.</summary>
    internal double WeightOf(Tensor outputs, in Targets targets)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(outputs);
        double weights = targets.CheckRows(outputs, nameof(outputs));
        if (weights == 0)
        {
            return 0;
        }

        CheckTargets(outputs, targets);
        return SumOf(targets, weights);
    }

    /// <summary>The sum of the weights of the rows that count.</summary>
    /// <param name="targets">Checked.</param>
    /// <param name="rows">Sum of the weights of rows.</param>
    private protected virtual double SumOf(in Targets targets, double rows) => rows;

    private static Targets TargetsOf(Batch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return batch.Targets.As(nameof(batch));
    }
}
