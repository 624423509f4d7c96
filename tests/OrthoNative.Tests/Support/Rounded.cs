namespace OrthoNative.Tests;

/// <summary>A number in double precision, and a bound for the error that a computation in float32 has there.</summary>
/// <remarks>
/// A running error analysis: every operation adds u = 2⁻²⁴ times its result to what the errors of its operands become. A sum of n products, in any
/// order, is off by at most n u times the sum of the products' magnitudes. <see cref="Slack"/> u stand for a nonlinearity.
/// </remarks>
internal readonly record struct Rounded(double Value, double Error)
{
    private const double U = 1.0 / (1 << 24);
    private const double Slack = 8;

    /// <summary>A number that is rounded to float32.</summary>
    public static implicit operator Rounded(double value) => new(value, U * Math.Abs(value));

    public static Rounded operator +(Rounded x, Rounded y) => Round(x.Value + y.Value, x.Error + y.Error);

    public static Rounded operator -(Rounded x, Rounded y) => Round(x.Value - y.Value, x.Error + y.Error);

    public static Rounded operator *(Rounded x, Rounded y) =>
        Round(x.Value * y.Value, (Math.Abs(x.Value) * y.Error) + (Math.Abs(y.Value) * x.Error) + (x.Error * y.Error));

    public static Rounded Add(Rounded left, Rounded right) => left + right;

    public static Rounded Subtract(Rounded left, Rounded right) => left - right;

    public static Rounded Multiply(Rounded left, Rounded right) => left * right;

    public static Rounded ToRounded(double value) => value;

    /// <summary>The sum of products, in any order, with fused operations or not.</summary>
    public static Rounded Dot(IReadOnlyList<Rounded> x, IReadOnlyList<Rounded> y)
    {
        double value = 0, error = 0, magnitude = 0;
        for (int i = 0; i < x.Count; i++)
        {
            Rounded product = x[i] * y[i];
            value += product.Value;
            error += product.Error;
            magnitude += Math.Abs(product.Value);
        }

        return new Rounded(value, error + (x.Count * U * magnitude));
    }

    /// <summary>tanh, whose slope is at most 1 and changes by at most as much as its argument.</summary>
    public static Rounded Tanh(Rounded z)
    {
        double value = Math.Tanh(z.Value);
        return new Rounded(value, (z.Error * Math.Min(1, 1 - (value * value) + z.Error)) + (Slack * U * Math.Abs(value)));
    }

    /// <summary>The logistic function.</summary>
    public static Rounded Logistic(Rounded z)
    {
        double value = 1 / (1 + Math.Exp(-z.Value));
        return new Rounded(value, (z.Error * Math.Min(0.25, (value * (1 - value)) + z.Error)) + (Slack * U * value));
    }

    private static Rounded Round(double value, double error) => new(value, error + (U * Math.Abs(value)));
}
