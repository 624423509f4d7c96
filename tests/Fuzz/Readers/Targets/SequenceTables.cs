namespace OrthoNative.Fuzz.Readers;

/// <summary>What is promised of data that were read from a table.</summary>
internal static class SequenceTables
{
    /// <exception cref="FindingException">A promise is broken.</exception>
    public static void Check(SequenceData data)
    {
        for (int i = 0; i < data.Count; i++)
        {
            ReadOnlySpan<float> values = data.Values(i);
            Require(values.Length == data.LengthOf(i) * data.ChannelNames.Count && values.Length > 0, "values that are not [T, D]");
            foreach (float value in values)
            {
                Require(!float.IsInfinity(value), "an infinite value");
            }

            ReadOnlySpan<double> times = data.TimeStamps(i);
            for (int step = 1; step < times.Length; step++)
            {
                Require(times[step - 1] < times[step], "times that do not rise");
            }

            foreach (int number in data.Classes(i))
            {
                Require(number >= 0 && number < data.ClassNames.Count, "a class that has no name");
            }
        }
    }

    private static void Require(bool condition, string problem)
    {
        if (!condition)
        {
            throw new FindingException(problem);
        }
    }
}
