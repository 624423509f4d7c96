namespace OrthoNative.Tests.Training;

internal sealed class RidgeRegressionTests
{
    private const int Rows = 500, Inputs = 7, Outputs = 3;

    [Test]
    public void A_small_system_has_the_solution_by_hand()
    {
        // Without an intercept: (1 + 4 + λ) a = 1·3 + 2·5.
        var through = new RidgeRegression(1, 1, intercept: false);
        through.Add([1, 2], [3, 5]);
        Assert.That(through.Solve(0).Weight[0], Is.EqualTo(13.0 / 5).Within(1e-15));
        Assert.That(through.Solve(8).Weight[0], Is.EqualTo(1).Within(1e-15));
        Assert.That(through.Solve(8).Bias[0], Is.Zero);

        // With one, which is not penalised: centred inputs ±1/2 and targets ±1 give a = 1 / (1/2 + λ).
        var line = new RidgeRegression(1, 1);
        line.Add([1, 2], [3, 5]);
        Assert.That(line.Solve(0).Weight[0], Is.EqualTo(2).Within(1e-13));
        RidgeSolution flat = line.Solve(0.5);
        Assert.That((flat.Weight[0], flat.Bias[0], flat.Lambda), Is.EqualTo((1.0, 2.5, 0.5)).Using<(double, double, double)>(
            (x, y) => Math.Abs(x.Item1 - y.Item1) < 1e-13 && Math.Abs(x.Item2 - y.Item2) < 1e-13 && x.Item3 == y.Item3));

        // Three times the weight is three times the row.
        var weighted = new RidgeRegression(1, 1);
        weighted.Add([1, 2, 4], [3, 5, 1], [1, 3, 0]);
        var repeated = new RidgeRegression(1, 1);
        repeated.Add([1, 2, 2, 2], [3, 5, 5, 5]);
        Assert.That(weighted.Solve(0.7).Weight[0], Is.EqualTo(repeated.Solve(0.7).Weight[0]).Within(1e-13));
        Assert.That(weighted.SquaredError(weighted.Solve(0.7)), Is.EqualTo(repeated.SquaredError(repeated.Solve(0.7))).Within(1e-13));
    }

    [Test]
    public void Residuals_fulfil_the_normal_equations_for_many_factors([Values] bool intercept)
    {
        (float[] x, float[] y) = Data();
        var regression = new RidgeRegression(Inputs, Outputs, intercept);
        regression.Add(x, y);
        double least = 0;
        foreach (double lambda in (double[])[0, 1e-3, 1, 100, 1e6])
        {
            RidgeSolution solution = regression.Solve(lambda);
            double[,] gradient = new double[Outputs, Inputs];
            double[] mean = new double[Outputs];
            double squares = 0;
            for (int row = 0; row < Rows; row++)
            {
                for (int output = 0; output < Outputs; output++)
                {
                    double residual = y[(row * Outputs) + output] - solution.Bias[output];
                    for (int input = 0; input < Inputs; input++)
                    {
                        residual -= solution.Weight[(output * Inputs) + input] * x[(row * Inputs) + input];
                    }

                    squares += residual * residual;
                    mean[output] += residual;
                    for (int input = 0; input < Inputs; input++)
                    {
                        gradient[output, input] += residual * x[(row * Inputs) + input];
                    }
                }
            }

            for (int output = 0; output < Outputs; output++)
            {
                for (int input = 0; input < Inputs; input++)
                {
                    Assert.That(gradient[output, input], Is.EqualTo(lambda * solution.Weight[(output * Inputs) + input]).Within(1e-8), $"λ {lambda}, output {output}, input {input}");
                }

                Assert.That(mean[output], intercept ? Is.EqualTo(0).Within(1e-8) : Is.Not.EqualTo(0).Within(1e-3), $"λ {lambda}, output {output}");
            }

            Assert.That(regression.SquaredError(solution), Is.EqualTo(squares).Within(1e-9 * squares), $"λ {lambda}");
            Assert.That(squares, Is.GreaterThanOrEqualTo(least), "a larger factor fits the rows worse");
            least = squares;
        }
    }

    [Test]
    public void Bits_do_not_depend_on_how_rows_are_divided_among_calls()
    {
        (float[] x, float[] y) = Data();
        float[] weights = [.. Enumerable.Range(0, Rows).Select(row => (row + 1) % 3f)];
        double[]? expected = null;
        foreach (int batch in (int[])[Rows, 1, 7, 128, 200])
        {
            var regression = new RidgeRegression(Inputs, Outputs);
            for (int row = 0; row < Rows; row += batch)
            {
                int count = Math.Min(batch, Rows - row);
                regression.Add(x.AsSpan(row * Inputs, count * Inputs), y.AsSpan(row * Outputs, count * Outputs), weights.AsSpan(row, count));

                // Solving on the way leaves the sums as they are.
                regression.Solve(1);
            }

            RidgeSolution solution = regression.Solve(0.25);
            double[] numbers = [.. solution.Weight, .. solution.Bias, regression.SquaredError(solution)];
            expected ??= numbers;
            Assert.That(numbers, Is.EqualTo(expected), $"batches of {batch}");
            Assert.That(regression.Count, Is.EqualTo(Rows));
        }
    }

    [Test]
    public void Fewer_rows_than_inputs_have_a_solution_with_a_factor_alone()
    {
        var regression = new RidgeRegression(3, 1);
        regression.Add([1, 2, 3, 4, 5, 7], [1, 2]);
        Assert.That(() => regression.Solve(0), Throws.ArgumentException.With.Message.Contains("lambda is 0, with which the normal equations are singular: input 2 is 0 or follows").And.Property("ParamName").EqualTo("lambda"));
        Assert.That(regression.SquaredError(regression.Solve(1e-9)), Is.EqualTo(0).Within(1e-6), "two rows are fitted");

        var constant = new RidgeRegression(1, 1);
        constant.Add([2, 2], [1, 3]);
        Assert.That(() => constant.Solve(0), Throws.ArgumentException.With.Message.Contains("singular: a sum of the inputs, times numbers, is the same in all rows"));
        Assert.That(constant.Solve(1).Bias[0], Is.EqualTo(2).Within(1e-12));
        Assert.That(constant.Solve(1).Weight[0], Is.EqualTo(0).Within(1e-12));
    }

    [Test]
    public void Faults_are_refused_and_leave_the_sums()
    {
        Assert.That(() => new RidgeRegression(0, 1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("inputs is 0; it must be from 1 to 32767"));
        Assert.That(() => new RidgeRegression(32768, 1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("inputs is 32768"));
        Assert.That(() => new RidgeRegression(1, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("outputs is 0"));
        Assert.That(() => new RidgeRegression(2, int.MaxValue), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("outputs is 2147483647"));
        var regression = new RidgeRegression(2, 1);
        Assert.That(() => regression.Solve(1), Throws.InvalidOperationException.With.Message.Contains("no row was added"));
        Refuses(() => regression.Add([1, 2, 3], [1]), "inputs has 3 elements; it must have a multiple of 2");
        Refuses(() => regression.Add([1, 2], [1, 2]), "targets has 2 elements; it must have 1");
        Refuses(() => regression.Add([1, 2], [1], [1, 1]), "weights has 2 elements; it must have 1");
        Refuses(() => regression.Add([1, float.NaN], [1]), "inputs[1] is NaN; it must be finite");
        Refuses(() => regression.Add([1, 2], [float.PositiveInfinity]), "targets[0] is Infinity; it must be finite");
        Refuses(() => regression.Add([1, 2], [1], [float.NaN]), "weights[0] is NaN; it must be finite");
        Refuses(() => regression.Add([1, 2], [1], [-1]), "weights[0] is -1; it must not be negative");
        Assert.That(regression.Count, Is.Zero);
        regression.Add([], []);
        regression.Add([1, 2], [1], [0]);
        Assert.That(() => regression.Solve(1), Throws.InvalidOperationException.With.Message.Contains("all rows added have weight 0"));
        regression.Add([1, 2], [1]);
        Assert.That(() => regression.Solve(-1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("lambda is -1; it must be finite and not negative"));
        Assert.That(() => regression.Solve(double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => regression.SquaredError(null!), Throws.ArgumentNullException);

        var other = new RidgeRegression(2, 2);
        other.Add([1, 2], [1, 2]);
        Refuses(() => regression.SquaredError(other.Solve(1)), "solution has 2 outputs and 4 weights; it must have 1 and 2");
        var through = new RidgeRegression(2, 1, intercept: false);
        through.Add([1, 2], [1]);
        Refuses(() => through.SquaredError(regression.Solve(1)), "solution has an intercept, but this regression has none");
        Assert.That(regression.SquaredError(through.Solve(1)), Is.GreaterThan(0));

        static void Refuses(Action call, string message) => Assert.That(call, Throws.ArgumentException.With.Message.Contains(message));
    }

    private static (float[] Inputs, float[] Targets) Data()
    {
        var random = new Random(3);
        float[] x = [.. Enumerable.Range(0, Rows * Inputs).Select(_ => (float)((random.NextDouble() * 2) - 0.7))];
        float[] y = new float[Rows * Outputs];
        for (int i = 0; i < y.Length; i++)
        {
            y[i] = (float)(random.NextDouble() + 1 + (i % Outputs * x[(i / Outputs * Inputs) + 2]));
        }

        return (x, y);
    }
}
