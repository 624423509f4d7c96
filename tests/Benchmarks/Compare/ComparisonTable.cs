using System.Globalization;
using Spectre.Console;

namespace OrthoNative.Benchmarks.Compare;

/// <summary>Rows as people read them.</summary>
internal static class ComparisonTable
{
    /// <summary>Characters that a line of the table needs.</summary>
    public const int ConsoleWidth = 168;

    private const double MiB = 1024 * 1024;

    private static readonly (string Title, Func<ComparisonRow, string> Text)[] s_columns =
    [
        ("mode", row => row.Mode),
        ("cell", row => row.Filter == "haar" ? row.Cell : $"{row.Cell} {row.Filter}"),
        ("N", row => Whole(row.Hidden)),
        ("B", row => Whole(row.Batch)),
        ("T", row => row.Lengths ? $"1..{Whole(row.Steps)}" : Whole(row.Steps)),
        ("threads", row => Whole(row.Threads)),
        ("states", row => row.StateMiB is { } limit ? $"≤ {limit} MiB" : "all kept"),
        ("peer", row => row.Peer),
        ("ours ms", row => Time(row.OursMs)),
        ("peer ms", row => Time(row.PeerMs)),
        ("ratio", row => Ratio(row.Ratio)),
        ("quartiles", row => row.RatioHigh > 0 ? $"{Ratio(row.RatioLow)}..{Ratio(row.RatioHigh)}" : ""),
        ("ours MiB", row => Whole(row.OursPeakBytes / MiB)),
        ("peer MiB", row => Whole(row.PeerPeakBytes / MiB)),
    ];

    public static Table ForConsole(IEnumerable<ComparisonRow> rows)
    {
        var table = new Table { Border = TableBorder.Rounded };
        foreach ((string title, _) in s_columns)
        {
            table.AddColumn(new Spectre.Console.TableColumn(title) { Alignment = IsText(title) ? Justify.Left : Justify.Right, NoWrap = true });
        }

        foreach (ComparisonRow row in rows)
        {
            table.AddRow([.. s_columns.Select(column => Markup.Escape(column.Text(row)))]);
        }

        return table;
    }

    /// <summary>Rows as a table in Markdown.</summary>
    public static string ForMarkdown(IEnumerable<ComparisonRow> rows)
    {
        IEnumerable<string> lines =
        [
            Line(s_columns.Select(column => column.Title)),
            Line(s_columns.Select(column => IsText(column.Title) ? "---" : "---:")),
            .. rows.Select(row => Line(s_columns.Select(column => column.Text(row)))),
        ];
        return string.Join('\n', lines) + "\n";
    }

    private static string Line(IEnumerable<string> cells) => $"| {string.Join(" | ", cells)} |";

    private static bool IsText(string title) => title is "mode" or "cell" or "states" or "peer";

    private static string Ratio(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);

    private static string Whole(double value) => value.ToString("0", CultureInfo.InvariantCulture);

    private static string Time(double value) => value.ToString(value < 10 ? "0.00" : value < 100 ? "0.0" : "0", CultureInfo.InvariantCulture);
}
