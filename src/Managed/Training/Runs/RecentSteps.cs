namespace OrthoNative;

/// <summary>Means of loss and metric over the latest steps.</summary>
internal sealed class RecentSteps(int window)
{
    private readonly double[] _losses = new double[window];
    private readonly double[] _metrics = new double[window];
    private long _count;

    public bool IsFull => _count >= window;

    public double Loss => Mean(_losses);

    public double Metric => Mean(_metrics);

    public void Add(double loss, double metric)
    {
        _losses[_count % window] = loss;
        _metrics[_count % window] = metric;
        _count++;
    }

    private double Mean(double[] values)
    {
        int count = (int)Math.Min(_count, window);
        double sum = 0;
        for (int i = 0; i < count; i++)
        {
            sum += values[i];
        }

        return sum / count;
    }
}
