using System.Globalization;
using System.Runtime.InteropServices;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Changes the parameters of a model along their gradients. Derive from it for an optimizer of your own.</summary>
/// <remarks>
/// <para>
/// An optimizer of your own is two classes: options that name the tensors it keeps (<see cref="OptimizerOptions.State"/>), and an optimizer that
/// overrides <see cref="Update"/>. Memory, groups, schedules, frozen parameters, files and <see cref="Model.Summary"/> are the same for all.
/// </para>
/// <para>
/// One thread at a time may use an optimizer. <see cref="Step"/> allocates nothing.
/// </para>
/// <para>
/// A step of the library's optimizers is made as a whole or not at all. If a gradient is NaN or infinite, or a parameter or a number of the optimizer's state would be
/// after the step (the square of a gradient overflows, the learning rate is too large), the parameters and the state are left as they
/// are. On a CPU <see cref="Step"/> then throws; on a GPU the next call that waits does, and until then further steps change nothing either: see
/// <see cref="Device"/>. Numbers of the state that fade below the smallest normal number of their type become 0 on a CPU.
/// </para>
/// </remarks>
public abstract unsafe class Optimizer : IDisposable
{
    private const string StepCountKey = "step_count";
    private const string KindKey = "optimizer";
    private const string ScheduleKey = "schedule";
    private const string FrozenStepsKey = "frozen_steps";
    private const string ParametersKey = "parameters";
    private const string ParameterSeparator = "; ";

    private readonly OptimizerOptions _options;
    private readonly Entry[] _entries;
    private readonly long[] _frozenSteps;
    private readonly StepGroup[] _groups;
    private readonly ortho_parameter_group[] _nativeGroups;
    private readonly OptimizerState[] _declared;
    private readonly (string Name, Tensor Tensor)[] _state;
    private bool _disposed;

    /// <summary>Takes the memory for the state that the options declare.</summary>
    /// <param name="model">The model whose parameters are changed.</param>
    /// <param name="learningRate">Learning rate, not negative.</param>
    /// <param name="options">The options.</param>
    /// <exception cref="ArgumentException">
    /// A number is out of range, a group has a parameter that is not the model's, or two tensors of the state have the same name.
    /// </exception>
    /// <exception cref="InvalidOperationException">The model has no device of its own, or was made without gradients.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory for the state.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    protected Optimizer(Model model, double learningRate, OptimizerOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        model.ThrowIfDisposed();

        // A description, a part of another model and a model without gradients have none, and say so.
        _ = model.GradientData;
        Check.NotNegative(learningRate);
        Check.NotNegative(options.WeightDecay ?? 0, $"{nameof(options)}.{nameof(options.WeightDecay)}");
        Check.Defined(options.DecayScope, $"{nameof(options)}.{nameof(options.DecayScope)}");
        Check.NotNull(options.Groups);
        Check.Finite(options.WeightDecay ?? 0, model.DType, $"{nameof(options)}.{nameof(options.WeightDecay)}");
        Model = model;
        LearningRate = learningRate;
        _options = options;
        _entries = MakeEntries(model, options);
        _frozenSteps = new long[_entries.Length];
        _groups = new StepGroup[_entries.Length];
        _nativeGroups = new ortho_parameter_group[_entries.Length];
        _declared = [.. options.State];
        _state = new (string, Tensor)[_declared.Length];
        for (int i = 0; i < _declared.Length; i++)
        {
            string argument = string.Create(CultureInfo.InvariantCulture, $"{nameof(options)}.{nameof(options.State)}[{i}]");
            Check.NotNull(_declared[i], argument);
            string name = _declared[i].Name;
            Check.NotNull(name, $"{argument}.{nameof(OptimizerState.Name)}");
            if (Array.FindIndex(_declared, state => state?.Name == name) < i)
            {
                throw new ArgumentException($"{argument} has the name '{ForeignText.Clean(name)}', as one before it has; names must be unique.", nameof(options));
            }
        }

        foreach ((string key, _) in options.Settings)
        {
            if (key is StepCountKey or KindKey or ParametersKey or FrozenStepsKey || key.StartsWith(ScheduleKey, StringComparison.Ordinal))
            {
                throw new ArgumentException(
                    $"{nameof(options)}.{nameof(options.Settings)} has the key '{ForeignText.Clean(key)}', which an optimizer's file needs for itself; it must have another one.", nameof(options));
            }
        }

        try
        {
            for (int i = 0; i < _state.Length; i++)
            {
                _state[i] = (_declared[i].Name, Tensor.CreateOwned(model.Device, model.DType, model.ParameterData.Count));
            }
        }
        catch
        {
            foreach ((_, Tensor? tensor) in _state)
            {
                tensor?.Release();
            }

            throw;
        }
    }

    /// <summary>The model whose parameters are changed.</summary>
    public Model Model { get; }

    /// <summary>The options.</summary>
    internal OptimizerOptions Options => _options;

    /// <summary>Learning rate, not negative. Set by <see cref="Schedule"/> at each step where there is one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, infinite or not a number.</exception>
    public double LearningRate
    {
        get;
        set
        {
            Check.NotNegative(value, nameof(LearningRate));
            field = value;
        }
    }

    /// <summary>
    /// Gives the learning rate of each step; null, the default: it stays as it is. Set it before <see cref="Load"/>, which also loads the state of a
    /// schedule that has one, as <see cref="ReduceOnPlateauSchedule"/> has.
    /// </summary>
    public LearningRateSchedule? Schedule { get; set; }

    /// <summary>Number of steps done.</summary>
    public long StepCount { get; private set; }

    /// <summary>Changes all parameters once that are not frozen, by the gradients that the last <see cref="Model.Backward(Tensor, bool)"/> left.</summary>
    /// <exception cref="NotFiniteNumberException">
    /// A gradient is NaN or infinite, or the step would overflow; the message names the parameter and the element. Nothing is changed. On a GPU
    /// the next call that waits says so.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// Another thread is using the model; the learning rate that <see cref="Schedule"/> gives is negative, NaN or infinite; a learning rate times
    /// its scales is beyond the model's element type; a <see cref="GradientAccumulator"/> has not completed its sum; or a <see cref="WeightAverage"/>
    /// is applied to the model.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The optimizer or the model was disposed.</exception>
    public void Step()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        using Model.Use use = Model.BeginUse();
        Model.ThrowIfAccumulating();
        Model.ThrowIfAveraged();
        double learningRate = LearningRate;
        if (Schedule is LearningRateSchedule schedule)
        {
            learningRate = schedule.At(StepCount);
            if (!(double.IsFinite(learningRate) && learningRate >= 0))
            {
                throw new InvalidOperationException(FormattableString.Invariant(
                    $"The learning rate that {nameof(Schedule)} gives is {learningRate}; it must be finite and not negative."));
            }
        }

        int count = 0;
        for (int i = 0; i < _entries.Length; i++)
        {
            Entry entry = _entries[i];
            if (entry.Parameter.IsFrozen)
            {
                continue;
            }

            (double rateFactor, double decayFactor) = FactorsAfter(StepCount + 1 - _frozenSteps[i]);
            double rate = learningRate * entry.LearningRateScale * entry.Parameter.LearningRateScale * rateFactor;
            if (!Check.IsFinite(rate, Model.DType))
            {
                throw new InvalidOperationException(FormattableString.Invariant(
                    $"The learning rate of parameter {entry.Parameter.Name}, {nameof(LearningRate)} times its scales, is {rate}; it must be finite in {Model.DType}."));
            }

            var group = new StepGroup(entry.Parameter, entry.Parameter.Offset, entry.Parameter.Value.Count, rate, entry.WeightDecay * decayFactor);
            _groups[count] = group;
            _nativeGroups[count++] = new ortho_parameter_group
            {
                offset = group.Offset,
                count = group.Count,
                learning_rate = group.LearningRate,
                weight_decay = group.WeightDecay,
            };
        }

        if (count > 0)
        {
            Update(new StepContext(this, _groups.AsSpan(0, count), _nativeGroups.AsSpan(0, count)));
        }

        // Behind the call, since a step that is refused writes nothing.
        Model.ParameterData.Watch.NoteWrite();

        LearningRate = learningRate;
        StepCount++;
        for (int i = 0; i < _entries.Length; i++)
        {
            _frozenSteps[i] += _entries[i].Parameter.IsFrozen ? 1 : 0;
        }
    }

    /// <summary>Saves the optimizer's state: with the model's parameters, all that is needed to train on, bit for bit.</summary>
    /// <param name="path">A safetensors file, replaced once it is written whole, as by <see cref="SafeTensors.Save"/>.</param>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file or its folder may not be written, or the path is a folder.</exception>
    /// <exception cref="InvalidOperationException">Another thread is using the model.</exception>
    /// <exception cref="ObjectDisposedException">The optimizer or the model was disposed.</exception>
    public void Save(string path)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        using Model.Use use = Model.BeginUse();
        var metadata = new Dictionary<string, string> { [StepCountKey] = StepCount.ToString(CultureInfo.InvariantCulture) };
        foreach ((string key, string value) in Meaning)
        {
            metadata[key] = value;
        }

        if (_frozenSteps.Any(steps => steps > 0))
        {
            metadata[FrozenStepsKey] = string.Join(' ', _frozenSteps.Select(steps => steps.ToString(CultureInfo.InvariantCulture)));
        }

        foreach ((string key, string value) in Schedule?.SaveStateAs(ScheduleKey) ?? [])
        {
            metadata[key] = value;
        }

        SafeTensors.Save(path, _state.Select(state => KeyValuePair.Create(state.Name, state.Tensor)), metadata);
    }

    /// <summary>Loads a state that <see cref="Save"/> wrote. Nothing changes if the file is not as expected.</summary>
    /// <remarks>
    /// The learning rate, weight decay, ε and groups are not of the state: those of this optimizer apply. Files of version 0.1 do not tell their
    /// optimizer and its options; of these, only the names and sizes of the tensors are compared. Which schedule there is is not of the state, either: where
    /// <see cref="Schedule"/> has a state, it is loaded from the file of a schedule of the same class, and otherwise stays as it is.
    /// </remarks>
    /// <param name="path">A safetensors file.</param>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    /// <exception cref="InvalidDataException">
    /// The file is damaged, or of another kind of optimizer, of other momentum or β, or of a model with other parameters; or a number in it is
    /// NaN, infinite, or negative where there are squares; or the state of the schedule is none.
    /// </exception>
    /// <exception cref="InvalidOperationException">Another thread is using the model.</exception>
    /// <exception cref="ObjectDisposedException">The optimizer or the model was disposed.</exception>
    public void Load(string path)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        using Model.Use use = Model.BeginUse();
        using SafeTensorsReader reader = SafeTensorsReader.Open(path);
        if (!reader.Metadata.TryGetValue(StepCountKey, out string? text) ||
            !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long stepCount) || stepCount == long.MaxValue)
        {
            throw Invalid(path, StepCountKey, text, "a whole number below 2^63 - 1 is expected");
        }

        CheckMeaning(path, reader.Metadata);
        long[] frozenSteps = ReadFrozenSteps(path, reader.Metadata, stepCount);
        reader.RequireSame(_state);
        foreach (OptimizerState state in _declared)
        {
            reader.RequireFinite(state.Name, state.IsSquare ? 0 : double.NegativeInfinity);
        }

        // Given back if the tensors cannot be read after all.
        var before = new Dictionary<string, string>(Schedule?.SaveStateAs(ScheduleKey) ?? []);
        try
        {
            Schedule?.LoadStateFrom(reader.Metadata, ScheduleKey);
        }
        catch (InvalidDataException exception)
        {
            throw new InvalidDataException($"'{ForeignText.CleanPath(path)}': __metadata__.{exception.Message}", exception);
        }

        try
        {
            reader.ReadInto(_state);
        }
        catch
        {
            Schedule?.LoadStateFrom(before, ScheduleKey);
            throw;
        }

        StepCount = stepCount;
        frozenSteps.CopyTo(_frozenSteps, 0);
    }

    /// <summary>Frees the optimizer's state.</summary>
    public void Dispose()
    {
        _disposed = true;
        foreach ((_, Tensor tensor) in _state)
        {
            tensor.Release();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Factors of the learning rate and of the weight decay of a parameter that took part in fewer steps than the optimizer, since it was frozen.</summary>
    /// <param name="steps">Steps of the parameter, this one among them.</param>
    private protected virtual (double Rate, double Decay) FactorsAfter(long steps) => (1, 1);

    /// <summary>The steps during which each parameter was frozen; a file without them is one of parameters that never were.</summary>
    private long[] ReadFrozenSteps(string path, IReadOnlyDictionary<string, string> metadata, long stepCount)
    {
        var steps = new long[_entries.Length];
        if (metadata.TryGetValue(FrozenStepsKey, out string? text))
        {
            string[] numbers = text.Split(' ');
            for (int i = 0; i < steps.Length; i++)
            {
                if (numbers.Length != steps.Length || !long.TryParse(numbers[i], NumberStyles.None, CultureInfo.InvariantCulture, out steps[i]) || steps[i] > stepCount)
                {
                    throw Invalid(path, FrozenStepsKey, text, string.Create(CultureInfo.InvariantCulture, $"{steps.Length} whole numbers of at most {stepCount} are expected"));
                }
            }
        }

        return steps;
    }

    /// <summary>Describes the state's numbers: of which optimizer, and of which parameters in which order.</summary>
    private IEnumerable<(string Key, string Value)> Meaning =>
    [
        (KindKey, GetType().Name),
        .. _options.Settings.Select(setting => (setting.Key, setting.Value)),
        (ParametersKey, string.Join(ParameterSeparator, Model.Parameters.Select(parameter => $"{parameter.Name} {Check.FormatShape(parameter.Value.Shape)}"))),
    ];

    private void CheckMeaning(string path, IReadOnlyDictionary<string, string> metadata)
    {
        // Version 0.1 wrote the number of steps alone.
        if (!Meaning.Any(meaning => metadata.ContainsKey(meaning.Key)))
        {
            return;
        }

        foreach ((string key, string expected) in Meaning)
        {
            string? found = metadata.GetValueOrDefault(key);
            if (found == expected)
            {
                continue;
            }

            if (key != ParametersKey || found is null)
            {
                throw Invalid(path, key, found, $"'{expected}', as of this optimizer, is expected");
            }

            string[] theirs = found.Split(ParameterSeparator);
            string[] ours = expected.Split(ParameterSeparator);
            int same = theirs.AsSpan().CommonPrefixLength(ours);
            throw new InvalidDataException(
                $"'{ForeignText.CleanPath(path)}': __metadata__.{ParametersKey} has {Place(theirs, same)}; {Place(ours, same)}, as the model has, is expected.");
        }

        static string Place(string[] parameters, int index) => string.Create(
            CultureInfo.InvariantCulture,
            $"{(index < parameters.Length ? $"'{ForeignText.Clean(parameters[index])}'" : "nothing")} in place {index + 1} of {parameters.Length}");
    }

    private static InvalidDataException Invalid(string path, string key, string? found, string expected) => new(
        $"'{ForeignText.CleanPath(path)}': __metadata__.{key} is {(found is null ? "missing" : $"'{ForeignText.Clean(found)}'")}; {expected}.");

    /// <summary>Copies the state, which <see cref="Restore"/> gives back bit for bit.</summary>
    internal Snapshot TakeSnapshot()
    {
        var copies = new Tensor[_state.Length];
        for (int i = 0; i < copies.Length; i++)
        {
            copies[i] = Tensor.CreateOwned(Model.Device, _state[i].Tensor.DType, _state[i].Tensor.Shape);
            copies[i].CopyFrom(_state[i].Tensor);
        }

        return new Snapshot(copies, StepCount, LearningRate, Schedule, [.. _frozenSteps]);
    }

    /// <summary>Gives back a state.</summary>
    internal void Restore(Snapshot snapshot)
    {
        for (int i = 0; i < _state.Length; i++)
        {
            _state[i].Tensor.CopyFrom(snapshot.Tensors[i]);
        }

        (StepCount, LearningRate, Schedule) = (snapshot.StepCount, snapshot.LearningRate, snapshot.Schedule);
        snapshot.FrozenSteps.CopyTo(_frozenSteps, 0);
    }

    internal Tensor StateAt(int index)
    {
        Check.InRange(index, 0, _state.Length - 1);
        return _state[index].Tensor;
    }

    internal Tensor StateAt(string name)
    {
        foreach ((string own, Tensor tensor) in _state)
        {
            if (own == name)
            {
                return tensor;
            }
        }

        throw new ArgumentException(
            $"{nameof(name)} is '{ForeignText.Clean(name)}'; the state has {(_state.Length == 0 ? "no tensors" : ForeignText.Clean(string.Join(", ", _declared.Select(state => state.Name))))}.",
            nameof(name));
    }

    /// <summary>Refuses an ε with which squares that are lost would count.</summary>
    /// <param name="epsilon">ε.</param>
    /// <param name="decay">That of the mean of squares.</param>
    /// <param name="dtype">The model's element type.</param>
    private protected static void CheckEpsilon(double epsilon, double decay, DType dtype)
    {
        const string Name = "options.Epsilon";
        Check.Positive(epsilon, Name);
        Check.Finite(epsilon, dtype, Name);

        // Squares below the smallest normal number are lost; with this epsilon they do not count (smallest_epsilon in the native sources).
        Check.AtLeast(epsilon, 2 * Math.Sqrt(Math.ScaleB(1, dtype == DType.Float32 ? -126 : -1022) / (1 - decay)), Name);
    }

    /// <summary>Throws what a refused step stands for; elements of the flat buffers are named as those of parameters.</summary>
    private protected void ThrowOnFailure(ortho_status status)
    {
        if (status == ortho_status.ORTHO_NOT_FINITE &&
            NativeError.Last() is { Element: >= 0, Argument: { } argument } error && IsBuffer(argument))
        {
            throw error.ToException($"{DescribeElement(argument, error.Element)} {error.Problem}");
        }

        status.ThrowOnFailure();
    }

    /// <summary>A method of its own, since its closure would be made at every step.</summary>
    private bool IsBuffer(string argument) => argument is "gradients" or "parameters" || Array.Exists(_declared, state => state.Name == argument);

    private string DescribeElement(string buffer, long element)
    {
        Parameter parameter = Model.Parameters.First(parameter => element >= parameter.Offset && element - parameter.Offset < parameter.Value.Count);
        long left = element - parameter.Offset;
        long[] indices = new long[parameter.Shape.Length];
        for (int i = indices.Length - 1; i >= 0; i--)
        {
            left = Math.DivRem(left, parameter.Shape[i], out indices[i]);
        }

        string name = parameter.Name + Check.FormatShape(indices);
        return buffer switch
        {
            "gradients" => $"the gradient of {name}",
            "parameters" => name,
            _ => $"the {buffer.Replace('_', ' ')} of {name}",
        };
    }

    /// <summary>Changes the parameters of the step's groups and the state. Called by <see cref="Step"/>, unless all parameters are frozen.</summary>
    /// <param name="context">The step: its number, the flat tensors, the state and the groups.</param>
    /// <remarks>
    /// The step counts as done unless this throws. Check before anything changes what would make the step impossible, so that it is made as a whole or not at all.
    /// </remarks>
    protected abstract void Update(in StepContext context);

    private static Entry[] MakeEntries(Model model, OptimizerOptions options)
    {
        var groupOf = new Dictionary<Parameter, ParameterGroup>();
        for (int i = 0; i < options.Groups.Count; i++)
        {
            ParameterGroup group = options.Groups[i];
            string argument = $"options.Groups[{i}]";
            Check.NotNull(group, argument);
            Check.NotNegative(group.LearningRateScale, $"{argument}.{nameof(group.LearningRateScale)}");
            Check.NotNegative(group.WeightDecay ?? 0, $"{argument}.{nameof(group.WeightDecay)}");
            Check.Finite(group.WeightDecay ?? 0, model.DType, $"{argument}.{nameof(group.WeightDecay)}");
            foreach (Parameter parameter in group.Parameters)
            {
                if (!model.Parameters.Contains(parameter))
                {
                    throw new ArgumentException($"{argument} has the parameter {parameter}, which is not one of the model's.", nameof(options));
                }

                if (!groupOf.TryAdd(parameter, group))
                {
                    throw new ArgumentException($"{argument} has the parameter {parameter} again; a parameter belongs to at most one group.", nameof(options));
                }
            }
        }

        var entries = new Entry[model.Parameters.Count];
        for (int i = 0; i < entries.Length; i++)
        {
            Parameter parameter = model.Parameters[i];
            ParameterGroup? group = groupOf.GetValueOrDefault(parameter);
            entries[i] = new Entry(parameter, group?.LearningRateScale ?? 1, group?.WeightDecay ?? options.DecayOf(parameter.Role));
        }

        return entries;
    }

    /// <summary>A copy of an optimizer's state.</summary>
    internal sealed record Snapshot(Tensor[] Tensors, long StepCount, double LearningRate, LearningRateSchedule? Schedule, long[] FrozenSteps) : IDisposable
    {
        public void Dispose()
        {
            foreach (Tensor tensor in Tensors)
            {
                tensor.Release();
            }
        }
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Entry(Parameter Parameter, double LearningRateScale, double WeightDecay);
}
