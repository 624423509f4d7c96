namespace OrthoNative.Tests;

/// <summary>A GRU or an LSTM as its equations say, forward and backward, sample by sample, with bounds for the errors of float32.</summary>
internal sealed class GatedReference
{
    private readonly bool _lstm;
    private readonly int _n;
    private readonly int _d;
    private readonly int _rows;
    private readonly Rounded[] _w;
    private readonly Rounded[] _v;
    private readonly Rounded[] _b;
    private readonly Rounded[] _c;
    private readonly Dictionary<string, Rounded[]> _results = [];

    /// <param name="golden">A case of sequences.</param>
    /// <param name="cotangent">The gradient at all states, [T, B, N].</param>
    public GatedReference(Golden golden, double[] cotangent)
    {
        _lstm = golden.Text("model") == "lstm";
        (int t, int b) = ((int)golden.Size("T"), (int)golden.Size("B"));
        (_d, _n) = ((int)golden.Size("D"), (int)golden.Size("N"));
        _rows = (_lstm ? 4 : 3) * _n;
        (_w, _v, _b, _c) = (Array("w_hh"), Array("w_ih"), Array("b_ih"), Array("b_hh"));
        Rounded[] u = Array("u");
        Rounded[] h0 = Array("h0");
        Rounded[] c0 = _lstm ? Array("c0") : h0;
        int[] lengths = [.. golden.Numbers("lengths").Select(length => (int)length)];
        foreach ((string key, int count) in new[]
        {
            ("states", t * b * _n), ("cells", t * b * _n), ("dw_hh", _w.Length), ("dw_ih", _v.Length),
            ("db_ih", _rows), ("db_hh", _rows), ("du", u.Length), ("dh0", b * _n), ("dc0", b * _n),
        })
        {
            _results[key] = new Rounded[count];
        }

        for (int sample = 0; sample < b; sample++)
        {
            RunSample(sample, t, b, lengths[sample], u, h0[(sample * _n)..((sample + 1) * _n)], c0[(sample * _n)..((sample + 1) * _n)], cotangent);
        }

        Rounded[] Array(string key) => [.. golden.Numbers(key).Select(value => (Rounded)value)];
    }

    /// <summary>A result by its name in the file.</summary>
    public Rounded[] this[string key] => _results[key];

    private void RunSample(int sample, int steps, int batch, int length, Rounded[] u, Rounded[] h, Rounded[] c, double[] cotangent)
    {
        var kept = new Stack<Kept>();
        for (int k = 0; k < steps; k++)
        {
            if (k < length)
            {
                int row = (k * batch) + sample;
                var step = new Kept(u[(row * _d)..((row + 1) * _d)], h, c, new Rounded[_rows], new Rounded[_n], new Rounded[_n]);
                (h, c) = Step(step);
                kept.Push(step);
            }

            h.CopyTo(_results["states"], ((k * batch) + sample) * _n);
            c.CopyTo(_results["cells"], ((k * batch) + sample) * _n);
        }

        var gh = new Rounded[_n];
        var gc = new Rounded[_n];
        for (int k = steps - 1; k >= 0; k--)
        {
            for (int i = 0; i < _n; i++)
            {
                gh[i] += cotangent[(((k * batch) + sample) * _n) + i];
            }

            if (k < length)
            {
                (gh, gc, Rounded[] du) = StepBack(kept.Pop(), gh, gc);
                du.CopyTo(_results["du"], ((k * batch) + sample) * _d);
            }
        }

        gh.CopyTo(_results["dh0"], sample * _n);
        gc.CopyTo(_results["dc0"], sample * _n);
    }

    private (Rounded[] H, Rounded[] C) Step(Kept step)
    {
        var h = new Rounded[_n];
        var c = new Rounded[_n];
        for (int i = 0; i < _n; i++)
        {
            Rounded Drive(int gate) => Rounded.Dot(_v[(((gate * _n) + i) * _d)..(((gate * _n) + i + 1) * _d)], step.U) + _b[(gate * _n) + i];
            Rounded Product(int gate) => Rounded.Dot(_w[(((gate * _n) + i) * _n)..(((gate * _n) + i + 1) * _n)], step.H) + _c[(gate * _n) + i];
            Rounded[] g = step.Gates;
            if (_lstm)
            {
                g[i] = Rounded.Logistic(Drive(0) + Product(0));
                g[_n + i] = Rounded.Logistic(Drive(1) + Product(1));
                g[(2 * _n) + i] = Rounded.Tanh(Drive(2) + Product(2));
                g[(3 * _n) + i] = Rounded.Logistic(Drive(3) + Product(3));
                c[i] = (g[_n + i] * step.C[i]) + (g[i] * g[(2 * _n) + i]);
                step.Tanh[i] = Rounded.Tanh(c[i]);
                h[i] = g[(3 * _n) + i] * step.Tanh[i];
            }
            else
            {
                step.Product[i] = Product(2);
                g[i] = Rounded.Logistic(Drive(0) + Product(0));
                g[_n + i] = Rounded.Logistic(Drive(1) + Product(1));
                g[(2 * _n) + i] = Rounded.Tanh(Drive(2) + (g[i] * step.Product[i]));
                h[i] = ((One - g[_n + i]) * g[(2 * _n) + i]) + (g[_n + i] * step.H[i]);
            }
        }

        return (h, c);
    }

    /// <summary>Gradients at the state before a step and at its inputs; those of the parameters are added.</summary>
    private (Rounded[] H, Rounded[] C, Rounded[] U) StepBack(Kept step, Rounded[] gh, Rounded[] gc)
    {
        // At V u + b of each gate, and at W h + c, which differ in the gate n of a GRU.
        var drive = new Rounded[_rows];
        var product = new Rounded[_rows];
        var h = new Rounded[_n];
        var c = new Rounded[_n];
        Rounded[] g = step.Gates;
        for (int i = 0; i < _n; i++)
        {
            if (_lstm)
            {
                Rounded t = step.Tanh[i];
                Rounded gate = gc[i] + (gh[i] * g[(3 * _n) + i] * (One - (t * t)));
                drive[i] = gate * g[(2 * _n) + i] * Slope(g[i]);
                drive[_n + i] = gate * step.C[i] * Slope(g[_n + i]);
                drive[(2 * _n) + i] = gate * g[i] * (One - (g[(2 * _n) + i] * g[(2 * _n) + i]));
                drive[(3 * _n) + i] = gh[i] * t * Slope(g[(3 * _n) + i]);
                c[i] = gate * g[_n + i];
                for (int k = 0; k < 4; k++)
                {
                    product[(k * _n) + i] = drive[(k * _n) + i];
                }
            }
            else
            {
                Rounded n = g[(2 * _n) + i];
                drive[(2 * _n) + i] = gh[i] * (One - g[_n + i]) * (One - (n * n));
                drive[i] = drive[(2 * _n) + i] * step.Product[i] * Slope(g[i]);
                drive[_n + i] = gh[i] * (step.H[i] - n) * Slope(g[_n + i]);
                product[i] = drive[i];
                product[_n + i] = drive[_n + i];
                product[(2 * _n) + i] = drive[(2 * _n) + i] * g[i];
                h[i] = gh[i] * g[_n + i];
            }
        }

        for (int j = 0; j < _n; j++)
        {
            h[j] += Rounded.Dot(product, [.. Enumerable.Range(0, _rows).Select(row => _w[(row * _n) + j])]);
        }

        var u = new Rounded[_d];
        for (int j = 0; j < _d; j++)
        {
            u[j] = Rounded.Dot(drive, [.. Enumerable.Range(0, _rows).Select(row => _v[(row * _d) + j])]);
        }

        for (int row = 0; row < _rows; row++)
        {
            _results["db_ih"][row] += drive[row];
            _results["db_hh"][row] += product[row];
            for (int j = 0; j < _n; j++)
            {
                _results["dw_hh"][(row * _n) + j] += product[row] * step.H[j];
            }

            for (int j = 0; j < _d; j++)
            {
                _results["dw_ih"][(row * _d) + j] += drive[row] * step.U[j];
            }
        }

        return (h, c, u);
    }

    /// <summary>1, which float32 holds exactly.</summary>
    private static Rounded One => new(1, 0);

    /// <summary>The derivative of the logistic function by its value.</summary>
    private static Rounded Slope(Rounded value) => value * (One - value);

    /// <summary>What a step leaves for the way back.</summary>
    private sealed record Kept(Rounded[] U, Rounded[] H, Rounded[] C, Rounded[] Gates, Rounded[] Product, Rounded[] Tanh);
}
