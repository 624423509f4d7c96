using System.Diagnostics;
using System.Globalization;
using OrthoNative.Fuzz.Readers;
using SharpFuzz;

const string Usage = """
    Reads damaged files and checks what comes of it.
      --seconds N --seed S [--findings FOLDER]   all targets in turn for N seconds in all, each from seed S on
      --only TARGET --seconds N --seed S [--findings FOLDER]   one target
      --replay TARGET FILE                       one input again
      --libfuzzer TARGET                         under libfuzzer-dotnet, with instrumented assemblies
      --afl TARGET                               under afl-fuzz, with instrumented assemblies
    """;

using var folder = new WorkingFolder();
Target[] targets =
[
    new SafeTensorsTarget(folder), new ModelTarget(folder), new WholeModelTarget(folder), new OptimizerTarget(folder), new IdxTarget(folder), new TimeSeriesTarget(folder),
    new CsvTarget(folder), new UcrTarget(folder), new ParquetTarget(folder), new ArrowTarget(folder), new NpyTarget(folder),
    new NpzTarget(folder), new WavTarget(folder), new SequenceFileTarget(folder), new ReportTarget(folder), new TrainingRecordTarget(folder), new LossLogTarget(folder),
    new EpochLogTarget(folder),
];
Target[] chosen = targets;
string[] given = args;
if (args is ["--only", string only, ..] && Find(only) is { } one)
{
    (chosen, given) = ([one], args[2..]);
}

try
{
    switch (given)
    {
        case ["--replay", string name, string file] when Find(name) is { } target:
            target.Check(File.ReadAllBytes(file));
            Console.WriteLine("1 passed, 0 failed");
            return 0;
        case ["--libfuzzer", string name] when Find(name) is { } target:
            Fuzzer.LibFuzzer.Run(input => target.Check(input.ToArray()));
            return 0;
        case ["--afl", string name] when Find(name) is { } target:
            Fuzzer.OutOfProcess.Run(stream =>
            {
                using var input = new MemoryStream();
                stream.CopyTo(input);
                target.Check(input.ToArray());
            });
            return 0;
        case ["--seconds", string secondsText, "--seed", string seedText, ..] when
            double.TryParse(secondsText, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds) &&
            ulong.TryParse(seedText, NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed) &&
            given.Length is 4 or 6 && (given.Length == 4 || given[4] == "--findings"):
            return Run(seconds, seed, given.Length == 6 ? given[5] : Path.Combine("artifacts", "fuzz"));
        default:
            Console.Error.WriteLine($"{Usage}\nTargets: {string.Join(", ", targets.Select(target => target.Name))}");
            return 2;
    }
}
finally
{
    Array.ForEach(targets, target => target.Dispose());
}

Target? Find(string name) => targets.FirstOrDefault(target => target.Name == name);

int Run(double seconds, ulong seed, string findings)
{
    int failed = 0;
    foreach (Target target in chosen)
    {
        long inputs = 0;
        var watch = Stopwatch.StartNew();
        var random = new InputSource(seed, target.Seeds);
        byte[] input = [];
        using var hang = new Timer(_ =>
        {
            // Nothing that is read here takes longer than milliseconds.
            Save(findings, target, input, "it has not been read after a minute");
            Environment.Exit(1);
        });
        try
        {
            foreach (byte[] valid in target.Seeds)
            {
                input = valid;
                if (!target.Check(input))
                {
                    throw new FindingException("a valid file is refused");
                }
            }

            for (; watch.Elapsed.TotalSeconds < seconds / chosen.Length; inputs++)
            {
                input = random.Next();
                hang.Change(TimeSpan.FromMinutes(1), Timeout.InfiniteTimeSpan);
                target.Check(input);
            }

            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{target.Name}: {inputs} inputs, {target.Accepted} of them valid"));
        }
        catch (Exception exception)
        {
            failed++;
            Save(findings, target, input, exception.ToString());
        }
    }

    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{chosen.Length - failed} passed, {failed} failed"));
    return failed == 0 ? 0 : 1;
}

static void Save(string findings, Target target, byte[] input, string problem)
{
    Directory.CreateDirectory(findings);
    string path = Path.Combine(findings, $"{target.Name}-{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(input))[..16]}");
    File.WriteAllBytes(path, input);
    Console.WriteLine($"{target.Name}: {problem}\n--replay {target.Name} {path}");
}
