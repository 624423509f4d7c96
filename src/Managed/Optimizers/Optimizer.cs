using System.Globalization;
using System.Runtime.InteropServices;
using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Changes the parameters of a model along their gradients.</summary>
/// <remarks>
/// <para>
/// One thread at a time may use an optimizer. <see cref="Step"/> allocates nothing.
/// </para>
/// <para>
/// A step is made as a whole or not at all. If a gradient is NaN or infinite, or a parameter or a number of the optimizer's state would be
/// after the step (the square of a gradient overflows, the learning rate is too large), the parameters and the state are left as they
/// are. On a CPU <see cref="Step"/> then throws; on a GPU the next call that waits does, and until then further steps change nothing either: see
/// <see cref="Device"/>. Numbers of the state that fade below the smallest normal number of their type become 0 on a CPU.
/// </para>
/// </remarks>
public abstract unsafe class Optimizer : IDisposable
{
    private const string StepCountKey = "step_count";
    private const string KindKey = "optimizer";
    private const string ParametersKey = "parameters";
    private const string ParameterSeparator = "; ";

    private readonly OptimizerOptions _options;
    private readonly Entry[] _entries;
    private readonly ortho_parameter_group[] _groups;
    private readonly (string Name, Tensor Tensor)[] _state;
    private bool _disposed;

    private protected Optimizer(Model model, double learningRate, OptimizerOptions options, params ReadOnlySpan<string> state)
    {
        ArgumentNullException.ThrowIfNull(model);
        model.ThrowIfDisposed();

        // A description, a part of another model and a model without gradients have none, and say so.
        _ = model.GradientData;
        Check.NotNegative(learningRate);
        Check.NotNegative(options.WeightDecay ?? 0, $"{nameof(options)}.{nameof(options.WeightDecay)}");
        Check.NotNull(options.Groups);
        Check.Finite(options.WeightDecay ?? 0, model.DType, $"{nameof(options)}.{nameof(options.WeightDecay)}");
        Model = model;
        LearningRate = learningRate;
        _options = options;
        _entries = MakeEntries(model, options);
        _groups = new ortho_parameter_group[_entries.Length];
        _state = new (string, Tensor)[state.Length];
        for (int i = 0; i < state.Length; i++)
        {
            _state[i] = (state[i], Tensor.CreateOwned(model.Device, model.DType, model.ParameterData.Count));
        }
    }

    /// <summary>The model whose parameters are changed.</summary>
    public Model Model { get; }

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

    /// <summary>Gives the learning rate of each step; null, the default: it stays as it is.</summary>
    public LearningRateSchedule? Schedule { get; set; }

    /// <summary>Number of steps done.</summary>
    public long StepCount { get; private set; }

    /// <summary>Changes all parameters once, by the gradients that the last <see cref="Model.Backward(Tensor, bool)"/> left.</summary>
    /// <exception cref="NotFiniteNumberException">
    /// A gradient is NaN or infinite, or the step would overflow; the message names the parameter and the element. Nothing is changed. On a GPU
    /// the next call that waits says so.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// Another thread is using the model; the learning rate that <see cref="Schedule"/> gives is negative, NaN or infinite; or a learning rate times
    /// its scales is beyond the model's element type.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The optimizer or the model was disposed.</exception>
    public void Step()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        using Model.Use use = Model.BeginUse();
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

        for (int i = 0; i < _entries.Length; i++)
        {
            Entry entry = _entries[i];
            double rate = learningRate * entry.LearningRateScale * entry.Parameter.LearningRateScale;
            if (!Check.IsFinite(rate, Model.DType))
            {
                throw new InvalidOperationException(FormattableString.Invariant(
                    $"The learning rate of parameter {entry.Parameter.Name}, {nameof(LearningRate)} times its scales, is {rate}; it must be finite in {Model.DType}."));
            }

            _groups[i] = new ortho_parameter_group
            {
                offset = entry.Parameter.Offset,
                count = entry.Parameter.Value.Count,
                learning_rate = rate,
                weight_decay = entry.WeightDecay,
            };
        }

        using BufferScope parameters = Model.ParameterData.Borrow();
        using BufferScope gradients = Model.GradientData.Borrow();
        fixed (ortho_parameter_group* groups = _groups)
        {
            Update(StepCount + 1, parameters.Address, gradients.Address, groups, _groups.Length);
        }

        // Behind the call, since a step that is refused writes nothing.
        Model.ParameterData.Watch.NoteWrite();

        LearningRate = learningRate;
        StepCount++;
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

        SafeTensors.Save(path, _state.Select(state => KeyValuePair.Create(state.Name, state.Tensor)), metadata);
    }

    /// <summary>Loads a state that <see cref="Save"/> wrote. Nothing changes if the file is not as expected.</summary>
    /// <remarks>
    /// The learning rate, weight decay, ε and groups are not of the state: those of this optimizer apply. Files of version 0.1 do not tell their
    /// optimizer and its options; of these, only the names and sizes of the tensors are compared.
    /// </remarks>
    /// <param name="path">A safetensors file.</param>
    /// <exception cref="ArgumentException">The path is empty or has a null character.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    /// <exception cref="InvalidDataException">
    /// The file is damaged, or of another kind of optimizer, of other momentum or β, or of a model with other parameters; or a number in it is
    /// NaN, infinite, or negative where there are squares.
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
        reader.RequireSame(_state);
        foreach ((string name, _) in _state)
        {
            // A second moment is a mean of squares.
            reader.RequireFinite(name, name == "second_moment" ? 0 : double.NegativeInfinity);
        }

        reader.ReadInto(_state);
        StepCount = stepCount;
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

    /// <summary>The options without which the state means something else, by name in a file.</summary>
    private protected abstract IEnumerable<(string Key, string Value)> StateOptions { get; }

    /// <summary>Describes the state's numbers: of which optimizer, and of which parameters in which order.</summary>
    private IEnumerable<(string Key, string Value)> Meaning =>
    [
        (KindKey, GetType().Name),
        .. StateOptions,
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

    private protected BufferScope BorrowState(int index) => _state[index].Tensor.Borrow();

    /// <summary>Throws what a refused step stands for; elements of the flat buffers are named as those of parameters.</summary>
    private protected void ThrowOnFailure(ortho_status status)
    {
        if (status == ortho_status.ORTHO_NOT_FINITE &&
            NativeError.Last() is { Argument: "gradients" or "parameters" or "velocity" or "first_moment" or "second_moment", Element: >= 0 } error)
        {
            throw error.ToException($"{DescribeElement(error.Argument, error.Element)} {error.Problem}");
        }

        status.ThrowOnFailure();
    }

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

    private protected abstract void Update(long step, void* parameters, void* gradients, ortho_parameter_group* groups, long groupCount);

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
            double decay = parameter.IsBias && !options.DecayBiases ? 0 : options.WeightDecay ?? 0;
            entries[i] = new Entry(parameter, group?.LearningRateScale ?? 1, group?.WeightDecay ?? decay);
        }

        return entries;
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Entry(Parameter Parameter, double LearningRateScale, double WeightDecay);
}
