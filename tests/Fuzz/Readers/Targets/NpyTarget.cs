using System.Text;

namespace OrthoNative.Fuzz.Readers;

/// <summary>Arrays of NumPy.</summary>
internal sealed class NpyTarget(WorkingFolder folder) : Target(folder, "npy")
{
    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        Npy("<f4", "(2, 3)", new byte[24]),
        Npy(">i2", "(5,)", new byte[10]),
        Npy("|b1", "(2, 2, 2)", new byte[8], order: "True"),
        Npy("<f8", "()", new byte[8], version: 2),
        Npy("<U3", "(2,)", new byte[24], version: 3),
        Npy("|S4", "(3,)", "a\0\0\0bc\0\0defg"u8.ToArray()),
        Npy("<u8", "(2, 1)", new byte[16]),
        Npy("<f2", "(4, 0)", []),
    ];

    /// <summary>A bool takes 8 bytes as a double, a text of a byte up to 60 with its object; the arrays exist at the same time.</summary>
    protected override long BytesForByte => 150;

    /// <summary>A file as numpy.save writes it.</summary>
    public static byte[] Npy(string type, string shape, byte[] elements, int version = 1, string order = "False")
    {
        byte[] header = Encoding.Latin1.GetBytes($"{{'descr': '{type}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        byte[] length = [(byte)header.Length, 0, .. version == 1 ? [] : new byte[2]];
        return [0x93, .. "NUMPY"u8, (byte)version, 0, .. length, .. header, .. elements];
    }

    public static void Use(NpyFile file)
    {
        long count = 1;
        foreach (int size in file.Shape)
        {
            count *= size;
        }

        Require(file.Count == count, "a number of elements that is not that of the shape");
        Require(file.ToTexts().Length == count, "another number of texts");
        if (!file.IsText)
        {
            Require(file.ToSingles().Length == count && file.ToDoubles().Length == count, "another number of numbers");
        }
    }

    protected override void Read() => Use(NpyFile.Read(FilePath));

    private static void Require(bool condition, string problem)
    {
        if (!condition)
        {
            throw new FindingException(problem);
        }
    }
}
