using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using OrthoNative.Benchmarks.Models;
using OrthoNative.Libtorch;
using Spectre.Console;

namespace OrthoNative.Benchmarks.Compare;

/// <summary><c>compare</c>: this library against TorchSharp.</summary>
internal static class CompareCommand
{
    public static Command Create()
    {
        Option<int[]> hidden = Sizes("--hidden", "Units N", 256);
        Option<int[]> batch = Sizes("--batch", "Sequences B", 128);
        Option<int[]> steps = Sizes("--steps", "Time steps T", 784);
        Option<int[]> threads = Sizes("--threads", "Threads of each side", 1);
        var mode = new Option<Mode[]>("--mode")
        {
            Description = "train (forward, backward, Adam) or infer; both without it",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [Mode.Train, Mode.Infer],
        };
        mode.AcceptOnlyFromAmong(Comparison.NameOf(Mode.Train), Comparison.NameOf(Mode.Infer));
        Option<string> cell = Kind("--cell", "Step of the recurrent layer", CellKind.Roa);
        Option<string> filter = Kind("--filter", "O of --cell roa", FilterKind.Haar);
        var lengths = new Option<bool>("--lengths") { Description = "Sequences of different lengths, uniform in 1 to T; TorchSharp's layers take them packed" };
        var stream = new Option<bool>("--stream") { Description = "One call for each time step, instead of --mode" };
        var peers = new Option<string[]>("--peer")
        {
            Description = $"{string.Join("; ", Peer.All.Select(peer => $"{peer.Name}: {peer.Description}"))}; all that can run the case without it",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [],
        };
        peers.AcceptOnlyFromAmong([.. Peer.All.Select(peer => peer.Name)]);
        var stateMiB = new Option<long?>("--state-mib")
        {
            Description = "What states of this library may take in training, in MiB, the others being recomputed; all are kept without it",
        };
        stateMiB.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<long?>() is < 1 or > 1 << 30)
            {
                result.AddError($"--state-mib is {result.GetValueOrDefault<long?>()}; it must be from 1 to {1 << 30}.");
            }
        });
        var seconds = new Option<double>("--seconds")
        {
            Description = "Time for the repetitions of a row; there are at least five",
            DefaultValueFactory = _ => 5,
        };
        var processorTime = new Option<bool>("--processor-time")
        {
            Description = "Take the time that the process ran, not that of the clock: for one thread on a machine that others use",
        };
        var output = new Option<DirectoryInfo>("--output")
        {
            Description = "Folder for compare.json and compare.md",
            DefaultValueFactory = _ => new DirectoryInfo("."),
        };
        var command = new Command("compare", "Time this library against TorchSharp: a table, compare.json and compare.md")
        {
            hidden, batch, steps, threads, mode, cell, filter, lengths, stream, peers, stateMiB, seconds, processorTime, output,
        };
        command.Validators.Add(result =>
        {
            if (result.GetResult(stream) is { Implicit: false } && result.GetResult(mode) is { Implicit: false })
            {
                result.AddError("--stream and --mode are both given; one of them must be left out.");
            }

            if (result.GetValue(stream) && result.GetValue(lengths))
            {
                result.AddError("--stream and --lengths are both given; one of them must be left out.");
            }

            if (Chosen<FilterKind>(result.GetValue(filter)) != FilterKind.Haar && Chosen<CellKind>(result.GetValue(cell)) != CellKind.Roa)
            {
                result.AddError($"--filter is {result.GetValue(filter)}; with --cell {result.GetValue(cell)} it must be left out.");
            }

            // Read as text: a value that is no number is refused later, by its option.
            if (result.GetValue(processorTime) && result.GetResult(threads) is { Implicit: false } given
                && given.Tokens.Any(token => int.TryParse(token.Value, CultureInfo.InvariantCulture, out int count) && count > 1))
            {
                result.AddError("--processor-time is given and --threads is above 1; it must be 1.");
            }

            // Sizes have no values yet where they are the usual ones, and no peer depends on them.
            var workload = new Workload(
                result.GetValue(stream) ? Mode.Stream : Mode.Train, 1, 1, 1, 1,
                Cell: Chosen<CellKind>(result.GetValue(cell)), Filter: Chosen<FilterKind>(result.GetValue(filter)), Lengths: result.GetValue(lengths));
            string[] names = result.GetValue(peers) ?? [];
            if (Peer.All.FirstOrDefault(peer => names.Contains(peer.Name) && !peer.Supports(workload)) is { } wrong)
            {
                IEnumerable<string> able = Peer.All.Where(peer => peer.Supports(workload)).Select(peer => peer.Name);
                result.AddError($"--peer is {wrong.Name}; with these options it must be one of: {string.Join(", ", able)}.");
            }
        });
        command.SetAction(result =>
        {
            string[] names = result.GetValue(peers)!;
            Opponent[] opponents = Opponents(names.Length == 0 ? Peer.All : [.. names.Distinct().Select(Peer.Named)]);
            Execute(
                [.. Workloads(result.CommandResult)], opponents, result.GetValue(seconds), repetitions: 5, result.GetValue(output)!.FullName,
                result.GetValue(processorTime));
            return 0;
        });
        return command;

        IEnumerable<Workload> Workloads(CommandResult result) =>
            from m in result.GetValue(stream) ? [Mode.Stream] : result.GetValue(mode)!
            from t in result.GetValue(threads)!
            from b in result.GetValue(batch)!
            from n in result.GetValue(hidden)!
            from k in result.GetValue(steps)!
            select new Workload(
                m, n, b, k, t, result.GetValue(stateMiB), Chosen<CellKind>(result.GetValue(cell)), Chosen<FilterKind>(result.GetValue(filter)),
                result.GetValue(lengths));
    }

    /// <summary>Every peer, and every peer once more with MKL's AVX-512 path where it has to be forced.</summary>
    public static Opponent[] Opponents(IReadOnlyList<Peer> peers) =>
    [
        .. from peer in peers
           from force in TorchRuntime.CanForceAvx512 ? [false, true] : (bool[])[false]
           select new Opponent(peer, force),
    ];

    /// <summary>Measures, prints and writes; results so far are on disk at any time.</summary>
    public static List<ComparisonRow> Execute(
        IReadOnlyList<Workload> workloads, IReadOnlyList<Opponent> opponents, double seconds, int repetitions, string folder, bool processorTime = false)
    {
        Directory.CreateDirectory(folder);
        string[] machine = [.. Machine.Describe(), .. processorTime ? ["Times are processor times"] : (string[])[]];
        foreach (string line in machine)
        {
            Console.WriteLine(line);
        }

        var rows = new List<ComparisonRow>();
        foreach (ComparisonRow row in Comparison.Measure(workloads, opponents, seconds, repetitions, processorTime))
        {
            rows.Add(row);
            Console.WriteLine(FormattableString.Invariant(
                $"{row.Mode} {row.Cell} N={row.Hidden} B={row.Batch} T={row.Steps} threads={row.Threads} {row.Peer}: {row.OursMs} ms, peer {row.PeerMs} ms, ratio {row.Ratio} ({row.RatioLow}..{row.RatioHigh})"));
            Comparison.Save(Path.Combine(folder, "compare.json"), rows);
            File.WriteAllText(
                Path.Combine(folder, "compare.md"),
                string.Concat(machine.Select(line => $"- {line}\n")) + "\n" + ComparisonTable.ForMarkdown(rows));
        }

        // A file or a pipe has no width; the table must not be broken for that.
        AnsiConsole.Profile.Width = Math.Max(AnsiConsole.Profile.Width, ComparisonTable.ConsoleWidth);
        AnsiConsole.Write(ComparisonTable.ForConsole(rows));
        return rows;
    }

    /// <summary>An option of one of a few names.</summary>
    private static Option<string> Kind<T>(string name, string description, T usual) where T : struct, Enum
    {
        string[] names = [.. Enum.GetValues<T>().Select(Comparison.NameOf)];
        var option = new Option<string>(name)
        {
            Description = $"{description}: {string.Join(", ", names)}",
            DefaultValueFactory = _ => Comparison.NameOf(usual),
        };
        option.AcceptOnlyFromAmong(names);
        return option;
    }

    /// <summary>The value with a name; the first one where there is none, which the option itself reports.</summary>
    private static T Chosen<T>(string? name) where T : struct, Enum => Enum.TryParse(name, ignoreCase: true, out T value) ? value : default;

    /// <summary>An option of one or several numbers of at least 1.</summary>
    public static Option<int[]> Sizes(string name, string description, params int[] defaults)
    {
        var option = new Option<int[]>(name)
        {
            Description = $"{description}; may be given several times",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => defaults,
        };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int[]>()?.FirstOrDefault(value => value < 1, 1) is int wrong and not 1)
            {
                result.AddError($"{name} is {wrong}; it must be at least 1.");
            }
        });
        return option;
    }
}
