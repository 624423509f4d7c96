using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The layers of a model as its file describes them: a JSON text in the metadata, which design.md has the table of.</summary>
internal sealed class ModelArchitecture : IDisposable
{
    /// <summary>Key in the metadata.</summary>
    public const string Key = "architecture";

    public const string KindName = "kind";

    /// <summary>Layers within each other, and all of them. What is nested deeper is saved without a description.</summary>
    private const int MaximumDepth = 64, MaximumLayers = 1 << 20;

    /// <summary>A layer is an object in an array; its options may have a few levels of their own.</summary>
    private const int MaximumJsonDepth = (2 * MaximumDepth) + 16;

    private const int Format = 1;
    private const int MaximumReason = 200;

    // The key may be there in files of other programs; what this library writes begins so.
    private const string Beginning = """{"format":""";

    private const string FormatName = "format", DTypeName = "dtype", ModelName = "model", ScalesName = "learning_rate_scales";
    private const string TypeName = "type", PathName = "path", NameName = "name", OptionsName = "options", LayersName = "layers";

    private readonly JsonDocument _json;
    private readonly string _place;
    private int _count;

    private ModelArchitecture(JsonDocument json, string place)
    {
        _json = json;
        _place = place;
        Dictionary<string, JsonElement> members = MembersOf(json.RootElement, place);
        string? format = members.Remove(FormatName, out JsonElement number) ? number.GetRawText() : null;
        if (format != Format.ToString(CultureInfo.InvariantCulture))
        {
            throw Invalid($"{FormatName} is {ForeignText.Clean(format ?? "missing")}; {Format} is expected, the one that this version of the library knows");
        }

        DType = (members.Remove(DTypeName, out JsonElement dtype) ? TextOf(dtype) : null) switch
        {
            "F32" => DType.Float32,
            "F64" => DType.Float64,
            _ => throw Invalid($"{DTypeName} must be \"F32\" or \"F64\""),
        };
        Root = members.Remove(ModelName, out JsonElement model) ? Parse(model, "", isRoot: true, 0) : throw Invalid($"{ModelName} is missing");
        if (members.Remove(ScalesName, out JsonElement scales))
        {
            foreach ((string parameter, JsonElement scale) in MembersOf(scales, $"{place}.{ScalesName}"))
            {
                LearningRateScales[parameter] = scale.ValueKind == JsonValueKind.Number && scale.TryGetDouble(out double value) && double.IsFinite(value) && value >= 0
                    ? value
                    : throw Invalid($"{ScalesName}.{ForeignText.Clean(parameter)} is {ForeignText.Clean(scale.GetRawText())}; a finite number, not negative, is expected");
            }
        }

        RequireEmpty(members, place);
    }

    /// <summary>Element type of the saved model.</summary>
    public DType DType { get; }

    /// <summary>The model.</summary>
    public Node Root { get; }

    /// <summary>Factors of the learning rate by parameter, where they are not those of the layer's options.</summary>
    public Dictionary<string, double> LearningRateScales { get; } = [];

    /// <summary>The layers inside the model by their paths.</summary>
    public Dictionary<string, Node> Layers { get; } = [];

    /// <summary>A layer of the file.</summary>
    /// <param name="Kind">Its kind; null: it did not describe itself.</param>
    /// <param name="TypeName">Then the name of its class.</param>
    /// <param name="Path">Names from the model to it.</param>
    /// <param name="Name">Its own name; null: it is called by its place.</param>
    /// <param name="Options">Its options.</param>
    /// <param name="Children">The layers inside it.</param>
    internal sealed record Node(string? Kind, string? TypeName, string Path, string? Name, Dictionary<string, JsonElement> Options, IReadOnlyList<Node> Children)
    {
        /// <summary>The layer in messages.</summary>
        public string Place => Path.Length == 0 ? $"the model ({Text})" : $"layer {ForeignText.Clean(Path)} ({Text})";

        private string Text => ForeignText.Clean(Kind ?? TypeName);
    }

    /// <summary>The architecture that a file has; null: none.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or of a later version.</exception>
    public static ModelArchitecture? Find(SafeTensorsReader file)
    {
        if (!file.Metadata.TryGetValue(Key, out string? text) || !text.StartsWith(Beginning, StringComparison.Ordinal))
        {
            return null;
        }

        string place = $"{file.Place}: __metadata__.{Key}";
        JsonDocument json = Parse(text, place);
        try
        {
            return new ModelArchitecture(json, place);
        }
        catch
        {
            json.Dispose();
            throw;
        }
    }

    public void Dispose() => _json.Dispose();

    /// <summary>Describes a model.</summary>
    public static string Write(Model model) => WriteJson(writer =>
    {
        writer.WriteStartObject();
        writer.WriteNumber(FormatName, Format);
        writer.WriteString(DTypeName, SafeTensors.NameOf(model.DType));
        writer.WritePropertyName(ModelName);
        Write(writer, model, 0);
        Parameter[] scaled =
        [
            .. model.AllLayers.SelectMany(layer => layer.Parameters.Zip(layer.Definitions))
                .Where(pair => pair.First.LearningRateScale != pair.Second.LearningRateScale).Select(pair => pair.First),
        ];
        if (scaled.Length > 0)
        {
            writer.WriteStartObject(ScalesName);
            foreach (Parameter parameter in scaled)
            {
                writer.WriteNumber(parameter.Name, parameter.LearningRateScale);
            }

            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    });

    /// <summary>Parses a JSON text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="place">Of the text in messages.</param>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public static JsonDocument Parse(string text, string place)
    {
        try
        {
            return JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = MaximumJsonDepth });
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{place} is no JSON text: {ForeignText.Clean(exception.Message, MaximumReason)}", exception);
        }
    }

    /// <summary>Writes a JSON text.</summary>
    public static string WriteJson(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = MaximumJsonDepth }))
        {
            write(writer);
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    public static void WriteNumbers(Utf8JsonWriter writer, string name, IEnumerable<double> numbers)
    {
        writer.WriteStartArray(name);
        foreach (double number in numbers)
        {
            writer.WriteNumberValue(number);
        }

        writer.WriteEndArray();
    }

    /// <summary>The members of an object by name, each of which may occur once.</summary>
    /// <exception cref="InvalidDataException">It is no object, or a name occurs again.</exception>
    public static Dictionary<string, JsonElement> MembersOf(JsonElement element, string place)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new InvalidDataException($"{place}: there is a JSON {element.ValueKind}; an object is expected.");
        }

        var members = new Dictionary<string, JsonElement>();
        foreach (JsonProperty member in element.EnumerateObject())
        {
            string name;
            try
            {
                name = member.Name;
            }
            catch (InvalidOperationException exception)
            {
                throw new InvalidDataException($"{place}: a name is not Unicode.", exception);
            }

            if (!members.TryAdd(name, member.Value))
            {
                throw new InvalidDataException($"{place}: '{ForeignText.Clean(name)}' is there again; names must be unique.");
            }
        }

        return members;
    }

    /// <summary>A text; null: it is none, or not Unicode.</summary>
    public static string? TextOf(JsonElement element)
    {
        try
        {
            return element.ValueKind == JsonValueKind.String ? element.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static void Write(Utf8JsonWriter writer, Layer layer, int depth)
    {
        LayerDescription? description = depth < MaximumDepth ? layer.Describe() : null;
        writer.WriteStartObject();
        if (description is null)
        {
            writer.WriteString(TypeName, layer.GetType().FullName ?? layer.GetType().Name);
        }
        else
        {
            writer.WriteString(KindName, description.Kind);
        }

        if (depth > 0)
        {
            writer.WriteString(PathName, layer.Path);
            if (layer.Name is { } name)
            {
                writer.WriteString(NameName, name);
            }
        }

        if (description is { Options.Count: > 0 })
        {
            writer.WriteStartObject(OptionsName);
            WriteOptions(writer, description);
            writer.WriteEndObject();
        }

        if (description is { Layers.Count: > 0 })
        {
            writer.WriteStartArray(LayersName);
            foreach (Layer inner in description.Layers)
            {
                Write(writer, inner, depth + 1);
            }

            writer.WriteEndArray();
        }

        writer.WriteEndObject();
    }

    private static void WriteOptions(Utf8JsonWriter writer, LayerDescription description)
    {
        foreach ((string name, object value) in description.Options)
        {
            switch (value)
            {
                case long number:
                    writer.WriteNumber(name, number);
                    break;
                case double number:
                    writer.WriteNumber(name, number);
                    break;
                case bool flag:
                    writer.WriteBoolean(name, flag);
                    break;
                case string text:
                    writer.WriteString(name, text);
                    break;
                case double[] numbers:
                    WriteNumbers(writer, name, numbers);
                    break;
                case LayerDescription part:
                    writer.WriteStartObject(name);
                    writer.WriteString(KindName, part.Kind);
                    WriteOptions(writer, part);
                    writer.WriteEndObject();
                    break;
            }
        }
    }

    private static void RequireEmpty(Dictionary<string, JsonElement> members, string place)
    {
        if (members.Count > 0)
        {
            throw new InvalidDataException($"{place}: '{ForeignText.Clean(members.Keys.First())}' is not known; the file may be of a later version.");
        }
    }

    private InvalidDataException Invalid(string problem) => new($"{_place}: {problem}.");

    private Node Parse(JsonElement element, string parent, bool isRoot, int depth)
    {
        if (depth > MaximumDepth || ++_count > MaximumLayers)
        {
            throw Invalid($"there are too many layers; at most {MaximumLayers}, and {MaximumDepth} within each other, are expected");
        }

        string place = string.Create(CultureInfo.InvariantCulture, $"{_place}, layer {_count - 1} of the text");
        Dictionary<string, JsonElement> members = MembersOf(element, place);
        string? kind = Take(KindName, required: false);
        string? type = kind is null ? Take(TypeName, required: true) : null;
        string path = isRoot ? "" : Take(PathName, required: true)!;
        string? name = isRoot ? null : Take(NameName, required: false);
        string start = parent.Length == 0 ? "" : $"{parent}.";
        if (!isRoot && (!path.StartsWith(start, StringComparison.Ordinal) || path.Length == start.Length || (name is not null && path[start.Length..] != name)))
        {
            throw new InvalidDataException($"{place}: {PathName} is '{ForeignText.Clean(path)}'; '{ForeignText.Clean($"{start}{name ?? "..."}")}' is expected.");
        }

        Dictionary<string, JsonElement> options = members.Remove(OptionsName, out JsonElement given) ? MembersOf(given, $"{place}, {OptionsName}") : [];
        var children = new List<Node>();
        var node = new Node(kind, type, path, name, options, children);
        if (!isRoot && !Layers.TryAdd(path, node))
        {
            throw new InvalidDataException($"{place}: {PathName} is '{ForeignText.Clean(path)}' again; paths must be unique.");
        }

        if (members.Remove(LayersName, out JsonElement layers))
        {
            if (layers.ValueKind != JsonValueKind.Array)
            {
                throw new InvalidDataException($"{place}: {LayersName} is a JSON {layers.ValueKind}; an array is expected.");
            }

            foreach (JsonElement layer in layers.EnumerateArray())
            {
                children.Add(Parse(layer, path, isRoot: false, depth + 1));
            }
        }

        RequireEmpty(members, place);
        return node;

        string? Take(string member, bool required)
        {
            if (!members.Remove(member, out JsonElement value))
            {
                return required ? throw new InvalidDataException($"{place}: '{member}' is missing.") : null;
            }

            return TextOf(value) is { Length: > 0 } text
                ? text
                : throw new InvalidDataException($"{place}: {member} is {ForeignText.Clean(value.GetRawText())}; a text that is not empty is expected.");
        }
    }
}
