using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>The kinds of layers that <see cref="Model.Load(string, Device, ModelLoadOptions?, IProgress{double}?, CancellationToken)"/> makes: the library's, and those that are registered.</summary>
/// <remarks>
/// A file names kinds, which only these functions stand for: no name in a file makes a type be looked for. Not thread-safe while kinds are registered.
/// </remarks>
public sealed class LayerFactories
{
    private static readonly Dictionary<string, Func<LayerReader, Layer>> s_known = new()
    {
        [nameof(ActivationLayer)] = ActivationLayer.Read,
        [nameof(Bidirectional)] = Bidirectional.Read,
        [nameof(Branches)] = Branches.Read,
        [nameof(BranchSum)] = BranchSum.Read,
        [nameof(Conv1D)] = Conv1D.Read,
        [nameof(Dense)] = Dense.Read,
        [nameof(Dropout)] = Dropout.Read,
        [nameof(Elman)] = Elman.Read,
        [nameof(Embedding)] = Embedding.Read,
        [nameof(Flatten)] = Flatten.Read,
        [nameof(GatedLinear)] = GatedLinear.Read,
        [nameof(GaussianNoise)] = GaussianNoise.Read,
        [nameof(Gru)] = Gru.Read,
        [nameof(LayerNorm)] = LayerNorm.Read,
        [nameof(Lstm)] = Lstm.Read,
        [nameof(PerChannel)] = PerChannel.Read,
        [nameof(Pooling)] = Pooling.Read,
        [nameof(Residual)] = Residual.Read,
        [nameof(RoaBlock)] = RoaBlock.Read,
        [nameof(RoaFnn)] = RoaFnn.Read,
        [nameof(RoaRnn)] = RoaRnn.Read,
        [nameof(Sequential)] = Sequential.Read,
        [nameof(WindowPooling)] = WindowPooling.Read,
        [nameof(WindowScaling)] = WindowScaling.Read,
    };

    private readonly Dictionary<string, Func<LayerReader, Layer>> _registered = [];

    /// <summary>The kinds, sorted.</summary>
    public IEnumerable<string> Kinds => s_known.Keys.Concat(_registered.Keys).Order(StringComparer.Ordinal);

    /// <summary>Adds a kind.</summary>
    /// <param name="kind">Kind of the layer, that of its <see cref="Layer.Describe"/>.</param>
    /// <param name="factory">
    /// Creates a layer from the options that <see cref="Layer.Describe"/> gave. An <see cref="ArgumentException"/> that it or the layer's constructor throws means that the options are
    /// wrong: the file is then refused.
    /// </param>
    /// <returns>The factories themselves.</returns>
    /// <exception cref="ArgumentException">The kind is empty, or there already.</exception>
    public LayerFactories Register(string kind, Func<LayerReader, Layer> factory)
    {
        ArgumentException.ThrowIfNullOrEmpty(kind);
        ArgumentNullException.ThrowIfNull(factory);
        if (s_known.ContainsKey(kind) || !_registered.TryAdd(kind, factory))
        {
            throw new ArgumentException($"{nameof(kind)} is '{ForeignText.Clean(kind)}', which is there already; kinds must be unique.", nameof(kind));
        }

        return this;
    }

    internal bool Has(string kind) => s_known.ContainsKey(kind) || _registered.ContainsKey(kind);

    /// <summary>Creates a layer.</summary>
    /// <exception cref="InvalidDataException">The options do not make one.</exception>
    internal Layer Make(LayerReader reader)
    {
        Layer layer;
        try
        {
            layer = (s_known.GetValueOrDefault(reader.Kind) ?? _registered[reader.Kind])(reader);
        }
        catch (ArgumentException exception)
        {
            throw reader.Invalid(ModelFile.ProblemOf(exception), exception);
        }

        if (layer is null)
        {
            throw new InvalidOperationException($"The factory of '{ForeignText.Clean(reader.Kind)}' returned null; it must return a layer.");
        }

        reader.RequireAllRead();
        return layer;
    }
}
