using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>
/// The exponential moving average of a model's parameters over the steps of its training: averages ← decay·averages + (1 - decay)·parameters. It often
/// does better on new samples than the parameters of the last step.
/// </summary>
/// <remarks>
/// <code>
/// using var average = new WeightAverage(model, 0.999);
/// ...
/// optimizer.Step();
/// average.Update();
/// ...
/// using (average.Apply())
/// {
///     model.Save("averaged.safetensors");
/// }
/// </code>
/// One thread at a time may use an average. It takes the memory of the parameters once more. <see cref="Update"/> allocates nothing.
/// </remarks>
public sealed unsafe class WeightAverage : IDisposable
{
    private const string UpdateCountKey = "average.update_count";

    /// <summary>Elements that are swapped at a time: parameters and averages never need a third copy.</summary>
    private const long Chunk = 1 << 18;

    private readonly Model _model;
    private readonly Tensor _averages;
    private readonly (string Name, Tensor Tensor)[] _named;
    private readonly bool _warmup;
    private bool _disposed;

    /// <summary>Begins with the parameters as they are.</summary>
    /// <param name="model">The model whose parameters are averaged.</param>
    /// <param name="decay">0 to 1, 1 excluded. About the last 1 / (1 - decay) steps count. Default 0.999.</param>
    /// <param name="warmup">
    /// True, the default: the decay of update n, from 0, is at most (1 + n) / (10 + n), so that the parameters from before the training do not count for
    /// long. False: it is the same from the first update on.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="decay"/> is out of range.</exception>
    /// <exception cref="InvalidOperationException">The model has no device of its own, or another thread is using it.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory for a copy of the parameters.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public WeightAverage(Model model, double decay = 0.999, bool warmup = true)
    {
        ArgumentNullException.ThrowIfNull(model);
        Check.Fraction(decay);
        Tensor parameters = model.ParameterData;
        using Model.Use use = model.BeginUse();
        model.ThrowIfAveraged();
        _model = model;
        Decay = decay;
        _warmup = warmup;
        _averages = Tensor.CreateOwned(model.Device, model.DType, parameters.Count);
        _named = [.. model.Parameters.Select(parameter => (parameter.Name, _averages.View(parameter.Offset, parameter.Shape)))];
        Copy(parameters, 0, _averages, 0, parameters.Count);
    }

    /// <summary>The decay.</summary>
    public double Decay { get; }

    /// <summary>Number of updates so far.</summary>
    public long UpdateCount { get; private set; }

    /// <summary>Takes the parameters into the average; to be called after each step of the optimizer.</summary>
    /// <exception cref="InvalidOperationException">The averages are in the model, after <see cref="Apply"/>; or another thread is using the model.</exception>
    /// <exception cref="ObjectDisposedException">The average or the model was disposed.</exception>
    public void Update()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        using Model.Use use = _model.BeginUse();
        _model.ThrowIfAveraged();
        double decay = _warmup ? double.Min(Decay, (1.0 + UpdateCount) / (10.0 + UpdateCount)) : Decay;
        using BufferScope values = _model.ParameterData.Borrow();
        using BufferScope averages = _averages.BorrowToWrite();
        using HandleScope<ortho_device> device = _model.Device.Handle.Borrow();
        NativeMethods.ortho_average(device.Pointer, _model.DType.ToNative(), _averages.Count, decay, values.Address, averages.Address).ThrowOnFailure();
        UpdateCount++;
    }

    /// <summary>Swaps the averages into the model, to test it or to save it, until the result is disposed: then the trained parameters are back, bit for bit.</summary>
    /// <returns>To be disposed.</returns>
    /// <remarks>
    /// Until then, a step of an optimizer, <see cref="Update"/>, loading parameters, and saving or loading averages are refused. What else writes to the
    /// parameters writes to the averages. A backward pass needs a new forward pass.
    /// </remarks>
    /// <exception cref="InvalidOperationException">Averages are in the model already; or another thread is using the model.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory for the part that is swapped at a time.</exception>
    /// <exception cref="ObjectDisposedException">The average or the model was disposed.</exception>
    public IDisposable Apply()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        using Model.Use use = _model.BeginUse();
        _model.ThrowIfAveraged();
        Swap();
        _model.AppliedAverage = this;
        return new Applied(this);
    }

    /// <summary>Saves the averages by the names of the parameters, and the number of updates.</summary>
    /// <param name="path">A safetensors file, replaced once it is written whole, as by <see cref="SafeTensors.Save"/>.</param>
    /// <remarks>To save a model with averaged parameters, use <see cref="Model.Save(string)"/> while they are applied.</remarks>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file or its folder may not be written, or the path is a folder.</exception>
    /// <exception cref="InvalidOperationException">The averages are in the model, after <see cref="Apply"/>; or another thread is using the model.</exception>
    /// <exception cref="ObjectDisposedException">The average or the model was disposed.</exception>
    public void Save(string path)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        using Model.Use use = _model.BeginUse();
        _model.ThrowIfAveraged();
        SafeTensors.Save(
            path,
            _named.Select(average => KeyValuePair.Create(average.Name, average.Tensor)),
            new Dictionary<string, string> { [UpdateCountKey] = UpdateCount.ToString(CultureInfo.InvariantCulture) });
    }

    /// <summary>Loads averages that <see cref="Save"/> wrote, so that they continue with the same bits. Nothing changes if the file is not as expected.</summary>
    /// <param name="path">A safetensors file.</param>
    /// <remarks>The decay is not in the file: that of this object applies.</remarks>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or not of averages, of a model with other parameters, or a number in it is NaN or infinite.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory for a copy of the averages.</exception>
    /// <exception cref="InvalidOperationException">The averages are in the model, after <see cref="Apply"/>; or another thread is using the model.</exception>
    /// <exception cref="ObjectDisposedException">The average or the model was disposed.</exception>
    public void Load(string path)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        using Model.Use use = _model.BeginUse();
        _model.ThrowIfAveraged();
        using SafeTensorsReader reader = SafeTensorsReader.Open(path);
        string? text = reader.Metadata.GetValueOrDefault(UpdateCountKey);
        if (!long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long updateCount) || updateCount == long.MaxValue)
        {
            throw new InvalidDataException(
                $"'{ForeignText.CleanPath(path)}': __metadata__.{UpdateCountKey} is {(text is null ? "missing" : $"'{ForeignText.Clean(text)}'")}; a whole number below 2^63 - 1 is expected.");
        }

        reader.RequireSame(_named);
        foreach ((string name, _) in _named)
        {
            reader.RequireFinite(name, double.NegativeInfinity);
        }

        reader.ReadInto(_named);
        UpdateCount = updateCount;
    }

    /// <summary>Frees the averages; where they are in the model, the trained parameters are back first.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        Restore();
        _disposed = true;
        _averages.Release();
    }

    private void Restore()
    {
        if (_model.AppliedAverage != this || _model.IsDisposed)
        {
            return;
        }

        using Model.Use use = _model.BeginUse();
        Swap();
        _model.AppliedAverage = null;
    }

    private void Swap()
    {
        Tensor parameters = _model.ParameterData;
        using var held = new Tensor(_model.Device, _model.DType, long.Min(Chunk, parameters.Count));
        for (long start = 0; start < parameters.Count; start += Chunk)
        {
            long count = long.Min(Chunk, parameters.Count - start);
            Copy(parameters, start, held, 0, count);
            Copy(_averages, start, parameters, start, count);
            Copy(held, 0, _averages, start, count);
        }
    }

    private void Copy(Tensor source, long sourceStart, Tensor target, long targetStart, long count)
    {
        long size = source.DType.Bytes();
        using BufferScope from = source.Borrow();
        using BufferScope to = target.BorrowToWrite();
        using HandleScope<ortho_device> device = _model.Device.Handle.Borrow();
        NativeMethods.ortho_copy(
            device.Pointer, (byte*)to.Address + (targetStart * size), (byte*)from.Address + (sourceStart * size), count * size).ThrowOnFailure();
    }

    /// <summary>The time during which the averages are in the model.</summary>
    private sealed class Applied(WeightAverage average) : IDisposable
    {
        private WeightAverage? _average = average;

        public void Dispose()
        {
            _average?.Restore();
            _average = null;
        }
    }
}
