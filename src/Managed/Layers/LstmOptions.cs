namespace OrthoNative;

/// <summary>Options of an <see cref="Lstm"/> layer.</summary>
public sealed record LstmOptions : GatedCellOptions
{
    /// <summary>
    /// Mean that the first bias of the forget gate, b_f, starts with, finite. Default 1, as in Keras: the cell then keeps most of its content from the
    /// start, and gradients reach further back (R. Jozefowicz et al., 2015). 0: the initial values of PyTorch's <c>nn.LSTM</c>.
    /// </summary>
    public double ForgetBias { get; init; } = 1;
}
