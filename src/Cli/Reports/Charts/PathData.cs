using System.Globalization;
using System.Text;

namespace OrthoNative.Cli.Reports.Charts;

/// <summary>The data of an SVG path in tenths of a pixel, as steps from point to point, which are short.</summary>
internal sealed class PathData
{
    private readonly StringBuilder _data = new();
    private long _x;
    private long _y;
    private (long X, long Y) _start;
    private bool _lonely;

    /// <summary>Adds lines through points; a point that is not finite is a gap.</summary>
    public PathData Add(IEnumerable<(double X, double Y)> points)
    {
        bool inside = false;
        foreach ((double x, double y) in points)
        {
            if (!double.IsFinite(x) || !double.IsFinite(y))
            {
                inside = false;
            }
            else if (inside)
            {
                Line(x, y);
            }
            else
            {
                Move(x, y);
                inside = true;
            }
        }

        return this;
    }

    /// <summary>Begins at a point.</summary>
    public PathData Move(double x, double y)
    {
        End();
        (long toX, long toY) = (Tenths(x), Tenths(y));
        _data.Append(_data.Length == 0 ? 'M' : 'm');
        Pair(_data.Length == 1 ? toX : toX - _x, _data.Length == 1 ? toY : toY - _y);
        (_x, _y, _start, _lonely) = (toX, toY, (toX, toY), true);
        return this;
    }

    /// <summary>Draws a line to a point.</summary>
    public PathData Line(double x, double y)
    {
        (long toX, long toY) = (Tenths(x), Tenths(y));
        if (toX == _x && toY == _y)
        {
            return this;
        }

        _data.Append('l');
        Pair(toX - _x, toY - _y);
        (_x, _y, _lonely) = (toX, toY, false);
        return this;
    }

    /// <summary>Closes an area.</summary>
    public PathData Close()
    {
        _data.Append('z');
        // A path goes on from where it was closed.
        (_x, _y) = _start;
        _lonely = false;
        return this;
    }

    /// <summary>The attribute.</summary>
    public override string ToString()
    {
        End();
        return _data.ToString();
    }

    /// <summary>A number of pixels with one decimal at most.</summary>
    public static string Number(double value) => (Tenths(value) / 10.0).ToString("0.#", CultureInfo.InvariantCulture);

    private static long Tenths(double value) => (long)Math.Round(Math.Clamp(value, -1e6, 1e6) * 10);

    /// <summary>A line to itself is a dot where ends are round; without it a single point would not be seen.</summary>
    private void End()
    {
        if (_lonely)
        {
            _data.Append("h0");
            _lonely = false;
        }
    }

    private void Pair(long x, long y)
    {
        Append(x);
        if (y >= 0)
        {
            _data.Append(' ');
        }

        Append(y);
    }

    private void Append(long tenths)
    {
        if (tenths < 0)
        {
            _data.Append('-');
        }

        (long whole, long rest) = Math.DivRem(Math.Abs(tenths), 10);
        _data.Append(whole);
        if (rest > 0)
        {
            _data.Append('.').Append(rest);
        }
    }
}
