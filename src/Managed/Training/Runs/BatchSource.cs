namespace OrthoNative;

/// <summary>Where the batches of a run come from: samples, or windows of sequences, between which states are carried.</summary>
/// <param name="loader">Reads the batches. Disposed with the source.</param>
/// <param name="states">The states that are carried, disposed with the source; null: batches stand alone.</param>
internal sealed class BatchSource(DataLoader loader, CarriedStates? states = null) : IDisposable
{
    /// <summary>Reads the batches.</summary>
    public DataLoader Loader => loader;

    /// <summary>The states between windows; null: batches stand alone.</summary>
    public CarriedStates? States => states;

    /// <summary>Creates a source of windows.</summary>
    /// <param name="model">The model that they are for.</param>
    /// <param name="reader">The sequences.</param>
    /// <param name="window">Steps of a window.</param>
    /// <param name="name">The caller's name of the reader.</param>
    public static BatchSource OfWindows(Model model, SequenceReader reader, int window, string name)
    {
        var windows = new ReaderWindow(reader, window, name);
        var states = new CarriedStates(model, reader.Sequences);
        try
        {
            return new BatchSource(new DataLoader(windows, reader.Sequences, new DataLoaderOptions { Device = model.Device, DType = model.DType }), states);
        }
        catch
        {
            states.Dispose();
            throw;
        }
    }

    /// <summary>Runs the model on a batch.</summary>
    public Tensor Forward(Model model, Batch batch) => states is null ? model.Forward(batch.Inputs, batch.Lengths) : states.Forward(batch.Inputs);

    public void Dispose()
    {
        loader.Dispose();
        states?.Dispose();
    }
}

/// <summary>What a run learns from and is validated on.</summary>
/// <param name="Training">Takes the memory for training batches.</param>
/// <param name="Validation">Takes that for validation batches; null: there are none.</param>
internal sealed record RunData(Func<BatchSource> Training, Func<BatchSource>? Validation);
