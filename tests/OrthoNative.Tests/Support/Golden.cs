using System.Text.Json;

namespace OrthoNative.Tests;

/// <summary>A case of the golden values: results of an independent implementation in float64.</summary>
internal sealed class Golden
{
    private const string Variable = "ORTHONATIVE_SHARED";

    private const string NoCase = "none";

    private readonly JsonElement _root;

    private Golden(JsonElement root) => _root = root;

    public Activation Activation => Text("activation") == "relu" ? Activation.Relu : Activation.Tanh;

    public UnitValues Alpha => UnitValues.Create(Numbers("alpha"));

    public UnitValues Beta => UnitValues.Create(Numbers("beta"));

    /// <summary>Every case of a model (recurrent or feedforward) in the folder; one that <see cref="Load"/> ignores where there is no folder.</summary>
    public static IReadOnlyList<string> Names(string model)
    {
        if (FindFolder() is not { } folder)
        {
            return [NoCase];
        }

        string[] names = [.. Directory.GetFiles(folder, "*.json").Select(file => Path.GetFileNameWithoutExtension(file)).Order(StringComparer.Ordinal)];
        return [.. names.Where(name => Read(folder, name).Text("model") is var found && (found is "recurrent" or "feedforward"
            ? found == model
            : throw new InvalidDataException($"{name}.json in {folder} is a case of the model '{found}'; there are recurrent and feedforward.")))];
    }

    /// <summary>Loads a case; ignores the running test where there are no golden values.</summary>
    public static Golden Load(string name)
    {
        string? folder = FindFolder();
        if (folder is null)
        {
            Assert.Ignore($"There is no folder shared/golden beside or above {AppContext.BaseDirectory}; the variable {Variable} may name the folder that has golden/.");
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

    private static string? FindFolder()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
        {
            return Path.Combine(named, "golden");
        }

        for (DirectoryInfo? above = new(AppContext.BaseDirectory); above is not null; above = above.Parent)
        {
            string folder = Path.Combine(above.FullName, "shared", "golden");
            if (Directory.Exists(folder))
            {
                return folder;
            }
        }

        return null;
    }
}
