using System.Globalization;
using System.Numerics.Tensors;

namespace OrthoNative;

/// <summary>Fits a linear map in closed form: ridge regression from rows that are streamed, for many ridge factors at once.</summary>
/// <remarks>
/// <para>
/// For rows of inputs x, targets y and weights r, the solution A, c minimises Σ r |y - A x - c|² + λ |A|²; the intercept c is not penalised. With X the rows of inputs and a 1 for the intercept, Y those of targets
/// and R the diagonal matrix of weights, it solves the normal equations (Xᵀ R X + λ I') [A c]ᵀ = Xᵀ R Y by Cholesky's method, where I' is the identity with 0 for the intercept. Rows are not
/// kept: their sums Xᵀ R X, Xᵀ R Y and those of the squared targets are, in float64.
/// </para>
/// <para>
/// Sums are those of blocks of 128 rows, in the order of the rows: same rows and processor, same bits, however the rows are divided among calls. One thread computes; calls from several threads at once are not allowed.
/// </para>
/// <example><code>
/// var regression = new RidgeRegression(inputs: 3, outputs: 1);
/// regression.Add(inputs, targets); // row by row, as often as there are batches
/// RidgeSolution solution = regression.Solve(lambda: 0.1);
/// </code></example>
/// </remarks>
public sealed class RidgeRegression
{
    private const int BlockRows = 128;

    /// <summary>Distance of 1 to the next number.</summary>
    private const double MachineEpsilon = 2.2204460492503131e-16;

    /// <summary>Inputs, and the intercept.</summary>
    private readonly int _columns;

    /// <summary>Xᵀ R X, its lower triangle, row by row.</summary>
    private readonly double[] _gram;

    /// <summary>Yᵀ R X, [outputs, columns].</summary>
    private readonly double[] _products;

    /// <summary>Sums of the squared targets, [outputs].</summary>
    private readonly double[] _squares;

    /// <summary>Rows that are not summed yet, times the roots of their weights: columns first, then outputs, each <see cref="BlockRows"/> long.</summary>
    private readonly double[] _block;
    private int _blockRows;
    private bool _hasWeight;

    /// <summary>Takes the memory for the sums: (D + 1) (D + 1 + H) + 128 (D + 1 + H) numbers of 8 bytes.</summary>
    /// <param name="inputs">Number D of inputs, 1 to 32767.</param>
    /// <param name="outputs">Number H of outputs, at least 1.</param>
    /// <param name="intercept">True (the default): with an intercept c, which is not penalised. False: c is 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public RidgeRegression(int inputs, int outputs, bool intercept = true)
    {
        // The largest square that an array holds.
        Check.InRange(inputs, 1, short.MaxValue);
        Check.InRange(outputs, 1, Array.MaxLength / (inputs + BlockRows + 1));
        (InputSize, OutputSize, HasIntercept) = (inputs, outputs, intercept);
        _columns = inputs + (intercept ? 1 : 0);
        _gram = new double[_columns * _columns];
        _products = new double[outputs * _columns];
        _squares = new double[outputs];
        _block = new double[(_columns + outputs) * BlockRows];
    }

    /// <summary>Number D of inputs.</summary>
    public int InputSize { get; }

    /// <summary>Number H of outputs.</summary>
    public int OutputSize { get; }

    /// <summary>True if there is an intercept.</summary>
    public bool HasIntercept { get; }

    /// <summary>Number of rows added so far.</summary>
    public long Count { get; private set; }

    /// <summary>Adds rows. Where it throws, none of them is added.</summary>
    /// <param name="inputs">[rows, D], row by row.</param>
    /// <param name="targets">[rows, H], row by row.</param>
    /// <param name="weights">Weights r of the rows, not negative; empty, the default: all are 1.</param>
    /// <exception cref="ArgumentException">The spans do not fit together, or a number is NaN or infinite, or a weight negative.</exception>
    public void Add(ReadOnlySpan<float> inputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights = default)
    {
        if (inputs.Length % InputSize != 0)
        {
            throw new ArgumentException($"{nameof(inputs)} has {inputs.Length} elements; it must have a multiple of {InputSize}.", nameof(inputs));
        }

        int rows = inputs.Length / InputSize;
        Check.Length(targets.Length, (long)rows * OutputSize, nameof(targets));
        Check.Length(weights.Length, weights.IsEmpty ? 0 : rows, nameof(weights));
        RequireFinite(inputs, nameof(inputs));
        RequireFinite(targets, nameof(targets));
        RequireFinite(weights, nameof(weights));
        if (weights.IndexOfAnyInRange(float.NegativeInfinity, -float.Epsilon) is >= 0 and int negative)
        {
            throw new ArgumentException(
                string.Create(CultureInfo.InvariantCulture, $"{nameof(weights)}[{negative}] is {weights[negative]}; it must not be negative."), nameof(weights));
        }

        for (int row = 0; row < rows; row++)
        {
            double root = weights.IsEmpty ? 1 : Math.Sqrt(weights[row]);
            _hasWeight |= root > 0;
            Store(inputs.Slice(row * InputSize, InputSize), root, 0);
            if (HasIntercept)
            {
                _block[(InputSize * BlockRows) + _blockRows] = root;
            }

            Store(targets.Slice(row * OutputSize, OutputSize), root, _columns);
            if (++_blockRows == BlockRows)
            {
                AddBlock(_gram, _products, _squares);
                _blockRows = 0;
            }
        }

        Count += rows;
    }

    /// <summary>Solves the normal equations. Rows may be added afterwards, and other factors be solved for.</summary>
    /// <param name="lambda">Ridge factor λ: finite and not negative. With 0, least squares.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="lambda"/> is out of range.</exception>
    /// <exception cref="ArgumentException">The normal equations are singular with <paramref name="lambda"/>.</exception>
    /// <exception cref="InvalidOperationException">No row with a weight above 0 was added.</exception>
    public RidgeSolution Solve(double lambda)
    {
        Check.NotNegative(lambda);
        if (!_hasWeight)
        {
            throw new InvalidOperationException($"{(Count == 0 ? "no row was added" : "all rows added have weight 0")}; {nameof(Add)} must be called with rows of weights above 0 before {nameof(Solve)}.");
        }

        (double[] factor, double[] products, _) = Sums();
        for (int i = 0; i < InputSize; i++)
        {
            factor[(i * _columns) + i] += lambda;
        }

        Factorize(factor, lambda);
        double[] weight = new double[OutputSize * InputSize], bias = new double[OutputSize];
        for (int output = 0; output < OutputSize; output++)
        {
            Span<double> solution = products.AsSpan(output * _columns, _columns);
            SolveInPlace(factor, solution);
            solution[..InputSize].CopyTo(weight.AsSpan(output * InputSize));
            bias[output] = HasIntercept ? solution[InputSize] : 0;
        }

        return new RidgeSolution(lambda, weight, bias);
    }

    /// <summary>Computes Σ r |y - A x - c|² of the rows added here, to choose a ridge factor by rows that a solution does not come from.</summary>
    /// <param name="solution">A solution of the same sizes, of this object or of another one; with an intercept of 0 where this object has none.</param>
    /// <exception cref="ArgumentException">The solution has other sizes, or an intercept that this object lacks.</exception>
    public double SquaredError(RidgeSolution solution)
    {
        ArgumentNullException.ThrowIfNull(solution);
        if (solution.Bias.Length != OutputSize || solution.Weight.Length != (long)OutputSize * InputSize)
        {
            throw new ArgumentException(
                $"{nameof(solution)} has {solution.Bias.Length} outputs and {solution.Weight.Length} weights; it must have {OutputSize} and {(long)OutputSize * InputSize}.", nameof(solution));
        }

        if (!HasIntercept && solution.Bias.ContainsAnyExcept(0))
        {
            throw new ArgumentException($"{nameof(solution)} has an intercept, but this regression has none; it must have none, too.", nameof(solution));
        }

        (double[] gram, double[] products, double[] squares) = Sums();
        double[] map = new double[_columns];
        double sum = 0;
        for (int output = 0; output < OutputSize; output++)
        {
            solution.Weight.Slice(output * InputSize, InputSize).CopyTo(map);
            if (HasIntercept)
            {
                map[^1] = solution.Bias[output];
            }

            double quadratic = 0;
            for (int i = 0; i < _columns; i++)
            {
                ReadOnlySpan<double> row = gram.AsSpan(i * _columns, i + 1);
                quadratic += map[i] * ((2 * TensorPrimitives.Dot(row[..i], map.AsSpan(0, i))) + (row[i] * map[i]));
            }

            // Rounding may lead below 0 where the fit is exact.
            sum += Math.Max(0, squares[output] - (2 * TensorPrimitives.Dot<double>(products.AsSpan(output * _columns, _columns), map)) + quadratic);
        }

        return sum;
    }

    private static void RequireFinite(ReadOnlySpan<float> values, string name)
    {
        for (int i = 0; i < values.Length; i++)
        {
            if (!float.IsFinite(values[i]))
            {
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{name}[{i}] is {values[i]}; it must be finite."), name);
            }
        }
    }

    /// <summary>Writes a row into the block, each number into a column of its own.</summary>
    private void Store(ReadOnlySpan<float> values, double factor, int firstColumn)
    {
        int at = (firstColumn * BlockRows) + _blockRows;
        foreach (float value in values)
        {
            _block[at] = value * factor;
            at += BlockRows;
        }
    }

    /// <summary>All sums, as copies, with those of the rows of an unfinished block.</summary>
    private (double[] Gram, double[] Products, double[] Squares) Sums()
    {
        double[] gram = [.. _gram], products = [.. _products], squares = [.. _squares];
        AddBlock(gram, products, squares);
        return (gram, products, squares);
    }

    private void AddBlock(double[] gram, double[] products, double[] squares)
    {
        for (int i = 0; i < _columns; i++)
        {
            AddProducts(Column(i), i + 1, gram.AsSpan(i * _columns));
        }

        for (int output = 0; output < OutputSize; output++)
        {
            ReadOnlySpan<double> targets = Column(_columns + output);
            AddProducts(targets, _columns, products.AsSpan(output * _columns));
            squares[output] += TensorPrimitives.SumOfSquares(targets);
        }
    }

    private void AddProducts(ReadOnlySpan<double> column, int count, Span<double> sums)
    {
        for (int i = 0; i < count; i++)
        {
            sums[i] += TensorPrimitives.Dot(column, Column(i));
        }
    }

    private ReadOnlySpan<double> Column(int number) => _block.AsSpan(number * BlockRows, _blockRows);

    /// <summary>Replaces the lower triangle of a symmetric matrix by L, where L Lᵀ is the matrix.</summary>
    private void Factorize(double[] matrix, double lambda)
    {
        for (int i = 0; i < _columns; i++)
        {
            Span<double> row = matrix.AsSpan(i * _columns, i + 1);
            for (int j = 0; j < i; j++)
            {
                ReadOnlySpan<double> other = matrix.AsSpan(j * _columns, j + 1);
                row[j] = (row[j] - TensorPrimitives.Dot(row[..j], other[..j])) / other[j];
            }

            double rest = row[i] - TensorPrimitives.SumOfSquares<double>(row[..i]);

            // What rounding leaves of a column that others give.
            if (!(rest > row[i] * _columns * MachineEpsilon))
            {
                throw new ArgumentException(
                    string.Create(CultureInfo.InvariantCulture, $"{nameof(lambda)} is {lambda}, with which the normal equations are singular: {Describe(i)}; it must be larger."), nameof(lambda));
            }

            row[i] = Math.Sqrt(rest);
        }
    }

    private string Describe(int column) => column == InputSize
        ? "a sum of the inputs, times numbers, is the same in all rows"
        : string.Create(CultureInfo.InvariantCulture, $"input {column} is 0 or follows from those before it");

    /// <summary>Solves L Lᵀ x = b.</summary>
    private void SolveInPlace(double[] factor, Span<double> vector)
    {
        for (int i = 0; i < _columns; i++)
        {
            ReadOnlySpan<double> row = factor.AsSpan(i * _columns, i + 1);
            vector[i] = (vector[i] - TensorPrimitives.Dot(row[..i], vector[..i])) / row[i];
        }

        for (int i = _columns - 1; i >= 0; i--)
        {
            ReadOnlySpan<double> row = factor.AsSpan(i * _columns, i + 1);
            vector[i] /= row[i];
            TensorPrimitives.MultiplyAdd(row[..i], -vector[i], vector[..i], vector[..i]);
        }
    }
}
