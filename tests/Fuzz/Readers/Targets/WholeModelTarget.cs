namespace OrthoNative.Fuzz.Readers;

/// <summary>A model that is made of a file.</summary>
internal sealed class WholeModelTarget : Target
{
    /// <summary>Bytes of a parameter in memory for one in the file, which may be F16: Float64, and its gradient.</summary>
    private const long LargestGrowth = 8;

    private long _objects;

    public WholeModelTarget(WorkingFolder folder)
        : base(folder, "whole-model")
    {
        SequenceOutput all = SequenceOutput.All;
        double[,] rotation = { { 0.6, -0.8 }, { 0.8, 0.6 } };
        double[,,] matrices = { { { 0, 1 }, { 1, 0 } }, { { 0.6, -0.8 }, { 0.8, 0.6 } } };
        Seeds =
        [
            Save(new(Device.Default, 1, new Dense(2, 2)), new ModelInfo { ClassNames = ["a", "b"], InputScaling = new ChannelScaling([0, 1], [1, 2]), Notes = "notes" }),
            Save(new(
                Device.Default, 1, new GaussianNoise(2, 1), new Conv1D(2, 2, 2), new RoaRnn(2, 2, new RoaRnnOptions { Alpha = [0.5, 0.25], Output = all }) { Name = "rnn" },
                new Bidirectional(new Elman(2, 1, new ElmanOptions { Output = all }), new Gru(2, 1, new GruOptions { Output = all })), new LayerNorm(2),
                new Lstm(2, 2, new LstmOptions { Output = all }), new WindowPooling(2, 2, PoolingKind.Mean), new Pooling(2, PoolingKind.Max), new ActivationLayer(2, Activation.Gelu), new Dropout(2, 0.5))),
            Save(new(
                Device.Default, new SequentialOptions { DType = DType.Float64 }, new RoaBlock(2, new RoaBlockOptions { Bidirectional = true, HiddenSize = 1 }) { Name = "block" },
                new Residual(new GatedLinear(2, 3), new Dense(3, 2)), new Branches(new Dense(2, 1), new Sequential(new Dense(2, 1)))), storage: StorageType.BFloat16),
            Save(new(
                Device.Default, 1, new Embedding(3, 2), new RoaRnn(2, 2, new RoaRnnOptions { Filter = Filter.FromMatrix(rotation), Output = all }) { Name = "a" },
                new RoaFnn(2, 2, new RoaFnnOptions { Filter = Filter.FromMatrices(matrices), FilterPerLayer = true }))),
            Save(new(
                Device.Default, 1, new RoaFnn(2, 3, new RoaFnnOptions { Filter = Filter.Permutation, FilterPerLayer = true }), new RoaFnn(2, 2, new RoaFnnOptions { Filter = Filter.Cycle })),
                storage: StorageType.Float16),
        ];
    }

    public override IReadOnlyList<byte[]> Seeds { get; }

    protected override long BytesForByte => 100;

    protected override void Read()
    {
        _objects = SystemInfo.LiveObjects;
        using (Sequential model = Model.Load(FilePath, Device.Default))
        {
            if (model.ParameterData.Count * model.DType.Bytes() * 2 > LargestGrowth * new FileInfo(FilePath).Length)
            {
                throw new FindingException("more parameters than the file has");
            }

            // What was made can be saved, and then loaded into itself.
            using var saved = new MemoryStream();
            model.Save(saved);
            saved.Position = 0;
            model.Load(saved);
        }

        CheckUnchanged();
    }

    protected override void CheckUnchanged()
    {
        if (SystemInfo.LiveObjects != _objects)
        {
            throw new FindingException("objects were left behind");
        }
    }

    private static byte[] Save(Sequential model, ModelInfo? info = null, StorageType? storage = null)
    {
        model.Info = info ?? model.Info;
        using var stream = new MemoryStream();
        model.Save(stream, new ModelSaveOptions { StorageType = storage });
        model.Dispose();
        return stream.ToArray();
    }
}
