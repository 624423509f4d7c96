using System.CommandLine;
using BenchmarkDotNet.Running;
using OrthoNative.Benchmarks;
using OrthoNative.Benchmarks.Compare;
using OrthoNative.Benchmarks.Lengths;
using OrthoNative.Benchmarks.Micro;
using OrthoNative.Benchmarks.Plots;

var check = new Option<bool>("--check") { Description = "Run everything with small sizes, to see that it works" };
var root = new RootCommand("Benchmarks of OrthoNative") { check };
root.Subcommands.Add(CompareCommand.Create());
root.Subcommands.Add(LengthsCommand.Create());
root.Subcommands.Add(PlotsCommand.Create());
root.Subcommands.Add(CreateSteps());
root.Subcommands.Add(CreateWorker());
root.SetAction(result => result.GetValue(check) ? QuickCheck.Execute() : root.Parse("--help").Invoke());
return root.Parse(args).Invoke();

static Command CreateSteps()
{
    var arguments = new Argument<string[]>("arguments") { Description = "Arguments of BenchmarkDotNet, after --: -- --filter '*Filter*'" };
    var command = new Command("steps", "Time steps of this library with BenchmarkDotNet") { arguments };
    command.SetAction(result =>
        BenchmarkSwitcher.FromTypes(MicroBenchmarks.All).Run(result.GetValue(arguments), MicroBenchmarks.Configuration(Path.Combine("artifacts", "benchmarks"))));
    return command;
}

static Command CreateWorker()
{
    var request = new Argument<string>("request");
    var command = new Command(Worker.CommandName, "One measurement of compare") { request };
    command.Hidden = true;
    command.SetAction(result => Worker.Execute(result.GetValue(request)!));
    return command;
}
