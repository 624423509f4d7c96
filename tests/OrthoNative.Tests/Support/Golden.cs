using System.Text.Json;

namespace OrthoNative.Tests;

/// <summary>A case of the golden values: results of an independent implementation in float64.</summary>
internal sealed class Golden
{
    private const string Variable = "ORTHONATIVE_SHARED";

    /// <summary>Folder of recurrent and feedforward chains.</summary>
    private const string Chains = "golden";

    /// <summary>Folder of sequences of unequal length.</summary>
    private const string Sequences = "golden-sequences";

    public const string NoCase = "none";

    private readonly JsonElement _root;

    private Golden(JsonElement root) => _root = root;

    public Activation Activation => Text("activation") == "relu" ? Activation.Relu : Activation.Tanh;

    public UnitValues Alpha => UnitValues.Create(Numbers("alpha"));

    public UnitValues Beta => UnitValues.Create(Numbers("beta"));

    /// <summary>Every case of a model (recurrent or feedforward) in the folder; one that <see cref="Load"/> ignores where there is no folder.</summary>
    public static IReadOnlyList<string> Names(string model)
    {
        if (FindFolder(Chains) is not { } folder)
        {
            return [NoCase];
        }

        string[] names = [.. Directory.GetFiles(folder, "*.json").Select(file => Path.GetFileNameWithoutExtension(file)).Order(StringComparer.Ordinal)];
        return [.. names.Where(name => Read(folder, name).Text("model") is var found && (found is "recurrent" or "feedforward"
            ? found == model
            : throw new InvalidDataException($"{name}.json in {folder} is a case of the model '{found}'; there are recurrent and feedforward.")))];
    }

    /// <summary>Every case of sequences of unequal length of a model; one that <see cref="LoadSequences"/> ignores where there is no folder.</summary>
    /// <param name="model">The beginning of the files' names, which the cases have as their model.</param>
    public static IReadOnlyList<string> SequenceNames(string model)
    {
        if (FindFolder(Sequences) is not { } folder)
        {
            return [NoCase];
        }

        string[] names = [.. Directory.GetFiles(folder, $"{model}_*.json").Select(file => Path.GetFileNameWithoutExtension(file)).Order(StringComparer.Ordinal)];
        return Array.Find(names, name => Read(folder, name).Text("model") != model) is { } other
            ? throw new InvalidDataException($"{other}.json in {folder} is a case of the model '{Read(folder, other).Text("model")}'; it must be of '{model}'.")
            : names;
    }

    /// <summary>Loads a case of a chain; ignores the running test where there are no golden values.</summary>
    public static Golden Load(string name) => Open(Chains, name);

    /// <summary>Loads a case of sequences of unequal length; ignores the running test where there are none.</summary>
    public static Golden LoadSequences(string name) => Open(Sequences, name);

    private static Golden Open(string set, string name)
    {
        string? folder = FindFolder(set);
        if (folder is null)
        {
            Assert.Ignore($"There is no folder shared/{set} beside or above {AppContext.BaseDirectory}; the variable {Variable} may name the folder that has {set}/.");
        }

        return Read(folder, name);
    }

    public string Text(string key) => _root.GetProperty(key).GetString()!;

    public long Size(string key) => _root.GetProperty(key).GetInt64();

    /// <summary>A number, or nested lists in row-major order.</summary>
    public double[] Numbers(string key)
    {
        var numbers = new List<double>();
        Flatten(_root.GetProperty(key), numbers);
        return [.. numbers];
    }

    private static void Flatten(JsonElement element, List<double> numbers)
    {
        if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement child in element.EnumerateArray())
            {
                Flatten(child, numbers);
            }
        }
        else
        {
            numbers.Add(element.GetDouble());
        }
    }

    private static Golden Read(string folder, string name)
    {
        using var stream = File.OpenRead(Path.Combine(folder, $"{name}.json"));
        return new Golden(JsonDocument.Parse(stream).RootElement);
    }

    private static string? FindFolder(string set)
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
        {
            // The folder may have some of the sets; a name that leads to no folder at all is a mistake, which reading it tells.
            string folder = Path.Combine(named, set);
            return Directory.Exists(named) && !Directory.Exists(folder) ? null : folder;
        }

        for (DirectoryInfo? above = new(AppContext.BaseDirectory); above is not null; above = above.Parent)
        {
            string beside = Path.Combine(above.FullName, "shared", set);
            if (Directory.Exists(beside))
            {
                return beside;
            }
        }

        return null;
    }
}
