using System.Text;

namespace OrthoNative.Cli.Files;

/// <summary>What the names of columns and arrays usually stand for.</summary>
internal static class ColumnRoles
{
    private static readonly string[] s_sequences =
    [
        "sequence", "seq", "series", "uniqueid", "id", "case", "trial", "recording", "record", "sample", "session", "episode", "run", "instance", "file", "filename", "example", "gestureid", "tsid", "window",
    ];

    private static readonly string[] s_groups =
    [
        "group", "subject", "person", "speaker", "user", "device", "machine", "participant", "patient", "unit", "engine", "driver", "animal", "writer", "player", "site", "station",
    ];

    private static readonly string[] s_times = ["time", "timestamp", "datetime", "date"];

    private static readonly string[] s_weakTimes =
    [
        "t", "ts", "ds", "second", "seconds", "sec", "ms", "millis", "milliseconds", "step", "timestep", "tick", "frame", "index", "cycle", "year", "month", "day", "hour",
    ];

    private static readonly string[] s_labels =
    [
        "label", "labels", "class", "classes", "target", "targets", "y", "activity", "gesture", "category", "classname", "classlabel", "outcome", "diagnosis", "state", "word", "digit", "emotion", "phase", "event", "kind",
    ];

    private static readonly string[] s_targets = ["target", "targets", "y", "label"];

    private static readonly string[] s_endings = ["id", "no", "nr", "number", "num", "name", "idx", "index", "key", "code"];

    /// <summary>Rank of a name as that of sequences, the best first; -1: it is none.</summary>
    public static int Sequence(string name) => Rank(name, s_sequences);

    /// <summary>Rank of a name as that of people and machines.</summary>
    public static int Group(string name) => Rank(name, s_groups);

    /// <summary>Rank of a name as that of classes.</summary>
    public static int Label(string name) => Rank(name, s_labels);

    /// <summary>Rank of a name as that of values to predict.</summary>
    public static int Target(string name) => Array.IndexOf(s_targets, Bare(name));

    /// <summary>True if a name says that a column is a time.</summary>
    public static bool IsTime(string name) => s_times.Contains(Bare(name)) || (Words(name) is [.., var last] words && !last.All(char.IsAsciiDigit) && words.Any(s_times.Contains));

    /// <summary>True if a name may say that a column is a time, or something else.</summary>
    public static bool MayBeTime(string name) => s_weakTimes.Contains(Bare(name)) || Words(name) is [var first, ..] && first is "time" or "timestep";

    /// <summary>True if a name is y, which is a value to predict, or a coordinate beside others.</summary>
    public static bool MayBeCoordinate(string name) => Bare(name) == "y";

    /// <summary>True if a name is one letter, as that of a coordinate, and no time.</summary>
    public static bool IsLetter(string name) => Bare(name) is [>= 'a' and <= 'z' and not 't'];

    /// <summary>True if a name says that a column counts rows.</summary>
    public static bool CountsRows(string name) => Bare(name) is "" or "index" or "rownum" or "row" or "rownumber" or "unnamed0" or "id" or "no" or "nr";

    private static int Rank(string name, string[] names)
    {
        int rank = Array.IndexOf(names, Bare(name));
        if (rank >= 0)
        {
            return rank;
        }

        string[] words = [.. Words(name).Where(word => !s_endings.Contains(word))];
        return words.Length == 1 ? Array.IndexOf(names, words[0]) : -1;
    }

    /// <summary>Letters and digits in lower case.</summary>
    private static string Bare(string name) => string.Concat(name.Where(char.IsLetterOrDigit)).ToLowerInvariant();

    /// <summary>The words of a name: unique_id, uniqueId and Unique ID are the same.</summary>
    private static List<string> Words(string name)
    {
        List<string> words = [];
        var word = new StringBuilder();
        for (int i = 0; i <= name.Length; i++)
        {
            char character = i < name.Length ? name[i] : ' ';
            bool begins = char.IsUpper(character) && i > 0 && char.IsLower(name[i - 1]);
            if ((!char.IsLetterOrDigit(character) || begins) && word.Length > 0)
            {
                words.Add(word.ToString());
                word.Clear();
            }

            if (char.IsLetterOrDigit(character))
            {
                word.Append(char.ToLowerInvariant(character));
            }
        }

        return words;
    }
}
