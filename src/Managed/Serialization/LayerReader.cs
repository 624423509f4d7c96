using System.Globalization;
using System.Text.Json;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The options of a layer as a model's file has them, for a factory of <see cref="LayerFactories"/>.</summary>
/// <remarks>
/// A factory must read every option: one that it leaves would change what the layer computes, so the file is refused. Names of layers are none of its
/// concern. What is wrong with the file is an <see cref="InvalidDataException"/> that names the layer and the option.
/// </remarks>
public sealed class LayerReader
{
    private readonly SafeTensorsReader _file;
    private readonly HashSet<string> _tensors;
    private readonly string _place;
    private readonly Dictionary<string, JsonElement> _options;
    private readonly HashSet<string> _read = [];
    private readonly List<LayerReader> _parts = [];

    /// <param name="file">The open file.</param>
    /// <param name="place">The layer in messages.</param>
    /// <param name="kind">Kind of the layer.</param>
    /// <param name="path">Names from the model to the layer.</param>
    /// <param name="options">Its options.</param>
    /// <param name="layers">The layers inside it.</param>
    /// <param name="tensors">Names of the tensors that layers were given so far, of all layers.</param>
    internal LayerReader(
        SafeTensorsReader file, string place, string kind, string path, Dictionary<string, JsonElement> options, IReadOnlyList<Layer> layers, HashSet<string> tensors)
    {
        _file = file;
        _tensors = tensors;
        _place = place;
        Kind = kind;
        Path = path;
        _options = options;
        Layers = layers;
    }

    /// <summary>Kind of the layer.</summary>
    public string Kind { get; }

    /// <summary>Names from the model to the layer, joined by dots.</summary>
    public string Path { get; }

    /// <summary>The layers that a container is made of, in their order: those of <see cref="LayerDescription.AddLayers"/>.</summary>
    public IReadOnlyList<Layer> Layers { get; }

    /// <summary>Tells whether the file has an option: one that a later version of the layer added, say.</summary>
    /// <param name="option">Name of the option.</param>
    public bool Has(string option) => _options.ContainsKey(option);

    /// <summary>Reads a whole number.</summary>
    /// <param name="option">Name of the option.</param>
    /// <exception cref="InvalidDataException">There is none of this name.</exception>
    public long GetInt64(string option)
    {
        JsonElement value = Find(option);
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) ? number : throw Unexpected(option, value, "a whole number");
    }

    /// <summary>Reads a number.</summary>
    /// <param name="option">Name of the option.</param>
    /// <returns>A finite number.</returns>
    /// <exception cref="InvalidDataException">There is none of this name.</exception>
    public double GetDouble(string option)
    {
        JsonElement value = Find(option);
        return IsNumber(value, out double number) ? number : throw Unexpected(option, value, "a finite number");
    }

    /// <summary>Reads true or false.</summary>
    /// <param name="option">Name of the option.</param>
    /// <exception cref="InvalidDataException">There is none of this name.</exception>
    public bool GetBoolean(string option)
    {
        JsonElement value = Find(option);
        return value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Unexpected(option, value, "true or false"),
        };
    }

    /// <summary>Reads a text.</summary>
    /// <param name="option">Name of the option.</param>
    /// <exception cref="InvalidDataException">There is none of this name.</exception>
    public string GetString(string option)
    {
        JsonElement value = Find(option);
        return ModelArchitecture.TextOf(value) ?? throw Unexpected(option, value, "a text");
    }

    /// <summary>Reads the name of a value of an enumeration.</summary>
    /// <param name="option">Name of the option.</param>
    /// <typeparam name="T">The enumeration.</typeparam>
    /// <exception cref="InvalidDataException">There is none of this name.</exception>
    public T GetEnum<T>(string option) where T : struct, Enum
    {
        JsonElement value = Find(option);

        // Parse would take numbers and lists of names, too.
        return ModelArchitecture.TextOf(value) is { } text && Array.IndexOf(Enum.GetNames<T>(), text) >= 0
            ? Enum.Parse<T>(text)
            : throw Unexpected(option, value, $"one of {string.Join(", ", Enum.GetNames<T>())}");
    }

    /// <summary>Reads several numbers.</summary>
    /// <param name="option">Name of the option.</param>
    /// <returns>Finite numbers; as many as the file has.</returns>
    /// <exception cref="InvalidDataException">There are none of this name.</exception>
    public double[] GetDoubles(string option)
    {
        JsonElement value = Find(option);
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw Unexpected(option, value, "an array of finite numbers");
        }

        var numbers = new double[value.GetArrayLength()];
        int i = 0;
        foreach (JsonElement element in value.EnumerateArray())
        {
            if (!IsNumber(element, out numbers[i]))
            {
                throw Unexpected(string.Create(CultureInfo.InvariantCulture, $"{option}[{i}]"), element, "a finite number");
            }

            i++;
        }

        return numbers;
    }

    /// <summary>Reads a part that has a kind and options of its own.</summary>
    internal LayerReader GetPart(string option)
    {
        JsonElement value = Find(option);
        if (value.ValueKind != JsonValueKind.Object)
        {
            throw Unexpected(option, value, "an object");
        }

        string place = $"{_place}: {ForeignText.Clean(option)}";
        Dictionary<string, JsonElement> options = ModelArchitecture.MembersOf(value, place);
        string? kind = options.Remove(ModelArchitecture.KindName, out JsonElement named) ? ModelArchitecture.TextOf(named) : null;
        var part = new LayerReader(_file, place, kind ?? throw Invalid($"{ForeignText.Clean(option)} has no '{ModelArchitecture.KindName}', a text"), Path, options, [], _tensors);
        _parts.Add(part);
        return part;
    }

    /// <summary>Reads square matrices, which the file has as a tensor.</summary>
    internal double[] GetMatrices(string tensor, out long count, out long size)
    {
        if (!_tensors.Add(tensor))
        {
            throw Invalid($"tensor '{ForeignText.Clean(tensor)}' is of another layer already");
        }

        return _file.ReadMatrices(tensor, out count, out size);
    }

    /// <summary>What is wrong with the layer.</summary>
    internal InvalidDataException Invalid(string problem, Exception? inner = null) => new($"{_place}: {problem}{(problem.EndsWith('.') ? "" : ".")}", inner);

    /// <summary>Refuses options that nobody asked for.</summary>
    internal void RequireAllRead()
    {
        foreach (string option in _options.Keys)
        {
            if (!_read.Contains(option))
            {
                throw Invalid($"option '{ForeignText.Clean(option)}' is not known; the file may be of a later version");
            }
        }

        _parts.ForEach(part => part.RequireAllRead());
    }

    private static bool IsNumber(JsonElement value, out double number)
    {
        number = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out number) && double.IsFinite(number);
    }

    private JsonElement Find(string option)
    {
        if (!_options.TryGetValue(option, out JsonElement value))
        {
            throw Invalid($"option '{ForeignText.Clean(option)}' is missing");
        }

        _read.Add(option);
        return value;
    }

    private InvalidDataException Unexpected(string option, JsonElement value, string expected) =>
        Invalid($"option '{ForeignText.Clean(option)}' is {ForeignText.Clean(value.GetRawText())}; {expected} is expected");
}
