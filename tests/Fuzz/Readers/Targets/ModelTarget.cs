namespace OrthoNative.Fuzz.Readers;

/// <summary>A model that loads.</summary>
internal sealed class ModelTarget : Target
{
    private readonly Sequential _model;
    private readonly byte[] _saved;
    private readonly string _copy;

    public ModelTarget(WorkingFolder folder)
        : base(folder, "model")
    {
        _copy = folder.File("model.out");
        _model = Make(1);
        _model.Save(_copy);
        _saved = File.ReadAllBytes(_copy);
        using Sequential other = Make(2);
        other.Save(FilePath);
        Seeds = [_saved, File.ReadAllBytes(FilePath)];
    }

    public override IReadOnlyList<byte[]> Seeds { get; }

    protected override long BytesForByte => 100;

    public override void Dispose()
    {
        _model.Dispose();
        base.Dispose();
    }

    protected override void Read()
    {
        _model.Load(FilePath);

        // What is loaded can be used, or its weights are not finite, which the pass through them says.
        using var inputs = new Tensor(Device.Default, DType.Float32, 2, 1, 2);
        _model.Training = false;
        try
        {
            _model.Forward(inputs);
        }
        catch (Exception exception) when (exception is InvalidDataException or ArithmeticException)
        {
        }

        // For the next input it is as it was.
        File.WriteAllBytes(_copy, _saved);
        _model.Load(_copy);
    }

    protected override void CheckUnchanged()
    {
        _model.Save(_copy);
        if (!File.ReadAllBytes(_copy).AsSpan().SequenceEqual(_saved))
        {
            throw new FindingException("a model that could not be loaded has changed");
        }
    }

    private static Sequential Make(ulong seed) => new(
        Device.Default, seed, new GaussianNoise(2, 1), new RoaRnn(2, 3, new RoaRnnOptions { Output = SequenceOutput.All }) { Name = "rnn" },
        new RoaFnn(3, 2, new RoaFnnOptions { Filter = Filter.Permutation, FilterPerLayer = true }), new Dense(3, 2));
}
