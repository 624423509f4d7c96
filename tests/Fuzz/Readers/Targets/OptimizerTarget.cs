namespace OrthoNative.Fuzz.Readers;

/// <summary>An optimizer that loads its state.</summary>
internal sealed class OptimizerTarget : Target
{
    private readonly Adam _adam;
    private readonly byte[] _saved;
    private readonly string _copy;

    public OptimizerTarget(WorkingFolder folder)
        : base(folder, "optimizer")
    {
        _copy = folder.File("optimizer.out");
        _adam = new Adam(new Sequential(Device.Default, 1, new Dense(2, 3)));
        _adam.Save(_copy);
        _saved = File.ReadAllBytes(_copy);
        _adam.Step();
        _adam.Save(FilePath);
        byte[] later = File.ReadAllBytes(FilePath);
        _adam.Load(_copy);

        // As version 0.1 wrote it.
        Dictionary<string, Tensor> state = SafeTensors.Load(FilePath, Device.Default);
        SafeTensors.Save(FilePath, state, new Dictionary<string, string> { ["step_count"] = "7" });
        foreach (Tensor tensor in state.Values)
        {
            tensor.Dispose();
        }

        Seeds = [_saved, later, File.ReadAllBytes(FilePath)];
    }

    public override IReadOnlyList<byte[]> Seeds { get; }

    protected override long BytesForByte => 100;

    public override void Dispose()
    {
        _adam.Dispose();
        _adam.Model.Dispose();
        base.Dispose();
    }

    protected override void Read()
    {
        _adam.Load(FilePath);
        File.WriteAllBytes(_copy, _saved);
        _adam.Load(_copy);
    }

    protected override void CheckUnchanged()
    {
        _adam.Save(_copy);
        if (!File.ReadAllBytes(_copy).AsSpan().SequenceEqual(_saved))
        {
            throw new FindingException("an optimizer whose state could not be loaded has changed");
        }
    }
}
