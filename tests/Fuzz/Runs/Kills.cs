using System.Diagnostics;

namespace OrthoNative.Fuzz.Runs;

/// <summary>Kills training runs at random moments, and resumes them until they end: with the bits of a run that was left alone.</summary>
internal static class Kills
{
    private static readonly string[] s_all = ["loss.png", "model.safetensors", "report.html", "run.json"];

    private static readonly string[] s_saved = ["model.safetensors", "run.json"];

    /// <summary>Runs of some seconds: with noise, whose stream must continue, and with an order of samples, which must too.</summary>
    private static readonly string[][] s_commands =
    [
        ["train", "copy", "--length", "20", "--hidden", "32", "--batch", "8", "--steps", "5000", "--test-samples", "50", "--stop-at", "1",
            "--input-noise", "0.1", "--save-every", "0.003", "--threads", "1"],
        // An epoch at each step, so that they are many.
        ["train", "copy", "--length", "20", "--hidden", "32", "--batch", "8", "--limit", "8", "--epochs", "2000", "--test-samples", "50", "--stop-at", "1",
            "--schedule", "cosine", "--optimizer", "sgd", "--save-every", "0.003", "--threads", "1"],
        ["train", "adding", "--length", "30", "--hidden", "24", "--batch", "8", "--limit", "808", "--steps", "3000", "--test-samples", "50",
            "--save-every", "0.003", "--threads", "1"],
    ];

    /// <returns>Exit code.</returns>
    public static int Execute(string folder, int count, int seed, TimeSpan time)
    {
        long start = Stopwatch.GetTimestamp();
        var random = new Random(seed);
        var expected = new Dictionary<int, (byte[] Bits, double Seconds)>();
        int kills = 0, runs = 0, inSaves = 0;
        while (kills < count && Stopwatch.GetElapsedTime(start) < time)
        {
            int which = runs % s_commands.Length;
            if (!expected.TryGetValue(which, out (byte[] Bits, double Seconds) straightRun))
            {
                long begin = Stopwatch.GetTimestamp();
                string straight = $"straight-{which}";
                using var tool = Tool.Start(folder, [.. s_commands[which], "--out", straight]);
                if (tool.Finish() != 0)
                {
                    return Fail($"the run that was left alone failed: {tool.Error}");
                }

                straightRun = (File.ReadAllBytes(Path.Combine(folder, straight, "model.safetensors")), Stopwatch.GetElapsedTime(begin).TotalSeconds);
                expected[which] = straightRun;
            }

            string name = $"run-{runs++}", path = Path.Combine(folder, name);
            bool hadEnded = false;
            for (bool ended = false; !ended;)
            {
                string[] resume = File.Exists(Path.Combine(path, "run.json")) || File.Exists(Path.Combine(path, ".run.json.new")) ? ["--resume"] : [];
                using var tool = Tool.Start(folder, [.. s_commands[which], "--out", name, .. resume]);
                bool overtime = kills >= count || Stopwatch.GetElapsedTime(start) >= time;
                ended = overtime || tool.EndsWithin(TimeSpan.FromSeconds(random.NextDouble() * straightRun.Seconds));
                if (!ended)
                {
                    // Half of them in the midst of a save, which is short.
                    bool inSave = random.Next(2) == 0 && WaitForSave(tool, path, random);
                    if (tool.Kill())
                    {
                        kills++;
                        inSaves += inSave ? 1 : 0;
                        continue;
                    }

                    ended = true;
                }

                // A kill between the last save and the end of the process leaves a run that has ended; the tool then says so.
                int exitCode = tool.Finish();
                hadEnded = exitCode != 0 && resume.Length > 0 && tool.Error.Contains("has ended", StringComparison.Ordinal);
                if (exitCode != 0 && !hadEnded)
                {
                    return Fail($"'{name}' ended with an error after {kills} kills (seed {seed}): {tool.Error}");
                }
            }

            if (!File.ReadAllBytes(Path.Combine(path, "model.safetensors")).AsSpan().SequenceEqual(straightRun.Bits))
            {
                return Fail($"'{name}' has other bits than the run that was left alone, after {kills} kills (seed {seed})");
            }

            string[] files = [.. Directory.EnumerateFileSystemEntries(path).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];
            // After the last save, the pictures are drawn and what only a resumed run needs is deleted, which such a kill prevents.
            if (hadEnded ? s_saved.Except(files).Any() : !files.SequenceEqual(s_all))
            {
                return Fail($"'{name}' has left {string.Join(", ", files)}, after {kills} kills (seed {seed})");
            }

            Console.WriteLine($"{kills} kills, {inSaves} of them in a save; {runs} runs ended with the right bits; {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s");
            Directory.Delete(path, recursive: true);
        }

        return 0;
    }

    /// <summary>Waits, not for long, until a save is under way, and a random part of it.</summary>
    private static bool WaitForSave(Tool tool, string path, Random random)
    {
        string[] names = [".model.safetensors.new", ".optimizer.safetensors.new", ".run.json.part", ".run.json.new", ".loss.png.new", ".report.html.new"];
        string awaited = Path.Combine(path, names[random.Next(names.Length)]);
        long start = Stopwatch.GetTimestamp();
        while (!tool.HasEnded && Stopwatch.GetElapsedTime(start).TotalSeconds < 1)
        {
            if (File.Exists(awaited))
            {
                Thread.SpinWait(random.Next(20_000));
                return true;
            }
        }

        return false;
    }

    private static int Fail(string message)
    {
        Console.Error.WriteLine(message);
        return 1;
    }
}
