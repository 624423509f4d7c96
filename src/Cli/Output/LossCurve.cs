namespace OrthoNative.Cli.Output;

/// <summary>
/// The losses of a run, in as many numbers as a picture needs: runs of steps of equal length with their lowest, their highest and their mean.
/// However long the run, it takes the same memory and the same time to draw.
/// </summary>
internal sealed class LossCurve
{
    /// <summary>Runs of steps at most: more than two for each column of the picture, so that every extreme is seen where it was.</summary>
    public const int MostSegments = 4096;

    private readonly List<Segment> _segments = [];
    private long _stepsInSegment = 1;

    /// <summary>Number of steps.</summary>
    public long Steps { get; private set; }

    /// <summary>Lowest loss above 0; infinity if there is none.</summary>
    public double SmallestPositive { get; private set; } = double.PositiveInfinity;

    /// <summary>Highest loss; minus infinity if there is none.</summary>
    public double Largest { get; private set; } = double.NegativeInfinity;

    /// <summary>Adds the loss of the next step.</summary>
    public void Add(double loss)
    {
        Steps++;
        SmallestPositive = loss > 0 ? Math.Min(SmallestPositive, loss) : SmallestPositive;
        Largest = Math.Max(Largest, loss);
        var step = new Segment(Steps, loss, Steps, loss, loss, 1);
        if (_segments.Count > 0 && _segments[^1].Count < _stepsInSegment)
        {
            _segments[^1] = _segments[^1].With(step);
            return;
        }

        if (_segments.Count == MostSegments)
        {
            for (int i = 0; i < MostSegments / 2; i++)
            {
                _segments[i] = _segments[2 * i].With(_segments[(2 * i) + 1]);
            }

            _segments.RemoveRange(MostSegments / 2, MostSegments / 2);
            _stepsInSegment *= 2;
        }

        _segments.Add(step);
    }

    /// <summary>The lowest and the highest loss of each run of steps, in the order of the steps.</summary>
    public IEnumerable<(double Step, double Loss)> Extremes()
    {
        foreach (Segment segment in _segments)
        {
            bool lowFirst = segment.LowStep <= segment.HighStep;
            yield return lowFirst ? (segment.LowStep, segment.Low) : (segment.HighStep, segment.High);
            if (segment.LowStep != segment.HighStep)
            {
                yield return lowFirst ? (segment.HighStep, segment.High) : (segment.LowStep, segment.Low);
            }
        }
    }

    /// <summary>At the end of each run of steps, the mean of the steps up to there, at most about as many as given.</summary>
    /// <param name="window">Steps; rounded to whole runs of steps.</param>
    public IEnumerable<(double Step, double Loss)> Means(long window)
    {
        int segments = (int)Math.Max(1, (window + (_stepsInSegment / 2)) / _stepsInSegment);
        double sum = 0;
        long count = 0, end = 0;
        for (int i = 0; i < _segments.Count; i++)
        {
            sum += _segments[i].Sum;
            count += _segments[i].Count;
            end += _segments[i].Count;
            if (i >= segments)
            {
                sum -= _segments[i - segments].Sum;
                count -= _segments[i - segments].Count;
            }

            yield return (end, sum / count);
        }
    }

    private readonly record struct Segment(long LowStep, double Low, long HighStep, double High, double Sum, long Count)
    {
        public Segment With(Segment next) => new(
            next.Low < Low ? next.LowStep : LowStep,
            Math.Min(Low, next.Low),
            next.High > High ? next.HighStep : HighStep,
            Math.Max(High, next.High),
            Sum + next.Sum,
            Count + next.Count);
    }
}
