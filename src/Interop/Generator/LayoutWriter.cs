using System.Text;
using CppSharp.AST;

namespace OrthoNative.Interop.Generator;

/// <summary>
/// Writes the table of structure sizes and field offsets from which <c>ortho_layout</c> answers. The numbers are the C++
/// compiler's, so they can differ from what a binding assumes.
/// </summary>
internal static class LayoutWriter
{
    public static string Write(TranslationUnit unit, string header)
    {
        var output = new StringBuilder();
        output.Append($"// Written from {header} by src/Interop/Generator; change the header and run build.ps1 bindings.\n");
        foreach (Class structure in BindingsWriter.InOrder(unit.Classes).Where(structure => !structure.IsIncomplete))
        {
            output.Append($"{{\"{structure.Name}\", sizeof({structure.Name})}},\n");
            foreach (Field field in structure.Fields)
            {
                output.Append($"{{\"{structure.Name}.{field.Name}\", offsetof({structure.Name}, {field.Name})}},\n");
            }
        }

        return output.ToString();
    }
}
