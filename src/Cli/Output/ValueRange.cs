namespace OrthoNative.Cli.Output;

/// <summary>The range of some values, and whether equal distances on an axis should be equal ratios.</summary>
/// <param name="Lowest">Lowest of the values; 0 if there are none.</param>
/// <param name="Highest">Highest of the values; 0 if there are none.</param>
/// <param name="SmallestPositive">Lowest of the values above 0; infinity if there are none.</param>
internal readonly record struct ValueRange(double Lowest, double Highest, double SmallestPositive)
{
    /// <summary>Differences of larger numbers leave the range of a double.</summary>
    public const double Largest = 1e300;

    /// <summary>True if no value is below 0, and those above 0 span more than a factor of 10.</summary>
    public bool IsLogarithmic => Lowest >= 0 && Highest / SmallestPositive > 10;

    /// <summary>The range of those values that can be drawn: not NaN, and not as large as infinity.</summary>
    public static ValueRange Of(IEnumerable<double> values)
    {
        double lowest = double.PositiveInfinity, highest = double.NegativeInfinity, smallestPositive = double.PositiveInfinity;
        foreach (double value in values)
        {
            if (Math.Abs(value) <= Largest)
            {
                lowest = Math.Min(lowest, value);
                highest = Math.Max(highest, value);
                smallestPositive = value > 0 ? Math.Min(smallestPositive, value) : smallestPositive;
            }
        }

        return lowest > highest ? new ValueRange(0, 0, smallestPositive) : new ValueRange(lowest, highest, smallestPositive);
    }
}
