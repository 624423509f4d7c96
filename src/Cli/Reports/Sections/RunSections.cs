using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Reports.Sections;

/// <summary>What the run was made of: the model, the settings, the data, the machine, the command and the program.</summary>
internal static class RunSections
{
    private const int MostLayers = 100;
    private const int MostLines = 200;

    public static Section Baselines(ReportContent content) => new("baselines", "Simple methods", content.Baselines.Count > 0, html =>
    {
        html.Open("p").Text("What the model is worth is seen beside methods that learn nothing.").Close();
        html.Open("div", ("class", "scroll"), ("tabindex", "0")).Open("table", ("class", "list")).Open("thead").Open("tr");
        html.Element("th", "method", ("scope", "col"), ("class", "word")).Element("th", "metric", ("scope", "col"), ("class", "word")).Element("th", "value", ("scope", "col"), ("class", "n")).Close().Close();
        html.Open("tbody");
        EvaluationResult? result = content.Test ?? content.Validation;
        foreach (string metric in content.Baselines.Select(baseline => baseline.Metric).Distinct())
        {
            if (result is not null && Figures.Of(result, metric) is { } value)
            {
                Row(html, "the model", metric, value, "best");
            }

            foreach ((string method, _, double baseline) in content.Baselines.Where(baseline => baseline.Metric == metric).Take(20))
            {
                Row(html, method, metric, baseline, "row");
            }
        }

        html.Close().Close().Close();
    });

    public static Section Model(ReportContent content) => new("model", "Model", content.Summary is { Layers.Count: > 0 }, html =>
    {
        ModelSummary summary = content.Summary!;
        html.Open("div", ("class", "scroll"), ("tabindex", "0")).Open("table", ("class", "list")).Open("thead").Open("tr");
        html.Element("th", "layer", ("scope", "col"), ("class", "word")).Element("th", "kind and sizes", ("scope", "col"), ("class", "word"));
        html.Element("th", "parameters", ("scope", "col"), ("class", "n")).Element("th", "activations", ("scope", "col"), ("class", "n")).Element("th", "sums of gradients", ("scope", "col"), ("class", "n"));
        html.Close().Close().Open("tbody");
        int shown = summary.Layers.Count <= MostLayers ? summary.Layers.Count : MostLayers / 2;
        foreach (LayerSummary layer in summary.Layers.Take(shown))
        {
            Row(html, layer);
        }

        if (summary.Layers.Count > MostLayers)
        {
            html.Open("tr").Element("td", $"… {Figures.Count(summary.Layers.Count - (2 * shown))} layers …", ("colspan", "5")).Close();
            foreach (LayerSummary layer in summary.Layers.Skip(summary.Layers.Count - shown))
            {
                Row(html, layer);
            }
        }

        html.Close().Open("tfoot").Open("tr").Element("th", "all", ("scope", "row")).Element("td", "").Element("td", Figures.Count(summary.Parameters), ("class", "n"))
            .Element("td", ModelSummary.Bytes(summary.ActivationBytes), ("class", "n")).Element("td", ModelSummary.Bytes(summary.SumBytes), ("class", "n")).Close().Close().Close().Close();
        html.Element("p", Texts.Format($"Memory to train with batches of {summary.Batch:#,0}: {summary.Arithmetic}."), ("class", "note"));
    });

    public static Section Findings(ReportContent content) => new("data", "Data", content.Findings.Count > 0, html =>
    {
        html.Open("ul");
        foreach (string finding in content.Findings.Take(MostLines))
        {
            html.Open("li").Name(finding, 500).Close();
        }

        html.Close();
        More(html, content.Findings.Count);
    });

    public static Section Settings(ReportContent content) => new("settings", "Settings", content.Settings.Count > 0, html =>
    {
        Pairs(html, content.Settings.Take(MostLines));
        More(html, content.Settings.Count);
    });

    public static Section Machine(ReportContent content) => new("machine", "Machine", true, html =>
    {
        Machine machine = content.Machine;
        Pairs(html,
        [
            ("processor", machine.Processor), ("cores", Texts.Format($"{machine.Cores}")), ("device", machine.Device), ("threads", Texts.Format($"{machine.Threads}")),
            ("instruction set", machine.InstructionSet.ToString()), ("memory", Texts.Bytes(machine.MemoryBytes)), ("system", $"{machine.System}, {machine.Architecture}"), ("runtime", machine.Runtime),
        ]);
    });

    public static Section Command(ReportContent content) => new("command", "Command", content.Command.Length > 0, html =>
        html.Open("pre", ("tabindex", "0")).Open("code").Lines(content.Command).Close().Close());

    public static Section Code(ReportContent content) => new("code", "Use from C#", !string.IsNullOrWhiteSpace(content.Code), html =>
        html.Open("pre", ("tabindex", "0")).Open("code").Lines(content.Code!).Close().Close());

    private static void Row(HtmlWriter html, string method, string metric, double value, string style) => html
        .Open("tr", ("class", style)).Open("th", ("scope", "row")).Name(method).Close().Open("td").Name(Figures.Name(metric)).Close().Element("td", Figures.Value(metric, value), ("class", "n")).Close();

    private static void Row(HtmlWriter html, LayerSummary layer) => html
        .Open("tr").Open("th", ("scope", "row")).Name(layer.Name).Close().Open("td").Name(layer.Description, 80).Close()
        .Element("td", Figures.Count(layer.Parameters), ("class", "n")).Element("td", ModelSummary.Bytes(layer.ActivationBytes), ("class", "n")).Element("td", ModelSummary.Bytes(layer.SumBytes), ("class", "n")).Close();

    private static void Pairs(HtmlWriter html, IEnumerable<(string Name, string Value)> pairs)
    {
        html.Open("dl", ("class", "pairs"));
        foreach ((string name, string value) in pairs)
        {
            html.Open("div").Open("dt").Name(name).Close().Open("dd").Name(value, 200).Close().Close();
        }

        html.Close();
    }

    private static void More(HtmlWriter html, int count)
    {
        if (count > MostLines)
        {
            html.Element("p", $"The first {MostLines} of {Figures.Count(count)} are shown.", ("class", "note"));
        }
    }
}
