using System.Globalization;
using OrthoNative.Fuzz.Runs;

// Runs of the command-line tool under conditions that take too long for the tests:
//   kills --count 200 --seed 1 [--seconds N]     kills runs at random moments, resumes them, and compares the bits with a run left alone
//   soak --steps 2000000 [--save-every 1] [--seconds N]     a long run; whether memory and time per save stay flat
// With --seconds, work begun by then is finished and nothing new is begun. Exit code 0: as it should be; 1: not; 2: wrong command line.
var options = new Dictionary<string, double> { ["--count"] = 200, ["--seed"] = 1, ["--steps"] = 2_000_000, ["--save-every"] = 1, ["--seconds"] = double.PositiveInfinity };
bool known = args.Length % 2 == 1 && args[0] is "kills" or "soak";
for (int i = 1; known && i < args.Length; i += 2)
{
    known = options.ContainsKey(args[i]) && double.TryParse(args[i + 1], NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value >= 0;
    options[args[i]] = known ? double.Parse(args[i + 1], CultureInfo.InvariantCulture) : 0;
}

if (!known)
{
    Console.Error.WriteLine("usage: kills [--count N] [--seed S] [--seconds N] | soak [--steps N] [--save-every MINUTES] [--seconds N]");
    return 2;
}

string folder = Directory.CreateTempSubdirectory("orthonative-runs-").FullName;
try
{
    var time = TimeSpan.FromSeconds(Math.Min(options["--seconds"], 1e6));
    return args[0] == "kills"
        ? Kills.Execute(folder, (int)options["--count"], (int)options["--seed"], time)
        : Soak.Execute(folder, (long)options["--steps"], options["--save-every"], time);
}
finally
{
    Directory.Delete(folder, recursive: true);
}
