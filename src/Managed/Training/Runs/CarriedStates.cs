namespace OrthoNative;

/// <summary>The states of a model's recurrent layers between the windows of sequences. Its memory is taken once.</summary>
internal sealed class CarriedStates : IDisposable
{
    private readonly Model _model;
    private readonly Dictionary<string, Tensor> _states = [];
    private readonly ForwardOptions _options;
    private bool _areInitial = true;

    /// <summary>Takes the memory.</summary>
    /// <param name="model">Its layers must be such that sequences can be cut.</param>
    /// <param name="sequences">Number B of sequences.</param>
    /// <exception cref="InvalidOperationException">A layer looks beyond the step of its outputs in another way than by a state that is carried.</exception>
    public CarriedStates(Model model, long sequences)
    {
        RequireStepwise(model);
        _model = model;
        _options = new ForwardOptions { InitialStates = _states };
        try
        {
            foreach (RecurrentLayer layer in model.AllLayers.OfType<RecurrentLayer>())
            {
                foreach (string name in layer.StateNames)
                {
                    _states.Add(name, Tensor.CreateOwned(model.Device, model.DType, sequences, layer.HiddenSize));
                }
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>True if there is anything to save.</summary>
    public bool HasStates => _states.Count > 0;

    /// <summary>Begins sequences: the next window has no states before it.</summary>
    public void Reset() => _areInitial = true;

    /// <summary>Runs the model on a window.</summary>
    /// <param name="inputs">[t, B, D].</param>
    public Tensor Forward(Tensor inputs) => _areInitial ? _model.Forward(inputs) : _model.Forward(inputs, _options);

    /// <summary>Takes the states after the window that was run last: the next one continues from them.</summary>
    public void Advance()
    {
        _model.CopyFinalStates(_states);
        _areInitial = false;
    }

    /// <summary>Saves the states.</summary>
    public void Save(string path) => SafeTensors.Save(path, _states);

    /// <summary>Loads what <see cref="Save"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, of another model, or has a number that is not finite.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public void Load(string path)
    {
        using SafeTensorsReader reader = SafeTensorsReader.Open(path);
        (string Name, Tensor Tensor)[] targets = [.. _states.Select(state => (state.Key, state.Value))];
        reader.RequireSame(targets);
        foreach ((string name, _) in targets)
        {
            reader.RequireFinite(name, double.NegativeInfinity);
        }

        reader.ReadInto(targets);
        _areInitial = false;
    }

    public void Dispose()
    {
        foreach (Tensor state in _states.Values)
        {
            state.Release();
        }
    }

    private static void RequireStepwise(Model model)
    {
        foreach (Layer layer in model.AllLayers)
        {
            if (layer.IsStepwise)
            {
                continue;
            }

            string reason = layer switch
            {
                Bidirectional => "reads sequences from their end, too",
                RecurrentLayer recurrent => $"has the output {recurrent.Output}; it must have {nameof(SequenceOutput.All)}",
                Pooling => "makes one output of a whole sequence",
                Conv1D or WindowPooling => "reads several steps for an output",
                _ => $"does not say that it computes each step by itself ({nameof(Layer.IsStepwise)})",
            };
            throw new InvalidOperationException(
                $"layer {layer.Path} ({layer.GetType().Name}) {reason}. Sequences can be cut in windows only where every output depends on the inputs of its own step and on states of recurrent layers.");
        }
    }
}
