using System.Diagnostics;
using OrthoNative.Cli.Output;
using OrthoNative.Cli.Training;
using OrthoNative.Diagnostics;
using OrthoNative.Interop;

namespace OrthoNative.Cli.Analysis;

/// <summary>Measures untrained networks of several depths, and compares them.</summary>
internal static class DepthAnalysis
{
    /// <summary>Units up to which all singular values are computed.</summary>
    private const int LargestSpectrum = 128;

    private const int Points = 400;

    private const int LayersOfWeightNorm = 1000;

    /// <summary>Rounding allowed for in each step of a chain, as a decimal logarithm; norms are to 1e-6 relative.</summary>
    private const double RoundingOfStep = 1e-7;

    private const string Report = "report.json";
    private const string Gradients = "gradients.png";
    private const string SingularValues = "singular-values.png";

    private const string NotFinite = "not finite";

    /// <returns>Exit code of the program.</returns>
    /// <exception cref="CliException">It cannot be done; nothing is left half-written.</exception>
    public static int Execute(DepthSettings settings)
    {
        DateTimeOffset started = DateTimeOffset.Now;
        long start = Stopwatch.GetTimestamp();
        using var interruption = new Interruption();
        StandardOutput.Tolerate();
        string[] files = [Gradients, SingularValues, Report];
        using RunFolder folder = settings.Out is { } path ? RunFolder.Open(path, "--out", files) : RunFolder.OpenNew(RunFolder.NewName("depth", started), "--out", files);
        try
        {
            Console.Out.WriteLine("gradient at the input relative to the output, in double precision, with what the theory allows:");
            var results = new List<DepthResult>();
            foreach (int layers in settings.Layers.Distinct().Order())
            {
                foreach (DepthModel model in Enum.GetValues<DepthModel>())
                {
                    interruption.Token.ThrowIfCancellationRequested();
                    DepthResult result = Measure(settings, model, layers, interruption.Token);
                    results.Add(result);
                    Console.Out.WriteLine(Describe(result));
                }
            }

            var report = new DepthReport(
                SystemInfo.Version, started, settings, Machine.Describe(Device.Default), results,
                Stopwatch.GetElapsedTime(start).TotalSeconds, Machine.PeakBytes());
            // What was measured first: it took minutes, and drawing may fail.
            string? problem = folder.Write(
                _ => [(Report, report.Save)],
                essential: null,
                (Gradients, () => DepthPlots.Gradients(results)),
                (SingularValues, () => DepthPlots.SingularValues(results)));
            if (problem is not null)
            {
                StandardError.Warn(problem);
            }

            string[] written = [.. ((string[])[Gradients, SingularValues]).Where(name => File.Exists(folder.PathOf(name)))];
            Console.Out.WriteLine(string.Join(", ", [ForeignText.CleanPath(Path.Combine(folder.Path, Report)), .. written]));
            return ExitCodes.Success;
        }
        catch (OperationCanceledException)
        {
            StandardError.WriteLine("interrupted; nothing is saved");
            return interruption.ExitCode;
        }
    }

    private static DepthResult Measure(DepthSettings settings, DepthModel kind, int layers, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        RoaFnnOptions options = kind switch
        {
            DepthModel.Plain => RoaFnnOptions.Plain,
            DepthModel.Residual => RoaFnnOptions.Residual,
            _ => new RoaFnnOptions { TotalBeta = settings.TotalBeta, Filter = settings.Filter.ToFilter() },
        };
        var layer = new RoaFnn(settings.Hidden, layers, options with
        {
            Activation = settings.Activation,
            WeightScale = settings.WeightScale,
        });
        using var model = new Sequential(
            Device.Default, new SequentialOptions { Seed = settings.Seed, ComputeInputGradient = true }, layer);
        (double[] input, double[] gradient) = Draw(settings.Seed, settings.Hidden);

        var chain = LinearizedChain.Of(layer, input, cancellationToken);
        double[] norms = chain.LogGradientNorms(gradient);
        (double Lower, double Upper)[] bounds = chain.GetLogBounds();
        double[] values = settings.Hidden <= LargestSpectrum
            ? chain.GetLogSingularValues()
            : chain.GetLogExtremeSingularValues() is var (smallest, largest) ? [largest, smallest] : [];
        double rounding = RoundingOfStep * layers;
        bool within = values.All(value => IsWithin(value, bounds[0], rounding))
            && Enumerable.Range(0, layers + 1).All(k => IsWithin(norms[k] - norms[^1], bounds[k], rounding));
        return new DepthResult(
            kind,
            layers,
            layer.Alpha[0],
            layer.Beta[0],
            Finite(norms[0] - norms[^1]),
            Finite(bounds[0].Lower),
            Finite(bounds[0].Upper),
            within,
            [.. values.Select(Finite)],
            chain.State.ToArray().All(double.IsFinite),
            InFloat32(model, input, gradient),
            chain.GetWeightNorms(Math.Max(1, layers / LayersOfWeightNorm)).Max(),
            chain.Radii.ToArray().Max(),
            chain.Saturation.ToArray().Average(),
            chain.GetFilterDrift(),
            Stopwatch.GetElapsedTime(start).TotalSeconds,
            [.. PointsOf(layers).Select(k => new GradientPoint(k, Finite(norms[k] - norms[^1]), Finite(bounds[k].Lower), Finite(bounds[k].Upper)))]);
    }

    private static string Describe(DepthResult result)
    {
        return Texts.Format($"{result.Layers,9:#,0} layers  {result.Model.ToString().ToLowerInvariant(),-8}  {Texts.PowerOfTen(result.LogGradient),9}") +
            $"  within {Texts.PowerOfTen(result.LogLower)} to {Texts.PowerOfTen(result.LogUpper)}: {(result.WithinBounds ? "yes" : "no")}  in float32: {result.Float32}  " +
            (result.FiniteStates ? "" : "(states exceed double precision)  ") +
            Texts.Duration(TimeSpan.FromSeconds(result.Seconds));
    }

    /// <summary>The same gradient as the library computes it in training.</summary>
    private static string InFloat32(Sequential model, double[] input, double[] gradient)
    {
        using Tensor inputs = Tensor.From<float>(Device.Default, Array.ConvertAll(input, value => (float)value), 1, input.Length);
        using Tensor cotangent = Tensor.From<float>(Device.Default, Array.ConvertAll(gradient, value => (float)value), 1, gradient.Length);
        // relu has the slope 1 at infinity too, so backpropagation would continue with finite numbers that are no gradient of anything.
        if (!Array.TrueForAll(model.Forward(inputs).ToArray<float>(), float.IsFinite))
        {
            return NotFinite;
        }

        model.Backward(cotangent);
        double[] first = Array.ConvertAll(model.InputGradient.ToArray<float>(), value => (double)value);
        double ratio = Norm(first) / Norm(gradient);
        return !double.IsFinite(ratio) ? NotFinite : ratio == 0 ? "zero" : Texts.PowerOfTen(Math.Log10(ratio));
    }

    /// <summary>Layers to draw, from the first to the last, close together near the last one.</summary>
    private static IEnumerable<int> PointsOf(int layers)
    {
        double ratio = Math.Pow(layers, 1.0 / (Points - 2));
        return Enumerable.Range(0, Points - 1)
            .Select(i => layers - (int)Math.Round(Math.Pow(ratio, i)))
            .Append(layers)
            .Distinct()
            .Order();
    }

    private static bool IsWithin(double value, (double Lower, double Upper) bounds, double rounding) =>
        value >= bounds.Lower - rounding && value <= bounds.Upper + rounding;

    /// <summary>A logarithm; null: that of 0.</summary>
    private static double? Finite(double value) => double.IsFinite(value) ? value : null;

    private static double Norm(double[] values) => Math.Sqrt(values.Sum(value => value * value));

    /// <summary>An input and a gradient of normal numbers, which every bit of the seed changes.</summary>
    internal static (double[] Input, double[] Gradient) Draw(ulong seed, int count)
    {
        // .NET's generator takes 31 bits, and has drawn these numbers from the beginning; larger seeds take the streams of the library.
        Func<double> next = seed <= int.MaxValue ? new Random((int)seed).NextDouble : Uniform(seed, 4 * count);
        return (Normal(next, count), Normal(next, count));
    }

    private static double[] Normal(Func<double> next, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => Math.Sqrt(-2 * Math.Log(1 - next())) * Math.Cos(2 * Math.PI * next()))];

    /// <summary>Numbers uniform in [0, 1): those of a sample of the adding problem.</summary>
    private static Func<double> Uniform(ulong seed, int count)
    {
        float[] steps = new float[2 * count];
        new AddingProblem(count, 1, seed).Read([0], steps, [], new float[1]);
        int drawn = 0;

        // Rounding to float32 may have led to 1.
        return () => Math.Min(steps[2 * drawn++], MathF.BitDecrement(1));
    }
}
