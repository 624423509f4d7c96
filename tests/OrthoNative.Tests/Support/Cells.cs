namespace OrthoNative.Tests;

/// <summary>Layers of classical cells for tests.</summary>
internal static class Cells
{
    /// <summary>A layer by the name of its kind, with "with one bias" or not.</summary>
    public static RecurrentLayer Create(
        string cell, long inputs, long units, SequenceOutput output = default, Checkpointing checkpointing = default)
    {
        bool two = !cell.EndsWith("one bias", StringComparison.Ordinal);
        return cell[0] switch
        {
            'E' => new Elman(inputs, units, new ElmanOptions { Output = output, Checkpointing = checkpointing }),
            'G' => new Gru(inputs, units, new GruOptions { Output = output, Checkpointing = checkpointing, RecurrentBias = two }),
            _ => new Lstm(inputs, units, new LstmOptions { Output = output, Checkpointing = checkpointing, RecurrentBias = two }),
        };
    }
}
