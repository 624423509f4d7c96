namespace OrthoNative.Tests;

/// <summary>States of recurrent layers: given to a pass, and read after it.</summary>
internal static class States
{
    /// <summary>Options of a pass that starts from these states of the first layer.</summary>
    /// <param name="state">h; null: zeros.</param>
    /// <param name="cellState">c of an <see cref="Lstm"/>; null: zeros, or the layer has none.</param>
    public static ForwardOptions From(Tensor? state, Tensor? cellState = null)
    {
        var states = new Dictionary<string, Tensor>();
        if (state is not null)
        {
            states.Add("0.state", state);
        }

        if (cellState is not null)
        {
            states.Add("0.cell_state", cellState);
        }

        return From(states);
    }

    /// <summary>Options of a pass that starts from these states.</summary>
    public static ForwardOptions From(IReadOnlyDictionary<string, Tensor> states) => new() { InitialStates = states };

    /// <summary>The bits of states, or of gradients at them, which are then disposed.</summary>
    public static Dictionary<string, byte[]> Bytes(Dictionary<string, Tensor> states) => Read(states, TestData.Bytes);

    /// <summary>The numbers of states, or of gradients at them, which are then disposed.</summary>
    public static Dictionary<string, double[]> Values(Dictionary<string, Tensor> states) => Read(states, TestData.Values);

    /// <summary>Disposes what a model gave.</summary>
    public static void Dispose(Dictionary<string, Tensor> states) => Read(states, _ => 0);

    private static Dictionary<string, T> Read<T>(Dictionary<string, Tensor> states, Func<Tensor, T> read)
    {
        var results = states.ToDictionary(state => state.Key, state => read(state.Value));
        foreach (Tensor state in states.Values)
        {
            state.Dispose();
        }

        return results;
    }
}
