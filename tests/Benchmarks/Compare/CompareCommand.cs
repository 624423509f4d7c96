using System.CommandLine;
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
        var peers = new Option<string[]>("--peer")
        {
            Description = string.Join("; ", Peer.All.Select(peer => $"{peer.Name}: {peer.Description}")),
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [.. Peer.All.Select(peer => peer.Name)],
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
        var output = new Option<DirectoryInfo>("--output")
        {
            Description = "Folder for compare.json and compare.md",
            DefaultValueFactory = _ => new DirectoryInfo("."),
        };
        var command = new Command("compare", "Time this library against TorchSharp: a table, compare.json and compare.md")
        {
            hidden, batch, steps, threads, mode, peers, stateMiB, seconds, output,
        };
        command.SetAction(result =>
        {
            IEnumerable<Workload> workloads =
                from m in result.GetValue(mode)!
                from t in result.GetValue(threads)!
                from b in result.GetValue(batch)!
                from n in result.GetValue(hidden)!
                from k in result.GetValue(steps)!
                select new Workload(m, n, b, k, t, result.GetValue(stateMiB));
            Opponent[] opponents = Opponents([.. result.GetValue(peers)!.Distinct().Select(Peer.Named)]);
            Execute([.. workloads], opponents, result.GetValue(seconds), repetitions: 5, result.GetValue(output)!.FullName);
            return 0;
        });
        return command;
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
        IReadOnlyList<Workload> workloads, IReadOnlyList<Opponent> opponents, double seconds, int repetitions, string folder)
    {
        Directory.CreateDirectory(folder);
        string[] machine = [.. Machine.Describe()];
        foreach (string line in machine)
        {
            Console.WriteLine(line);
        }

        var rows = new List<ComparisonRow>();
        foreach (ComparisonRow row in Comparison.Measure(workloads, opponents, seconds, repetitions))
        {
            rows.Add(row);
            Console.WriteLine(FormattableString.Invariant(
                $"{row.Mode} N={row.Hidden} B={row.Batch} T={row.Steps} threads={row.Threads} {row.Peer}: {row.OursMs} ms, peer {row.PeerMs} ms, ratio {row.Ratio}"));
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
