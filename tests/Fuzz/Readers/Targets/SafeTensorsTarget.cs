namespace OrthoNative.Fuzz.Readers;

/// <summary>Tensors of any file.</summary>
internal sealed class SafeTensorsTarget : Target
{
    public SafeTensorsTarget(WorkingFolder folder)
        : base(folder, "safetensors")
    {
        using var single = new Tensor(Device.Default, DType.Float32, 2, 3);
        using var twice = new Tensor(Device.Default, DType.Float64, 2);
        using var scalar = new Tensor(Device.Default, DType.Float32);
        SafeTensors.Save(FilePath, new Dictionary<string, Tensor> { ["a"] = single, ["b"] = twice, ["c"] = scalar }, new Dictionary<string, string> { ["k"] = "v" });
        Seeds =
        [
            File.ReadAllBytes(FilePath),
            Bytes("""{"__metadata__":null,"h":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},"b":{"dtype":"BF16","shape":[1,1],"data_offsets":[6,8]}}""", 8),
            Bytes("""{"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"e":{"dtype":"F32","shape":[0],"data_offsets":[8,8]},"f":{"dtype":"F32","shape":[1],"data_offsets":[8,12],"more":[{}]}}   """, 12),
        ];
    }

    public override IReadOnlyList<byte[]> Seeds { get; }

    protected override long BytesForByte => 100;

    protected override void Read()
    {
        IReadOnlyList<SafeTensorsEntry> entries = SafeTensors.List(FilePath);
        _ = SafeTensors.LoadMetadata(FilePath);
        long objects = SystemInfo.LiveObjects;
        Free(SafeTensors.Load(FilePath, Device.Default, entries.Where(entry => entry.IsLoadable).Select(entry => entry.Name)));
        try
        {
            Dictionary<string, Tensor> all = SafeTensors.Load(FilePath, Device.Default);
            Free(all);
            if (all.Count != entries.Count)
            {
                throw new FindingException("not all tensors were loaded");
            }
        }
        catch (InvalidDataException) when (entries.Any(entry => !entry.IsLoadable))
        {
            // As it must be.
        }

        if (SystemInfo.LiveObjects != objects)
        {
            throw new FindingException("tensors were left behind");
        }
    }

    private static void Free(Dictionary<string, Tensor> tensors)
    {
        foreach (Tensor tensor in tensors.Values)
        {
            tensor.Dispose();
        }
    }

    private static byte[] Bytes(string header, int dataBytes)
    {
        byte[] text = System.Text.Encoding.UTF8.GetBytes(header);
        return [.. BitConverter.GetBytes((ulong)text.Length), .. text, .. new byte[dataBytes]];
    }
}
