using System.Security.Cryptography;
using System.Text;
using OrthoNative.Cli.Reports.Sections;

namespace OrthoNative.Cli.Reports;

/// <summary>
/// The report of a run: one page that needs nothing else, no network and no script. What it may load is told to the browser, and that is its own styles only.
/// </summary>
internal static class HtmlReport
{
    /// <summary>Writes the page in UTF-8. The same content gives the same bytes.</summary>
    public static byte[] Create(ReportContent content)
    {
        string styles = Styles();
        string hash = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(styles)));
        var html = new HtmlWriter();
        html.Open("html", ("lang", "en"))
            .Open("head")
            .Void("meta", ("charset", "utf-8"))
            .Void("meta", ("http-equiv", "Content-Security-Policy"), ("content", $"default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"))
            .Void("meta", ("name", "viewport"), ("content", "width=device-width, initial-scale=1"))
            .Void("meta", ("name", "color-scheme"), ("content", "light dark"))
            .Void("meta", ("name", "generator"), ("content", $"OrthoNative {SystemInfo.Version}"))
            .Element("title", $"{HtmlWriter.Short(content.Title, 80)}: report")
            .Style(styles)
            .Close()
            .Open("body");
        HeadSection.Write(html, content);
        List<Section> sections = [.. SectionsOf(content).Where(section => section.IsPresent)];
        html.Open("nav", ("aria-label", "Contents")).Open("ul");
        foreach (Section section in sections)
        {
            html.Open("li").Element("a", section.Title, ("href", $"#{section.Id}")).Close();
        }

        html.Close().Close().Open("main");
        foreach (Section section in sections)
        {
            html.Open("section", ("id", section.Id)).Element("h2", section.Title);
            section.Write(html);
            html.Close();
        }

        html.Close().Element("footer", $"OrthoNative {SystemInfo.Version}").Close().Close();
        return Encoding.UTF8.GetBytes(html.ToString());
    }

    private static IEnumerable<Section> SectionsOf(ReportContent content) =>
    [
        RunSections.Baselines(content), CurvesSection.Of(content), ConfusionSection.Of(content), RegressionSection.Of(content), ForecastSection.Of(content), WorstSection.Of(content),
        GradientSection.Of(content), RunSections.Findings(content), RunSections.Model(content), RunSections.Settings(content), RunSections.Machine(content), RunSections.Command(content), RunSections.Code(content),
    ];

    private static string Styles()
    {
        using Stream file = typeof(HtmlReport).Assembly.GetManifestResourceStream("report.css")!;
        using var reader = new StreamReader(file, Encoding.UTF8);
        // The hash is that of the text as a browser has it, which ends lines in one way.
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
