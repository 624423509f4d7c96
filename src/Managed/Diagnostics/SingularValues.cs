using OrthoNative.Interop;

namespace OrthoNative.Diagnostics;

/// <summary>Singular values of small matrices, and of operators that are known by their products alone.</summary>
internal static class SingularValues
{
    /// <summary>Computes y from x.</summary>
    public delegate void Product(ReadOnlySpan<double> x, Span<double> y);

    /// <summary>
    /// All singular values of a square matrix, in descending order, by one-sided Jacobi rotations (M. Hestenes), which find small
    /// ones as exactly as large ones.
    /// </summary>
    /// <param name="rows">[n, n], overwritten.</param>
    /// <param name="n">Size.</param>
    public static double[] Jacobi(Span<double> rows, int n)
    {
        const int Sweeps = 60;
        double orthogonal = n * Math.Pow(2, -52);
        bool rotated = true;
        for (int sweep = 0; sweep < Sweeps && rotated; sweep++)
        {
            rotated = false;
            for (int p = 0; p < n - 1; p++)
            {
                Span<double> x = rows.Slice(p * n, n);
                for (int q = p + 1; q < n; q++)
                {
                    Span<double> y = rows.Slice(q * n, n);
                    double xx = DenseMath.Dot(x, x);
                    double yy = DenseMath.Dot(y, y);
                    double xy = DenseMath.Dot(x, y);
                    if (Math.Abs(xy) <= orthogonal * Math.Sqrt(xx) * Math.Sqrt(yy))
                    {
                        continue;
                    }

                    rotated = true;
                    double zeta = (yy - xx) / (2 * xy);
                    double t = Math.CopySign(1 / (Math.Abs(zeta) + Math.Sqrt(1 + (zeta * zeta))), zeta);
                    double c = 1 / Math.Sqrt(1 + (t * t));
                    double s = c * t;
                    for (int i = 0; i < n; i++)
                    {
                        double before = x[i];
                        x[i] = (c * before) - (s * y[i]);
                        y[i] = (s * before) + (c * y[i]);
                    }
                }
            }
        }

        var values = new double[n];
        for (int i = 0; i < n; i++)
        {
            values[i] = DenseMath.Norm(rows.Slice(i * n, n));
        }

        Array.Sort(values, (a, b) => b.CompareTo(a));
        return values;
    }

    /// <summary>The spectral norm of a square matrix, by Golub–Kahan–Lanczos.</summary>
    /// <param name="matrix">[n, n], overwritten.</param>
    /// <param name="n">Size.</param>
    public static double SpectralNorm(double[] matrix, int n)
    {
        // Lanczos squares its numbers: those of a matrix beyond 10^±154 would leave the range of a double.
        int exponent = DenseMath.Normalize(matrix);
        double norm = Lanczos(
            n,
            (x, y) => DenseMath.Multiply(matrix, x, y),
            (x, y) => DenseMath.MultiplyTransposed(matrix, x, y),
            smallestToo: false).Largest;
        return Math.ScaleB(norm, exponent);
    }

    /// <summary>
    /// The smallest and the largest singular value by Golub–Kahan–Lanczos bidiagonalization with full reorthogonalization. It ends
    /// when neither changes any more, or, exactly, after n steps.
    /// </summary>
    /// <param name="n">Size of the operator.</param>
    /// <param name="apply">y = A x.</param>
    /// <param name="applyTransposed">y = Aᵀ x.</param>
    /// <param name="smallestToo">False: the smallest one is not waited for.</param>
    public static (double Smallest, double Largest) Lanczos(int n, Product apply, Product applyTransposed, bool smallestToo)
    {
        // The largest one settles soon and is not disturbed by what rounding leaves of other directions.
        int between = smallestToo ? 4 : 8;
        double settledAt = smallestToo ? 1e-10 : 1e-7;
        int settledChecks = smallestToo ? 2 : 1;
        int passes = smallestToo ? 2 : 1;
        const double Breakdown = 1e-14;
        var left = new List<double[]>();
        var right = new List<double[]>();
        // Diagonal and superdiagonal of the bidiagonal matrix in turn: also the off-diagonal of [0 B; Bᵀ 0], reordered.
        var entries = new List<double>();
        double[] v = new double[n];
        RandomNumbers.Uniform(0, ortho_stream.ORTHO_STREAM_NOISE, 0, -1, 1, v);
        DenseMath.Scale(v, 1 / DenseMath.Norm(v));
        (double Smallest, double Largest) last = default;
        int settled = 0;
        while (true)
        {
            right.Add(v);
            double[] u = new double[n];
            apply(v, u);
            double scale = entries.Count == 0 ? DenseMath.Norm(u) : entries.Max();
            double alpha = Orthogonalize(u, left, passes);
            entries.Add(alpha);
            double beta = 0;
            double[] next = new double[n];
            if (alpha > Breakdown * scale)
            {
                DenseMath.Scale(u, 1 / alpha);
                left.Add(u);
                applyTransposed(u, next);
                beta = Orthogonalize(next, right, passes);
            }

            bool done = right.Count == n || beta <= Breakdown * scale;
            if (done || right.Count % between == 0)
            {
                (double Smallest, double Largest) current = Extremes(entries, smallestToo);
                bool same = Math.Abs(current.Largest - last.Largest) <= settledAt * current.Largest
                    && (!smallestToo || Math.Abs(current.Smallest - last.Smallest) <= settledAt * current.Smallest);
                settled = same ? settled + 1 : 0;
                last = current;
                if (done || settled == settledChecks)
                {
                    return last;
                }
            }

            entries.Add(beta);
            DenseMath.Scale(next, 1 / beta);
            v = next;
        }
    }

    /// <summary>Takes out of x what lies along the others; in two passes, so that rounding leaves nothing; and gives what is left of its norm.</summary>
    private static double Orthogonalize(Span<double> x, List<double[]> others, int passes)
    {
        for (int pass = 0; pass < passes; pass++)
        {
            foreach (double[] other in others)
            {
                DenseMath.AddScaled(other, -DenseMath.Dot(other, x), x);
            }
        }

        return DenseMath.Norm(x);
    }

    /// <summary>
    /// Singular values of a bidiagonal matrix: eigenvalues ± σ of a symmetric tridiagonal one with zeros on its diagonal, by
    /// bisection with Sturm counts, which finds small ones as exactly as large ones (J. Demmel, W. Kahan).
    /// </summary>
    private static (double Smallest, double Largest) Extremes(List<double> entries, bool smallestToo)
    {
        int size = (entries.Count + 1) / 2;
        double high = 2 * entries.Max();
        if (high == 0)
        {
            return (0, 0);
        }

        double[] offDiagonal = [.. entries];
        double largest = Bisect(high / 4, high, x => CountBelow(offDiagonal, x) == size);
        double smallest = smallestToo ? Bisect(1e-30 * high, high, x => CountBelow(offDiagonal, x) >= 1) : 0;
        return (smallest, largest);
    }

    /// <summary>The number from which on a condition holds; halves the ratio of the ends until they meet.</summary>
    private static double Bisect(double low, double high, Func<double, bool> holds)
    {
        if (holds(low))
        {
            low = 0;
        }

        while (low > 0 && high - low > 1e-14 * high)
        {
            double middle = Math.Sqrt(low) * Math.Sqrt(high);
            if (middle <= low || middle >= high)
            {
                break;
            }

            if (holds(middle))
            {
                high = middle;
            }
            else
            {
                low = middle;
            }
        }

        return low == 0 ? 0 : high;
    }

    /// <summary>Counts the singular values below x, which is above 0.</summary>
    private static int CountBelow(double[] entries, double x)
    {
        int negative = 1;
        double pivot = -x;
        foreach (double entry in entries)
        {
            pivot = -x - (entry * (entry / pivot));
            if (pivot == 0)
            {
                pivot = -double.Epsilon;
            }

            negative += pivot < 0 ? 1 : 0;
        }

        // As many are negative eigenvalues as there are singular values.
        return negative - ((entries.Length + 1) / 2);
    }
}
