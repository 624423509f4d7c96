using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using OrthoNative.Cli.Reports;

namespace OrthoNative.Tests.Cli.Reports;

internal sealed partial class HtmlReportTests
{
    private static readonly string[] s_elements =
    [
        "a", "article", "b", "bdi", "body", "circle", "code", "dd", "details", "div", "dl", "dt", "figcaption", "figure", "footer", "g", "h1", "h2", "h3", "head", "header", "html", "li", "main", "meta", "nav",
        "p", "path", "pre", "rect", "section", "span", "style", "summary", "svg", "table", "tbody", "td", "text", "tfoot", "th", "thead", "title", "tr", "ul",
    ];

    private static readonly string[] s_attributes =
    [
        "aria-hidden", "aria-label", "charset", "class", "colspan", "content", "cx", "cy", "d", "height", "href", "http-equiv", "id", "lang", "name", "r", "role", "scope", "tabindex", "text-anchor", "title",
        "viewBox", "width", "x", "y",
    ];

    private static readonly string[] s_geometry = ["cx", "cy", "d", "height", "r", "viewBox", "width", "x", "y"];

    public static IEnumerable<string> Samples => ReportSamples.All.Keys;

    [TestCaseSource(nameof(Samples))]
    public void Pages_are_well_formed_load_nothing_and_run_nothing(string sample)
    {
        Page page = Page.Of(ReportSamples.All[sample]());

        Assert.That(page.Source, Does.StartWith("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"));
        XAttribute[] attributes = [.. page.Root.DescendantsAndSelf().Attributes()];
        Assert.That(page.Root.DescendantsAndSelf().Select(element => element.Name.ToString()).Distinct(), Is.SubsetOf(s_elements));
        Assert.That(attributes.Select(attribute => attribute.Name.ToString()).Distinct(), Is.SubsetOf(s_attributes));
        foreach (XAttribute link in attributes.Where(attribute => attribute.Name == "href"))
        {
            Assert.That(link.Value, Does.StartWith("#"));
            Assert.That(page.All("section").Count(section => section.Attribute("id")!.Value == link.Value[1..]), Is.EqualTo(1), link.Value);
        }

        string styles = page.All("style").Single().Value;
        Assert.That(styles, Does.Not.Contain("url(").And.Not.Contain("http").And.Not.Contain("@import").And.Not.Contain("src"));
        string hash = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(styles)));
        Assert.That(
            page.All("meta").Single(meta => meta.Attribute("http-equiv")?.Value == "Content-Security-Policy").Attribute("content")!.Value,
            Is.EqualTo($"default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"));
    }

    /// <summary>Control characters, marks of direction and half characters would change how the page reads, or be lost on the way.</summary>
    [TestCaseSource(nameof(Samples))]
    public void Harmful_characters_are_shown_by_their_numbers(string sample)
    {
        string source = Page.Of(ReportSamples.All[sample]()).Source;

        char[] harmful = [.. source.Where(character => character != '\n' && CharUnicodeInfo.GetUnicodeCategory(character) is
            UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)];
        Assert.That(harmful, Is.Empty);
    }

    [TestCaseSource(nameof(Samples))]
    public void What_is_drawn_is_finite_and_inside_its_picture(string sample)
    {
        Page page = Page.Of(ReportSamples.All[sample]());

        foreach (XElement svg in page.All("svg"))
        {
            double[] box = [.. svg.Attribute("viewBox")!.Value.Split(' ').Select(number => double.Parse(number, CultureInfo.InvariantCulture))];
            foreach (XElement element in svg.Descendants())
            {
                foreach (XAttribute attribute in element.Attributes().Where(attribute => s_geometry.Contains(attribute.Name.ToString())))
                {
                    Assert.That(attribute.Value, Does.Match("^[0-9MmlhvzHV .-]+$"), attribute.Name.ToString());
                }

                if (element.Attribute("d") is { } path)
                {
                    foreach ((double x, double y) in PathReader.Points(path.Value))
                    {
                        // An area of one step is a little wider than its step.
                        Assert.That(x, Is.InRange(box[0] - 3, box[2] + 3), path.Value);
                        Assert.That(y, Is.InRange(box[1] - 3, box[3] + 3), path.Value);
                    }
                }
            }
        }
    }

    [TestCaseSource(nameof(Samples))]
    public void The_same_content_gives_the_same_bytes(string sample)
    {
        byte[] first = HtmlReport.Create(ReportSamples.All[sample]());

        Assert.That(HtmlReport.Create(ReportSamples.All[sample]()), Is.EqualTo(first));
    }

    [TestCaseSource(nameof(Samples))]
    public void Every_heading_has_something_below_it(string sample)
    {
        Page page = Page.Of(ReportSamples.All[sample]());

        Assert.That(page.Headings, Is.Unique);
        Assert.That(page.All("nav").Single().Descendants("a").Select(link => link.Value), Is.EqualTo(page.Headings));
        foreach (XElement section in page.All("section"))
        {
            Assert.That(Page.In(section, "svg").Any() || Page.In(section, "table").Any() || Page.In(section, "dd").Any() || Page.In(section, "li").Any() || Page.In(section, "code").Any(), section.ToString());
        }

        Assert.That(page.All("tbody").Where(body => !body.HasElements), Is.Empty);
        Assert.That(page.All("ul").Where(list => !list.HasElements), Is.Empty);
    }

    [Test]
    public void Parts_without_content_are_left_out()
    {
        Page page = Page.Of(ReportSamples.Empty());

        Assert.That(page.Headings, Is.EqualTo((string[])["Machine", "Command"]));
        Assert.That(page.All("svg"), Is.Empty);
        Assert.That(page.All("figure"), Is.Empty);
    }

    [Test]
    public void Content_has_its_parts_in_the_order_of_reading() => Assert.That(
        Page.Of(ReportSamples.Classification()).Headings,
        Is.EqualTo((string[])["Simple methods", "Training", "Classes", "Worst examples", "Gradients by layer", "Data", "Model", "Settings", "Machine", "Command", "Use from C#"]));

    /// <summary>A run of 10,000,000 steps with 50 classes, 64 channels, 64 targets and 50,000 layers.</summary>
    [Test]
    public void Files_stay_small_whatever_the_run() => Assert.That(HtmlReport.Create(ReportSamples.Largest()), Has.Length.LessThan(2_000_000));

    [Test]
    public void Names_from_data_are_text()
    {
        Page page = Page.Of(ReportSamples.ManyClasses());

        Assert.That(page.All("h1").Single().Value, Is.EqualTo("<script>alert(1)</script>"));
        Assert.That(page.All("title").First().Value, Is.EqualTo("<script>alert(1)</script>: report"));
        Assert.That(page.Source, Does.Not.Contain("<script").And.Not.Contain("--><!--"));
        string[] classes = [.. Page.Rows(Page.In(page.Section("confusion"), "table", "list").Last()).Select(row => row[0])];
        Assert.That(classes[..16], Is.EqualTo((string[])
        [
            "<script>alert(1)</script>", "\"quoted\" & 'single'", "right\\u202Eto left\\u202C", "two\\u000Alines\\u000D\\u0009and…", "a\\u0000zero", "]]>--><!--", "é\u0301\u0301 أهلا 日本語 😀", new string('W', 29) + "…",
            "half \\uD83D", "not \\uFFFE allowed", "(blank)", "(blank)", "javascript:alert(1)", "{{7*7}} ${x} %s", "https://example.org/x?a=1&b=2", "species 15",
        ]));
        // Cut, a name is there as a whole where it is pointed at.
        Assert.That(page.All("bdi").Select(name => name.Attribute("title")?.Value), Has.Some.EqualTo(new string('W', 300)).And.Some.EqualTo("two\\u000Alines\\u000D\\u0009and a tab"));
    }

    [Test]
    public void The_program_and_the_command_are_shown_line_by_line()
    {
        Page page = Page.Of(ReportSamples.Classification());

        Assert.That(page.Section("code").Descendants("code").Single().Value, Is.EqualTo(
            "using OrthoNative;\n\nusing Model model = Model.Load(\"model.safetensors\");\nfloat[,] probabilities = model.Predict(steps); // [1, 4]\nif (probabilities[0, 0] < 0.5f && steps.Count > 1)\n{\n    Console.WriteLine(\"not a circle\");\n}"));
        Assert.That(page.Section("command").Descendants("code").Single().Value, Is.EqualTo("orthonative train gestures.csv --target label --id recording --validation 0.15 --test 0.15"));
    }

    [Test]
    public void Key_figures_are_those_of_the_content()
    {
        Page page = Page.Of(ReportSamples.Classification());

        string[] figures = [.. page.All("div", "figure").Select(figure => string.Join("|", figure.Elements().Select(part => part.Value)))];
        Assert.That(figures[..6], Is.EqualTo((string[])
        [
            "test accuracy|93.00 %|300 samples", "test balanced accuracy|92.61 %|300 samples", "test macro f1|0.9274|300 samples", "test loss|0.2134|300 samples",
            "validation accuracy|94.67 %|300 samples", "validation loss|0.1987|300 samples",
        ]));
        Assert.That(figures[6..8], Is.EqualTo((string[])["best epoch|19|of 24", "training steps|2,400"]));
        Assert.That(figures[9], Is.EqualTo("parameters|12,868|3.1 MiB to train"));
        Assert.That(page.All("p", "when").Single().Value, Is.EqualTo("ended early: no further improvement started 2026-12-01 09:30 +01:00, 1m23s"));
        Assert.That(Page.Rows(page.Section("baselines").Descendants("table").Single()), Is.EqualTo((string[][])
            [["the model", "accuracy", "93.00 %"], ["most frequent class", "accuracy", "27.33 %"], ["nearest centroid", "accuracy", "61.33 %"]]));
    }

    [TestCase(TrainingStatus.Completed, "completed")]
    [TestCase(TrainingStatus.GoalReached, "ended early: the goal was reached")]
    [TestCase(TrainingStatus.StoppedEarly, "ended early: no further improvement")]
    [TestCase(TrainingStatus.Interrupted, "interrupted before its end")]
    [TestCase(TrainingStatus.Running, "not ended: a state on the way")]
    public void The_state_of_the_run_is_told(TrainingStatus status, string text) =>
        Assert.That(Page.Of(ReportSamples.Empty() with { Status = status }).All("span", "status").Single().Value, Is.EqualTo(text));

    [Test]
    public void The_model_is_told_layer_by_layer()
    {
        XElement table = Page.Of(ReportSamples.Classification()).Section("model").Descendants("table").Single();

        Assert.That(Page.Rows(table), Is.EqualTo((string[][])
            [["0", "RoaRnn 3 to 64", "4,352", "960 KiB", "17 KiB"], ["1", "RoaRnn 64 to 64", "8,256", "960 KiB", "32.2 KiB"], ["2", "Dense 64 to 4", "260", "960 KiB", "1 KiB"]]));
        Assert.That(table.Element("tfoot")!.Descendants("td").Select(cell => cell.Value), Is.EqualTo((string[])["", "12,868", "2.8 MiB", "50.3 KiB"]));
    }

    [Test]
    public void Lines_of_the_machine_and_of_the_settings_are_those_of_the_content()
    {
        Page page = Page.Of(ReportSamples.Classification());

        static string[] Lines(XElement section) => [.. section.Descendants("dt").Select(name => $"{name.Value}: {name.ElementsAfterSelf().First().Value}")];
        Assert.That(Lines(page.Section("settings")), Is.EqualTo((string[])
            ["model: roa", "hidden: 64", "layers: 2", "batch size: 32", "learning rate: 0.001", "optimizer: adam", "schedule: cosine", "seed: 1"]));
        Assert.That(Lines(page.Section("machine")), Is.EqualTo((string[])
        [
            "processor: AMD EPYC 7763 64-Core Processor", "cores: 2", "device: cpu", "threads: 2", "instruction set: Avx2", "memory: 8.0 GiB", "system: Debian GNU/Linux 12 (bookworm), x64", "runtime: .NET 10.0.0",
        ]));
        Assert.That(page.Section("data").Descendants("li").Select(item => item.Value), Is.EqualTo(ReportSamples.Classification().Findings));
    }

    /// <summary>Moves along the commands of a path: M x y, m, l, h, H, V, v and z.</summary>
    private static partial class PathReader
    {
        public static IEnumerable<(double X, double Y)> Points(string path)
        {
            (double x, double y) = (0, 0);
            (double, double) start = (0, 0);
            foreach (Match command in Commands().Matches(path))
            {
                double[] n = [.. Numbers().Matches(command.Groups[2].Value).Select(number => double.Parse(number.Value, CultureInfo.InvariantCulture))];
                (x, y) = command.Groups[1].Value switch
                {
                    "M" => (n[0], n[1]),
                    "m" or "l" => (x + n[0], y + n[1]),
                    "h" => (x + n[0], y),
                    "v" => (x, y + n[0]),
                    "z" => start,
                    string other => throw new FormatException(other),
                };
                start = command.Groups[1].Value is "M" or "m" ? (x, y) : start;
                yield return (x, y);
            }
        }

        [GeneratedRegex("([A-Za-z])([^A-Za-z]*)")]
        private static partial Regex Commands();

        [GeneratedRegex(@"-?\d+(\.\d+)?")]
        private static partial Regex Numbers();
    }
}
