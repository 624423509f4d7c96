using System.Diagnostics;
using System.Globalization;

namespace OrthoNative.Fuzz.Runs;

/// <summary>A long run of a tiny model: whether its memory and the time of its saves stay as they were.</summary>
internal static class Soak
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(200);

    /// <returns>Exit code.</returns>
    public static int Execute(string folder, long steps, double saveEvery, TimeSpan time)
    {
        string path = Directory.CreateDirectory(Path.Combine(folder, "run")).FullName;
        var saves = new List<(double At, double Save, double Picture)>();
        long start = Stopwatch.GetTimestamp();
        double begun = -1, committed = -1;
        double Now() => Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        using var watcher = new FileSystemWatcher(path) { InternalBufferSize = 1 << 16, EnableRaisingEvents = true };
        watcher.Created += (_, change) =>
        {
            if (change.Name!.StartsWith(".model.safetensors.new", StringComparison.Ordinal) && begun < 0)
            {
                begun = Now();
            }
        };
        watcher.Renamed += (_, change) =>
        {
            if (change.Name == "run.json")
            {
                committed = Now();
            }
            else if (change.Name == "loss.png" && begun >= 0)
            {
                lock (saves)
                {
                    saves.Add((begun, committed - begun, Now() - committed));
                }

                begun = -1;
            }
        };

        // A tiny model, and few samples, so that epochs are many: what is kept of them must not grow either.
        using var tool = Tool.Start(
            folder, "train", "copy", "--length", "2", "--hidden", "4", "--batch", "1", "--threads", "1", "--stop-at", "1", "--lr", "1e-5",
            "--limit", "200", "--steps", steps.ToString(CultureInfo.InvariantCulture), "--epochs", "1000000", "--test-samples", "10",
            "--save-every", saveEvery.ToString(CultureInfo.InvariantCulture), "--out", "run");
        var memory = new List<double>();
        bool terminated = false;
        while (!tool.EndsWithin(s_interval))
        {
            // From the second save on: until then, lists of what a save takes grow to the size that they keep.
            int saved;
            lock (saves)
            {
                saved = saves.Count;
            }

            if (saved >= 2 && tool.Memory() is { } now)
            {
                memory.Add(now);
            }

            if (!terminated && Stopwatch.GetElapsedTime(start) >= time)
            {
                terminated = true;
                tool.Terminate();
            }
        }

        int exitCode = tool.Finish();
        Console.WriteLine($"exit code {exitCode} after {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s, {saves.Count} saves, {memory.Count} samples of memory");
        if (exitCode != (terminated ? 143 : 0))
        {
            Console.Error.WriteLine(tool.Error);
            return 1;
        }

        bool flat;
        lock (saves)
        {
            // Medians, and some room for what else the machine does; what grows with the steps is three times as much at the end.
            flat = IsFlat("memory in MiB", memory, factor: 1.05, room: 8)
                & IsFlat("save in ms", [.. saves.Select(save => save.Save)], factor: 1.5, room: 10)
                & IsFlat("picture in ms", [.. saves.Select(save => save.Picture)], factor: 1.5, room: 50);
        }

        return flat ? 0 : 1;
    }

    private static bool IsFlat(string name, List<double> values, double factor, double room)
    {
        if (values.Count < 6)
        {
            Console.WriteLine($"{name}: {values.Count} values are too few to tell");
            return false;
        }

        // Without the first sixth, in which the program warms up.
        List<double> warm = values[(values.Count / 6)..];
        double first = Median(warm[..(warm.Count / 3)]), last = Median(warm[^(warm.Count / 3)..]);
        bool flat = last <= (first * factor) + room;
        Console.WriteLine($"{name}: median {first:0.0} in the first third, {last:0.0} in the last, at most {values.Max():0.0}: {(flat ? "flat" : "not flat")}");
        return flat;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
