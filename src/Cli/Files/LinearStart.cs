using System.Numerics.Tensors;
using OrthoNative.Cli.Output;

namespace OrthoNative.Cli.Files;

/// <summary>
/// Where the training of a forecast begins: its linear path is ridge regression from the scaled look-back in closed form, with the ridge factor that is best on the validation windows, and stays so. The recurrent path
/// begins with forecasts of 0 and learns what the linear one leaves.
/// </summary>
/// <remarks>
/// The model scales a window by its deviation and last value, and its outputs back. So the square of its deviation is the weight of a window: what the regression makes small is then the training loss.
/// </remarks>
internal sealed class LinearStart
{
    /// <summary>Numbers of the sums of a regression at most: 64 MiB.</summary>
    private const long MostNumbers = 8 << 20;

    /// <summary>Products of numbers for the sums of a data set at most: some ten seconds.</summary>
    private const double MostProducts = 2e10;

    private static readonly double[] Factors = [1e-3, 1e-2, 1e-1, 1, 1e1, 1e2, 1e3, 1e4, 1e5];

    private readonly float[] _weights;

    private LinearStart(double factor, EvaluationResult validation, float[] weights) => (Factor, Validation, _weights) = (factor, validation, weights);

    /// <summary>Ridge factor.</summary>
    public double Factor { get; }

    /// <summary>Result of the start on the validation windows.</summary>
    public EvaluationResult Validation { get; }

    /// <summary>Part of run.json.</summary>
    public LinearStartReport Report => new(Factor, Validation.Loss);

    /// <summary>Tells whether the sums for a forecast are few enough.</summary>
    public static bool Fits(WindowDataset training) => (training.Steps + 1) * (training.Steps + 1 + training.Horizon) <= MostNumbers;

    /// <summary>Gives a model of <see cref="ModelBuilder"/> the weights of the start, of which those of the linear path are kept in training.</summary>
    /// <param name="model">The model of a forecast that <see cref="Fits"/>.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static LinearStart Apply(FileModel model, CancellationToken cancellationToken)
    {
        var training = (WindowDataset)model.Training;
        RidgeRegression learnt = Sum(training, cancellationToken), chosenBy = Sum((WindowDataset)model.Validation, cancellationToken);
        RidgeSolution solution = Factors.Select(learnt.Solve).MinBy(chosenBy.SquaredError)!;
        foreach (Parameter parameter in model.Model.Parameters)
        {
            if (parameter.Name.EndsWith(ModelBuilder.LinearWeight, StringComparison.Ordinal))
            {
                Fix(parameter, solution.Weight);
            }
            else if (parameter.Name.EndsWith(ModelBuilder.LinearBias, StringComparison.Ordinal))
            {
                Fix(parameter, solution.Bias);
            }
            else if (parameter.Name.EndsWith(ModelBuilder.RecurrentWeight, StringComparison.Ordinal))
            {
                parameter.Value.Fill(0);
            }
        }

        return new LinearStart(solution.Lambda, model.Trainer.Evaluate(model.Validation, cancellationToken), model.Model.ParameterData.ToArray<float>());
    }

    /// <summary>Gives the model the weights of the start again.</summary>
    public void Restore(Model model) => model.ParameterData.CopyFrom<float>(_weights);

    /// <summary>One line.</summary>
    public override string ToString() => Texts.Format($"linear path: ridge regression, factor {Factor:#,0.###}, validation mean squared error {Texts.Value(Validation.Loss)}");

    private static void Fix(Parameter parameter, ReadOnlySpan<double> values)
    {
        float[] numbers = new float[values.Length];
        TensorPrimitives.ConvertTruncating(values, numbers);
        parameter.Value.CopyFrom<float>(numbers);
        parameter.IsFrozen = true;
    }

    /// <summary>Sums up the windows; where there are very many, those at equal distances.</summary>
    private static RidgeRegression Sum(WindowDataset windows, CancellationToken cancellationToken)
    {
        int steps = (int)windows.Steps, features = (int)windows.Features, horizon = (int)windows.Horizon, channels = windows.TargetChannels.Count;
        double epsilon = new WindowScalingOptions().Epsilon, products = (double)windows.Count * channels * steps * ((steps / 2.0) + horizon);
        var regression = new RidgeRegression(steps, horizon);
        float[] inputs = new float[steps * features], values = new float[windows.Outputs], row = new float[steps], targets = new float[horizon];
        long stride = (long)Math.Max(1, Math.Ceiling(products / MostProducts));
        for (long sample = 0; sample < windows.Count; sample += stride)
        {
            cancellationToken.ThrowIfCancellationRequested();
            windows.Read([sample], inputs, [], values);
            for (int channel = 0; channel < channels; channel++)
            {
                double sum = 0, squares = 0;
                for (int step = 0; step < steps; step++)
                {
                    row[step] = inputs[(step * features) + windows.TargetChannels[channel]];
                    sum += row[step];
                }

                double mean = sum / steps, last = row[^1];
                for (int step = 0; step < steps; step++)
                {
                    squares += (row[step] - mean) * (row[step] - mean);
                }

                double variance = (squares / steps) + epsilon, deviation = Math.Sqrt(variance);
                for (int step = 0; step < steps; step++)
                {
                    row[step] = (float)((row[step] - last) / deviation);
                }

                for (int step = 0; step < horizon; step++)
                {
                    targets[step] = (float)((values[(step * channels) + channel] - last) / deviation);
                }

                regression.Add(row, targets, [(float)variance]);
            }
        }

        return regression;
    }
}
