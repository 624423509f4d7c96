using OrthoNative.Cli.Output;
using OrthoNative.Cli.Reports;

namespace OrthoNative.Tests.Cli.Reports;

/// <summary>Contents of reports, of all kinds that there are.</summary>
internal static class ReportSamples
{
    /// <summary>Names that break pages, tables and readers: markup, quotes, directions, lines, length, half a character.</summary>
    public static readonly string[] NastyNames =
    [
        "<script>alert(1)</script>", "\"quoted\" & 'single'", "right\u202Eto left\u202C", "two\nlines\r\tand a tab", "a\0zero", "]]>--><!--", "é\u0301\u0301 أهلا 日本語 😀", new('W', 300),
        "half \uD83D", "not \uFFFE allowed", "", "   ", "javascript:alert(1)", "{{7*7}} ${x} %s", "https://example.org/x?a=1&b=2",
    ];

    public static IReadOnlyDictionary<string, Func<ReportContent>> All { get; } = new Dictionary<string, Func<ReportContent>>
    {
        ["classification"] = Classification,
        ["many-classes"] = ManyClasses,
        ["forecast"] = () => Forecast(withInterval: true),
        ["forecast-points"] = () => Forecast(withInterval: false),
        ["regression"] = Regression,
        ["task"] = Task,
        ["interrupted"] = Interrupted,
        ["not-finite"] = NotFinite,
        ["one-epoch"] = OneEpoch,
        ["empty"] = Empty,
        ["largest"] = Largest,
    };

    public static ReportContent Empty() => new()
    {
        Title = "gestures",
        Headline = "Nothing was measured.",
        Status = TrainingStatus.Completed,
        Command = "orthonative train gestures.csv",
        Started = new DateTimeOffset(2026, 12, 1, 9, 30, 0, TimeSpan.FromHours(1)),
        Seconds = 83,
        Machine = new Machine("Debian GNU/Linux 12 (bookworm)", "x64", "AMD EPYC 7763 64-Core Processor", 2, "cpu", 2, InstructionSet.Avx2, 8L << 30, ".NET 10.0.0"),
    };

    public static ReportContent Classification()
    {
        var random = new Random(1);
        (LossCurve losses, EpochResult[] epochs) = Learn(random, epochs: 24, stepsPerEpoch: 100, chance: Math.Log(4), floor: 0.05, validation: true, accuracy: true);
        return Empty() with
        {
            Headline = "93.0 % of 300 test recordings are recognized.",
            Status = TrainingStatus.StoppedEarly,
            Command = "orthonative train gestures.csv --target label --id recording --validation 0.15 --test 0.15",
            Losses = losses,
            LossName = "cross-entropy (nats)",
            ChanceLoss = Math.Log(4),
            Epochs = epochs,
            Metric = "accuracy",
            BestEpoch = 19,
            Test = new EvaluationResult(0.2134, new Dictionary<string, double> { ["macro_f1"] = 0.9274, ["accuracy"] = 0.93, ["balanced_accuracy"] = 0.9261 }, 300),
            Validation = new EvaluationResult(0.1987, new Dictionary<string, double> { ["accuracy"] = 0.9467 }, 300),
            Baselines = [("most frequent class", "accuracy", 0.2733), ("nearest centroid", "accuracy", 0.6133)],
            Classes = ["circle", "swipe left", "swipe right", "tap"],
            Confusion = new long[,] { { 79, 1, 0, 2 }, { 0, 66, 8, 0 }, { 1, 4, 69, 0 }, { 2, 0, 3, 65 } },
            Worst = [.. Enumerable.Range(0, 7).Select(i => Example(random, $"recording {40 + (17 * i)}", i % 2 == 0 ? "swipe left" : "tap", i % 2 == 0 ? "swipe right" : "circle", $"confidence {99 - (4 * i)} %", 3, 120))],
            GradientNorms = [("0 RoaRnn", 0.0312), ("1 RoaRnn", 0.0874), ("2 Dense", 1.42)],
            Summary = Summary(("0", "RoaRnn 3 to 64", 4352), ("1", "RoaRnn 64 to 64", 8256), ("2", "Dense 64 to 4", 260)),
            Settings = [("model", "roa"), ("hidden", "64"), ("layers", "2"), ("batch size", "32"), ("learning rate", "0.001"), ("optimizer", "adam"), ("schedule", "cosine"), ("seed", "1")],
            Findings = ["2,000 recordings of 96 to 120 steps, 3 channels: x, y, z.", "412 of 231,870 values are missing (0.2 %); each is replaced by the value before it, and a channel tells where.", "Split by recording: 1,400 for training, 300 for validation, 300 for the test."],
            Code = "using OrthoNative;\n\nusing Model model = Model.Load(\"model.safetensors\");\nfloat[,] probabilities = model.Predict(steps); // [1, 4]\nif (probabilities[0, 0] < 0.5f && steps.Count > 1)\n{\n\tConsole.WriteLine(\"not a circle\");\n}\n",
        };
    }

    /// <summary>Forty classes, some with names that would break the page.</summary>
    public static ReportContent ManyClasses()
    {
        const int Classes = 40;
        var random = new Random(2);
        var confusion = new long[Classes, Classes];
        for (int row = 0; row < Classes; row++)
        {
            for (int i = 0; i < 20 + (10 * row); i++)
            {
                confusion[row, random.NextDouble() < 0.75 ? row : random.NextDouble() < 0.5 ? (row + 1) % Classes : random.Next(Classes)]++;
            }
        }

        (LossCurve losses, EpochResult[] epochs) = Learn(random, epochs: 120, stepsPerEpoch: 50, chance: Math.Log(Classes), floor: 0.6, validation: true, accuracy: true);
        return Empty() with
        {
            Title = NastyNames[0],
            Headline = "75.5 % of 8,600 \"test\" <recordings>.",
            Command = "orthonative train '<script>alert(1)</script>.csv' --target \"a & b\"",
            Losses = losses,
            LossName = "cross-entropy (nats)",
            ChanceLoss = Math.Log(Classes),
            Epochs = epochs,
            Metric = "accuracy",
            BestEpoch = 104,
            Test = new EvaluationResult(0.9, new Dictionary<string, double> { ["accuracy"] = 0.755 }, 8600),
            Baselines = [("most frequent class", "accuracy", 0.048)],
            Classes = [.. NastyNames, .. Enumerable.Range(NastyNames.Length, Classes - NastyNames.Length).Select(i => $"species {i}")],
            Confusion = confusion,
            Worst = [.. NastyNames.Select(name => Example(random, name, name, NastyNames[0], name, 64, 300) with { ChannelNames = NastyNames })],
            GradientNorms = [.. NastyNames.Select((name, i) => (name, Math.Pow(10, -i)))],
            Settings = [.. NastyNames.Select(name => (name, name))],
            Findings = NastyNames,
            Code = string.Join('\n', NastyNames),
        };
    }

    public static ReportContent Forecast(bool withInterval)
    {
        var random = new Random(3);
        (LossCurve losses, EpochResult[] epochs) = Learn(random, epochs: 12, stepsPerEpoch: 80, chance: 1, floor: 0.3, validation: true, accuracy: false);
        return Empty() with
        {
            Title = "electricity",
            Headline = "The error is 0.41 of that of the last value, over 24 steps.",
            Command = "orthonative train electricity.parquet --horizon 24 --look-back 168",
            Losses = losses,
            LossName = withInterval ? "pinball loss" : "mean squared error",
            Epochs = epochs,
            BestEpoch = 12,
            Test = new EvaluationResult(0.31, withInterval ? new Dictionary<string, double> { ["root_mean_squared_error"] = 0.56, ["interval_coverage"] = 0.783 } : new Dictionary<string, double> { ["root_mean_squared_error"] = 0.56 }, 512),
            Baselines = [("last value", "root_mean_squared_error", 1.37), ("same hour of the day before", "root_mean_squared_error", 0.71)],
            Forecasts = [.. Enumerable.Range(0, 4).Select(i => Window(random, $"meter {i + 1}, load", past: 72, horizon: 24, withInterval))],
            ErrorByStep = [.. Enumerable.Range(0, 24).Select(step => 0.3 + (0.35 * (1 - Math.Exp(-step / 8.0))))],
            Findings = ["26,304 hours of 4 meters."],
            GradientNorms = [("encoder", 0.4), ("decoder", 0.09)],
        };
    }

    public static ReportContent Regression()
    {
        var random = new Random(4);
        (LossCurve losses, EpochResult[] epochs) = Learn(random, epochs: 30, stepsPerEpoch: 40, chance: 1, floor: 0.02, validation: true, accuracy: false);
        return Empty() with
        {
            Title = "engines",
            Headline = "The remaining life of 2,000 engines is off by 14.2 cycles in the root mean square.",
            Losses = losses,
            LossName = "mean squared error, scaled",
            ChanceLoss = 1,
            Epochs = epochs,
            Metric = "r_squared",
            BestEpoch = 27,
            Validation = new EvaluationResult(0.05, new Dictionary<string, double> { ["r_squared"] = 0.91, ["root_mean_squared_error"] = 14.2 }, 2000),
            Values =
            [
                Scatter(random, "remaining life (cycles)", 2000, 60, 40, 14),
                Scatter(random, "pressure", 40, 1e6, 200, 90),
            ],
            Worst = [Example(random, "engine 12", "112", "31", "off by 81", 14, 200)],
        };
    }

    /// <summary>A task of the tool: losses, and a test after each epoch.</summary>
    public static ReportContent Task()
    {
        (LossCurve losses, EpochResult[] epochs) = Learn(new Random(5), epochs: 5, stepsPerEpoch: 468, chance: Math.Log(10), floor: 0.25, validation: true, accuracy: true);
        return Empty() with
        {
            Title = "permuted sequential MNIST",
            Headline = "92.1 % of 10,000 test images.",
            Command = "orthonative train psmnist --epochs 5 --test-every-epoch",
            Losses = losses,
            LossName = "cross-entropy (nats)",
            ChanceLoss = Math.Log(10),
            Epochs = epochs,
            Metric = "accuracy",
            ValidationName = "test",
            Test = new EvaluationResult(double.NaN, new Dictionary<string, double> { ["accuracy"] = 0.921 }, 0),
            Baselines = [("most frequent class", "accuracy", 0.1135)],
        };
    }

    public static ReportContent Interrupted()
    {
        var losses = new LossCurve();
        losses.Add(2.302);
        return Empty() with { Title = "copy problem", Headline = "Interrupted; what was trained was not tested.", Status = TrainingStatus.Interrupted, Losses = losses, ChanceLoss = 2.079 };
    }

    public static ReportContent NotFinite()
    {
        var losses = new LossCurve();
        double[] values = [1, double.NaN, 0.5, double.PositiveInfinity, 0.25, 1e308, 0, 5e-324];
        Array.ForEach(values, losses.Add);
        float[] wild = [1, float.NaN, float.PositiveInfinity, float.MaxValue, float.MinValue, 0, float.Epsilon];
        return Empty() with
        {
            Headline = "Numbers that are none.",
            Seconds = double.NaN,
            Losses = losses,
            ChanceLoss = double.NaN,
            Metric = "accuracy",
            Epochs = [.. values.Select((value, i) => new EpochResult(i + 1, i + 1, value, value, new EvaluationResult(value, new Dictionary<string, double> { ["accuracy"] = double.NaN }, 1), value, value, value, value))],
            BestEpoch = 2,
            Test = new EvaluationResult(double.NaN, new Dictionary<string, double> { ["accuracy"] = double.NegativeInfinity }, 0),
            Baselines = [("nothing", "accuracy", double.NaN)],
            Worst = [new WorstExample("x", "1", "2", "", [wild, [], [float.NaN], [3]], ["a"]), new WorstExample("y", "", "", "", [[]], [])],
            Values = [("t", wild, [.. wild.Reverse()]), ("none", [float.NaN], [1]), ("one", [5], [5])],
            Forecasts =
            [
                new ForecastExample("f", wild, wild, wild, [.. wild.Select(value => value - 1)], wild, 0.8), new ForecastExample("nothing", [], [], [], [], [], double.NaN),
                new ForecastExample("one", [], [1], [1], [0], [2], 0.9),
            ],
            ErrorByStep = values,
            GradientNorms = [.. values.Select((value, i) => ($"layer {i}", value)), ("below zero", -1)],
            Confusion = new long[,] { { 0, 0 }, { 0, 0 } },
        };
    }

    public static ReportContent OneEpoch()
    {
        (LossCurve losses, EpochResult[] epochs) = Learn(new Random(6), epochs: 1, stepsPerEpoch: 12, chance: 0.7, floor: 0.5, validation: true, accuracy: true);
        return Empty() with
        {
            Headline = "61 % of 18 test recordings.",
            Losses = losses,
            LossName = "cross-entropy (nats)",
            ChanceLoss = Math.Log(2),
            Epochs = epochs,
            Metric = "accuracy",
            BestEpoch = 1,
            Test = new EvaluationResult(0.68, new Dictionary<string, double> { ["accuracy"] = 0.6111 }, 18),
            Classes = ["no", "yes"],
            Confusion = new long[,] { { 5, 4 }, { 3, 6 } },
        };
    }

    /// <summary>More of everything than any run has.</summary>
    public static ReportContent Largest()
    {
        var random = new Random(7);
        string[] names = [.. Enumerable.Range(0, 5000).Select(i => $"{NastyNames[i % NastyNames.Length]}{i}")];
        var losses = new LossCurve();
        for (int i = 0; i < 10_000_000; i++)
        {
            losses.Add(Math.Exp(random.NextDouble() - (i * 1e-6)));
        }

        var confusion = new long[50, 50];
        for (int i = 0; i < 2500; i++)
        {
            confusion[i / 50, i % 50] = random.Next(1, 1_000_000);
        }

        return ManyClasses() with
        {
            Losses = losses,
            Epochs = [.. Enumerable.Range(1, 5000).Select(i => new EpochResult(i, 2000L * i, random.NextDouble(), random.NextDouble(), new EvaluationResult(random.NextDouble(), new Dictionary<string, double> { ["accuracy"] = random.NextDouble() }, 1), 1, 1, 1, 1))],
            BestEpoch = 4000,
            Classes = names[..50],
            Confusion = confusion,
            Worst = [.. Enumerable.Range(0, 100).Select(i => new WorstExample(names[i], names[i], names[i], names[i], [.. Enumerable.Range(0, 64).Select(_ => Noise(random, 20_000))], names))],
            Values = [.. Enumerable.Range(0, 64).Select(i => (names[i], Noise(random, 50_000), Noise(random, 50_000)))],
            Forecasts = [.. Enumerable.Range(0, 50).Select(i => new ForecastExample(names[i], Noise(random, 20_000), Noise(random, 20_000), Noise(random, 20_000), Noise(random, 20_000), Noise(random, 20_000), 0.8))],
            ErrorByStep = [.. Enumerable.Range(0, 20_000).Select(_ => random.NextDouble())],
            GradientNorms = [.. Enumerable.Range(0, 50_000).Select(i => (names[i % names.Length], random.NextDouble()))],
            Summary = new ModelSummary([.. names.Select(name => new LayerSummary(name, name, 1, 1, 1))], 1, DType.Float32, 1, 2),
            Settings = [.. names.Select(name => (name, name))],
            Findings = names,
            Baselines = [.. names.Select(name => (name, "accuracy", 0.5))],
            Code = string.Join('\n', names),
        };
    }

    /// <summary>A run that learns as runs do: fast, then slowly, and with noise.</summary>
    public static (LossCurve Losses, EpochResult[] Epochs) Learn(Random random, int epochs, int stepsPerEpoch, double chance, double floor, bool validation, bool accuracy)
    {
        var losses = new LossCurve();
        var results = new List<EpochResult>();
        for (int epoch = 1; epoch <= epochs; epoch++)
        {
            double sum = 0;
            for (int step = 0; step < stepsPerEpoch; step++)
            {
                double done = ((epoch - 1.0) * stepsPerEpoch) + step;
                double loss = (floor + ((chance - floor) * Math.Exp(-5 * done / (epochs * stepsPerEpoch)))) * Math.Exp(0.5 * (random.NextDouble() - 0.5));
                losses.Add(loss);
                sum += loss;
            }

            double mean = sum / stepsPerEpoch, held = (1.15 * mean) + (0.02 * random.NextDouble());
            double Score(double loss) => accuracy ? Math.Exp(-loss / 2) : 1 - loss;
            Dictionary<string, double> metrics = accuracy ? new() { ["accuracy"] = Score(held) } : new() { ["r_squared"] = Score(held) };
            results.Add(new EpochResult(epoch, (long)epoch * stepsPerEpoch, mean, Score(mean), validation ? new EvaluationResult(held, metrics, 300) : null, 1e-3 * (1 - ((double)epoch / (epochs + 1))), 0.8, 3.4, 950));
        }

        return (losses, [.. results]);
    }

    private static WorstExample Example(Random random, string id, string truth, string predicted, string detail, int channels, int steps) => new(
        id, truth, predicted, detail, [.. Enumerable.Range(0, channels).Select(channel => Wave(random, steps, channel))], channels == 3 ? ["x", "y", "z"] : []);

    private static float[] Wave(Random random, int steps, int channel)
    {
        double phase = random.NextDouble() * 6;
        return [.. Enumerable.Range(0, steps).Select(step => channel == 1 && step is > 40 and < 52 ? float.NaN : (float)((Math.Sin((step / 9.0) + phase) * (channel + 1)) + (0.2 * random.NextDouble())))];
    }

    private static float[] Noise(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle())];

    private static (string Target, float[] Truth, float[] Predicted) Scatter(Random random, string target, int count, double middle, double spread, double error)
    {
        float[] truth = [.. Enumerable.Range(0, count).Select(_ => (float)(middle + (spread * (random.NextDouble() + random.NextDouble() - 1))))];
        return (target, truth, [.. truth.Select(value => (float)(value + (error * (random.NextDouble() + random.NextDouble() - 1))))]);
    }

    private static ForecastExample Window(Random random, string name, int past, int horizon, bool withInterval)
    {
        double level = 200 + (100 * random.NextDouble());
        float[] all = [.. Enumerable.Range(0, past + horizon).Select(hour => (float)(level + (60 * Math.Sin(hour * Math.PI / 12)) + (12 * random.NextDouble())))];
        float[] forecast = [.. Enumerable.Range(past, horizon).Select(hour => (float)(level + 6 + (57 * Math.Sin((hour * Math.PI / 12) + 0.1))))];
        float[]? lower = withInterval ? [.. forecast.Select((value, i) => value - 5 - i)] : null, upper = withInterval ? [.. forecast.Select((value, i) => value + 5 + i)] : null;
        return new ForecastExample(name, all[..past], all[past..], forecast, lower, upper, 0.8);
    }

    private static ModelSummary Summary(params (string Name, string Description, long Parameters)[] layers) => new(
        [.. layers.Select(layer => new LayerSummary(layer.Name, layer.Description, layer.Parameters, 120 * 64 * 4 * 32, layer.Parameters * 4))], 32, DType.Float32, 1, 2);
}
