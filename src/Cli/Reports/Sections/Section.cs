namespace OrthoNative.Cli.Reports.Sections;

/// <summary>A part of the report.</summary>
/// <param name="Id">Where links lead to.</param>
/// <param name="Title">Its heading.</param>
/// <param name="IsPresent">False: there is nothing to show, and the heading is left out.</param>
/// <param name="Write">Writes what is below the heading.</param>
internal sealed record Section(string Id, string Title, bool IsPresent, Action<HtmlWriter> Write);
