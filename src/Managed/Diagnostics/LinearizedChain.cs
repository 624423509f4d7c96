namespace OrthoNative.Diagnostics;

/// <summary>
/// A chain of steps along the states that one input gives, in double precision: Jacobians, gradients at every step, and the
/// bounds of the theory beside them.
/// </summary>
/// <remarks>
/// <para>
/// The Jacobian of step k has a part that passes the weights W and one that does not: J_k = R_k + P_k. Its singular values lie within
/// σ_min(P_k) - r_k and σ_max(P_k) + r_k (H. Weyl), where r_k = ‖R_k‖₂; those of the whole, J_K ... J_1, within the products; and so does the ratio of
/// the gradient norms before and after. The parts are
/// </para>
/// <list type="bullet">
/// <item><description><see cref="RoaRnn"/>, <see cref="RoaFnn"/>: R_k = diag(β φ') W_k and P_k = diag(α) O_k, with singular values from min |α| to max |α|;
/// in an <see cref="Elman"/> layer P_k = 0;</description></item>
/// <item><description><see cref="Gru"/>: R_k = diag((1 - z) n' r) W_n + diag((1 - z) n' r' a) W_r + diag(z' (h - n)) W_z with a = W_n h + c_n, and
/// P_k = diag(z);</description></item>
/// <item><description><see cref="Lstm"/>, whose state is [h, c], 2 N wide: R_k from W to c' and h', and P_k = [0, diag(o (1 - tanh² c') f); 0, diag(f)],
/// whose smallest singular value is 0.</description></item>
/// </list>
/// <para>
/// Numbers over thousands of steps may leave the range of a double, so norms and singular values are also given as decimal
/// logarithms: -3000 is 10⁻³⁰⁰⁰. The parameters of a <see cref="RoaFnn"/> are read when they are needed: once a step of an optimizer, a loaded file
/// or another copy has changed them, these computations throw an <see cref="InvalidOperationException"/>. Writes through a span are not noticed.
/// A chain may be used by one thread at a time; it uses all cores.
/// </para>
/// </remarks>
public sealed class LinearizedChain
{
    /// <summary>Derivative, relative to its largest value, below which a nonlinearity counts as saturated.</summary>
    public const double SaturationThreshold = 0.1;

    private const double Log10Of2 = 0.30102999566398119521;

    private readonly ChainLayer _layer;
    private readonly LinearizedSteps _chain;
    private readonly int _n;
    private readonly int _steps;
    private readonly CancellationToken _cancellationToken;
    private double[]? _radii;

    private LinearizedChain(
        ChainLayer layer, long steps, ReadOnlySpan<double> inputs, ReadOnlySpan<double> initial, CancellationToken cancellationToken)
    {
        // The Jacobian is an array of as many numbers as the square of the state's size.
        long most = (long)Math.Sqrt(Array.MaxLength) / StateVectors(layer);
        if (layer.HiddenSize > most)
        {
            throw new ArgumentException($"{nameof(layer)} has {layer.HiddenSize} units; it must have at most {most} here.", nameof(layer));
        }

        // A feedforward chain reads its weights layer by layer, a recurrent one at once.
        if (layer is RecurrentLayer && layer.Parameters.FirstOrDefault(parameter => parameter.Value.Count > Array.MaxLength) is { } large)
        {
            throw new ArgumentException(
                $"{nameof(layer)} has {large.Value.Count} numbers in {large.Name}; it must have at most {Array.MaxLength} here.", nameof(layer));
        }

        long mostSteps = Array.MaxLength / LinearizedSteps.NumbersOfStep(layer);
        if (steps > mostSteps)
        {
            string argument = layer is RecurrentLayer ? nameof(inputs) : nameof(layer);
            throw new ArgumentException($"{argument} has {steps} steps; it must have at most {mostSteps} here.", argument);
        }

        _layer = layer;
        _cancellationToken = cancellationToken;
        _chain = layer switch
        {
            Gru gru => new GruSteps(gru, (int)steps, inputs, initial, cancellationToken),
            Lstm lstm => new LstmSteps(lstm, (int)steps, inputs, initial, cancellationToken),
            _ => new FilterSteps(layer, (int)steps, inputs, initial, cancellationToken),
        };
        _n = _chain.StateSize;
        _steps = _chain.Count;
    }

    /// <summary>Number of steps K: time steps or layers.</summary>
    public long Steps => _steps;

    /// <summary>Number of units N.</summary>
    public long HiddenSize => _layer.HiddenSize;

    /// <summary>Number of values M of a state: N, or 2 N of an <see cref="Lstm"/>, h and then c.</summary>
    public long StateSize => _n;

    /// <summary>The state after the last step, <c>[M]</c>.</summary>
    public ReadOnlySpan<double> State => _chain.State;

    /// <summary>
    /// For each step, the share of units, or of all units of all gates, whose nonlinearity has a derivative below <see cref="SaturationThreshold"/>
    /// times its largest value: 1 of tanh and relu, 1/4 of the logistic function.
    /// </summary>
    public ReadOnlySpan<double> Saturation => _chain.Saturation;

    /// <summary>For each step, r_k, the norm of the part of the Jacobian that passes W, to 1e-6 relative. Computed when first asked for.</summary>
    public ReadOnlySpan<double> Radii => _radii ??= ComputeRadii();

    /// <summary>A feedforward chain at an input.</summary>
    /// <param name="layer">A layer of a model of either element type.</param>
    /// <param name="input">x_0, <c>[N]</c>, finite.</param>
    /// <exception cref="ArgumentException">
    /// The input has another size, or N × N or K × N numbers do not fit into an array.
    /// </exception>
    /// <exception cref="NotFiniteNumberException">An element of the input is NaN or infinite.</exception>
    /// <exception cref="InvalidOperationException">The layer is not part of a model yet.</exception>
    public static LinearizedChain Of(RoaFnn layer, ReadOnlySpan<double> input) => Of(layer, input, CancellationToken.None);

    /// <summary>A feedforward chain at an input, whose computations can be cancelled.</summary>
    /// <param name="layer">A layer of a model of either element type.</param>
    /// <param name="input">x_0, <c>[N]</c>, finite.</param>
    /// <param name="cancellationToken">Ends this call, and any later one that goes through the steps of the chain.</param>
    /// <exception cref="ArgumentException">
    /// The input has another size, or N × N or K × N numbers do not fit into an array.
    /// </exception>
    /// <exception cref="NotFiniteNumberException">An element of the input is NaN or infinite.</exception>
    /// <exception cref="InvalidOperationException">The layer is not part of a model yet.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static LinearizedChain Of(RoaFnn layer, ReadOnlySpan<double> input, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(layer);
        CheckVector(input, layer.HiddenSize, nameof(input));
        RequireModel(layer);
        return new LinearizedChain(layer, layer.Layers, [], input, cancellationToken);
    }

    /// <summary>A recurrent chain along one sequence.</summary>
    /// <param name="layer">A layer of a model of either element type.</param>
    /// <param name="inputs">u, <c>[T, D]</c>, finite.</param>
    /// <param name="initialState">x_0, <c>[N]</c>, or h and c of an <see cref="Lstm"/>, <c>[2 N]</c>; finite; empty: zeros.</param>
    /// <param name="cancellationToken">Ends this call, and any later one that goes through the steps of the chain.</param>
    /// <exception cref="ArgumentException">
    /// An argument has another size, or M × M numbers, those of a parameter, or those that are kept for each step, do not fit into an array.
    /// </exception>
    /// <exception cref="NotFiniteNumberException">An element of an argument is NaN or infinite.</exception>
    /// <exception cref="InvalidOperationException">The layer is not part of a model yet.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static LinearizedChain Of(
        RecurrentLayer layer, ReadOnlySpan<double> inputs, ReadOnlySpan<double> initialState = default, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(layer);
        if (inputs.IsEmpty || inputs.Length % layer.InputSize != 0)
        {
            throw new ArgumentException($"{nameof(inputs)} has {inputs.Length} elements; it must have a multiple of {layer.InputSize}, the inputs of a step.", nameof(inputs));
        }

        CheckVector(inputs, inputs.Length, nameof(inputs));
        if (!initialState.IsEmpty)
        {
            CheckVector(initialState, layer.HiddenSize * StateVectors(layer), nameof(initialState));
        }

        RequireModel(layer);
        return new LinearizedChain(layer, inputs.Length / layer.InputSize, inputs, initialState, cancellationToken);
    }

    /// <summary>J v, the change of the last state with a change v of the first; infinite where it overflows a double.</summary>
    /// <param name="direction">v, <c>[M]</c>.</param>
    /// <exception cref="ArgumentException">The vector has another size.</exception>
    /// <exception cref="NotFiniteNumberException">An element of the vector is NaN or infinite.</exception>
    public double[] JacobianVectorProduct(ReadOnlySpan<double> direction)
    {
        CheckVector(direction, _n, nameof(direction));
        (double[] result, long exponent) = Push(direction);
        return Unscaled(result, exponent);
    }

    /// <summary>Jᵀ g, the gradient at the first state where g is that at the last; infinite where it overflows a double.</summary>
    /// <param name="gradient">g, <c>[M]</c>.</param>
    /// <exception cref="ArgumentException">The vector has another size.</exception>
    /// <exception cref="NotFiniteNumberException">An element of the vector is NaN or infinite.</exception>
    public double[] VectorJacobianProduct(ReadOnlySpan<double> gradient)
    {
        CheckVector(gradient, _n, nameof(gradient));
        (double[] result, long exponent) = Pull(gradient, _n, null);
        return Unscaled(result, exponent);
    }

    /// <summary>The norm of the gradient at every state, as decimal logarithms.</summary>
    /// <param name="outputGradients">
    /// Gradients that arrive at the last states, <c>[K', N]</c>, in the order of steps; most often of one. Those of an <see cref="Lstm"/> arrive at h.
    /// </param>
    /// <returns>log₁₀ ‖g_k‖ for k = 0..K.</returns>
    /// <exception cref="ArgumentException">The gradients have another size.</exception>
    /// <exception cref="NotFiniteNumberException">An element of the gradients is NaN or infinite.</exception>
    public double[] LogGradientNorms(ReadOnlySpan<double> outputGradients)
    {
        int units = (int)HiddenSize;
        if (outputGradients.IsEmpty || outputGradients.Length % units != 0 || outputGradients.Length / units > _steps)
        {
            throw new ArgumentException(
                $"{nameof(outputGradients)} has {outputGradients.Length} elements; it must have k times {units}, k from 1 to {_steps}.", nameof(outputGradients));
        }

        CheckVector(outputGradients, outputGradients.Length, nameof(outputGradients));
        var norms = new double[_steps + 1];
        Pull(outputGradients, units, norms);
        return norms;
    }

    /// <summary>All singular values of the input-output Jacobian in descending order; 0 or infinite where they underflow or overflow a double.</summary>
    /// <remarks>
    /// Cost: K products of M x M matrices. The values come from the product as double precision holds it: those below 10⁻¹⁵ of the largest
    /// are rounding.
    /// </remarks>
    public double[] GetSingularValues() => Array.ConvertAll(GetLogSingularValues(), value => Math.Pow(10, value));

    /// <summary>Decimal logarithms of all singular values of the input-output Jacobian, in descending order.</summary>
    /// <inheritdoc cref="GetSingularValues" path="/remarks"/>
    public double[] GetLogSingularValues()
    {
        (double[] product, long exponent) = Product();
        return Array.ConvertAll(SingularValues.Jacobi(product, _n), value => Math.Log10(value) + (exponent * Log10Of2));
    }

    /// <summary>
    /// Decimal logarithms of the smallest and the largest singular value of the input-output Jacobian, by Golub–Kahan–Lanczos with
    /// Jacobian-vector and vector-Jacobian products, for large M.
    /// </summary>
    /// <remarks>To 1e-6 relative, as long as the smallest is above 10⁻¹² of the largest.</remarks>
    public (double Smallest, double Largest) GetLogExtremeSingularValues()
    {
        // All products in the same unit, that of the first one.
        long? unit = null;
        (double smallest, double largest) = SingularValues.Lanczos(
            _n,
            (x, y) => Write(Push(x), y),
            (x, y) => Write(Pull(x, _n, null), y),
            smallestToo: true);
        double shift = (unit ?? 0) * Log10Of2;
        return (Math.Log10(smallest) + shift, Math.Log10(largest) + shift);

        void Write((double[] Values, long Exponent) scaled, Span<double> target)
        {
            unit ??= scaled.Exponent;
            for (int i = 0; i < target.Length; i++)
            {
                target[i] = ScaleB(scaled.Values[i], scaled.Exponent - unit.Value);
            }
        }
    }

    /// <summary>
    /// The bounds of singular values and gradient norms, as decimal logarithms of factors: element k bounds the steps behind state k, so
    /// element 0 the whole chain, and the gradient at state k is that at the last state times something within them.
    /// </summary>
    /// <returns>K + 1 pairs; a lower bound of 0 is negative infinity.</returns>
    public (double Lower, double Upper)[] GetLogBounds()
    {
        ReadOnlySpan<double> radii = Radii;
        var bounds = new (double Lower, double Upper)[_steps + 1];
        for (int k = _steps - 1; k >= 0; k--)
        {
            (double low, double high) = _chain.PastWeights(k);
            bounds[k] = (
                bounds[k + 1].Lower + Math.Log10(Math.Max(0, low - radii[k])),
                bounds[k + 1].Upper + Math.Log10(high + radii[k]));
        }

        return bounds;
    }

    /// <summary>‖W_k‖₂ of every layer, or of some, the one of a recurrent chain, or those of its gates in their order; to 1e-6 relative.</summary>
    /// <param name="every">Layers, or gates, from one to the next, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="every"/> is less than 1.</exception>
    public double[] GetWeightNorms(int every = 1)
    {
        Check.AtLeast(every, 1);
        _chain.ThrowIfParametersChanged();
        int units = (int)HiddenSize;
        var norms = new double[((_chain.WeightCount - 1) / every) + 1];
        Parallel.For(0, norms.Length, Cancellable, () => new double[units * units], (i, _, buffer) =>
        {
            _chain.Weights(i * every, buffer);
            norms[i] = SingularValues.SpectralNorm(buffer, units);
            return buffer;
        }, _ => { });
        return norms;
    }

    /// <summary>
    /// ‖OᵀO - I‖ (Frobenius) of the filter, of the first layer's where each has its own, as the model's element type holds it. Training
    /// never changes a filter, so it is rounding alone.
    /// </summary>
    /// <exception cref="InvalidOperationException">The layer has no filter: it is an <see cref="Elman"/>, <see cref="Gru"/> or <see cref="Lstm"/>.</exception>
    public double GetFilterDrift()
    {
        // The steps of an Elman layer have an identity, which its α of 0 leaves out.
        if (_layer is not (RoaRnn or RoaFnn))
        {
            throw new InvalidOperationException($"A {_layer.GetType().Name} has no filter.");
        }

        double[,] filter = _layer.CopyFilter(0);
        var rounded = new double[_n * _n];
        bool single = _layer.Parameters[0].Value.DType == DType.Float32;
        for (int i = 0; i < _n; i++)
        {
            for (int j = 0; j < _n; j++)
            {
                rounded[(j * _n) + i] = single ? (float)filter[i, j] : filter[i, j];
            }
        }

        double sum = 0;
        for (int i = 0; i < _n; i++)
        {
            _cancellationToken.ThrowIfCancellationRequested();
            for (int j = 0; j < _n; j++)
            {
                double product = DenseMath.Dot(rounded.AsSpan(i * _n, _n), rounded.AsSpan(j * _n, _n)) - (i == j ? 1 : 0);
                sum += product * product;
            }
        }

        return Math.Sqrt(sum);
    }

    private ParallelOptions Cancellable => new() { CancellationToken = _cancellationToken };

    private static void RequireModel(Layer layer)
    {
        if (layer.Parameters.Count == 0)
        {
            throw new InvalidOperationException("The layer is not part of a model yet.");
        }
    }

    private static void CheckVector(ReadOnlySpan<double> values, long size, string name)
    {
        if (values.Length != size)
        {
            throw new ArgumentException($"{name} has {values.Length} elements; it must have {size}.", name);
        }

        for (int i = 0; i < values.Length; i++)
        {
            if (!double.IsFinite(values[i]))
            {
                throw new NotFiniteNumberException(FormattableString.Invariant($"{name}[{i}] is {values[i]}; it must be finite."), values[i]);
            }
        }
    }

    private static double ScaleB(double value, long exponent) => Math.ScaleB(value, (int)Math.Clamp(exponent, -5000, 5000));

    /// <summary>y 2^exponent += x.</summary>
    /// <param name="x">Scratch afterwards.</param>
    /// <param name="y">The sum, normalized.</param>
    /// <param name="exponent">Power of two that was taken out of y.</param>
    /// <returns>Power of two that is taken out of the sum.</returns>
    private static long AddNormalized(Span<double> x, Span<double> y, long exponent)
    {
        if (!x.ContainsAnyExcept(0))
        {
            return exponent;
        }

        // In the larger unit, so that no factor is above 1: the smaller unit may be thousands of powers below, where what the factor
        // makes 0 does not count. Zeros have no magnitude, so their unit says nothing.
        long unit = DenseMath.Normalize(x);
        long common = y.ContainsAnyExcept(0) ? Math.Max(unit, exponent) : unit;
        DenseMath.Scale(y, ScaleB(1, Math.Min(0, exponent - common)));
        DenseMath.AddScaled(x, ScaleB(1, unit - common), y);
        return common + DenseMath.Normalize(y);
    }

    private static double[] Unscaled(double[] values, long exponent) => Array.ConvertAll(values, value => ScaleB(value, exponent));

    /// <summary>Vectors [N] of a state.</summary>
    private static long StateVectors(ChainLayer layer) => layer is RecurrentLayer recurrent ? recurrent.StateCount : 1;

    private double[] ComputeRadii()
    {
        _chain.ThrowIfParametersChanged();
        var radii = new double[_steps];
        Parallel.For(0, _steps, Cancellable, () => new double[_n * _n], (k, _, buffer) =>
        {
            _chain.ThroughWeights(k, buffer);
            radii[k] = SingularValues.SpectralNorm(buffer, _n);
            return buffer;
        }, _ => { });
        return radii;
    }

    /// <summary>J v as numbers and a power of two.</summary>
    private (double[] Values, long Exponent) Push(ReadOnlySpan<double> direction)
    {
        _chain.ThrowIfParametersChanged();
        double[] current = direction.ToArray();
        double[] next = new double[_n];
        double[] matrix = new double[_n * _n];
        long exponent = DenseMath.Normalize(current);
        for (int k = 0; k < _steps; k++)
        {
            _chain.Jacobian(k, matrix);
            DenseMath.Multiply(matrix, current, next);
            exponent += DenseMath.Normalize(next);
            (current, next) = (next, current);
        }

        return (current, exponent);
    }

    /// <summary>Jᵀ g as numbers and a power of two, with what arrives at states before the last one; and the norms on the way.</summary>
    /// <param name="gradients">Those that arrive, [K', width].</param>
    /// <param name="width">N: they arrive at the output, the first part of a state; M: at all of it.</param>
    /// <param name="logNorms">Written, [K + 1]; null: not wanted.</param>
    private (double[] Values, long Exponent) Pull(ReadOnlySpan<double> gradients, int width, double[]? logNorms)
    {
        _chain.ThrowIfParametersChanged();
        int arriving = gradients.Length / width;
        double[] current = new double[_n];
        gradients[^width..].CopyTo(current);
        double[] next = new double[_n];
        double[] matrix = new double[_n * _n];
        long exponent = DenseMath.Normalize(current);
        Note(_steps);
        for (int k = _steps - 1; k >= 0; k--)
        {
            _chain.Jacobian(k, matrix);
            DenseMath.MultiplyTransposed(matrix, current, next);
            exponent += DenseMath.Normalize(next);
            (current, next) = (next, current);
            // Row r arrives at state K - K' + 1 + r; the last row was the start.
            int output = k - 1 - (_steps - arriving);
            if (output >= 0)
            {
                next.AsSpan(width).Clear();
                gradients.Slice(output * width, width).CopyTo(next);
                exponent = AddNormalized(next, current, exponent);
            }

            Note(k);
        }

        return (current, exponent);

        void Note(int state)
        {
            if (logNorms is not null)
            {
                logNorms[state] = Math.Log10(DenseMath.Norm(current)) + (exponent * Log10Of2);
            }
        }
    }

    /// <summary>J as a matrix and a power of two: products of parts, whose number depends on the shape alone, side by side.</summary>
    private (double[] Values, long Exponent) Product()
    {
        _chain.ThrowIfParametersChanged();
        int parts = Math.Clamp(_steps / 32, 1, 16);
        var products = new (double[] Values, long Exponent)[parts];
        Parallel.For(0, parts, Cancellable, part =>
        {
            int first = (int)((long)_steps * part / parts);
            int end = (int)((long)_steps * (part + 1) / parts);
            double[] matrix = new double[_n * _n];
            double[] current = new double[_n * _n];
            double[] next = new double[_n * _n];
            _chain.Jacobian(first, current);
            long exponent = DenseMath.Normalize(current);
            for (int k = first + 1; k < end; k++)
            {
                _chain.Jacobian(k, matrix);
                DenseMath.Multiply(matrix, current, next, _n);
                exponent += DenseMath.Normalize(next);
                (current, next) = (next, current);
            }

            products[part] = (current, exponent);
        });

        (double[] whole, long total) = products[0];
        foreach ((double[] values, long exponent) in products.Skip(1))
        {
            double[] next = new double[_n * _n];
            DenseMath.Multiply(values, whole, next, _n);
            total += exponent + DenseMath.Normalize(next);
            whole = next;
        }

        return (whole, total);
    }
}
