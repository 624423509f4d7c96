using System.Security;
using System.Text;
using CppSharp.AST;

namespace OrthoNative.Interop.Generator;

/// <summary>Turns the documentation comments of the header into XML documentation.</summary>
internal static class Documentation
{
    /// <summary>Writes what the header says about a declaration, if anything.</summary>
    public static void Write(StringBuilder output, string indent, RawComment? comment)
    {
        if (comment?.FullComment is not FullComment full)
        {
            return;
        }

        var text = new List<string>();
        var tags = new List<(string Open, string Close, List<string> Lines)>();
        foreach (BlockContentComment block in full.Blocks)
        {
            switch (block)
            {
                case ParamCommandComment parameter:
                    tags.Add(($"<param name=\"{parameter.Arguments[0].Text}\">", "</param>", Lines(parameter.ParagraphComment)));
                    break;
                case BlockCommandComment command:
                    // The header uses one other command: @return.
                    tags.Add(("<returns>", "</returns>", Lines(command.ParagraphComment)));
                    break;
                case ParagraphComment paragraph:
                    text.AddRange(Lines(paragraph));
                    break;
            }
        }

        if (text.Count > 0)
        {
            WriteTag(output, indent, "<summary>", "</summary>", text);
        }

        foreach ((string open, string close, List<string> lines) in tags)
        {
            WriteTag(output, indent, open, close, lines);
        }
    }

    private static void WriteTag(StringBuilder output, string indent, string open, string close, List<string> lines)
    {
        if (lines.Count == 1)
        {
            output.Append(indent).Append("/// ").Append(open).Append(lines[0]).Append(close).Append('\n');
            return;
        }

        output.Append(indent).Append("/// ").Append(open).Append('\n');
        foreach (string line in lines)
        {
            output.Append(indent).Append("/// ").Append(line).Append('\n');
        }

        output.Append(indent).Append("/// ").Append(close).Append('\n');
    }

    private static List<string> Lines(ParagraphComment paragraph) =>
        [.. paragraph.Content.OfType<TextComment>().Select(part => SecurityElement.Escape(part.Text.Trim())).Where(line => line.Length > 0)];
}
