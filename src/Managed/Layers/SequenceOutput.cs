using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>Which states of a recurrent layer are its output.</summary>
public readonly record struct SequenceOutput
{
    private const long AllSteps = -1;

    // 0: the last state alone, without the dimension of time.
    private readonly long _steps;

    private SequenceOutput(long steps) => _steps = steps;

    /// <summary>The last state, <c>[B, N]</c>. The default.</summary>
    public static SequenceOutput Last => default;

    /// <summary>Every state, <c>[T, B, N]</c>.</summary>
    public static SequenceOutput All => new(AllSteps);

    /// <summary>The last states in the order of time, <c>[steps, B, N]</c>.</summary>
    /// <param name="steps">The number of steps, at least 1; a forward pass takes at least as many time steps.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="steps"/> is less than 1.</exception>
    public static SequenceOutput LastSteps(long steps)
    {
        Check.AtLeast(steps, 1);
        return new SequenceOutput(steps);
    }

    /// <summary>The choice in a word.</summary>
    public override string ToString() => _steps switch
    {
        0 => nameof(Last),
        AllSteps => nameof(All),
        _ => $"{nameof(LastSteps)}({_steps})",
    };

    internal bool HasTime => _steps != 0;

    /// <summary>Adds the choice to a layer's description.</summary>
    internal void Describe(LayerDescription description)
    {
        description.Add("output", _steps > 0 ? nameof(LastSteps) : ToString());
        if (_steps > 0)
        {
            description.Add("output_steps", _steps);
        }
    }

    /// <summary>The choice that a file has.</summary>
    internal static SequenceOutput Read(LayerReader reader) => reader.GetString("output") switch
    {
        nameof(Last) => Last,
        nameof(All) => All,
        nameof(LastSteps) => LastSteps(reader.GetInt64("output_steps")),
        string other => throw reader.Invalid($"option 'output' is '{ForeignText.Clean(other)}'; one of {nameof(Last)}, {nameof(All)}, {nameof(LastSteps)} is expected"),
    };

    /// <summary>Number of states written for a sequence.</summary>
    internal long StepsOf(long sequence) => _steps switch
    {
        0 => 1,
        AllSteps => sequence,
        _ => _steps,
    };
}
