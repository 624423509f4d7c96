namespace OrthoNative;

public sealed partial class SequenceData
{
    /// <summary>Windows of the sequences, each with the steps behind it to forecast. Shares the storage. Classes and target values of the data are not looked at.</summary>
    /// <example><code>
    /// var options = new WindowOptions { Length = 336, Horizon = 96 };
    /// WindowDataset training = data.Windows(options with { To = 8640 });
    /// WindowDataset validation = data.Windows(options with { From = 8640, To = 11520 });
    /// </code></example>
    /// <param name="options">Lengths, channels and bounds.</param>
    /// <exception cref="ArgumentException">
    /// There is no such window, no such channel, time bounds are given for data without time stamps, or a value to forecast is missing and such windows are not left out.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public WindowDataset Windows(WindowOptions options) => new(this, options);

    /// <summary>The same sequences, each cut to steps of its own. Targets of whole sequences stay. Shares the storage.</summary>
    /// <param name="range">The steps of a sequence: first and number, at least 1, within its length.</param>
    internal SequenceData CutEach(Func<int, (int First, int Count)> range)
    {
        int channels = ChannelNames.Count;
        return new SequenceData(WithMissing(_parts with
        {
            Values = CutAll(_parts.Values, channels)!,
            TimeStamps = CutAll(_parts.TimeStamps, 1),
            Classes = HasStepTargets ? CutAll(_parts.Classes, 1) : _parts.Classes,
            Targets = HasStepTargets ? CutAll(_parts.Targets, TargetNames.Count) : _parts.Targets,
        }));

        ReadOnlyMemory<T>[]? CutAll<T>(ReadOnlyMemory<T>[]? all, int width)
        {
            if (all is null)
            {
                return null;
            }

            var cut = new ReadOnlyMemory<T>[all.Length];
            for (int sample = 0; sample < cut.Length; sample++)
            {
                (int first, int count) = range(sample);
                cut[sample] = all[sample].Slice(first * width, count * width);
            }

            return cut;
        }
    }
}
