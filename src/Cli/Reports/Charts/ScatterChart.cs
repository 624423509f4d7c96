namespace OrthoNative.Cli.Reports.Charts;

/// <summary>A chart of predictions over what is true, both on the same scale.</summary>
internal static class ScatterChart
{
    /// <summary>Side of a cell in pixels; of the points in a cell, one is drawn.</summary>
    private const double Cell = 4;

    /// <summary>From how many points of a cell on it is drawn darker, and darker again.</summary>
    private static readonly int[] s_levels = [1, 3, 10];

    /// <summary>Writes the picture.</summary>
    /// <param name="html">Where to.</param>
    /// <param name="description">What it shows.</param>
    /// <param name="points">Pairs of numbers that can be drawn; at least one.</param>
    public static void Write(HtmlWriter html, string description, IReadOnlyList<(double Truth, double Predicted)> points)
    {
        double low = points.Min(point => Math.Min(point.Truth, point.Predicted));
        double high = points.Max(point => Math.Max(point.Truth, point.Predicted));
        var axis = Axis.Linear(low, high);
        var chart = new SvgChart(html, axis, axis, height: 430);
        chart.Open(description, "truth", "prediction");
        (double first, double last) = (axis.Ticks[0].Value, axis.Ticks[^1].Value);
        chart.Path(new PathData().Move(chart.X(first), chart.Y(first)).Line(chart.X(last), chart.Y(last)), "line base");

        var cells = points
            .Select(point => (X: Math.Round(chart.X(point.Truth) / Cell), Y: Math.Round(chart.Y(point.Predicted) / Cell)))
            .CountBy(cell => cell)
            .OrderBy(cell => cell.Key)
            .ToList();
        // Few points stay where they are.
        if (points.Count <= 500)
        {
            Dots(chart, points.Select(point => (chart.X(point.Truth), chart.Y(point.Predicted))), "points few");
        }
        else
        {
            for (int i = 0; i < s_levels.Length; i++)
            {
                int from = s_levels[i], to = i + 1 < s_levels.Length ? s_levels[i + 1] : int.MaxValue;
                Dots(chart, cells.Where(cell => cell.Value >= from && cell.Value < to).Select(cell => (cell.Key.X * Cell, cell.Key.Y * Cell)), $"points p{i + 1}");
            }
        }

        chart.Close();
    }

    private static void Dots(SvgChart chart, IEnumerable<(double X, double Y)> points, string style)
    {
        var path = new PathData();
        foreach ((double x, double y) in points)
        {
            path.Move(x, y);
        }

        chart.Path(path, style);
    }
}
