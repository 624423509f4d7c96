using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Adds up the gradients of several batches as if they were one batch, for batches that do not fit into memory as one.</summary>
/// <remarks>
/// <para>
/// A loss gives the gradient of a mean over the rows that count. The mean over all batches is that of their means, each weighted by its rows:
/// batches of different sizes count by their rows, not alike.
/// </para>
/// <code>
/// using var accumulator = new GradientAccumulator(model);
/// foreach (Batch batch in batches)
/// {
///     loss.Differentiate(model.Forward(batch.Inputs), batch);
///     accumulator.Backward(loss.Gradient, loss.WeightSum);
/// }
///
/// accumulator.Complete();
/// optimizer.Step();
/// </code>
/// <para>
/// Until <see cref="Complete"/>, the model's gradients are a sum: a step of an optimizer, clipping and <see cref="Model.Backward(Tensor, bool)"/> are
/// refused. <see cref="Model.InputGradient"/> is that of the latest batch, times its weight. One thread at a time may use an accumulator. Further
/// batches of the same or a smaller size allocate nothing.
/// </para>
/// </remarks>
public sealed unsafe class GradientAccumulator : IDisposable
{
    private readonly Model _model;
    private Tensor? _scaled;
    private bool _disposed;

    /// <summary>Creates an accumulator without batches.</summary>
    /// <param name="model">The model whose gradients are added up.</param>
    /// <exception cref="InvalidOperationException">The model has no device of its own, or was made without gradients.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public GradientAccumulator(Model model)
    {
        ArgumentNullException.ThrowIfNull(model);
        model.ThrowIfDisposed();
        _ = model.GradientData;
        _model = model;
    }

    /// <summary>Number of batches since the last <see cref="Complete"/>.</summary>
    public int BatchCount { get; private set; }

    /// <summary>Sum of their weights.</summary>
    public double TotalWeight { get; private set; }

    /// <summary>Backpropagates through the model's last forward pass and adds the gradients, times a weight, to those of the batches before.</summary>
    /// <param name="outputGradient">Gradient of the batch's mean loss at the model's output, as for <see cref="Model.Backward(Tensor, bool)"/>. Not written.</param>
    /// <param name="weight">
    /// Of what the loss is the mean of: the number of rows of the batch that count, or the sum of their weights. Finite, not negative; a batch of weight 0
    /// adds nothing.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The weight is negative, NaN, or not finite in the model's element type.</exception>
    /// <exception cref="InvalidOperationException">
    /// Another accumulator has not completed its sum; or as <see cref="Model.Backward(Tensor, bool)"/>.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The accumulator, the model or the gradient was disposed.</exception>
    /// <inheritdoc cref="Model.Backward(Tensor, bool)" path="/exception[not(contains(@cref, 'InvalidOperation')) and not(contains(@cref, 'Disposed'))]"/>
    /// <remarks>
    /// Where the backward pass fails, the sum is given up: gradients and <see cref="BatchCount"/> are 0 again, and the next batch begins a new sum. So does
    /// <see cref="Dispose"/>.
    /// </remarks>
    public void Backward(Tensor outputGradient, double weight)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Check.Compatible(outputGradient, _model.Device, _model.DType);
        Check.NotNegative(weight);
        if (!Check.IsFinite(weight, _model.DType))
        {
            // Whose text allocates.
            Check.Finite(weight, _model.DType);
        }

        if (_model.Accumulator is { } other && other != this)
        {
            throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture,
                $"Another {nameof(GradientAccumulator)} has added up {other.BatchCount} batches of the model; its {nameof(Complete)} or {nameof(Dispose)} must come first."));
        }

        Tensor scaled = Tensor.Ensure(ref _scaled, _model.Device, _model.DType, outputGradient.Shape);
        using (BufferScope source = outputGradient.Borrow())
        using (BufferScope target = scaled.BorrowToWrite())
        using (HandleScope<ortho_device> device = _model.Device.Handle.Borrow())
        {
            NativeMethods.ortho_copy(device.Pointer, target.Address, source.Address, scaled.Count * scaled.DType.Bytes()).ThrowOnFailure();
            NativeMethods.ortho_scale(device.Pointer, scaled.DType.ToNative(), scaled.Count, weight, target.Address).ThrowOnFailure();
        }

        try
        {
            _model.Backward(scaled, BatchCount > 0, this);
        }
        catch
        {
            GiveUp();
            throw;
        }

        _model.Accumulator = this;
        BatchCount++;
        TotalWeight += weight;
    }

    /// <summary>Divides the sum by the weights: the model's gradients are then those of the mean loss over all batches. The next batch begins a new sum.</summary>
    /// <returns>The sum of the weights.</returns>
    /// <exception cref="InvalidOperationException">
    /// There was no batch, or all weights are 0 or so small that their inverse is beyond the model's element type, so that there is no mean: the sum is given
    /// up. Or another thread is using the model.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The accumulator or the model was disposed.</exception>
    public double Complete()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        using Model.Use use = _model.BeginUse();
        (int batches, double total) = (BatchCount, TotalWeight);
        if (batches == 0)
        {
            throw new InvalidOperationException($"There is no batch to complete; {nameof(Backward)} must come first.");
        }

        Forget();
        if (!Check.IsFinite(1 / total, _model.DType))
        {
            _model.GradientData.Fill(0);
            throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture,
                $"The weights of {batches} batches add up to {total}; their sum must be above 0, and its inverse finite in {_model.DType}."));
        }

        Tensor gradients = _model.GradientData;
        using BufferScope values = gradients.BorrowToWrite();
        using HandleScope<ortho_device> device = _model.Device.Handle.Borrow();
        NativeMethods.ortho_scale(device.Pointer, gradients.DType.ToNative(), gradients.Count, 1 / total, values.Address).ThrowOnFailure();
        return total;
    }

    /// <summary>Frees the accumulator's memory, and gives up a sum that is not complete.</summary>
    public void Dispose()
    {
        _disposed = true;
        GiveUp();
        _scaled?.Release();
    }

    /// <summary>No step may take a part of a sum for gradients.</summary>
    private void GiveUp()
    {
        if (_model.Accumulator == this)
        {
            _model.ClearGradients();
        }

        Forget();
    }

    private void Forget()
    {
        BatchCount = 0;
        TotalWeight = 0;
        if (_model.Accumulator == this)
        {
            _model.Accumulator = null;
        }
    }
}
