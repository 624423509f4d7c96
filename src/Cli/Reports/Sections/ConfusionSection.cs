using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Reports.Sections;

/// <summary>Which classes are taken for which.</summary>
internal static class ConfusionSection
{
    /// <summary>The most classes whose matrix has a share below each count.</summary>
    private const int MostWithShares = 10;

    /// <summary>The most classes that have a matrix.</summary>
    private const int MostInMatrix = 50;

    private const int MostPairs = 10;
    private const int MostRows = 200;

    public static Section Of(ReportContent content) => new(
        "confusion", "Classes", content.Confusion is { } counts && counts.Cast<long>().Any(count => count > 0), html => Write(html, content, content.Confusion!));

    private static void Write(HtmlWriter html, ReportContent content, long[,] counts)
    {
        int classes = counts.GetLength(0);
        if (counts.GetLength(1) != classes)
        {
            throw new ArgumentException(Texts.Format($"the confusion matrix is {classes} x {counts.GetLength(1)}; it must be square"));
        }

        string NameOf(int i) => i < content.Classes.Count ? content.Classes[i] : Texts.Format($"class {i}");
        long[] ofTruth = [.. Enumerable.Range(0, classes).Select(row => Enumerable.Range(0, classes).Sum(column => counts[row, column]))];
        long[] ofPrediction = [.. Enumerable.Range(0, classes).Select(column => Enumerable.Range(0, classes).Sum(row => counts[row, column]))];
        long all = ofTruth.Sum(), right = Enumerable.Range(0, classes).Sum(i => counts[i, i]);
        string data = content.Test is not null ? "test" : content.ValidationName;
        html.Open("p").Text($"{Figures.Count(right)} of {Figures.Count(all)} {data} samples are right ({Figures.Share(right, all).Replace(' ', '\u00A0')}). ");
        if (classes <= MostInMatrix)
        {
            html.Text("Each row is a true class, each column a predicted one. ")
                .Text(classes <= MostWithShares ? "A cell has the count and its share of the row." : "A cell has the count; its shade is the share of the row.");
        }
        else
        {
            html.Text($"A matrix of {Figures.Count(classes)} classes is too large to read; the table of classes tells what is found.");
        }

        html.Close();
        if (classes <= MostInMatrix)
        {
            Matrix(html, counts, ofTruth, NameOf);
        }

        Pairs(html, counts, ofTruth, NameOf);
        Table(html, counts, ofTruth, ofPrediction, NameOf);
    }

    private static void Matrix(HtmlWriter html, long[,] counts, long[] ofTruth, Func<int, string> nameOf)
    {
        int classes = ofTruth.Length;
        bool shares = classes <= MostWithShares;
        html.Open("div", ("class", "scroll"), ("tabindex", "0")).Open("table", ("class", shares ? "matrix" : "matrix dense")).Open("thead");
        html.Open("tr").Element("th", "true \\ predicted", ("class", "corner"));
        for (int column = 0; column < classes; column++)
        {
            html.Open("th", ("scope", "col")).Open("span").Name(nameOf(column), 20).Close().Close();
        }

        html.Close().Close().Open("tbody");
        for (int row = 0; row < classes; row++)
        {
            html.Open("tr").Open("th", ("scope", "row")).Name(nameOf(row), 20).Close();
            for (int column = 0; column < classes; column++)
            {
                Cell(html, counts[row, column], ofTruth[row], row == column, shares, $"{HtmlWriter.Short(nameOf(row), 20)} as {HtmlWriter.Short(nameOf(column), 20)}");
            }

            html.Close();
        }

        html.Close().Close().Close();
        html.Open("p", ("class", "scale")).Text("share of the row: 0 % ");
        for (int i = 0; i <= 10; i++)
        {
            html.Element("span", "", ("class", $"q{i}"));
        }

        html.Text(" 100 %; the diagonal is right").Close();
    }

    private static void Cell(HtmlWriter html, long count, long row, bool isRight, bool shares, string title)
    {
        string style = $"q{Shade(count, row)}{(isRight ? " right" : "")}";
        if (shares)
        {
            html.Open("td", ("class", style)).Element("b", Figures.Count(count)).Element("span", count > 0 ? Figures.Share(count, row) : "").Close();
        }
        else if (count > 0)
        {
            html.Element("td", Figures.Count(count), ("class", style), ("title", $"{title}: {Figures.Count(count)}, {Figures.Share(count, row)}"));
        }
        else
        {
            html.Element("td", isRight ? "0" : "", ("class", style));
        }
    }

    /// <summary>A tenth of the row for each shade; what is there has one.</summary>
    private static int Shade(long count, long row) => count <= 0 || row <= 0 ? 0 : Math.Clamp((int)Math.Round(10.0 * count / row), 1, 10);

    private static void Pairs(HtmlWriter html, long[,] counts, long[] ofTruth, Func<int, string> nameOf)
    {
        int classes = ofTruth.Length;
        var pairs = new List<(int Row, int Column, long Count)>();
        for (int row = 0; row < classes; row++)
        {
            for (int column = 0; column < classes; column++)
            {
                if (row != column && counts[row, column] > 0)
                {
                    pairs.Add((row, column, counts[row, column]));
                }
            }
        }

        // The matrix of a few classes is read at once.
        if (pairs.Count == 0 || classes <= 4)
        {
            return;
        }

        html.Element("h3", "Most frequent confusions").Open("div", ("class", "scroll"), ("tabindex", "0")).Open("table", ("class", "list"));
        Heads(html, words: 2, "true", "predicted", "count", "share of the true class");
        html.Open("tbody");
        foreach ((int row, int column, long count) in pairs.OrderByDescending(pair => pair.Count).ThenBy(pair => pair.Row).ThenBy(pair => pair.Column).Take(MostPairs))
        {
            html.Open("tr").Open("td").Name(nameOf(row)).Close().Open("td").Name(nameOf(column)).Close()
                .Element("td", Figures.Count(count), ("class", "n")).Element("td", Figures.Share(count, ofTruth[row]), ("class", "n")).Close();
        }

        html.Close().Close().Close();
    }

    private static void Table(HtmlWriter html, long[,] counts, long[] ofTruth, long[] ofPrediction, Func<int, string> nameOf)
    {
        double Recall(int i) => ofTruth[i] > 0 ? (double)counts[i, i] / ofTruth[i] : 2;
        int classes = ofTruth.Length;
        int[] rows = [.. Enumerable.Range(0, classes)];
        if (classes > MostRows)
        {
            rows = [.. rows.OrderBy(Recall).ThenBy(i => i).Take(MostRows)];
        }

        html.Element("h3", "By class").Open("div", ("class", "scroll"), ("tabindex", "0")).Open("table", ("class", "list"));
        Heads(html, words: 1, "class", "samples", "predicted", "precision", "recall", "F1");
        html.Open("tbody");
        foreach (int i in rows)
        {
            long found = counts[i, i], either = ofTruth[i] + ofPrediction[i];
            html.Open("tr").Open("th", ("scope", "row")).Name(nameOf(i), 30).Close();
            foreach (string cell in (string[])
                [
                    Figures.Count(ofTruth[i]), Figures.Count(ofPrediction[i]), OrNone(Figures.Share(found, ofPrediction[i])), OrNone(Figures.Share(found, ofTruth[i])), OrNone(Figures.Share(2 * found, either)),
                ])
            {
                html.Element("td", cell, ("class", "n"));
            }

            html.Close();
        }

        html.Close().Close().Close();
        html.Open("p", ("class", "note")).Text("Precision: share of what is predicted as the class that is of it. Recall: share of the class that is found. F1: their harmonic mean.");
        html.Text(classes > MostRows ? $" The {MostRows} classes of the lowest recall are shown." : "").Close();
    }

    private static string OrNone(string share) => share.Length > 0 ? share : "–";

    /// <summary>A row of heads: words on the left, and numbers on the right like those below them.</summary>
    private static void Heads(HtmlWriter html, int words, params ReadOnlySpan<string> heads)
    {
        html.Open("thead").Open("tr");
        for (int i = 0; i < heads.Length; i++)
        {
            html.Element("th", heads[i], ("scope", "col"), ("class", i < words ? "word" : "n"));
        }

        html.Close().Close();
    }
}
