using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Files;

/// <summary>Chooses what becomes of missing values.</summary>
internal static class MissingChoice
{
    /// <summary>Puts the choice into the data and the settings.</summary>
    public static DataContent Apply(DataContent content, DataRequest request)
    {
        (long missing, long all, int channels) = Count(content.Data);
        (long missingTest, long allTest, int channelsTest) = content.Test is null ? (0, 0, 0) : Count(content.Test);
        missing += missingTest;
        all += allTest;
        channels = Math.Max(channels, channelsTest);
        MissingValues choice = request.Missing ?? (missing == 0 ? MissingValues.Refuse : missing * 3 > all ? MissingValues.Mask : MissingValues.Interpolate);
        string[] findings = missing == 0 ? [] :
        [
            Texts.Format($"{missing} missing {(missing == 1 ? "value" : "values")} in {channels} {(channels == 1 ? "channel" : "channels")}: {Name(choice)} (--missing)"),
        ];
        return content with
        {
            Data = content.Data.WithMissingValues(choice),
            Test = content.Test?.WithMissingValues(choice),
            Settings = content.Settings with { Missing = choice },
            Findings = [.. content.Findings, .. findings],
        };
    }

    private static string Name(MissingValues choice) => choice switch
    {
        MissingValues.Interpolate => "interpolated",
        MissingValues.Zero => "0 after scaling",
        MissingValues.Mean => "the mean of the sequence",
        MissingValues.Mask => "0 after scaling, with further channels that say which values were there",
        _ => "refused",
    };

    /// <summary>Missing values, all values and the channels that lack some.</summary>
    private static (long Missing, long All, int Channels) Count(SequenceData data)
    {
        int channels = data.ChannelNames.Count;
        long missing = 0, all = 0;
        bool[] lacks = new bool[channels];
        for (int sample = 0; sample < data.Count; sample++)
        {
            ReadOnlySpan<float> values = data.Values(sample);
            all += values.Length;
            for (int i = 0; data.HasMissingValues && i < values.Length; i++)
            {
                if (float.IsNaN(values[i]))
                {
                    missing++;
                    lacks[i % channels] = true;
                }
            }
        }

        return (missing, all, lacks.Count(lack => lack));
    }
}
