namespace OrthoNative.Cli.Reports.Charts;

/// <summary>Leaves out points that would fall on a column of pixels where others are lower and higher.</summary>
internal static class Thinning
{
    /// <summary>
    /// The first, the lowest, the highest and the last point of each column, in their order: a line through them covers the same pixels. A point that is not finite stays as a gap.
    /// </summary>
    /// <param name="points">Points in pixels, from left to right.</param>
    /// <param name="column">Width of a column in pixels.</param>
    public static IEnumerable<(double X, double Y)> Columns(IEnumerable<(double X, double Y)> points, double column = 1)
    {
        var inside = new List<(double X, double Y)>();
        double at = double.NaN;
        bool gap = false;
        foreach ((double X, double Y) point in points)
        {
            bool isGap = !double.IsFinite(point.X) || !double.IsFinite(point.Y);
            double place = Math.Floor(point.X / column);
            if (inside.Count > 0 && (isGap || place != at))
            {
                foreach ((double, double) kept in inside)
                {
                    yield return kept;
                }

                inside.Clear();
            }

            // One gap in a column is as good as a thousand.
            if (isGap && !gap)
            {
                yield return (double.NaN, double.NaN);
            }

            gap = isGap;
            if (!isGap)
            {
                at = place;
                Insert(inside, point);
            }
        }

        foreach ((double, double) kept in inside)
        {
            yield return kept;
        }
    }

    /// <summary>At most so many of some items, spread evenly, the first and the last among them.</summary>
    public static IReadOnlyList<T> Spread<T>(IReadOnlyList<T> items, int most)
    {
        if (items.Count <= most)
        {
            return items;
        }

        return most == 1 ? [items[^1]] : [.. Enumerable.Range(0, most).Select(i => items[(int)((long)i * (items.Count - 1) / (most - 1))])];
    }

    /// <summary>Keeps four points of a column at most: first, lowest and highest in their order, last.</summary>
    private static void Insert(List<(double X, double Y)> column, (double X, double Y) point)
    {
        column.Add(point);
        if (column.Count <= 4)
        {
            return;
        }

        int low = 0, high = 0;
        for (int i = 1; i < column.Count; i++)
        {
            low = column[i].Y < column[low].Y ? i : low;
            high = column[i].Y > column[high].Y ? i : high;
        }

        for (int i = column.Count - 2; i > 0; i--)
        {
            if (i != low && i != high)
            {
                column.RemoveAt(i);
                return;
            }
        }
    }
}
