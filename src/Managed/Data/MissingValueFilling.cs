namespace OrthoNative;

/// <summary>Fills missing values in one channel of one sample of a batch <c>[T, B, D]</c>.</summary>
internal static class MissingValueFilling
{
    /// <summary>Replaces NaN.</summary>
    /// <param name="elements">From the channel's first value on.</param>
    /// <param name="stride">Elements from one step to the next.</param>
    /// <param name="length">Steps of the sample.</param>
    /// <param name="missing">The handling.</param>
    public static void Fill(Span<float> elements, int stride, int length, MissingValues missing)
    {
        var values = new Strided(elements, stride);
        int last = -1;
        double sum = 0;
        int count = 0;
        for (int step = 0; step < length; step++)
        {
            float value = values[step];
            if (float.IsNaN(value))
            {
                continue;
            }

            sum += value;
            count++;
            if (missing == MissingValues.Interpolate && last + 1 < step)
            {
                Interpolate(values, last, step);
            }

            last = step;
        }

        if (count == length)
        {
            return;
        }

        if (missing == MissingValues.Interpolate && count > 0)
        {
            for (int step = last + 1; step < length; step++)
            {
                values[step] = values[last];
            }

            return;
        }

        float other = missing == MissingValues.Mean && count > 0 ? (float)(sum / count) : 0;
        for (int step = 0; step < length; step++)
        {
            if (float.IsNaN(values[step]))
            {
                values[step] = other;
            }
        }
    }

    /// <summary>Fills the gap between two values.</summary>
    /// <param name="values">A channel.</param>
    /// <param name="before">Step of the value before the gap; -1: there is none.</param>
    /// <param name="behind">Step of the value behind the gap.</param>
    private static void Interpolate(Strided values, int before, int behind)
    {
        double end = values[behind];
        double start = before < 0 ? end : values[before];
        for (int step = before + 1; step < behind; step++)
        {
            values[step] = (float)(start + ((end - start) * (step - before) / (behind - before)));
        }
    }

    private readonly ref struct Strided(Span<float> elements, int stride)
    {
        private readonly Span<float> _elements = elements;

        public float this[int step]
        {
            get => _elements[step * stride];
            set => _elements[step * stride] = value;
        }
    }
}
