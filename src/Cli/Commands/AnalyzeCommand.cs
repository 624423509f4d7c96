using System.CommandLine;
using OrthoNative.Cli.Analysis;
using OrthoNative.Cli.Training;

namespace OrthoNative.Cli.Commands;

/// <summary><c>orthonative analyze</c>: measures what the theory says.</summary>
internal static class AnalyzeCommand
{
    private const int DeepestNetwork = 1_000_000;

    public static Command Create()
    {
        var command = new Command("analyze", "Compare gradients and Jacobians of untrained networks with the bounds of the theory");
        command.Subcommands.Add(CreateDepth());
        return command;
    }

    private static Command CreateDepth()
    {
        var command = new Command(
            "depth", "How gradients and singular values change with depth in this feedforward network, a plain one and a residual one");
        var options = new SettingOptions<DepthSettings>(command, new DepthSettings());
        options.Add("--layers", "counts", "Layers of the networks",
            OptionValue.WholeNumbers(1, DeepestNetwork), (s, v) => s with { Layers = v }, s => s.Layers);
        options.Add("--hidden", "units", "Units N of a layer",
            OptionValue.Whole(1, 65536), (s, v) => s with { Hidden = v }, s => s.Hidden);
        options.Add("--total-beta", "c", "c of beta = c / layers",
            OptionValue.Number(-1000, 1000), (s, v) => s with { TotalBeta = v }, s => s.TotalBeta);
        options.Add("--weight-scale", "scale", "g of the weights W ~ N(0, g^2/N)",
            OptionValue.Number(0, 1000), (s, v) => s with { WeightScale = v }, s => s.WeightScale);
        options.Add("--filter", "kind", "Orthogonal filter O",
            OptionValue.Choice<FilterChoice>(), (s, v) => s with { Filter = v }, s => s.Filter);
        options.Add("--activation", "kind", "Nonlinearity",
            OptionValue.Choice(Activation.Tanh, Activation.Relu), (s, v) => s with { Activation = v }, s => s.Activation);
        options.Add("--seed", "number", "Seed of weights, filter, input and gradient",
            OptionValue.Whole(0UL, ulong.MaxValue), (s, v) => s with { Seed = v }, s => s.Seed);
        options.Add("--out", "folder", "Where report.json, gradients.png and singular-values.png are written; older files are replaced; by default runs/depth-<time>",
            OptionValue.Folder, (s, v) => s with { Out = v }, s => s.Out);
        command.SetAction(result => DepthAnalysis.Execute(options.Read(result)));
        return command;
    }
}
