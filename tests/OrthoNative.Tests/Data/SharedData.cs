namespace OrthoNative.Tests.Data;

/// <summary>Real data, which is not in the repository.</summary>
internal static class SharedData
{
    private const string Variable = "ORTHONATIVE_SHARED";

    /// <summary>A file of the folder <c>data</c>, or the end of the test with the reason.</summary>
    public static string Require(params string[] parts)
    {
        string name = Path.Combine(["data", .. parts]);
        string? file = Candidates().Select(folder => Path.Combine(folder, name)).FirstOrDefault(Path.Exists);
        if (file is null)
        {
            Assert.Ignore($"There is no shared/{name} beside or above {TestContext.CurrentContext.TestDirectory}; the variable {Variable} may name the folder that has {name}.");
        }

        return file!;
    }

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
        {
            yield return named;
            yield break;
        }

        for (DirectoryInfo? at = new(TestContext.CurrentContext.TestDirectory); at is not null; at = at.Parent)
        {
            yield return Path.Combine(at.FullName, "shared");
        }
    }
}
