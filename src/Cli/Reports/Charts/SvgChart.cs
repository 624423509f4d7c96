namespace OrthoNative.Cli.Reports.Charts;

/// <summary>The frame of a chart: axes with ticks, and where values are in it. Sizes are those of a phone, on which it is shown as it is.</summary>
internal sealed class SvgChart
{
    /// <summary>Width of all charts in pixels.</summary>
    public const double Width = 460;

    /// <summary>Width of a character of the labels at most, on average.</summary>
    public const double Character = 7;

    private const double Top = 24;
    private const double Bottom = 38;
    private const double Right = 14;

    private readonly HtmlWriter _html;
    private readonly double _left;
    private readonly double _height;
    private readonly Axis _x;
    private readonly Axis _y;

    public SvgChart(HtmlWriter html, Axis x, Axis y, double height = 270)
    {
        (_html, _x, _y, _height) = (html, x, y, height);
        _left = 10 + (Character * y.Ticks.Max(tick => tick.Label.Length));
    }

    /// <summary>Place of a value on the horizontal axis.</summary>
    public double X(double value) => _left + (_x.Fraction(value) * (Width - _left - Right));

    /// <summary>Place of a value on the vertical axis.</summary>
    public double Y(double value) => _height - Bottom - (_y.Fraction(value) * (_height - Top - Bottom));

    /// <summary>Left end of the frame.</summary>
    public double Left => _left;

    /// <summary>Upper end of the frame.</summary>
    public static double Upper => Top;

    /// <summary>Lower end of the frame.</summary>
    public double Lower => _height - Bottom;

    /// <summary>Opens the picture and draws its axes.</summary>
    /// <param name="description">What it shows, for those who do not see it.</param>
    /// <param name="xLabel">Name and unit of the horizontal axis.</param>
    /// <param name="yLabel">Name and unit of the vertical axis.</param>
    public void Open(string description, string xLabel, string yLabel)
    {
        OpenPicture(_html, Width, _height, description);
        var grid = new PathData();
        foreach ((double value, _) in _y.Ticks)
        {
            grid.Move(_left, Y(value)).Line(Width - Right, Y(value));
        }

        _html.Void("path", ("class", "grid"), ("d", grid.ToString()));
        foreach ((double value, string label) in _y.Ticks)
        {
            Label(label, _left - 5, Y(value) + 4, "end");
        }

        var marks = new PathData().Move(_left, Lower).Line(Width - Right, Lower);
        foreach ((double value, _) in _x.Ticks)
        {
            marks.Move(X(value), Lower).Line(X(value), Lower + 4);
        }

        _html.Void("path", ("class", "axis"), ("d", marks.ToString()));
        double occupied = double.NegativeInfinity;
        foreach ((double value, string label) in _x.Ticks)
        {
            // A label at the end of the axis stays inside the picture; one that would run into the label before is left out.
            double half = Character * label.Length / 2;
            double at = Math.Clamp(X(value), Math.Min(half, Width / 2), Math.Max(Width - half - 1, Width / 2));
            if (at - half > occupied + 6)
            {
                Label(label, at, Lower + 17, "middle");
                occupied = at + half;
            }
        }

        Label(_y.IsLogarithmic ? $"{yLabel}, log scale" : yLabel, 2, 11, "start", "name");
        Label(_x.IsLogarithmic ? $"{xLabel}, log scale" : xLabel, Width - Right, _height - 4, "end", "name");
    }

    /// <summary>Draws a line through values, thinned to what can be seen.</summary>
    public void Line(IEnumerable<(double X, double Y)> values, string style) =>
        Path(new PathData().Add(Thinning.Columns(values.Select(value => (X(value.X), Y(value.Y))))), style);

    /// <summary>Draws the area between lower and upper values, thinned likewise; a value that is missing is a gap.</summary>
    public void Band(IReadOnlyList<(double X, double Low, double High)> values, string style)
    {
        var path = new PathData();
        var part = new List<(double X, double Low, double High)>();
        foreach ((double x, double low, double high) in values)
        {
            (double X, double Low, double High) next = (X(x), Y(low), Y(high));
            if (!double.IsFinite(next.X + next.Low + next.High))
            {
                Area(path, part);
                part.Clear();
            }
            else if (part.Count > 1 && Math.Floor(next.X) == Math.Floor(part[^1].X))
            {
                // Downwards, pixels grow.
                part[^1] = (next.X, Math.Max(part[^1].Low, next.Low), Math.Min(part[^1].High, next.High));
            }
            else
            {
                part.Add(next);
            }
        }

        Area(path, part);
        Path(path, style);
    }

    /// <summary>Draws a line from the left to the right.</summary>
    public void Horizontal(double value, string style) => Path(new PathData().Move(_left, Y(value)).Line(Width - Right, Y(value)), style);

    /// <summary>Draws a line from the bottom to the top.</summary>
    public void Vertical(double value, string style) => Path(new PathData().Move(X(value), Lower).Line(X(value), Top), style);

    /// <summary>Draws a path.</summary>
    public void Path(PathData path, string style)
    {
        string data = path.ToString();
        if (data.Length > 0)
        {
            _html.Void("path", ("class", style), ("d", data));
        }
    }

    /// <summary>Draws a point that says what it is where it is pointed at.</summary>
    public void Marker(double x, double y, string style, double radius, string title)
    {
        if (Axis.CanShow(x) && Axis.CanShow(y))
        {
            _html.Open("circle", ("class", style), ("cx", PathData.Number(X(x))), ("cy", PathData.Number(Y(y))), ("r", PathData.Number(radius)))
                .Element("title", title).Close();
        }
    }

    /// <summary>Tells something about a part of the horizontal axis, in pixels, where it is pointed at.</summary>
    public void ReadOut(double from, double to, string title) => _html
        .Open("rect", ("class", "hit"), ("x", PathData.Number(from)), ("y", PathData.Number(Top)), ("width", PathData.Number(Math.Max(0.1, to - from))), ("height", PathData.Number(Lower - Top)))
        .Element("title", title).Close();

    /// <summary>Closes the picture.</summary>
    public void Close() => _html.Close();

    /// <summary>Opens a picture that is as wide as there is space.</summary>
    public static void OpenPicture(HtmlWriter html, double width, double height, string description) => html.Open(
        "svg", ("viewBox", $"0 0 {PathData.Number(width)} {PathData.Number(height)}"), ("role", "img"), ("aria-label", description));

    private void Label(string text, double x, double y, string anchor, string style = "label") => _html.Element(
        "text", text, ("class", style), ("x", PathData.Number(x)), ("y", PathData.Number(y)), ("text-anchor", anchor));

    private static void Area(PathData path, List<(double X, double Low, double High)> part)
    {
        if (part.Count == 1)
        {
            // An area without width is not seen: a stroke from end to end is.
            path.Move(part[0].X - 2, part[0].Low).Line(part[0].X + 2, part[0].Low).Line(part[0].X + 2, part[0].High).Line(part[0].X - 2, part[0].High).Close();
        }
        else if (part.Count > 1)
        {
            path.Move(part[0].X, part[0].High);
            foreach ((double x, _, double high) in part.Skip(1))
            {
                path.Line(x, high);
            }

            foreach ((double x, double low, _) in Enumerable.Reverse(part))
            {
                path.Line(x, low);
            }

            path.Close();
        }
    }
}
