using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The plain recurrent network of J. Elman, to compare with: h_t = φ(W h_{t-1} + V u_t + b).</summary>
/// <remarks>
/// <para>
/// Inputs <c>[T, B, D]</c>; outputs by <see cref="RecurrentCellOptions.Output"/>. Parameters: <c>weight</c> W <c>[N, N]</c>, <c>bias</c> b
/// <c>[N]</c> and <c>input_weight</c> V <c>[N, D]</c>.
/// </para>
/// <para>
/// PyTorch's <c>nn.RNN</c> has two biases, which count as their sum: b is <c>bias_ih + bias_hh</c>. The layer computes what a <see cref="RoaRnn"/>
/// with α = 0 and β = 1 does, bit for bit. All parameters start uniform in ± 1 / √N.
/// </para>
/// </remarks>
public sealed class Elman : RecurrentLayer
{
    private readonly ElmanOptions _options;

    /// <summary>Describes a layer; memory comes with the model.</summary>
    /// <param name="inputSize">Number of inputs D at a step, 1 to 1048576.</param>
    /// <param name="hiddenSize">Number of units N, 1 to 65536.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size or an option is out of range.</exception>
    public Elman(long inputSize, long hiddenSize, ElmanOptions? options = null)
        : base(
            inputSize, hiddenSize, (options ??= new ElmanOptions()).Output, options.Checkpointing,
            new FilterCell(hiddenSize, RoaRnnOptions.Plain with { Activation = options.Activation }, matrices: 1)) =>
        _options = RecurrentCellOptions.Checked(options);

    /// <summary>The nonlinearity φ.</summary>
    public Activation Activation => _options.Activation;

    /// <inheritdoc/>
    protected internal override IReadOnlyList<ParameterDefinition> Definitions => _options.Definitions(InputSize, HiddenSize, gates: 1);

    /// <inheritdoc/>
    protected internal override LayerDescription Describe() => _options.Describe(new LayerDescription(nameof(Elman)).Add("input_size", InputSize).Add("hidden_size", HiddenSize)).Add("activation", Activation.ToString());

    internal static Elman Read(LayerReader reader) => new(
        reader.GetInt64("input_size"),
        reader.GetInt64("hidden_size"),
        RecurrentCellOptions.Read(new ElmanOptions(), reader) with { Activation = reader.GetEnum<Activation>("activation") });

    private protected override ortho_chain_options Kind => new() { model = (int)ortho_chain_model.ORTHO_RECURRENT, input_size = InputSize };

    /// <inheritdoc/>
    protected internal override IEnumerable<KeyValuePair<string, string>> Settings => [new("cell", nameof(Elman)), new("activation", Activation.ToString())];
}
