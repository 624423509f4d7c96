namespace OrthoNative;

/// <summary>The latest pass of a model: what its layers see of it through their contexts.</summary>
/// <param name="model">The model.</param>
internal sealed class ModelPass(Model model)
{
    /// <summary>The model.</summary>
    public Model Model => model;

    /// <summary>The model's inputs, with zeros beyond lengths where layers need them.</summary>
    public Tensor[] Inputs { get; set; } = [];

    /// <summary>True if a backward pass follows.</summary>
    public bool Training { get; set; }

    /// <summary>Training passes before this one.</summary>
    public long Number { get; set; }

    /// <summary>Number of the first sample in the whole batch.</summary>
    public long FirstSample { get; set; }

    /// <summary>Initial states that the caller gave, by path of the layer and name of the state; null: none.</summary>
    public IReadOnlyDictionary<string, Tensor>? InitialStates { get; set; }

    /// <summary>True if the backward pass adds to gradients of parameters.</summary>
    public bool Accumulate { get; set; }

    /// <summary>Tells passes apart: goes up with each.</summary>
    public long Stamp { get; set; }

    /// <summary>Refuses a layer that is not directly inside a container.</summary>
    public void RequirePart(Layer layer, Layer container)
    {
        if (layer.ModelOrNull != model || layer.Parent != container)
        {
            throw new ArgumentException($"{nameof(layer)}, {layer}, is not inside {container}; a container runs layers that it gave to its base class.", nameof(layer));
        }
    }

    /// <summary>Refuses a layer that the forward pass did not run.</summary>
    public void RequireRun(Layer layer)
    {
        if (layer.Memory.Stamp != Stamp || layer.Memory.Outputs is null)
        {
            throw new InvalidOperationException($"layer {layer.Path} ({layer.GetType().Name}) did not run in the latest forward pass.");
        }
    }
}
