using System.Text.RegularExpressions;

namespace OrthoNative;

/// <summary>Labels of the sounds of a folder, and the steps that they are cut into.</summary>
public sealed record WavFolderOptions
{
    /// <summary>
    /// Names of the files, without <c>.wav</c>, with fields in braces: <c>{label}</c> is the class, <c>{group}</c> the group and <c>{id}</c> the id of a sound;
    /// <c>{speaker:group}</c> is another way to write <c>{group}</c>; fields of other names match anything. A field is at least one character, and as few as the text behind
    /// it allows. With a <c>/</c> in it, <c>{label}/{take}</c>, it is compared with the path from the folder on; otherwise with the file's name. Null (the default): names say nothing.
    /// </summary>
    /// <example><c>{label}_{speaker:group}_{index}</c></example>
    public string? Pattern { get; init; }

    /// <summary>
    /// In place of <see cref="Pattern"/>, an expression for the path from the folder on, with <c>/</c> between folders and without <c>.wav</c>. Its groups named
    /// <c>label</c>, <c>group</c> and <c>id</c> count, where it has them. Null (the default): none.
    /// </summary>
    public Regex? Expression { get; init; }

    /// <summary>True: read folders within the folder, too. False (the default): only if <see cref="Pattern"/> has a <c>/</c>.</summary>
    public bool Recursive { get; init; }

    /// <summary>Names of the classes in the order of their numbers, as <see cref="SequenceDataOptions.ClassNames"/>. Null (the default): the labels that there are.</summary>
    public IReadOnlyList<string>? ClassNames { get; init; }

    /// <summary>Samples in a step, 1 to 1,048,576. Default 256.</summary>
    public int FrameLength { get; init; } = 256;

    /// <summary>Samples from one step's beginning to the next one's, at least 1. Null (the default): <see cref="FrameLength"/>, so that steps lie end to end.</summary>
    public int? Hop { get; init; }

    /// <summary>
    /// 0 (the default): a step is its samples. Above 0: it is the logarithm of its power in so many bands of the mel scale.
    /// </summary>
    /// <remarks>
    /// A step is multiplied by a Hann window (periodic), filled up with zeros to a power of two, transformed, and its squared magnitudes are summed with the weights of
    /// triangular filters, 1 at the peak, whose corners lie at equal distances of the mel scale of HTK, 2595 log10(1 + f / 700). The value is
    /// ln(max(power, 1E-10)).
    /// </remarks>
    public int MelBands { get; init; }

    /// <summary>Where the lowest band begins, in Hz, 0 or above. Default 0.</summary>
    public double MinimumFrequency { get; init; }

    /// <summary>Where the highest band ends, in Hz, at most half the sample rate. Null (the default): half the sample rate.</summary>
    public double? MaximumFrequency { get; init; }

    /// <summary>True (the default): channels are averaged. False: the features of the channels come side by side, and all files must have the same number of channels.</summary>
    public bool Mono { get; init; } = true;
}
