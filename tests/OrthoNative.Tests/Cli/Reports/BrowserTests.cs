using System.Diagnostics;
using OrthoNative.Cli.Reports;
using OrthoNative.Tests.Data;

namespace OrthoNative.Tests.Cli.Reports;

/// <summary>Reports in a browser, where one is installed.</summary>
internal sealed class BrowserTests
{
    private static readonly string[] s_names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

    [TestCase("classification")]
    [TestCase("many-classes")]
    [TestCase("not-finite")]
    public void A_browser_shows_the_page_without_complaint(string sample)
    {
        byte[] page = HtmlReport.Create(ReportSamples.All[sample]());
        (string document, string console) = Show(page);

        Assert.That(console.Split('\n').Where(line => line.Contains("CONSOLE", StringComparison.Ordinal)), Is.Empty);
        Assert.That(document, Does.Contain("<footer>").And.Not.Contain("<script"));
        int pictures = Count(System.Text.Encoding.UTF8.GetString(page), "<svg ");
        Assert.That(Count(document, "<svg "), Is.EqualTo(pictures));
    }

    /// <summary>The other test can fail: a browser does complain about styles that the page does not allow.</summary>
    [Test]
    public void A_browser_complains_about_what_the_page_does_not_allow()
    {
        string page = System.Text.Encoding.UTF8.GetString(HtmlReport.Create(ReportSamples.Empty()));

        (_, string console) = Show(System.Text.Encoding.UTF8.GetBytes(page.Replace("</header>", "</header><p style=\"color: red\">x</p><script>document.title = 'x';</script>", StringComparison.Ordinal)));

        Assert.That(console, Does.Contain("CONSOLE").And.Contain("Content Security Policy"));
    }

    private static int Count(string text, string part) => text.Split(part).Length - 1;

    private static (string Document, string Console) Show(byte[] page)
    {
        string? browser = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .SelectMany(folder => s_names.Select(name => Path.Combine(folder, name))).FirstOrDefault(File.Exists);
        if (browser is null)
        {
            Assert.Ignore($"No browser is installed: none of {string.Join(", ", s_names)} is in the folders of PATH.");
        }

        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("report.html"), page);
        var start = new ProcessStartInfo(browser!) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (string[])
            ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0", $"--user-data-dir={folder.File("profile")}", "--dump-dom", new Uri(folder.File("report.html")).AbsoluteUri])
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        Task<string> console = process.StandardError.ReadToEndAsync();
        Task<string> document = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(3)))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail("The browser did not end within three minutes.");
        }

        return (document.Result, console.Result);
    }
}
