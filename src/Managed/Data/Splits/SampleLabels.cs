namespace OrthoNative;

/// <summary>A class or a group of each sample.</summary>
/// <param name="numbers">Number of that of each sample.</param>
/// <param name="nameOf">Name of a number, for messages.</param>
/// <param name="kind">"Class" or "Group".</param>
internal sealed class SampleLabels(int[] numbers, Func<int, string> nameOf, string kind)
{
    /// <summary>Numbers texts by the codes of their characters.</summary>
    public static SampleLabels Of(IReadOnlyList<string> texts, string kind)
    {
        string[] names = [.. texts.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        int[] numbers = new int[texts.Count];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = Array.BinarySearch(names, texts[i], StringComparer.Ordinal);
        }

        return new SampleLabels(numbers, number => names[number], kind);
    }

    /// <summary>"Class 'dog'".</summary>
    public string Describe(int number) => $"{kind} '{Interop.ForeignText.Clean(nameOf(number))}'";

    /// <summary>Samples of each number that occurs, in the order of the numbers.</summary>
    /// <param name="samples">Samples in some order, which each list keeps.</param>
    public IEnumerable<(int Number, long[] Samples)> GroupOf(long[] samples)
    {
        var lists = new SortedDictionary<int, List<long>>();
        foreach (long sample in samples)
        {
            int number = numbers[sample];
            if (!lists.TryGetValue(number, out List<long>? list))
            {
                lists[number] = list = [];
            }

            list.Add(sample);
        }

        return lists.Select(pair => (pair.Key, pair.Value.ToArray()));
    }
}
