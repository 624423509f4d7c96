using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp;

/// <summary>Where the weights of a layer are in a state dictionary.</summary>
public sealed record TorchKeys
{
    /// <summary>What the keys begin with: <c>encoder.</c> for <c>encoder.weight_hh_l0</c>. Default: nothing.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>Number of the layer in a recurrent module of several. Default 0.</summary>
    public int Layer { get; init; }

    /// <summary>True: the direction from the last step to the first of a bidirectional recurrent module. Default false.</summary>
    public bool Reverse { get; init; }
}

/// <summary>Copies weights between layers and state dictionaries of torch's modules.</summary>
/// <remarks>
/// <list type="table">
/// <item><term><see cref="Gru"/>, <see cref="Lstm"/>, <see cref="Elman"/></term><description>one layer and direction of <c>nn.GRU</c>, <c>nn.LSTM</c>, <c>nn.RNN</c></description></item>
/// <item><term><see cref="Dense"/>, <see cref="Conv1D"/></term><description><c>nn.Linear</c>, <c>nn.Conv1d</c></description></item>
/// <item><term><see cref="LayerNorm"/>, <see cref="Embedding"/></term><description><c>nn.LayerNorm</c>, <c>nn.Embedding</c></description></item>
/// </list>
/// <see cref="RoaRnn"/> and <see cref="RoaFnn"/> have methods of their own, since a filter goes with their weights.
/// </remarks>
public static class TorchWeights
{
    /// <summary>Copies weights of a state dictionary into a layer, converted to its model's element type. Nothing changes if they do not fit.</summary>
    /// <param name="layer">A layer of a model, of a kind in the table of this class.</param>
    /// <param name="state">As <c>module.state_dict()</c> or a loaded file gives it. A missing bias counts as 0.</param>
    /// <param name="keys">Null: keys without a prefix, of layer 0.</param>
    /// <remarks>A layer with one bias where torch has two gets their sum. A <see cref="Gru"/> needs <see cref="GatedCellOptions.RecurrentBias"/>, since the two biases of its gate n do not add up.</remarks>
    /// <exception cref="ArgumentException">The layer is of another kind or not part of a model, a weight is missing or has no place in the layer, or a shape is another one.</exception>
    /// <exception cref="InvalidOperationException">Another thread is using the model, or a <see cref="WeightAverage"/> is applied to it.</exception>
    /// <exception cref="ObjectDisposedException">The layer's model was disposed.</exception>
    public static void CopyFromTorch(this Layer layer, IReadOnlyDictionary<string, TorchTensor> state, TorchKeys? keys = null)
    {
        Entry[] entries = EntriesOf(layer, state, keys ?? new TorchKeys());
        using IDisposable inference = no_grad();
        using global::TorchSharp.DisposeScope scope = NewDisposeScope();
        var values = new List<(TorchTensor Values, Tensor Target)>();
        foreach (IGrouping<Parameter, Entry> group in entries.GroupBy(entry => entry.Parameter))
        {
            TorchTensor[] parts = [.. group.Select(entry => entry.Find(state) ?? zeros(entry.Shape, dtype: ScalarType.Float64))];
            TorchTensor whole = parts.Length == 1 ? parts[0] : group.First().AreAdded ? parts[0] + parts[1] : stack(parts);
            values.Add((whole, group.Key.Value));
        }

        using Model.Use use = layer.ModelOrNull!.BeginUse();
        layer.ModelOrNull.ThrowIfAveraged();
        foreach ((TorchTensor source, Tensor target) in values)
        {
            TensorMemory.CopyTo(source, target);
        }
    }

    /// <summary>Copies the weights of a layer into the tensors of a state dictionary, converted to their element types. Nothing changes if they do not fit.</summary>
    /// <param name="layer">A layer of a model, of a kind in the table of this class.</param>
    /// <param name="state">As <c>module.state_dict()</c> gives it: its tensors are the module's, and are written in place.</param>
    /// <param name="keys">Null: keys without a prefix, of layer 0.</param>
    /// <remarks>Of two biases of torch where the layer has one, the first gets it and the second gets 0.</remarks>
    /// <exception cref="ArgumentException">The layer is of another kind or not part of a model, a tensor is missing, or a shape is another one.</exception>
    /// <exception cref="ObjectDisposedException">The layer's model was disposed.</exception>
    public static void CopyToTorch(this Layer layer, IReadOnlyDictionary<string, TorchTensor> state, TorchKeys? keys = null)
    {
        Entry[] entries = EntriesOf(layer, state, keys ?? new TorchKeys());
        if (entries.FirstOrDefault(entry => entry.Find(state) is null) is { } missing)
        {
            throw Missing(nameof(state), missing.Key);
        }

        using IDisposable inference = no_grad();
        using global::TorchSharp.DisposeScope scope = NewDisposeScope();
        foreach (IGrouping<Parameter, Entry> group in entries.GroupBy(entry => entry.Parameter))
        {
            TorchTensor values = TensorMemory.Copy(group.Key.Value);
            Entry[] parts = [.. group];
            for (int i = 0; i < parts.Length; i++)
            {
                TorchTensor part = parts.Length == 1 ? values : !parts[i].AreAdded ? values[i] : i == 0 ? values : zeros_like(values);
                parts[i].Find(state)!.copy_(part);
            }
        }
    }

    /// <summary>The tensors of a state dictionary that make up the parameters of a layer, with their shapes checked.</summary>
    private static Entry[] EntriesOf(Layer layer, IReadOnlyDictionary<string, TorchTensor> state, TorchKeys keys)
    {
        ArgumentNullException.ThrowIfNull(layer);
        ArgumentNullException.ThrowIfNull(state);
        ArgumentOutOfRangeException.ThrowIfNegative(keys.Layer, $"{nameof(keys)}.{nameof(keys.Layer)}");
        if (layer is Gru or Lstm or Elman or Dense or Conv1D or LayerNorm or Embedding && layer.Parameters.Count == 0)
        {
            throw new ArgumentException($"{nameof(layer)} is not part of a model yet; it must be, for it to have weights.", nameof(layer));
        }

        string end = $"_l{keys.Layer}{(keys.Reverse ? "_reverse" : "")}";
        Entry[] entries = layer switch
        {
            Gru or Lstm or Elman =>
            [
                Of(0, $"weight_hh{end}"),
                .. Biases((RecurrentLayer)layer, $"bias_ih{end}", $"bias_hh{end}"),
                Of(2, $"weight_ih{end}"),
            ],
            Dense or Conv1D or LayerNorm or Embedding => [.. layer.Parameters.Select((_, i) => Of(i, i == 0 ? "weight" : "bias", isOptional: i == 1))],
            _ => throw new ArgumentException(
                $"{nameof(layer)} is {layer}; it must be a Gru, Lstm, Elman, Dense, Conv1D, LayerNorm or Embedding.", nameof(layer)),
        };
        // What the layer has no place for would change what it computes.
        string[] others = layer is Dense or Conv1D && layer.Parameters.Count == 1 ? ["bias"] : layer is Lstm ? [$"weight_hr{end}"] : [];
        if (others.FirstOrDefault(other => state.ContainsKey(keys.Prefix + other)) is { } unused)
        {
            throw new ArgumentException($"{nameof(state)} has '{keys.Prefix}{unused}', which {layer} has no parameter for.", nameof(state));
        }

        foreach (Entry entry in entries)
        {
            if (entry.Find(state) is not { } tensor)
            {
                if (!entry.IsOptional)
                {
                    throw Missing(nameof(state), entry.Key);
                }
            }
            else if (!tensor.shape.SequenceEqual(entry.Shape))
            {
                throw new ArgumentException(
                    $"{nameof(state)}['{entry.Key}'] has shape {TensorMemory.FormatShape(tensor.shape)}; it must be {TensorMemory.FormatShape(entry.Shape)} for {layer}.", nameof(state));
            }
        }

        return entries;

        Entry Of(int parameter, string key, bool isOptional = false) =>
            new(layer.Parameters[parameter], keys.Prefix + key, layer.Parameters[parameter].Shape.ToArray(), isOptional, AreAdded: false);

        Entry[] Biases(RecurrentLayer recurrent, string inputs, string states)
        {
            Parameter bias = recurrent.Parameters[1];
            bool hasTwo = bias.Shape.Length == 2;
            if (!hasTwo && recurrent is Gru)
            {
                throw new ArgumentException(
                    $"{nameof(layer)} has one bias for each gate; a {nameof(Gru)} must have {nameof(GatedCellOptions.RecurrentBias)} to exchange weights with torch.", nameof(layer));
            }

            long[] shape = [bias.Shape[^1]];
            return [new(bias, keys.Prefix + inputs, shape, true, !hasTwo), new(bias, keys.Prefix + states, shape, true, !hasTwo)];
        }
    }

    private static ArgumentException Missing(string name, string key) => new($"{name} has no '{key}'; it must have the weights of the layer.", name);

    /// <summary>A tensor of a state dictionary that is a parameter of a layer or a part of one.</summary>
    /// <param name="Parameter">The parameter.</param>
    /// <param name="Key">In the dictionary.</param>
    /// <param name="Shape">Of the tensor.</param>
    /// <param name="IsOptional">True if it may be missing, and then counts as 0.</param>
    /// <param name="AreAdded">True if the parts of the parameter are added; false: they are one above the other.</param>
    private sealed record Entry(Parameter Parameter, string Key, long[] Shape, bool IsOptional, bool AreAdded)
    {
        public TorchTensor? Find(IReadOnlyDictionary<string, TorchTensor> state) => state.TryGetValue(Key, out TorchTensor? tensor) ? tensor : null;
    }
}
