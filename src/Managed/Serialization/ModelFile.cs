using OrthoNative.Interop;

namespace OrthoNative;

/// <summary>What a model's file has beside its parameters, and how a model is saved, made of a file, and loaded.</summary>
internal static class ModelFile
{
    private const string VersionKey = "library_version";

    /// <summary>Saves a model.</summary>
    /// <param name="model">The model, which the calling thread has reserved.</param>
    /// <param name="options">Element type; null: that of the model.</param>
    /// <param name="save">Saves tensors and metadata.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public static void Save(
        Model model, ModelSaveOptions? options, Action<IEnumerable<StoredTensor>, IReadOnlyDictionary<string, string>> save, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        StorageType type = options?.StorageType ?? StoredNumbers.StorageOf(model.DType)!.Value;
        Check.Defined(type, $"{nameof(options)}.{nameof(options.StorageType)}");
        var metadata = new Dictionary<string, string> { [ModelArchitecture.Key] = ModelArchitecture.Write(model), [VersionKey] = SystemInfo.Version };
        model.Info.Write(metadata);
        var tensors = new List<StoredTensor>();
        var matrices = new List<Tensor>();
        try
        {
            foreach (Layer layer in model.AllLayers)
            {
                layer.SaveState(metadata, layer.Path);

                // They come first, being the widest: a model is made of them before it has parameters.
                foreach ((string name, double[] numbers, long[] shape) in FilterTensorsOf(layer))
                {
                    matrices.Add(Tensor.Wrap<double>(Device.Default, numbers, shape));
                    tensors.Add(new StoredTensor(name, matrices[^1], StorageType.Float64));
                }
            }

            tensors.AddRange(model.Parameters.Select(parameter => new StoredTensor(parameter.Name, parameter.Value, type)));
            foreach (StoredTensor tensor in tensors)
            {
                tensor.RequireFits($"{nameof(options)}.{nameof(options.StorageType)}", cancellationToken);
            }

            save(tensors, metadata);
        }
        finally
        {
            matrices.ForEach(tensor => tensor.Dispose());
        }
    }

    /// <summary>Creates the model of a file.</summary>
    public static Sequential Load(SafeTensorsReader file, Device device, ModelLoadOptions options, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        using ModelArchitecture architecture = ModelArchitecture.Find(file) ?? throw new InvalidDataException(
            $"{file.Place} does not describe its layers, as __metadata__.{ModelArchitecture.Key} would: create the model and call its {nameof(Model.Load)}.");
        RequireKinds(file, architecture.Root, options.Factories);
        var tensors = new HashSet<string>();
        Layer root = Make(file, architecture.Root, options.Factories, tensors);
        if (root is not Sequential model)
        {
            throw new InvalidDataException($"{file.Place}: {architecture.Root.Place} is no {nameof(Sequential)}, which a model must be.");
        }

        if (options.ComputeInputGradient && model.TakesIndices)
        {
            throw new ArgumentException(
                $"{nameof(options)}.{nameof(options.ComputeInputGradient)} is true, but the first layer of {file.Place} takes indices, which have no gradient.", nameof(options));
        }

        try
        {
            var source = new ModelSource(file, tensors, progress, cancellationToken);
            model.Create(
                device,
                new SequentialOptions { DType = options.DType ?? architecture.DType, Gradients = options.Gradients, ComputeInputGradient = options.ComputeInputGradient },
                source,
                null,
                cancellationToken);
            var states = new List<LoadedState>();
            Named(file, () => LoadStates(model.AllLayers, file.Metadata, architecture, states));
            Dictionary<string, Parameter> parameters = model.Parameters.ToDictionary(parameter => parameter.Name);
            foreach ((string name, double scale) in architecture.LearningRateScales)
            {
                Parameter parameter = parameters.GetValueOrDefault(name)
                    ?? throw new InvalidDataException($"{file.Place}: __metadata__.{ModelArchitecture.Key} has a factor of the learning rate of '{ForeignText.Clean(name)}', which is no parameter.");
                parameter.LearningRateScale = scale;
            }

            model.SetInfo(InfoFor(model, file));
            source.Complete();
            states.ForEach(state => state.Apply());
            return model;
        }
        catch (Exception exception)
        {
            model.Dispose();
            if (exception is ArgumentException argument)
            {
                throw new InvalidDataException($"{file.Place}: {ProblemOf(argument)}", exception);
            }

            throw;
        }
    }

    /// <summary>Loads a file into a model, as a whole or some layers of it. Nothing changes if the file is not as expected.</summary>
    /// <param name="model">The model, which the calling thread has reserved.</param>
    /// <param name="file">The open file.</param>
    /// <param name="names">Paths of layers; null: the whole model.</param>
    /// <param name="converts">True: numbers of another element type are converted.</param>
    /// <param name="progress">Told the part that is done.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public static void LoadInto(
        Model model, SafeTensorsReader file, IReadOnlyList<string>? names, bool converts, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        IReadOnlyList<Layer> layers = names is null ? model.AllLayers : Select(model, names);
        using ModelArchitecture? architecture = ModelArchitecture.Find(file);
        if (architecture is not null)
        {
            foreach (Layer layer in layers)
            {
                RequireKind(file, architecture, layer, isPart: names is not null);
            }
        }

        (string Name, Tensor Value)[] parameters = [.. layers.SelectMany(layer => layer.Parameters).Distinct().Select(parameter => (parameter.Name, parameter.Value))];
        file.RequireAll(parameters, converts);
        var states = new List<LoadedState>();
        try
        {
            if (names is not null)
            {
                Named(file, () => LoadStates(layers, file.Metadata, architecture, states));
            }
            else
            {
                Named(file, () => LoadAllStates(layers, file.Metadata, architecture, states));
                RequireNoOther(file, architecture, layers, parameters);
            }

            ModelInfo? info = names is null && architecture is not null ? InfoFor(model, file) : null;
            file.ReadInto(parameters, converts, progress, cancellationToken);
            states.ForEach(state => state.Apply());
            model.SetInfo(info ?? model.Info);
        }
        finally
        {
            states.ForEach(state => state.Dispose());
        }
    }

    /// <summary>Reads the states of layers.</summary>
    /// <param name="layers">The layers.</param>
    /// <param name="metadata">Of the file.</param>
    /// <param name="architecture">The layers of the file; null: it does not tell them.</param>
    /// <param name="states">Filled, also if this fails.</param>
    /// <exception cref="InvalidDataException">They are of other layers, or missing.</exception>
    private static void LoadStates(
        IReadOnlyList<Layer> layers, IReadOnlyDictionary<string, string> metadata, ModelArchitecture? architecture, List<LoadedState> states)
    {
        foreach (Layer layer in layers)
        {
            if (layer.LoadState(metadata, layer.Path) is { } state)
            {
                states.Add(state);
            }
            else if (layer is RandomLayer && architecture is not null && architecture.Layers.ContainsKey(layer.Path))
            {
                throw new InvalidDataException($"__metadata__.{ForeignText.Clean(layer.Path)} has no seed and passes of the random numbers, which a file with the layer must have.");
            }
        }
    }

    /// <summary>Reads the states of all layers, unless the file has none at all.</summary>
    private static void LoadAllStates(
        IReadOnlyList<Layer> layers, IReadOnlyDictionary<string, string> metadata, ModelArchitecture? architecture, List<LoadedState> states)
    {
        var keys = new Dictionary<string, string>();
        foreach (Layer layer in layers)
        {
            layer.SaveState(keys, layer.Path);
        }

        RequireNoOtherFilters(metadata, keys.Keys.ToHashSet());

        // A file without any is one that another program wrote, which does not tell layers, either.
        if (architecture is not null || metadata.Keys.Any(keys.ContainsKey))
        {
            LoadStates(layers, metadata, architecture, states);
        }
    }

    /// <summary>Weights of a filter chain in a layer of another kind or name would compute something else.</summary>
    private static void RequireNoOtherFilters(IReadOnlyDictionary<string, string> metadata, HashSet<string> known)
    {
        if (metadata.Keys.FirstOrDefault(key => key.EndsWith($".{ChainLayer.SeedKey}", StringComparison.Ordinal) && !known.Contains(key)) is { } other)
        {
            throw new InvalidDataException($"__metadata__.{ForeignText.Clean(other)} is of a filter chain that the model does not have; those of the model are expected.");
        }
    }

    /// <summary>Refuses a file with tensors or layers that the model does not have. Noise and dropout may be left out of a model.</summary>
    private static void RequireNoOther(SafeTensorsReader file, ModelArchitecture? architecture, IReadOnlyList<Layer> layers, (string Name, Tensor Value)[] parameters)
    {
        file.RequireNoOther(parameters.Select(parameter => parameter.Name).Concat(layers.SelectMany(FilterTensorsOf).Select(tensor => tensor.Name)).ToHashSet());
        if (architecture is not null)
        {
            var paths = layers.Select(layer => layer.Path).ToHashSet();
            ModelArchitecture.Node? other = architecture.Layers.Values.FirstOrDefault(node => !paths.Contains(node.Path) && node.Kind is not (nameof(Dropout) or nameof(GaussianNoise)));
            if (other is not null)
            {
                throw new InvalidDataException($"{file.Place}: {other.Place} is not in the model.");
            }

            foreach (Layer layer in layers)
            {
                if (layer.Describe() is { Layers.Count: > 0 } description && architecture.Layers.TryGetValue(layer.Path, out ModelArchitecture.Node? node))
                {
                    RequireSameOrder(file, node, description);
                }
            }

            if (layers is [{ Parent: Model model }, ..] && model.Describe() is { } whole)
            {
                RequireSameOrder(file, architecture.Root, whole);
            }
        }
    }

    /// <summary>Refuses layers of the same names in another order. Noise and dropout do not count.</summary>
    private static void RequireSameOrder(SafeTensorsReader file, ModelArchitecture.Node node, LayerDescription description)
    {
        string[] theirs = [.. node.Children.Where(child => child.Kind is not (nameof(Dropout) or nameof(GaussianNoise))).Select(child => child.Path)];
        string[] ours = [.. description.Layers.Where(layer => layer is not RandomLayer).Select(layer => layer.Path)];
        if (!theirs.SequenceEqual(ours) && theirs.ToHashSet().SetEquals(ours))
        {
            throw new InvalidDataException(
                $"{file.Place}: the layers of {node.Place} are in the order {ForeignText.CleanList(theirs, theirs.Length)}; {ForeignText.CleanList(ours, ours.Length)}, as in the model, is expected.");
        }
    }

    /// <summary>Refuses a file whose layer of the same path is of another kind, or that must have it and does not.</summary>
    private static void RequireKind(SafeTensorsReader file, ModelArchitecture architecture, Layer layer, bool isPart)
    {
        // What a container makes itself is not listed: then the container's kind counts.
        for (Layer at = layer; at.Path.Length > 0; at = at.Parent!)
        {
            if (architecture.Layers.TryGetValue(at.Path, out ModelArchitecture.Node? node))
            {
                if (node.Kind is { } kind && at.Describe()?.Kind is { } expected && kind != expected)
                {
                    throw new InvalidDataException(
                        $"{file.Place}: layer {ForeignText.Clean(at.Path)} is of the kind '{ForeignText.Clean(kind)}'; '{ForeignText.Clean(expected)}', as in the model, is expected.");
                }

                return;
            }
        }

        // Noise and dropout may be new in a model. Whether a file has other layers, its tensors and settings tell.
        if (isPart)
        {
            throw new InvalidDataException($"{file.Place} has no layer '{ForeignText.Clean(layer.Path)}'; it has {ForeignText.CleanList(architecture.Layers.Keys, architecture.Layers.Count)}.");
        }
    }

    /// <summary>What is wrong with the arguments of a layer, for a message about the file that has them.</summary>
    public static string ProblemOf(ArgumentException exception)
    {
        // What the exception adds is the name of a parameter, which the file's reader does not know.
        int end = exception.ParamName is { } name ? exception.Message.IndexOf($" (Parameter '{name}')", StringComparison.Ordinal) : -1;
        return ForeignText.Clean(end < 0 ? exception.Message : exception.Message[..end], ForeignText.MaximumPathCharacters);
    }

    /// <summary>The layers of given paths, and those inside them.</summary>
    private static List<Layer> Select(Model model, IReadOnlyList<string> layers)
    {
        if (layers.Count == 0)
        {
            throw new ArgumentException($"{nameof(layers)} is empty; at least one is required.", nameof(layers));
        }

        for (int i = 0; i < layers.Count; i++)
        {
            string? name = layers[i];
            if (!model.AllLayers.Any(layer => layer.Path == name))
            {
                throw new ArgumentException(
                    $"{nameof(layers)}[{i}] is '{ForeignText.Clean(name)}'; it must be a layer of the model: {ForeignText.CleanList(model.AllLayers.Select(layer => layer.Path), model.AllLayers.Count)}.", nameof(layers));
            }
        }

        return [.. model.AllLayers.Where(layer => layers.Any(path => IsInside(layer, path)))];

        static bool IsInside(Layer layer, string path)
        {
            Layer? at = layer;
            while (at is not null && at.Path != path)
            {
                at = at.Parent;
            }

            return at is not null;
        }
    }

    /// <summary>Refuses layers of kinds that no factory makes, before anything is made.</summary>
    private static void RequireKinds(SafeTensorsReader file, ModelArchitecture.Node node, LayerFactories factories)
    {
        if (node.Kind is null)
        {
            throw new InvalidDataException(
                $"{file.Place}: {node.Place} did not describe itself when it was saved, so it cannot be made: override {nameof(Layer)}.{nameof(Layer.Describe)} in its class, or create the model and call its {nameof(Model.Load)}.");
        }

        if (!factories.Has(node.Kind))
        {
            throw new InvalidDataException(
                $"{file.Place}: {node.Place} is of a kind that is not known, '{ForeignText.Clean(node.Kind)}': register it with {nameof(ModelLoadOptions)}.{nameof(ModelLoadOptions.Factories)}.{nameof(LayerFactories.Register)}.");
        }

        foreach (ModelArchitecture.Node child in node.Children)
        {
            RequireKinds(file, child, factories);
        }
    }

    /// <summary>Creates a layer and the layers inside it. Memory comes with the model.</summary>
    private static Layer Make(SafeTensorsReader file, ModelArchitecture.Node node, LayerFactories factories, HashSet<string> tensors)
    {
        Layer[] children = [.. node.Children.Select(child => Make(file, child, factories, tensors))];
        var reader = new LayerReader(file, $"{file.Place}: {node.Place}", node.Kind!, node.Path, node.Options, children, tensors);
        Layer layer = factories.Make(reader);
        if (node.Name is not null)
        {
            layer.SetName(node.Name);
        }

        var made = new Dictionary<Layer, string>(ReferenceEqualityComparer.Instance);
        foreach ((string key, Layer child) in layer.Children)
        {
            made.Add(child, key);
        }

        for (int i = 0; i < children.Length; i++)
        {
            string path = node.Children[i].Path;
            if (!made.TryGetValue(children[i], out string? name))
            {
                throw reader.Invalid($"it does not hold the layer '{ForeignText.Clean(path)}'");
            }

            if ((node.Path.Length == 0 ? name : $"{node.Path}.{name}") != path)
            {
                throw reader.Invalid($"it calls a layer '{ForeignText.Clean(name)}' that is said to be '{ForeignText.Clean(path)}'");
            }
        }

        return layer;
    }

    private static ModelInfo InfoFor(Model model, SafeTensorsReader file)
    {
        ModelInfo info = ModelInfo.Read(file);
        try
        {
            info.CheckFor(model, "__metadata__");
            return info;
        }
        catch (ArgumentException exception)
        {
            throw new InvalidDataException($"{file.Place}: {ProblemOf(exception)}", exception);
        }
    }

    private static IEnumerable<(string Name, double[] Numbers, long[] Shape)> FilterTensorsOf(Layer layer) => (layer as ChainLayer)?.Filters?.Filter.TensorsOf(layer.Path) ?? [];

    /// <summary>Adds the file's name to what is wrong with its metadata.</summary>
    private static void Named(SafeTensorsReader file, Action read)
    {
        try
        {
            read();
        }
        catch (InvalidDataException exception)
        {
            throw new InvalidDataException($"{file.Place}: {exception.Message}", exception);
        }
    }

    /// <summary>Where a model that is made of a file gets its parameters and the seeds of its filters, instead of drawing them.</summary>
    internal sealed class ModelSource(SafeTensorsReader file, HashSet<string> tensors, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        private readonly Dictionary<string, (ulong Seed, uint Index)> _filters = [];
        private TransferProgress _transfer;

        /// <summary>Compares the layers with the file: its tensors by name and shape, all of them, and what it says of their settings. Takes no memory for any.</summary>
        /// <exception cref="InvalidDataException">They differ.</exception>
        public void Check(IEnumerable<(Layer Layer, string Path, string Place, IReadOnlyList<ParameterDefinition> Definitions)> layers)
        {
            var names = new HashSet<string>();
            var seeds = new HashSet<string>();
            foreach ((Layer layer, string path, _, IReadOnlyList<ParameterDefinition> definitions) in layers)
            {
                foreach (ParameterDefinition definition in definitions)
                {
                    string name = $"{path}.{definition.Name}";
                    file.Require(name, DType.Float32, definition.Shape, converts: true);
                    names.Add(name);
                }

                Named(file, () =>
                {
                    layer.RequireSettings(file.Metadata, path);
                    if (layer is ChainLayer { FilterStreams: > 0 })
                    {
                        seeds.Add($"{path}.{ChainLayer.SeedKey}");
                        _filters.Add(path, ChainLayer.FilterSourceOf(file.Metadata, path));
                    }
                });
            }

            Named(file, () => RequireNoOtherFilters(file.Metadata, seeds));
            _transfer = new TransferProgress(file.BytesOf(names), progress, cancellationToken);
            names.UnionWith(tensors);
            file.RequireNoOther(names);
        }

        /// <summary>Reads a parameter.</summary>
        public void Fill(string name, Tensor value) => file.ReadInto(name, value, ref _transfer);

        /// <summary>Seed and stream of a layer's filter.</summary>
        /// <returns>Null: the layer draws none.</returns>
        public (ulong Seed, uint Index)? FilterOf(string path) => _filters.TryGetValue(path, out (ulong, uint) filter) ? filter : null;

        /// <summary>All was read: the last call into the caller's code.</summary>
        public void Complete() => _transfer.Complete();
    }
}
