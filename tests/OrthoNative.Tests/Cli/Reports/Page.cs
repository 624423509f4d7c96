using System.Text;
using System.Xml;
using System.Xml.Linq;
using OrthoNative.Cli.Reports;

namespace OrthoNative.Tests.Cli.Reports;

/// <summary>A report, read back as the XML that it is.</summary>
internal sealed class Page
{
    private Page(byte[] bytes)
    {
        Bytes = bytes;
        Source = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        using var reader = XmlReader.Create(new StringReader(Source), new XmlReaderSettings { DtdProcessing = DtdProcessing.Parse, XmlResolver = null });
        Root = XElement.Load(reader, LoadOptions.PreserveWhitespace);
    }

    public byte[] Bytes { get; }

    public string Source { get; }

    public XElement Root { get; }

    public IEnumerable<string> Headings => All("h2").Select(heading => heading.Value);

    public static Page Of(ReportContent content) => new(HtmlReport.Create(content));

    public IEnumerable<XElement> All(string name, string? style = null) => In(Root, name, style);

    public XElement Section(string id) => All("section").Single(section => section.Attribute("id")!.Value == id);

    public static IEnumerable<XElement> In(XElement element, string name, string? style = null) => element.Descendants(name)
        .Where(found => style is null || (found.Attribute("class")?.Value.Split(' ').Contains(style) ?? false));

    /// <summary>The rows of a table: the text of each cell.</summary>
    public static string[][] Rows(XElement table) => [.. table.Elements("tbody").Elements("tr").Select(row => row.Elements().Select(cell => cell.Value).ToArray())];

    public static double Number(XElement element, string attribute) => double.Parse(element.Attribute(attribute)!.Value, System.Globalization.CultureInfo.InvariantCulture);
}
