using System.CommandLine;
using OrthoNative.Cli.Files;

namespace OrthoNative.Cli.Commands;

/// <summary>The options that say how a file becomes sequences.</summary>
internal static class DataOptions
{
    private const long LongestLength = 1_000_000;
    private const int LongestFrame = 1 << 20;

    /// <summary>Adds the options to a command.</summary>
    /// <param name="options">Options of the command's settings.</param>
    /// <param name="apply">Changes the request within the settings.</param>
    public static void Add<TSettings>(SettingOptions<TSettings> options, Func<TSettings, Func<DataRequest, DataRequest>, TSettings> apply)
    {
        const string Found = "; by default found from the content";
        Add("--label", "column", $"Column, or array of an .npz file, with the class{Found}", OptionValue.Name, (r, v) => r with { Label = v });
        Add("--sequence", "column", $"Column that tells sequences apart{Found}", OptionValue.Name, (r, v) => r with { Sequence = v });
        Add("--time", "column", $"Column with the time of a step{Found}", OptionValue.Name, (r, v) => r with { Time = v });
        Add("--group", "column", "Column with the person or machine of a sequence, or the part of the names of WAV files with it", OptionValue.Name, (r, v) => r with { Group = v });
        Add("--features", "columns", "Columns of the inputs; by default all columns of numbers without another use", OptionValue.Names, (r, v) => r with { Features = v });
        Add("--target", "columns", "Columns of the values to predict; with --horizon those to forecast", OptionValue.Names, (r, v) => r with { Targets = v });
        Add("--horizon", "steps", "Forecast so many next steps; by default, without classes and targets, at most 96", OptionValue.Whole(1, LongestLength), (r, v) => r with { Horizon = v });
        Add("--window", "steps", "Steps that a forecast is made from; by default at most 336", OptionValue.Whole(1, LongestLength), (r, v) => r with { LookBack = v });
        Add("--form", "kind", $"Form of a table: long, a row is a step, or wide, a row is a sequence{Found}", OptionValue.Choice<TableForm>(), (r, v) => r with { Form = v });
        Add("--pattern", "text", "Names of WAV files, as {label}_{speaker:group}_{index} or {label}/{take}; of columns of the wide form, as {channel}_{step}", OptionValue.Name, (r, v) => r with { Pattern = v });
        Add("--frame", "samples", "Samples in a frame of sound; by default 32 ms", OptionValue.Whole(1, LongestFrame), (r, v) => r with { Frame = v });
        Add("--hop", "samples", "Samples from one frame to the next; by default half a frame", OptionValue.Whole(1, LongestFrame), (r, v) => r with { Hop = v });
        Add("--mel", "bands", "Mel bands of a frame, by default at most 40; 0: the samples themselves", OptionValue.Whole(0, LongestFrame), (r, v) => r with { Mel = v });
        Add("--missing", "kind", "Missing values; by default interpolate, or mask where more than a third is missing", OptionValue.Choice<MissingValues>(), (r, v) => r with { Missing = v });

        void Add<T>(string name, string placeholder, string description, OptionValue<T> kind, Func<DataRequest, T, DataRequest> set) =>
            options.Add(name, placeholder, description, kind, (settings, value) => apply(settings, request => set(request, value)), _ => null);
    }

    /// <summary>The argument of a command for the file.</summary>
    public static Argument<string> File() => new("file") { Description = "File or folder of sequences: CSV, TSV, .ts, Parquet, Arrow, .npy, .npz, or WAV files", HelpName = "FILE", Arity = ArgumentArity.ExactlyOne };
}
