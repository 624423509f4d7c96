using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>What a model's file says of a layer: its kind, by which a factory of <see cref="LayerFactories"/> makes it again, and its options.</summary>
/// <remarks>Everything that the layer's constructor is given belongs here, what has a default, too: a later version may have other defaults.</remarks>
public sealed class LayerDescription
{
    private readonly List<KeyValuePair<string, object>> _options = [];
    private readonly List<Layer> _layers = [];

    /// <summary>Describes a layer that has no options yet.</summary>
    /// <param name="kind">Kind of the layer, a name of one's own: <c>mine.scale</c>. The library's are those of its classes, such as <c>RoaRnn</c>.</param>
    /// <exception cref="ArgumentException">The kind is empty, or has half of a surrogate pair.</exception>
    public LayerDescription(string kind)
    {
        ArgumentException.ThrowIfNullOrEmpty(kind);
        Check.Utf8(kind, $"{nameof(kind)} has", nameof(kind));
        Kind = kind;
    }

    /// <summary>Kind of the layer.</summary>
    public string Kind { get; }

    internal IReadOnlyList<KeyValuePair<string, object>> Options => _options;

    internal IReadOnlyList<Layer> Layers => _layers;

    /// <summary>Adds a whole number.</summary>
    /// <param name="option">Name of the option: <c>hidden_size</c>.</param>
    /// <param name="value">The number.</param>
    /// <returns>The description itself.</returns>
    /// <exception cref="ArgumentException">The name is empty, has half of a surrogate pair, or is there already.</exception>
    public LayerDescription Add(string option, long value) => AddObject(option, value);

    /// <summary>Adds a number, which is read again with the same bits.</summary>
    /// <param name="option">Name of the option.</param>
    /// <param name="value">The number, finite.</param>
    /// <returns>The description itself.</returns>
    /// <exception cref="ArgumentException">The number is not finite; or as in <see cref="Add(string, long)"/>.</exception>
    public LayerDescription Add(string option, double value)
    {
        Check.Finite(value);
        return AddObject(option, value);
    }

    /// <summary>Adds true or false.</summary>
    /// <param name="option">Name of the option.</param>
    /// <param name="value">The value.</param>
    /// <returns>The description itself.</returns>
    /// <exception cref="ArgumentException">As in <see cref="Add(string, long)"/>.</exception>
    public LayerDescription Add(string option, bool value) => AddObject(option, value);

    /// <summary>Adds a text; for an enumeration, the name of its value.</summary>
    /// <param name="option">Name of the option.</param>
    /// <param name="value">The text.</param>
    /// <returns>The description itself.</returns>
    /// <exception cref="ArgumentException">The text is null or has half of a surrogate pair; or as in <see cref="Add(string, long)"/>.</exception>
    public LayerDescription Add(string option, string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        Check.Utf8(value, $"{nameof(value)} has", nameof(value));
        return AddObject(option, value);
    }

    /// <summary>Adds several numbers.</summary>
    /// <param name="option">Name of the option.</param>
    /// <param name="values">The numbers, finite. Copied.</param>
    /// <returns>The description itself.</returns>
    /// <exception cref="ArgumentException">A number is not finite; or as in <see cref="Add(string, long)"/>.</exception>
    public LayerDescription Add(string option, ReadOnlySpan<double> values)
    {
        foreach (double value in values)
        {
            Check.Finite(value, nameof(values));
        }

        return AddObject(option, values.ToArray());
    }

    /// <summary>Adds the layers that a container is made of; each describes itself.</summary>
    /// <param name="layers">Layers of the container, those that its constructor makes itself left out.</param>
    /// <returns>The description itself.</returns>
    /// <exception cref="ArgumentException">A layer is null.</exception>
    public LayerDescription AddLayers(params ReadOnlySpan<Layer> layers)
    {
        for (int i = 0; i < layers.Length; i++)
        {
            Check.NotNull(layers[i], $"{nameof(layers)}[{i}]");
            _layers.Add(layers[i]);
        }

        return this;
    }

    /// <summary>Adds a part that has a kind and options of its own, as a filter does.</summary>
    internal LayerDescription Add(string option, LayerDescription part) => AddObject(option, part);

    private LayerDescription AddObject(string option, object value)
    {
        ArgumentException.ThrowIfNullOrEmpty(option);
        Check.Utf8(option, $"{nameof(option)} has", nameof(option));
        if (_options.Exists(pair => pair.Key == option))
        {
            throw new ArgumentException($"{nameof(option)} is '{ForeignText.Clean(option)}', which is there already; names must be unique.", nameof(option));
        }

        _options.Add(KeyValuePair.Create(option, value));
        return this;
    }
}
