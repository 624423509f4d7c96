namespace OrthoNative;

/// <summary>Sequences and targets in arrays, sample by sample: <c>[count, T, D]</c>, or an array for each sample. Nothing is copied before a batch is read.</summary>
/// <remarks>
/// Arrays must not change while the data set is in use. Inputs are <see cref="float"/>, or <see cref="int"/> for indices. Targets in one array are those
/// of the last K steps of a sample: K follows from their number. Targets in an array for each sample are those of all its steps. <c>Unlabelled</c> creates data
/// without targets, to predict on.
/// </remarks>
public sealed class ArrayDataset : Dataset
{
    private readonly Sequences<float>? _numbers;
    private readonly Sequences<int>? _indices;
    private readonly ReadOnlyMemory<int> _classes;
    private readonly ReadOnlyMemory<float> _values;

    /// <summary>Classes of all steps of each sample; null: they are in one array, or the targets are values.</summary>
    private readonly int[][]? _classRows;

    /// <summary>Values of all steps of each sample; null: they are in one array, or the targets are classes.</summary>
    private readonly float[][]? _valueRows;

    private readonly ReadOnlyMemory<int>? _lengths;

    /// <summary>Weights of the samples, or of all targets; null: there are none, or an array for each sample.</summary>
    private readonly ReadOnlyMemory<float>? _weights;

    /// <summary>Weights of all steps of each sample.</summary>
    private readonly float[][]? _weightRows;

    /// <summary>Without targets yet.</summary>
    private ArrayDataset(Sequences<float>? numbers, Sequences<int>? indices, long outputs, bool isClassification)
    {
        _numbers = numbers;
        _indices = indices;
        Outputs = outputs;
        HasTargets = outputs > 0;
        IsClassification = isClassification;
        (Count, Steps, Features) = numbers?.Sizes ?? indices!.Sizes;
        HasLengths = numbers?.HasLengths ?? indices!.HasLengths;
    }

    /// <summary>Targets in one array.</summary>
    private ArrayDataset(
        Sequences<float>? numbers, Sequences<int>? indices, ReadOnlyMemory<int> classes, ReadOnlyMemory<float> values, long outputs, bool isClassification)
        : this(numbers, indices, outputs, isClassification)
    {
        _classes = classes;
        _values = values;
        TargetSteps = CountTargetSteps();
    }

    /// <summary>Targets in an array for each sample.</summary>
    private ArrayDataset(Sequences<float>? numbers, Sequences<int>? indices, IReadOnlyList<int[]>? classes, IReadOnlyList<float[]>? values, long outputs)
        : this(numbers, indices, outputs, classes is not null)
    {
        _classRows = CheckRows(classes, 1, nameof(classes));
        _valueRows = CheckRows(values, outputs, nameof(values));
        TargetSteps = Steps;
    }

    /// <summary>Another data set with weights in one array, or in one for each sample.</summary>
    private ArrayDataset(ArrayDataset other, ReadOnlyMemory<float>? weights, IReadOnlyList<float[]>? weightRows)
        : this(other)
    {
        _lengths = other._lengths;
        _weights = weights;
        _weightRows = CheckRows(weightRows, 1, "weights");
        HasLengths = other.HasLengths;
        for (int i = 0; i < (_weightRows?.Length ?? 1); i++)
        {
            CheckWeightValues(_weightRows is null ? weights!.Value.Span : _weightRows[i], _weightRows is null ? "weights" : $"weights[{i}]");
        }
    }

    private ArrayDataset(ArrayDataset other)
        : this(other._numbers, other._indices, other.Outputs, other.IsClassification)
    {
        _classes = other._classes;
        _values = other._values;
        _classRows = other._classRows;
        _valueRows = other._valueRows;
        TargetSteps = other.TargetSteps;
    }

    private ArrayDataset(ArrayDataset other, ReadOnlyMemory<int> lengths)
        : this(other)
    {
        _weights = other._weights;
        _weightRows = other._weightRows;
        Check.Length(lengths.Length, Count, nameof(lengths));
        long shortest = !HasTargets || TargetSteps == Steps ? 1 : TargetSteps;
        for (int i = 0; i < lengths.Length; i++)
        {
            Check.InRange(lengths.Span[i], shortest, Steps, $"{nameof(lengths)}[{i}]");
            if (TargetSteps == Steps && _weightRows is not null && _weightRows[i].Length < lengths.Span[i])
            {
                throw new ArgumentException(
                    $"{nameof(lengths)}[{i}] is {lengths.Span[i]}, but the sample has weights for {_weightRows[i].Length} steps; it must be at most as many.", nameof(lengths));
            }
        }

        _lengths = lengths;
        HasLengths = true;
    }

    /// <inheritdoc/>
    public override long Count { get; }

    /// <inheritdoc/>
    public override long Steps { get; }

    /// <inheritdoc/>
    public override long Features { get; }

    /// <summary>Number K of last steps that have a target; 0 where there are no targets.</summary>
    public override long TargetSteps { get; }

    /// <summary>Number C of classes, or of values to predict; 0 where there are no targets.</summary>
    public override long Outputs { get; }

    /// <summary>True if there are targets; false for a data set of <c>Unlabelled</c>.</summary>
    public override bool HasTargets { get; }

    /// <inheritdoc/>
    public override bool IsClassification { get; }

    /// <summary>True if there are lengths, or arrays of different lengths.</summary>
    public override bool HasLengths { get; }

    /// <summary>True if there are weights: <see cref="WithWeights(ReadOnlyMemory{float})"/>.</summary>
    public override bool HasWeights => _weights is not null || _weightRows is not null;

    /// <inheritdoc/>
    public override DType InputType => _numbers is null ? DType.Int32 : DType.Float32;

    /// <summary>Sequences of equal length with classes.</summary>
    /// <param name="inputs">[count, T, D]; referenced, not copied.</param>
    /// <param name="steps">T, at least 1.</param>
    /// <param name="features">D, at least 1.</param>
    /// <param name="classes">[count, K], each 0 to <paramref name="classCount"/> - 1, of the last K steps; referenced.</param>
    /// <param name="classCount">Number of classes, at least 1.</param>
    /// <exception cref="ArgumentException">The number of elements of an array does not fit, or a class is out of range.</exception>
    public static ArrayDataset Classification(ReadOnlyMemory<float> inputs, long steps, long features, ReadOnlyMemory<int> classes, int classCount) =>
        Classification(new Sequences<float>(inputs, steps, features, nameof(inputs)), null, classes, classCount);

    /// <summary>Sequences of equal length of indices, with classes.</summary>
    /// <inheritdoc cref="Classification(ReadOnlyMemory{float}, long, long, ReadOnlyMemory{int}, int)"/>
    public static ArrayDataset Classification(ReadOnlyMemory<int> inputs, long steps, long features, ReadOnlyMemory<int> classes, int classCount) =>
        Classification(null, new Sequences<int>(inputs, steps, features, nameof(inputs)), classes, classCount);

    /// <summary>Sequences of any lengths with classes.</summary>
    /// <param name="sequences">[T, D] of each sample, with a T of its own; at least one sample. Arrays are referenced, not copied.</param>
    /// <param name="features">D, at least 1.</param>
    /// <param name="classes">[count, K], each 0 to <paramref name="classCount"/> - 1, of the last K steps; referenced.</param>
    /// <param name="classCount">Number of classes, at least 1.</param>
    /// <exception cref="ArgumentException">The number of elements of an array does not fit, or a class is out of range.</exception>
    public static ArrayDataset Classification(IReadOnlyList<float[]> sequences, long features, ReadOnlyMemory<int> classes, int classCount) =>
        Classification(new Sequences<float>(sequences, features, nameof(sequences)), null, classes, classCount);

    /// <summary>Sequences of any lengths of indices, with classes.</summary>
    /// <inheritdoc cref="Classification(IReadOnlyList{float[]}, long, ReadOnlyMemory{int}, int)"/>
    public static ArrayDataset Classification(IReadOnlyList<int[]> sequences, long features, ReadOnlyMemory<int> classes, int classCount) =>
        Classification(null, new Sequences<int>(sequences, features, nameof(sequences)), classes, classCount);

    /// <summary>Sequences of any lengths, with a class at every step.</summary>
    /// <param name="sequences">[T, D] of each sample, with a T of its own; at least one sample. Arrays are referenced, not copied.</param>
    /// <param name="features">D, at least 1.</param>
    /// <param name="classes">[T] of each sample, each 0 to <paramref name="classCount"/> - 1; referenced.</param>
    /// <param name="classCount">Number of classes, at least 1.</param>
    /// <exception cref="ArgumentException">The number of elements of an array does not fit, or a class is out of range.</exception>
    public static ArrayDataset Classification(IReadOnlyList<float[]> sequences, long features, IReadOnlyList<int[]> classes, int classCount) =>
        Classification(new Sequences<float>(sequences, features, nameof(sequences)), null, classes, classCount);

    /// <summary>Sequences of any lengths of indices, with a class at every step.</summary>
    /// <param name="sequences">[T, D] of each sample, with a T of its own; at least one sample. Arrays are referenced, not copied.</param>
    /// <param name="features">D, at least 1.</param>
    /// <param name="classes">[T] of each sample, each 0 to <paramref name="classCount"/> - 1; referenced.</param>
    /// <param name="classCount">Number of classes, at least 1.</param>
    /// <exception cref="ArgumentException">The number of elements of an array does not fit, or a class is out of range.</exception>
    public static ArrayDataset Classification(IReadOnlyList<int[]> sequences, long features, IReadOnlyList<int[]> classes, int classCount) =>
        Classification(null, new Sequences<int>(sequences, features, nameof(sequences)), classes, classCount);

    /// <summary>Sequences of equal length with target values.</summary>
    /// <param name="inputs">[count, T, D]; referenced, not copied.</param>
    /// <param name="steps">T, at least 1.</param>
    /// <param name="features">D, at least 1.</param>
    /// <param name="values">[count, K, C], of the last K steps; referenced.</param>
    /// <param name="outputs">C, at least 1.</param>
    /// <exception cref="ArgumentException">The number of elements of an array does not fit.</exception>
    public static ArrayDataset Regression(ReadOnlyMemory<float> inputs, long steps, long features, ReadOnlyMemory<float> values, long outputs) =>
        Regression(new Sequences<float>(inputs, steps, features, nameof(inputs)), null, values, outputs);

    /// <summary>Sequences of equal length of indices, with target values.</summary>
    /// <inheritdoc cref="Regression(ReadOnlyMemory{float}, long, long, ReadOnlyMemory{float}, long)"/>
    public static ArrayDataset Regression(ReadOnlyMemory<int> inputs, long steps, long features, ReadOnlyMemory<float> values, long outputs) =>
        Regression(null, new Sequences<int>(inputs, steps, features, nameof(inputs)), values, outputs);

    /// <summary>Sequences of any lengths with target values.</summary>
    /// <param name="sequences">[T, D] of each sample, with a T of its own; at least one sample. Arrays are referenced, not copied.</param>
    /// <param name="features">D, at least 1.</param>
    /// <param name="values">[count, K, C], of the last K steps; referenced.</param>
    /// <param name="outputs">C, at least 1.</param>
    /// <exception cref="ArgumentException">The number of elements of an array does not fit.</exception>
    public static ArrayDataset Regression(IReadOnlyList<float[]> sequences, long features, ReadOnlyMemory<float> values, long outputs) =>
        Regression(new Sequences<float>(sequences, features, nameof(sequences)), null, values, outputs);

    /// <summary>Sequences of any lengths of indices, with target values.</summary>
    /// <inheritdoc cref="Regression(IReadOnlyList{float[]}, long, ReadOnlyMemory{float}, long)"/>
    public static ArrayDataset Regression(IReadOnlyList<int[]> sequences, long features, ReadOnlyMemory<float> values, long outputs) =>
        Regression(null, new Sequences<int>(sequences, features, nameof(sequences)), values, outputs);

    /// <summary>Sequences of any lengths, with target values at every step.</summary>
    /// <param name="sequences">[T, D] of each sample, with a T of its own; at least one sample. Arrays are referenced, not copied.</param>
    /// <param name="features">D, at least 1.</param>
    /// <param name="values">[T, C] of each sample; referenced.</param>
    /// <param name="outputs">C, at least 1.</param>
    /// <exception cref="ArgumentException">The number of elements of an array does not fit.</exception>
    public static ArrayDataset Regression(IReadOnlyList<float[]> sequences, long features, IReadOnlyList<float[]> values, long outputs) =>
        Regression(new Sequences<float>(sequences, features, nameof(sequences)), null, values, outputs);

    /// <summary>Sequences of any lengths of indices, with target values at every step.</summary>
    /// <param name="sequences">[T, D] of each sample, with a T of its own; at least one sample. Arrays are referenced, not copied.</param>
    /// <param name="features">D, at least 1.</param>
    /// <param name="values">[T, C] of each sample; referenced.</param>
    /// <param name="outputs">C, at least 1.</param>
    /// <exception cref="ArgumentException">The number of elements of an array does not fit.</exception>
    public static ArrayDataset Regression(IReadOnlyList<int[]> sequences, long features, IReadOnlyList<float[]> values, long outputs) =>
        Regression(null, new Sequences<int>(sequences, features, nameof(sequences)), values, outputs);

    /// <summary>Sequences of equal length without targets.</summary>
    /// <param name="inputs">[count, T, D]; referenced, not copied.</param>
    /// <param name="steps">T, at least 1.</param>
    /// <param name="features">D, at least 1.</param>
    /// <exception cref="ArgumentException">The number of elements of the array does not fit.</exception>
    public static ArrayDataset Unlabelled(ReadOnlyMemory<float> inputs, long steps, long features) =>
        new(new Sequences<float>(inputs, steps, features, nameof(inputs)), null, 0, isClassification: false);

    /// <summary>Sequences of equal length of indices, without targets.</summary>
    /// <inheritdoc cref="Unlabelled(ReadOnlyMemory{float}, long, long)"/>
    public static ArrayDataset Unlabelled(ReadOnlyMemory<int> inputs, long steps, long features) =>
        new(null, new Sequences<int>(inputs, steps, features, nameof(inputs)), 0, isClassification: false);

    /// <summary>Sequences of any lengths without targets.</summary>
    /// <param name="sequences">[T, D] of each sample, with a T of its own; at least one sample. Arrays are referenced, not copied.</param>
    /// <param name="features">D, at least 1.</param>
    /// <exception cref="ArgumentException">The number of elements of an array does not fit.</exception>
    public static ArrayDataset Unlabelled(IReadOnlyList<float[]> sequences, long features) =>
        new(new Sequences<float>(sequences, features, nameof(sequences)), null, 0, isClassification: false);

    /// <summary>Sequences of any lengths of indices, without targets.</summary>
    /// <inheritdoc cref="Unlabelled(IReadOnlyList{float[]}, long)"/>
    public static ArrayDataset Unlabelled(IReadOnlyList<int[]> sequences, long features) =>
        new(null, new Sequences<int>(sequences, features, nameof(sequences)), 0, isClassification: false);

    /// <summary>
    /// The same samples, padded: the first steps of each count. Targets of the last K steps are those of the last ones that count; where
    /// all T steps have targets, those of the first ones count.
    /// </summary>
    /// <param name="lengths">[count], each K (1 where K is T) to T; referenced.</param>
    /// <exception cref="ArgumentException">The number of lengths is not that of the samples.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A length is out of range.</exception>
    /// <exception cref="InvalidOperationException">The data set has an array for each sample.</exception>
    public ArrayDataset WithLengths(ReadOnlyMemory<int> lengths) => _numbers?.IsJagged ?? _indices!.IsJagged
        ? throw new InvalidOperationException("The data set is of one array for each sample, which has its length; lengths are for [count, T, D].")
        : new ArrayDataset(this, lengths);

    /// <summary>The same samples, whose targets count by weights.</summary>
    /// <param name="weights">[count], a weight for each sample, or [count, K], one for each target; finite and not negative. Referenced, not copied.</param>
    /// <exception cref="ArgumentException">The number of weights is neither, or targets are in an array for each sample and it is not that of the samples.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A weight is out of range.</exception>
    /// <exception cref="InvalidOperationException">There are no targets.</exception>
    public ArrayDataset WithWeights(ReadOnlyMemory<float> weights)
    {
        RequireTargets();
        bool hasRows = _classRows is not null || _valueRows is not null;
        if (weights.Length != Count && (hasRows || weights.Length != Count * TargetSteps))
        {
            throw new ArgumentException(
                $"{nameof(weights)} has {weights.Length} elements; it must have {Count}, one for each sample" +
                (hasRows || TargetSteps == 1 ? "." : $", or {Count * TargetSteps}, one for each target."),
                nameof(weights));
        }

        return new ArrayDataset(this, weights, null);
    }

    /// <summary>The same samples, whose targets count by weights. Every step of a sample must have a target.</summary>
    /// <param name="weights">[T] of each sample, finite and not negative; referenced.</param>
    /// <exception cref="ArgumentException">The number of elements of an array is not that of the steps.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A weight is out of range.</exception>
    /// <exception cref="InvalidOperationException">The last steps alone have targets, or there are none.</exception>
    public ArrayDataset WithWeights(IReadOnlyList<float[]> weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        RequireTargets();
        return TargetSteps == Steps
            ? new ArrayDataset(this, null, weights)
            : throw new InvalidOperationException($"The last {TargetSteps} of {Steps} steps have targets; weights in an array for each sample are for targets at all steps.");
    }

    /// <inheritdoc/>
    public override long LengthOf(long sample)
    {
        Check.InRange(sample, 0, Count - 1);
        return _lengths is { } lengths ? lengths.Span[(int)sample] : _numbers?.LengthOf((int)sample) ?? _indices!.LengthOf((int)sample);
    }

    /// <inheritdoc/>
    public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values)
    {
        if (_numbers is null)
        {
            base.Read(samples, inputs, classes, values);
            return;
        }

        CheckBuffers(samples, inputs, classes, values);
        ReadInputs(_numbers, samples, inputs);
        ReadTargets(samples, classes, values);
    }

    /// <inheritdoc/>
    public override void Read(ReadOnlySpan<long> samples, Span<int> indices, Span<int> classes, Span<float> values)
    {
        if (_indices is null)
        {
            base.Read(samples, indices, classes, values);
            return;
        }

        CheckBuffers(samples, indices.Length, classes, values, nameof(indices));
        ReadInputs(_indices, samples, indices);
        ReadTargets(samples, classes, values);
    }

    /// <inheritdoc/>
    public override void ReadWeights(ReadOnlySpan<long> samples, Span<float> weights)
    {
        if (!HasWeights)
        {
            base.ReadWeights(samples, weights);
            return;
        }

        CheckWeights(samples, weights);
        int steps = (int)TargetStepsOf(samples);
        for (int row = 0; row < samples.Length; row++)
        {
            Check.InRange(samples[row], 0, Count - 1, nameof(samples));
            int sample = (int)samples[row];
            if (_weights is { } each && each.Length == Count)
            {
                for (int step = 0; step < steps; step++)
                {
                    weights[(step * samples.Length) + row] = each.Span[sample];
                }
            }
            else
            {
                ReadTargets(_weightRows, _weights.GetValueOrDefault().Span, sample, 1, steps, weights, row, samples.Length);
            }
        }
    }

    private void RequireTargets()
    {
        if (!HasTargets)
        {
            throw new InvalidOperationException("The data set has no targets; weights are for targets.");
        }
    }

    private static ArrayDataset Classification(Sequences<float>? numbers, Sequences<int>? indices, ReadOnlyMemory<int> classes, int classCount)
    {
        Check.AtLeast(classCount, 1);
        CheckClasses(classes.Span, classCount, nameof(classes));
        return new ArrayDataset(numbers, indices, classes, default, classCount, isClassification: true);
    }

    private static ArrayDataset Classification(Sequences<float>? numbers, Sequences<int>? indices, IReadOnlyList<int[]> classes, int classCount)
    {
        ArgumentNullException.ThrowIfNull(classes);
        Check.AtLeast(classCount, 1);
        var data = new ArrayDataset(numbers, indices, classes, null, classCount);
        for (int i = 0; i < data._classRows!.Length; i++)
        {
            CheckClasses(data._classRows[i], classCount, $"{nameof(classes)}[{i}]");
        }

        return data;
    }

    private static ArrayDataset Regression(Sequences<float>? numbers, Sequences<int>? indices, ReadOnlyMemory<float> values, long outputs)
    {
        Check.InRange(outputs, 1, Array.MaxLength);
        return new ArrayDataset(numbers, indices, default, values, outputs, isClassification: false);
    }

    private static ArrayDataset Regression(Sequences<float>? numbers, Sequences<int>? indices, IReadOnlyList<float[]> values, long outputs)
    {
        ArgumentNullException.ThrowIfNull(values);
        Check.InRange(outputs, 1, Array.MaxLength);
        return new ArrayDataset(numbers, indices, null, values, outputs);
    }

    private static void CheckClasses(ReadOnlySpan<int> classes, int classCount, string name)
    {
        int wrong = classes.IndexOfAnyExceptInRange(0, classCount - 1);
        if (wrong >= 0)
        {
            Check.InRange(classes[wrong], 0, classCount - 1, $"{name}[{wrong}]");
        }
    }

    private static void CheckWeightValues(ReadOnlySpan<float> weights, string name)
    {
        for (int i = 0; i < weights.Length; i++)
        {
            if (!(float.IsFinite(weights[i]) && weights[i] >= 0))
            {
                Check.NotNegative(weights[i], $"{name}[{i}]");
            }
        }
    }

    /// <summary>Refuses targets that are not those of every step of every sample.</summary>
    private T[][]? CheckRows<T>(IReadOnlyList<T[]>? targets, long width, string name)
    {
        if (targets is null)
        {
            return null;
        }

        T[][] rows = [.. targets];
        Check.Length(rows.Length, Count, name);
        for (int i = 0; i < rows.Length; i++)
        {
            Check.NotNull(rows[i], $"{name}[{i}]");
            if (rows[i].Length != LengthOf(i) * width)
            {
                throw new ArgumentException(
                    $"{name}[{i}] has {rows[i].Length} elements; it must have {LengthOf(i) * width}{(width > 1 ? $", {width} for each step" : "")}.", name);
            }
        }

        return rows;
    }

    /// <summary>K, which the number of targets tells.</summary>
    private long CountTargetSteps()
    {
        (string name, int length, long width) = IsClassification ? ("classes", _classes.Length, 1) : ("values", _values.Length, Outputs);
        long shortest = Steps;
        for (int i = 0; HasLengths && i < Count; i++)
        {
            shortest = Math.Min(shortest, LengthOf(i));
        }

        // Bounded before it is multiplied.
        long each = length % Count == 0 ? length / Count : 0;
        long targetSteps = each % width == 0 ? each / width : 0;
        return targetSteps >= 1 && targetSteps <= shortest
            ? targetSteps
            : throw new ArgumentException(
                $"{name} has {length} elements; it must have K x {(IsClassification ? "" : $"{Outputs} x ")}{Count}, K from 1 to {shortest}, the " +
                $"{(HasLengths ? "shortest length" : "number of steps")}.",
                name);
    }

    private void ReadInputs<T>(Sequences<T> source, ReadOnlySpan<long> samples, Span<T> inputs)
    {
        int features = (int)Features;
        for (int row = 0; row < samples.Length; row++)
        {
            Check.InRange(samples[row], 0, Count - 1, nameof(samples));
            ReadOnlySpan<T> rows = source.Rows((int)samples[row]);
            int length = (int)LengthOf(samples[row]);
            for (int step = 0; step < length; step++)
            {
                rows.Slice(step * features, features).CopyTo(inputs[(((step * samples.Length) + row) * features)..]);
            }
        }
    }

    private void ReadTargets(ReadOnlySpan<long> samples, Span<int> classes, Span<float> values)
    {
        int steps = (int)TargetStepsOf(samples);
        int batch = samples.Length;
        for (int row = 0; HasTargets && row < batch; row++)
        {
            int sample = (int)samples[row];
            if (IsClassification)
            {
                ReadTargets(_classRows, _classes.Span, sample, 1, steps, classes, row, batch);
            }
            else
            {
                ReadTargets(_valueRows, _values.Span, sample, (int)Outputs, steps, values, row, batch);
            }
        }
    }

    /// <summary>Writes the targets of one sample.</summary>
    /// <param name="rows">Targets of each sample; null: they are in one array.</param>
    /// <param name="all">That array.</param>
    /// <param name="sample">The sample.</param>
    /// <param name="width">Elements of a step.</param>
    /// <param name="steps">Target steps of the batch; the sample may have fewer.</param>
    /// <param name="destination">[steps, batch, width].</param>
    /// <param name="row">Row of the sample in the batch.</param>
    /// <param name="batch">Samples of the batch.</param>
    private void ReadTargets<T>(T[][]? rows, ReadOnlySpan<T> all, int sample, int width, int steps, Span<T> destination, int row, int batch)
    {
        int each = (int)TargetSteps * width;
        ReadOnlySpan<T> targets = rows is null ? all.Slice(sample * each, each) : rows[sample];
        int count = Math.Min(steps, targets.Length / width);
        for (int step = 0; step < count; step++)
        {
            targets.Slice(step * width, width).CopyTo(destination[(((step * batch) + row) * width)..]);
        }
    }

    /// <summary>Sequences in one array, or in one for each.</summary>
    private sealed class Sequences<T>
    {
        private readonly ReadOnlyMemory<T> _dense;
        private readonly T[][]? _jagged;
        private readonly long _steps;
        private readonly long _features;

        public Sequences(ReadOnlyMemory<T> dense, long steps, long features, string name)
        {
            Check.InRange(steps, 1, Array.MaxLength);
            Check.InRange(features, 1, Array.MaxLength / steps);
            if (dense.IsEmpty || dense.Length % (steps * features) != 0)
            {
                throw new ArgumentException(
                    $"{name} has {dense.Length} elements; it must have a positive multiple of {steps} x {features}, {nameof(steps)} x {nameof(features)}.", name);
            }

            _dense = dense;
            _steps = steps;
            _features = features;
            Sizes = (dense.Length / (steps * features), steps, features);
        }

        public Sequences(IReadOnlyList<T[]> sequences, long features, string name)
        {
            ArgumentNullException.ThrowIfNull(sequences, name);
            Check.InRange(features, 1, Array.MaxLength);
            if (sequences.Count == 0)
            {
                throw new ArgumentException($"{name} is empty; at least one is required.", name);
            }

            _jagged = [.. sequences];
            _features = features;
            for (int i = 0; i < _jagged.Length; i++)
            {
                Check.NotNull(_jagged[i], $"{name}[{i}]");
                if (_jagged[i].Length == 0 || _jagged[i].Length % features != 0)
                {
                    throw new ArgumentException($"{name}[{i}] has {_jagged[i].Length} elements; it must have a positive multiple of {features}, {nameof(features)}.", name);
                }

                _steps = Math.Max(_steps, LengthOf(i));
                HasLengths |= _jagged[i].Length != _jagged[0].Length;
            }

            Sizes = (_jagged.Length, _steps, features);
        }

        public (long Count, long Steps, long Features) Sizes { get; }

        public bool HasLengths { get; }

        public bool IsJagged => _jagged is not null;

        public long LengthOf(int sample) => _jagged is null ? _steps : _jagged[sample].Length / _features;

        /// <summary>[T, D] of a sample.</summary>
        public ReadOnlySpan<T> Rows(int sample) =>
            _jagged is null ? _dense.Span.Slice((int)(sample * _steps * _features), (int)(_steps * _features)) : _jagged[sample];
    }
}
