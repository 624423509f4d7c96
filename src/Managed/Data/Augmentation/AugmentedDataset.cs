using System.Buffers;
using System.Globalization;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>A data set whose samples are changed at random.</summary>
internal sealed class AugmentedDataset : WrappedDataset
{
    /// <summary>Random numbers of a sample in an epoch, which lie side by side in its stream: more than there are elements in a sample.</summary>
    private const long EpochSize = 1L << 32;

    // Uses of the seed.
    private const int MoveUse = 0, ScaleUse = 1, NoiseUse = 2;

    private readonly AugmentationOptions _options;
    private readonly ulong _seed;
    private readonly double[] _scale;
    private readonly float[] _noise;
    private readonly bool _moves;
    private readonly bool _everyStepHasTarget;
    private readonly long _shortest;
    private int _epoch;

    public AugmentedDataset(Dataset inner, AugmentationOptions options, ulong seed)
        : base(inner)
    {
        ArgumentNullException.ThrowIfNull(options);
        DataLoader.CheckSequences(inner);
        Check.That(options.MinimumCropFraction is >= 0 and <= 1, options.MinimumCropFraction, "from 0 to 1", $"{nameof(options)}.{nameof(options.MinimumCropFraction)}");
        Check.AtLeast(options.MinimumCropSteps, 1);
        Check.Positive(options.MinimumSpeed);
        Check.AtLeast(options.MaximumSpeed, options.MinimumSpeed, $"{nameof(options)}.{nameof(options.MaximumSpeed)}");
        Check.AtLeast(options.MaximumShift, 0);
        Check.Defined(options.ShiftFill);
        Check.NotNull(options.ScaleDeviation);
        Check.NotNull(options.NoiseDeviation);
        _scale = DeviationsOf(options.ScaleDeviation, (int)inner.Features, $"{nameof(options)}.{nameof(options.ScaleDeviation)}");
        _noise = Array.ConvertAll(
            DeviationsOf(options.NoiseDeviation, (int)inner.Features, $"{nameof(options)}.{nameof(options.NoiseDeviation)}"), deviation => (float)deviation);
        if (inner.InputType != DType.Float32 && (_scale.Length > 0 || _noise.Length > 0))
        {
            string option = _scale.Length > 0 ? nameof(options.ScaleDeviation) : nameof(options.NoiseDeviation);
            throw new ArgumentException($"{nameof(options)}.{option} is given, but the inputs are {inner.InputType}; they must be {DType.Float32}.", nameof(options));
        }

        _options = options;
        _seed = seed;
        bool crops = options.MinimumCropFraction < 1;
        bool stretches = options.MinimumSpeed != 1 || options.MaximumSpeed != 1;
        _moves = crops || stretches || options.MaximumShift > 0;
        _everyStepHasTarget = inner.HasTargets && inner.TargetSteps == inner.Steps;
        _shortest = _everyStepHasTarget || !inner.HasTargets ? 1 : inner.TargetSteps;
        HasLengths = inner.HasLengths || crops || stretches;

        // No sequence gets longer than the longest one at the lowest speed.
        double steps = Math.Round(inner.Steps / options.MinimumSpeed);
        long limit = Array.MaxLength / Math.Max(inner.Features, _everyStepHasTarget ? inner.ValueWidth : 0);
        Check.That(
            steps <= limit, options.MinimumSpeed,
            string.Create(CultureInfo.InvariantCulture, $"at least {inner.Steps / (double)limit} with sequences of {inner.Steps} steps"),
            $"{nameof(options)}.{nameof(options.MinimumSpeed)}");
        Steps = Math.Max((long)steps, _shortest);
        TargetSteps = _everyStepHasTarget ? Steps : inner.HasTargets ? inner.TargetSteps : 0;
    }

    public override long Steps { get; }

    public override long TargetSteps { get; }

    public override bool HasLengths { get; }

    public override void BeginEpoch(int epoch)
    {
        Check.AtLeast(epoch, 0);
        base.BeginEpoch(epoch);
        _epoch = epoch;
    }

    public override long LengthOf(long sample)
    {
        Check.InRange(sample, 0, Count - 1);
        return MoveOf(sample).Length;
    }

    public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        CheckBuffers(samples, inputs, classes, values);
        int features = (int)Features;
        float[] row = ArrayPool<float>.Shared.Rent(LargestInputs(samples));
        for (int i = 0; i < samples.Length; i++)
        {
            Move move = MoveOf(samples[i]);
            Span<float> source = row.AsSpan(0, move.InnerLength * features);
            ReadTargets(move, samples, i, source, [], classes, values);
            Map(source, features, move, _options.ShiftFill, inputs, i, samples.Length);
            Scale(samples, i, move.Length, inputs);
            AddNoise(samples, i, move.Length, inputs);
        }

        ArrayPool<float>.Shared.Return(row);
    }

    public override void Read(ReadOnlySpan<long> samples, Span<int> indices, Span<int> classes, Span<float> values)
    {
        CheckBuffers(samples, indices.Length, classes, values, nameof(indices));
        int features = (int)Features;
        int[] row = ArrayPool<int>.Shared.Rent(LargestInputs(samples));
        for (int i = 0; i < samples.Length; i++)
        {
            Move move = MoveOf(samples[i]);
            Span<int> source = row.AsSpan(0, move.InnerLength * features);
            ReadTargets(move, samples, i, [], source, classes, values);
            MapNearest<int>(source, features, move, _options.ShiftFill, indices, i, samples.Length);
        }

        ArrayPool<int>.Shared.Return(row);
    }

    public override void ReadWeights(ReadOnlySpan<long> samples, Span<float> weights)
    {
        CheckWeights(samples, weights);
        for (int i = 0; i < samples.Length; i++)
        {
            Move move = MoveOf(samples[i]);
            int steps = TargetStepsOf(move);
            float[] row = ArrayPool<float>.Shared.Rent(steps);
            Inner.ReadWeights(samples.Slice(i, 1), row.AsSpan(0, steps));
            PlaceNearest<float>(row.AsSpan(0, steps), 1, move, weights, i, samples.Length);
            ArrayPool<float>.Shared.Return(row);
        }
    }

    /// <summary>A deviation for each channel; empty: all are 0.</summary>
    private static double[] DeviationsOf(IReadOnlyList<double> deviations, int features, string name)
    {
        for (int i = 0; i < deviations.Count; i++)
        {
            Check.NotNegative(deviations[i], string.Create(CultureInfo.InvariantCulture, $"{name}[{i}]"));
        }

        if (deviations.Count > 1 && deviations.Count != features)
        {
            throw new ArgumentException($"{name} has {deviations.Count} elements; it must have none, 1, or {features}, one for each feature.", Check.Parameter(name));
        }

        double[] all = [.. Enumerable.Range(0, deviations.Count == 0 ? 0 : features).Select(channel => deviations[deviations.Count == 1 ? 0 : channel])];
        return Array.TrueForAll(all, deviation => deviation == 0) ? [] : all;
    }

    private int LargestInputs(ReadOnlySpan<long> samples)
    {
        long longest = 0;
        foreach (long sample in samples)
        {
            longest = Math.Max(longest, Inner.LengthOf(sample));
        }

        return (int)(longest * Features);
    }

    /// <summary>Target steps of a sample as the inner data set has them.</summary>
    private int TargetStepsOf(in Move move) => _everyStepHasTarget ? move.InnerLength : HasTargets ? (int)Inner.TargetSteps : 0;

    /// <summary>Reads a sample, and writes its targets to their places; its inputs remain as the inner data set has them.</summary>
    private void ReadTargets(in Move move, ReadOnlySpan<long> samples, int row, Span<float> inputs, Span<int> indices, Span<int> classes, Span<float> values)
    {
        int steps = TargetStepsOf(move);
        int outputs = (int)ValueWidth;
        int[] rentedClasses = ArrayPool<int>.Shared.Rent(steps);
        float[] rentedValues = ArrayPool<float>.Shared.Rent(steps * outputs);
        Span<int> sampleClasses = rentedClasses.AsSpan(0, classes.IsEmpty ? 0 : steps);
        Span<float> sampleValues = rentedValues.AsSpan(0, values.IsEmpty ? 0 : steps * outputs);
        if (indices.IsEmpty)
        {
            Inner.Read(samples.Slice(row, 1), inputs, sampleClasses, sampleValues);
        }
        else
        {
            Inner.Read(samples.Slice(row, 1), indices, sampleClasses, sampleValues);
        }

        if (!classes.IsEmpty)
        {
            PlaceNearest<int>(sampleClasses, 1, move, classes, row, samples.Length);
        }

        if (!values.IsEmpty)
        {
            if (_everyStepHasTarget)
            {
                Map(sampleValues, outputs, move, ShiftFill.Edge, values, row, samples.Length);
            }
            else
            {
                PlaceNearest<float>(sampleValues, outputs, move, values, row, samples.Length);
            }
        }

        ArrayPool<int>.Shared.Return(rentedClasses);
        ArrayPool<float>.Shared.Return(rentedValues);
    }

    /// <summary>Writes targets: those of every step are moved along, others are copied.</summary>
    private void PlaceNearest<T>(ReadOnlySpan<T> source, int width, in Move move, Span<T> destination, int row, int batch)
    {
        if (_everyStepHasTarget)
        {
            MapNearest(source, width, move, ShiftFill.Edge, destination, row, batch);
            return;
        }

        for (int step = 0; step * width < source.Length; step++)
        {
            source.Slice(step * width, width).CopyTo(destination[(((step * batch) + row) * width)..]);
        }
    }

    /// <summary>Moves rows, and interpolates between them.</summary>
    /// <param name="source">[T, width] of the sample as the inner data set has it.</param>
    /// <param name="width">Elements of a row.</param>
    /// <param name="move">Where the rows of the sample come from.</param>
    /// <param name="fill">Rows that come from nowhere.</param>
    /// <param name="destination">[T', B, width].</param>
    /// <param name="row">Number of the sample in the batch.</param>
    /// <param name="batch">B.</param>
    private static void Map(ReadOnlySpan<float> source, int width, in Move move, ShiftFill fill, Span<float> destination, int row, int batch)
    {
        for (int step = 0; step < move.Length; step++)
        {
            Span<float> target = destination.Slice(((step * batch) + row) * width, width);
            double position = move.Source(step, out bool isOutside);
            if (isOutside && fill == ShiftFill.Zero)
            {
                target.Clear();
                continue;
            }

            int before = (int)position;
            double fraction = position - before;
            ReadOnlySpan<float> left = source.Slice((move.Start + before) * width, width);
            if (fraction == 0)
            {
                left.CopyTo(target);
                continue;
            }

            ReadOnlySpan<float> right = source.Slice((move.Start + before + 1) * width, width);
            for (int i = 0; i < width; i++)
            {
                target[i] = (float)(left[i] + (fraction * ((double)right[i] - left[i])));
            }
        }
    }

    /// <summary>Moves rows without a change to their elements; parameters as of <see cref="Map"/>.</summary>
    private static void MapNearest<T>(ReadOnlySpan<T> source, int width, in Move move, ShiftFill fill, Span<T> destination, int row, int batch)
    {
        for (int step = 0; step < move.Length; step++)
        {
            Span<T> target = destination.Slice(((step * batch) + row) * width, width);
            double position = move.Source(step, out bool isOutside);
            if (isOutside && fill == ShiftFill.Zero)
            {
                target.Clear();
            }
            else
            {
                source.Slice((move.Start + (int)(position + 0.5)) * width, width).CopyTo(target);
            }
        }
    }

    private void Scale(ReadOnlySpan<long> samples, int row, int length, Span<float> inputs)
    {
        if (_scale.Length == 0)
        {
            return;
        }

        int features = (int)Features;
        float[] rented = ArrayPool<float>.Shared.Rent(features);
        Span<float> factors = rented.AsSpan(0, features);
        RandomNumbers.Normal(SeedOf(ScaleUse, samples[row]), ortho_stream.ORTHO_STREAM_DATA, (uint)samples[row], _epoch * EpochSize, factors);
        for (int i = 0; i < features; i++)
        {
            factors[i] = (float)(1 + (_scale[i] * factors[i]));
        }

        for (int step = 0; step < length; step++)
        {
            Span<float> target = inputs.Slice(((step * samples.Length) + row) * features, features);
            for (int i = 0; i < features; i++)
            {
                target[i] *= factors[i];
            }
        }

        ArrayPool<float>.Shared.Return(rented);
    }

    private void AddNoise(ReadOnlySpan<long> samples, int row, int length, Span<float> inputs)
    {
        if (_noise.Length == 0)
        {
            return;
        }

        int features = (int)Features;
        float[] rented = ArrayPool<float>.Shared.Rent(length * features);
        Span<float> numbers = rented.AsSpan(0, length * features);
        RandomNumbers.Normal(SeedOf(NoiseUse, samples[row]), ortho_stream.ORTHO_STREAM_DATA, (uint)samples[row], _epoch * EpochSize, numbers);
        for (int step = 0; step < length; step++)
        {
            Span<float> target = inputs.Slice(((step * samples.Length) + row) * features, features);
            for (int i = 0; i < features; i++)
            {
                target[i] += _noise[i] * numbers[(step * features) + i];
            }
        }

        ArrayPool<float>.Shared.Return(rented);
    }

    /// <summary>The seed of a use; the stream's index has the lower half of the sample's number.</summary>
    private ulong SeedOf(int use, long sample) => RandomNumbers.SeedOf(_seed, ((ulong)(sample >> 32) << 8) + (ulong)use);

    /// <summary>Where the steps of a sample come from in this epoch.</summary>
    private Move MoveOf(long sample)
    {
        int length = (int)Inner.LengthOf(sample);
        if (!_moves)
        {
            return new Move(length, 0, length, length, 0);
        }

        // Each number has its place, so that one change draws the same whether or not there is another one.
        Span<double> uniform = stackalloc double[4];
        RandomNumbers.Uniform(SeedOf(MoveUse, sample), ortho_stream.ORTHO_STREAM_DATA, (uint)sample, 0, 1, uniform, _epoch * EpochSize);
        double fraction = Math.Ceiling(_options.MinimumCropFraction * length);
        int least = (int)Math.Min(Math.Max(Math.Max(fraction, _options.MinimumCropSteps), _shortest), length);
        int kept = least + (int)(uniform[0] * (length - least + 1));
        int start = (int)(uniform[1] * (length - kept + 1));
        double speed = _options.MinimumSpeed + (uniform[2] * (_options.MaximumSpeed - _options.MinimumSpeed));
        int moved = (int)Math.Clamp(Math.Round(kept / speed), _shortest, Steps);
        int furthest = (int)Math.Min(_options.MaximumShift, moved - 1);
        int shift = (int)(uniform[3] * ((2L * furthest) + 1)) - furthest;
        return new Move(length, start, kept, moved, shift);
    }

    /// <summary>Origin of the steps of a sample.</summary>
    /// <param name="InnerLength">Length in the inner data set.</param>
    /// <param name="Start">First step that is kept.</param>
    /// <param name="Kept">Steps that are kept.</param>
    /// <param name="Length">Steps that these become.</param>
    /// <param name="Shift">Steps by which they come later.</param>
    private readonly record struct Move(int InnerLength, int Start, int Kept, int Length, int Shift)
    {
        /// <summary>Place of a step among those that are kept.</summary>
        public double Source(int step, out bool isOutside)
        {
            int shifted = Math.Clamp(step - Shift, 0, Length - 1);
            isOutside = shifted != step - Shift;

            // Exact where the length stays, as a quotient of a multiple is. A single step is the last one, with which a sequence is judged.
            return Length == 1 ? Kept - 1 : (double)((long)shifted * (Kept - 1)) / (Length - 1);
        }
    }
}
