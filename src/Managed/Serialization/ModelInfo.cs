using System.Globalization;
using System.Text.Json;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>What a model's user has to know of it and its layers do not tell; a model's file has it. Two are equal if they say the same.</summary>
public sealed record ModelInfo
{
    internal const string ClassNamesKey = "class_names";
    internal const string InputScalingKey = "input_scaling";
    internal const string OutputScalingKey = "output_scaling";
    internal const string NotesKey = "notes";
    internal const string PropertiesKey = "properties";

    private const string MeanName = "mean";
    private const string DeviationName = "deviation";

    /// <summary>
    /// Names of the classes in the order of the outputs: one for each output of the model, or two for a model of one output, class 0 first. Default: empty, none.
    /// </summary>
    /// <exception cref="ArgumentException">A name is null, empty or there twice, or has half of a surrogate pair.</exception>
    public IReadOnlyList<string> ClassNames
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(ClassNames));
            string[] names = [.. value];
            var taken = new HashSet<string>();
            for (int i = 0; i < names.Length; i++)
            {
                string name = string.Create(CultureInfo.InvariantCulture, $"{nameof(ClassNames)}[{i}]");
                if (string.IsNullOrEmpty(names[i]) || !taken.Add(names[i]))
                {
                    throw new ArgumentException($"{name} is '{ForeignText.Clean(names[i])}'; names must be unique and not empty.", nameof(ClassNames));
                }

                Check.Utf8(names[i], $"{name} has", nameof(ClassNames));
            }

            field = Array.AsReadOnly(names);
        }
    } = [];

    /// <summary>How inputs were standardized in training, one mean and deviation for each input of the model; the model does not apply it itself. Default: null, not at all.</summary>
    public ChannelScaling? InputScaling { get; init; }

    /// <summary>
    /// How targets were standardized in training, one mean and deviation for each output of the model; the model does not undo it itself:
    /// <see cref="ChannelScaling.Restore(Span{float})"/> gives outputs the units of the data. Default: null, not at all.
    /// </summary>
    public ChannelScaling? OutputScaling { get; init; }

    /// <summary>Describes a model that is trained on data: the names of their classes and how inputs and targets are scaled.</summary>
    /// <param name="data">The training data, as the model is given them.</param>
    /// <returns>The scaling has a mean of 0 and a deviation of 1 for the channels that <see cref="MissingValues.Mask"/> adds.</returns>
    public static ModelInfo Of(SequenceData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        int masks = (int)data.Features - data.ChannelNames.Count;
        return new ModelInfo
        {
            ClassNames = data.ClassNames,
            OutputScaling = data.TargetScaling,
            InputScaling = data.Scaling is not { } scaling ? null
                : masks == 0 ? scaling
                : new ChannelScaling([.. scaling.Mean, .. Enumerable.Repeat(0.0, masks)], [.. scaling.Deviation, .. Enumerable.Repeat(1.0, masks)]),
        };
    }

    /// <summary>Any text. Default: empty.</summary>
    /// <exception cref="ArgumentException">The text is null or has half of a surrogate pair.</exception>
    public string Notes
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(Notes));
            Check.Utf8(value, $"{nameof(Notes)} has", nameof(Notes));
            field = value;
        }
    } = "";

    /// <summary>Texts by name, for what a program wants to find again in the model's file. Default: empty.</summary>
    /// <exception cref="ArgumentException">A name is empty, a text is null, or one of them has half of a surrogate pair.</exception>
    public IReadOnlyDictionary<string, string> Properties
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(Properties));
            foreach ((string name, string text) in value)
            {
                if (string.IsNullOrEmpty(name) || text is null)
                {
                    throw new ArgumentException($"{nameof(Properties)}['{ForeignText.Clean(name)}'] is {(text is null ? "null" : "there")}; names must not be empty and texts not null.", nameof(Properties));
                }

                Check.Utf8(name, $"A name of {nameof(Properties)} has", nameof(Properties));
                Check.Utf8(text, $"{nameof(Properties)}['{ForeignText.Clean(name)}'] has", nameof(Properties));
            }

            // In the order of their names, so that equal ones give equal files.
            field = new SortedDictionary<string, string>(value.ToDictionary(), StringComparer.Ordinal).AsReadOnly();
        }
    } = new Dictionary<string, string>().AsReadOnly();

    /// <summary>Tells whether another one says the same.</summary>
    /// <param name="other">The other one.</param>
    public bool Equals(ModelInfo? other) =>
        other is not null && ClassNames.SequenceEqual(other.ClassNames) && InputScaling == other.InputScaling && OutputScaling == other.OutputScaling && Notes == other.Notes &&
        Properties.SequenceEqual(other.Properties);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(ClassNames.Count, InputScaling, OutputScaling, Notes, Properties.Count);

    /// <summary>Refuses what does not match a model's sizes.</summary>
    /// <exception cref="ArgumentException">It does not.</exception>
    internal void CheckFor(Layer model, string name)
    {
        if (ClassNames.Count > 0 && ClassNames.Count != model.OutputSize && (model.OutputSize != 1 || ClassNames.Count != 2))
        {
            throw new ArgumentException(
                $"{name}.{nameof(ClassNames)} has {ClassNames.Count} names; it must have {(model.OutputSize == 1 ? "1 or 2" : model.OutputSize)} for a model of {model.OutputSize} outputs.", name);
        }

        if (InputScaling is { } scaling && (model.TakesIndices || scaling.Mean.Count != model.InputSize))
        {
            throw new ArgumentException(
                $"{name}.{nameof(InputScaling)} is of {scaling.Mean.Count} inputs; it must be {(model.TakesIndices ? "null for a model of indices" : $"of {model.InputSize}, as the model has")}.", name);
        }

        if (OutputScaling is { } outputs && outputs.Mean.Count != model.OutputSize)
        {
            throw new ArgumentException($"{name}.{nameof(OutputScaling)} is of {outputs.Mean.Count} outputs; it must be of {model.OutputSize}, as the model has.", name);
        }
    }

    internal void Write(IDictionary<string, string> metadata)
    {
        if (ClassNames.Count > 0)
        {
            metadata[ClassNamesKey] = ModelArchitecture.WriteJson(writer =>
            {
                writer.WriteStartArray();
                foreach (string name in ClassNames)
                {
                    writer.WriteStringValue(name);
                }

                writer.WriteEndArray();
            });
        }

        WriteScaling(InputScalingKey, InputScaling);
        WriteScaling(OutputScalingKey, OutputScaling);
        if (Notes.Length > 0)
        {
            metadata[NotesKey] = Notes;
        }

        if (Properties.Count > 0)
        {
            metadata[PropertiesKey] = ModelArchitecture.WriteJson(writer =>
            {
                writer.WriteStartObject();
                foreach ((string name, string text) in Properties)
                {
                    writer.WriteString(name, text);
                }

                writer.WriteEndObject();
            });
        }

        void WriteScaling(string key, ChannelScaling? scaling)
        {
            if (scaling is not null)
            {
                metadata[key] = ModelArchitecture.WriteJson(writer =>
                {
                    writer.WriteStartObject();
                    ModelArchitecture.WriteNumbers(writer, MeanName, scaling.Mean);
                    ModelArchitecture.WriteNumbers(writer, DeviationName, scaling.Deviation);
                    writer.WriteEndObject();
                });
            }
        }
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    internal static ModelInfo Read(SafeTensorsReader file)
    {
        var info = new ModelInfo { Notes = file.Metadata.GetValueOrDefault(NotesKey, "") };
        if (file.Metadata.TryGetValue(ClassNamesKey, out string? names))
        {
            string place = $"{file.Place}: __metadata__.{ClassNamesKey}";
            using JsonDocument json = ModelArchitecture.Parse(names, place);
            string?[]? texts = json.RootElement.ValueKind == JsonValueKind.Array ? [.. json.RootElement.EnumerateArray().Select(ModelArchitecture.TextOf)] : null;
            info = texts is null || texts.Contains(null)
                ? throw new InvalidDataException($"{place} is {ForeignText.Clean(names)}; an array of texts is expected.")
                : Make(place, () => info with { ClassNames = texts! });
        }

        if (file.Metadata.TryGetValue(PropertiesKey, out string? properties))
        {
            string place = $"{file.Place}: __metadata__.{PropertiesKey}";
            using JsonDocument json = ModelArchitecture.Parse(properties, place);
            Dictionary<string, JsonElement> members = ModelArchitecture.MembersOf(json.RootElement, place);
            var read = new Dictionary<string, string>();
            foreach ((string name, JsonElement member) in members)
            {
                read[name] = ModelArchitecture.TextOf(member) ?? throw new InvalidDataException($"{place}.{ForeignText.Clean(name)} is {ForeignText.Clean(member.GetRawText())}; a text is expected.");
            }

            info = Make(place, () => info with { Properties = read });
        }

        ChannelScaling? inputScaling = ReadScaling(file, InputScalingKey), outputScaling = ReadScaling(file, OutputScalingKey);
        return info with { InputScaling = inputScaling, OutputScaling = outputScaling };
    }

    private static ChannelScaling? ReadScaling(SafeTensorsReader file, string key)
    {
        if (!file.Metadata.TryGetValue(key, out string? numbers))
        {
            return null;
        }

        string place = $"{file.Place}: __metadata__.{key}";
        using JsonDocument json = ModelArchitecture.Parse(numbers, place);
        Dictionary<string, JsonElement> members = ModelArchitecture.MembersOf(json.RootElement, place);
        var reader = new LayerReader(file, place, "", "", members, [], []);
        double[] mean = reader.GetDoubles(MeanName), deviation = reader.GetDoubles(DeviationName);
        reader.RequireAllRead();
        return Make(place, () => new ChannelScaling(mean, deviation));
    }

    private static T Make<T>(string place, Func<T> make)
    {
        try
        {
            return make();
        }
        catch (ArgumentException exception)
        {
            throw new InvalidDataException($"{place}: {ModelFile.ProblemOf(exception)}", exception);
        }
    }
}
