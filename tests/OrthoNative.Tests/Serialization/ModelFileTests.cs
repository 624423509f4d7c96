using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Text;
using OrthoNative.Outside;
using OrthoNative.Tests.Data;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Serialization;

/// <summary>A model's file is whole: the model is made of it, by kinds that are registered alone.</summary>
internal sealed class ModelFileTests
{
    private const string Architecture = "architecture";

    private static readonly double[,] s_rotation = { { 0, 0.6, -0.8 }, { 0, 0.8, 0.6 }, { 1, 0, 0 } };

    private TemporaryFolder _folder = null!;
    private string _path = null!;

    [SetUp]
    public void MakeFolder()
    {
        _folder = new TemporaryFolder();
        _path = _folder.File("model.safetensors");
    }

    [TearDown]
    public void Free() => _folder.Dispose();

    [TestCaseSource(typeof(LayerCatalog), nameof(LayerCatalog.Nestings))]
    public void Every_layer_comes_back_and_trains_on_bit_for_bit(Func<Layer> make)
    {
        using Sequential saved = LayerCatalog.Model(Device.Default, DType.Float32, make);
        AssertSame(saved);
    }

    [TestCaseSource(typeof(LayerCatalog), nameof(LayerCatalog.Few))]
    public void Every_layer_comes_back_in_float64(Func<Layer> make)
    {
        using Sequential saved = LayerCatalog.Model(Device.Default, DType.Float64, make);
        AssertSame(saved);
    }

    [Test]
    public void Layers_of_other_inputs_come_back()
    {
        using (var model = new Sequential(Device.Default, 2, new Embedding(7, 4), new RoaRnn(4, 3, new RoaRnnOptions { Output = SequenceOutput.LastSteps(2) }), new Pooling(3, PoolingKind.Max)))
        {
            using Tensor indices = Tensor.From<int>(Device.Default, [0, 3, 6, 1, 2, 5], 3, 2, 1);
            using Sequential loaded = SaveAndLoad(model);
            Assert.That(Values(loaded.Forward(indices)), Is.EqualTo(Values(model.Forward(indices))));
            Assert.That(
                () => Model.Load(_path, Device.Default, new ModelLoadOptions { ComputeInputGradient = true }),
                Throws.TypeOf<ArgumentException>().With.Message.Contains("options.ComputeInputGradient is true, but the first layer of "));
        }

        using var branches = new Sequential(
            Device.Default, 2, new Branches(new Dense(3, 2), new Sequential(new Embedding(5, 2), new Dense(2, 2)) { Name = "symbols" }), new Dense(4, 1));
        using Sequential again = SaveAndLoad(branches);
        Assert.That(again.Parameters.Select(parameter => parameter.Name), Is.EqualTo(branches.Parameters.Select(parameter => parameter.Name)).And.Contains("0.symbols.0.weight"));
        Assert.That(Bytes(again.ParameterData), Is.EqualTo(Bytes(branches.ParameterData)));
    }

    private static IEnumerable<TestCaseData> LayersWithOptions()
    {
        static TestCaseData Case(Layer layer) => new TestCaseData(layer).SetArgDisplayNames(layer.GetType().Name);
        UnitValues factors = (double[])[0.1, 1 / 3.0, -0.0];
        yield return Case(new RoaRnn(2, 3, new RoaRnnOptions
        {
            Alpha = factors,
            Beta = [1e-300, 5e-324, 2],
            Filter = Filter.FromMatrix(s_rotation),
            Activation = Activation.Relu,
            WeightScale = 0.3,
            BiasScale = 0.4,
            BiasOffset = -0.5,
            WeightLearningRateScale = 0.6,
            BiasLearningRateScale = 0.7,
            Checkpointing = Checkpointing.Every(3),
            Output = SequenceOutput.LastSteps(2),
            InputScale = 0.8,
            InputOffset = 0.9,
            InputLearningRateScale = 0.11,
        }));
        yield return Case(new RoaFnn(3, 2, new RoaFnnOptions
        {
            Alpha = factors,
            Beta = 0.7,
            Filter = Filter.FromMatrices(new double[2, 3, 3] { { { 0, 1, 0 }, { 1, 0, 0 }, { 0, 0, 1 } }, { { 0, 0.6, -0.8 }, { 0, 0.8, 0.6 }, { 1, 0, 0 } } }),
            Activation = Activation.Relu,
            WeightScale = 0.3,
            BiasScale = 0.4,
            BiasOffset = -0.5,
            WeightLearningRateScale = 0.6,
            BiasLearningRateScale = 0.75,
            Checkpointing = Checkpointing.Auto(4096),
            FilterPerLayer = true,
        }));
        yield return Case(new Elman(2, 3, new ElmanOptions
        {
            Activation = Activation.Relu,
            Output = SequenceOutput.All,
            WeightScale = 0.3,
            InputScale = 0.4,
            BiasScale = 0.5,
            WeightLearningRateScale = 0.6,
            InputLearningRateScale = 0.7,
            BiasLearningRateScale = 0.8,
            Checkpointing = Checkpointing.Every(5),
        }));
        yield return Case(new Gru(2, 3, new GruOptions { RecurrentBias = false, Output = SequenceOutput.All, WeightScale = 0.3, InputScale = 0.4, BiasScale = 0.5, WeightLearningRateScale = 0.6, InputLearningRateScale = 0.7, BiasLearningRateScale = 0.8, Checkpointing = Checkpointing.Auto(1 << 20) }));
        yield return Case(new Lstm(2, 3, new LstmOptions { ForgetBias = 2.5, RecurrentBias = false, Output = SequenceOutput.All, WeightScale = 0.3, InputScale = 0.4, BiasScale = 0.5, WeightLearningRateScale = 0.6, InputLearningRateScale = 0.7, BiasLearningRateScale = 0.8, Checkpointing = Checkpointing.Every(2) }));
        DenseOptions dense = new() { Bias = false, WeightScale = 0.3, BiasScale = 0.4, WeightLearningRateScale = 0.5, BiasLearningRateScale = 0.6 };
        yield return Case(new Dense(2, 3, dense));
        yield return Case(new GatedLinear(2, 3, dense));
        yield return Case(new Conv1D(2, 3, 4, new Conv1DOptions { Stride = 2, Padding = 3, Weights = dense }));
        yield return Case(new LayerNorm(2, 0.1));
        yield return Case(new Dropout(2, 0.3, sameForAllSteps: true));
        yield return Case(new GaussianNoise(2, 0.3));
        yield return Case(new ActivationLayer(2, Activation.Silu));
        yield return Case(new WindowPooling(2, 3, PoolingKind.Max));
    }

    [TestCaseSource(nameof(LayersWithOptions))]
    public void Every_option_comes_back(Layer layer)
    {
        // Each option has another value than the default, or this test would not notice that it is missing.
        object? options = OptionsOf(layer);
        object? defaults = options is null ? null : Activator.CreateInstance(options.GetType());
        PropertyInfo[] properties = [.. options?.GetType().GetProperties().Where(property => property.Name != nameof(RoaFnnOptions.TotalBeta) && property.GetMethod!.IsStatic == false) ?? []];
        Assert.That(properties.Where(property => Equals(property.GetValue(options), property.GetValue(defaults))).Select(property => property.Name), Is.Empty);

        using var model = new Sequential(Device.Default, 1, layer, new Dense(layer.OutputSize, 2));
        using Sequential loaded = SaveAndLoad(model, DType.Float64);

        Layer again = loaded.Layers[0];
        Assert.That(again.GetType(), Is.EqualTo(layer.GetType()));
        Assert.That(again.ToString(), Is.EqualTo(layer.ToString()));
        foreach (PropertyInfo property in properties.Concat(layer.GetType().GetProperties().Where(property => property.PropertyType.IsPrimitive || property.PropertyType.IsEnum)))
        {
            bool ofOptions = properties.Contains(property);
            object? value = property.GetValue(ofOptions ? OptionsOf(again) : again), expected = property.GetValue(ofOptions ? options : layer);
            if (value is Filter filter)
            {
                Assert.That(filter.Matrices, Is.EqualTo(((Filter)expected!).Matrices));
                Assert.That((filter.Kind, filter.Count, filter.Size), Is.EqualTo((((Filter)expected).Kind, ((Filter)expected).Count, ((Filter)expected).Size)));
            }
            else
            {
                Assert.That(value, Is.EqualTo(expected), property.Name);
                if (value is UnitValues numbers)
                {
                    Assert.That(numbers.Select(BitConverter.DoubleToInt64Bits), Is.EqualTo(((UnitValues)expected!).Select(BitConverter.DoubleToInt64Bits)), property.Name);
                }
            }
        }

        static object? OptionsOf(Layer layer) => layer.GetType().GetField("_options", BindingFlags.Instance | BindingFlags.NonPublic)?.GetValue(layer);
    }

    [Test]
    public void Given_matrices_and_changed_learning_rates_come_back()
    {
        using var saved = new Sequential(
            Device.Default, 1, new RoaRnn(2, 3, new RoaRnnOptions { Filter = Filter.FromMatrix(s_rotation) }) { Name = "rnn" },
            new RoaFnn(3, 1, new RoaFnnOptions { Filter = Filter.FromMatrices(new double[1, 3, 3] { { { 0, 1, 0 }, { 1, 0, 0 }, { 0, 0, 1 } } }), FilterPerLayer = true }),
            new Residual(new Dense(3, 2)) { Name = "skip" });
        Parameter(saved, "rnn.weight").LearningRateScale = 0;
        Parameter(saved, "skip.0.bias").LearningRateScale = 1 / 3.0;

        using Sequential loaded = SaveAndLoad(saved);

        Assert.That(loaded.Parameters.Select(parameter => (parameter.Name, parameter.LearningRateScale)), Is.EqualTo(saved.Parameters.Select(parameter => (parameter.Name, parameter.LearningRateScale))));
        Assert.That(((RoaRnn)loaded.Layers[0]).GetFilter(), Is.EqualTo(s_rotation));
        Assert.That(((RoaFnn)loaded.Layers[1]).GetFilter(), Is.EqualTo(((RoaFnn)saved.Layers[1]).GetFilter()));
        Assert.That(loaded.Layers[2].Name, Is.EqualTo("skip"));
        Assert.That(SafeTensors.List(_path).Select(entry => (entry.Name, entry.ElementType)).Take(2), Is.EqualTo((List<(string, string)>)[("rnn.filter", "F64"), ("1.filter", "F64")]));
    }

    [Test]
    public void What_a_file_tells_of_a_model_comes_back()
    {
        using var model = new Sequential(Device.Default, 1, new Dense(2, 3));
        var info = new ModelInfo
        {
            ClassNames = ["cat", "\"dog\"", "Ünïcode\u001b"],
            InputScaling = new ChannelScaling([1 / 3.0, -0.0], [5e-324, double.MaxValue]),
            Notes = "line\nof \"text\"",
        };
        model.Info = info;
        using Sequential loaded = SaveAndLoad(model), given = new(Device.Default, 2, new Dense(2, 3)), transferred = new(Device.Default, 2, new Dense(2, 3));
        given.Load(_path);
        transferred.Info = new ModelInfo { Notes = "its own" };
        transferred.Load(_path, layers: ["0"]);

        foreach (Sequential each in (Sequential[])[loaded, given])
        {
            Assert.That(each.Info.ClassNames, Is.EqualTo(info.ClassNames));
            Assert.That(each.Info, Is.EqualTo(info).And.Not.EqualTo(info with { ClassNames = ["cat"] }).And.Not.EqualTo(info with { Notes = "" }));
            Assert.That(each.Info.GetHashCode(), Is.EqualTo(info.GetHashCode()));
        }

        Assert.That(transferred.Info.Notes, Is.EqualTo("its own"));
        Assert.That(SafeTensors.LoadMetadata(_path)["library_version"], Is.EqualTo(SystemInfo.Version));

        Assert.That(() => model.Info = new ModelInfo { ClassNames = ["a", "b"] }, Throws.TypeOf<ArgumentException>().With.Message.Contains("Info.ClassNames has 2 names; it must have 3 for a model of 3 outputs"));
        Assert.That(() => model.Info = new ModelInfo { InputScaling = new ChannelScaling([1], [1]) }, Throws.TypeOf<ArgumentException>().With.Message.Contains("Info.InputScaling is of 1 inputs; it must be of 2"));
        Assert.That(() => new ModelInfo { ClassNames = ["a", "a"] }, Throws.TypeOf<ArgumentException>().With.Message.Contains("ClassNames[1] is 'a'; names must be unique"));
        Assert.That(model.Info, Is.SameAs(info));
        using var one = new Sequential(Device.Default, 1, new Dense(2, 1));
        one.Info = new ModelInfo { ClassNames = ["no", "yes"] };

        foreach ((string key, string value, string message) in (List<(string, string, string)>)
            [
                ("class_names", "[\"a\"]", "__metadata__.ClassNames has 1 names; it must have 3"), ("class_names", "[1,2,3]", "class_names is [1,2,3]; an array of texts is expected"),
                ("class_names", "[\"a\",\"a\",\"b\"]", "class_names: ClassNames[1] is 'a'"), ("class_names", "[", "class_names is no JSON text"),
                ("input_scaling", "{\"mean\":[1,2],\"deviation\":[1,0]}", "deviation[1] is 0"), ("input_scaling", "{\"mean\":[1,2]}", "option 'deviation' is missing"),
            ])
        {
            Change(metadata => metadata[key] = value);
            Assert.That(() => Model.Load(_path, Device.Default), Throws.TypeOf<InvalidDataException>().With.Message.Contains(message).And.Message.Contains(_path));
            Assert.That(() => given.Load(_path), Throws.TypeOf<InvalidDataException>().With.Message.Contains(message));
            model.Save(_path);
        }
    }

    [Test]
    public void Layers_of_ones_own_are_made_by_their_factories_and_refused_by_name_without()
    {
        using Sequential saved = WholeModel.Create(Device.Default, 3);
        saved.Save(_path);

        using Sequential loaded = Model.Load(_path, Device.Default, new ModelLoadOptions { Factories = WholeModel.Factories() });

        AssertEqual(WholeModel.Results(saved, ""), WholeModel.Results(loaded, ""));
        Assert.That(
            () => Model.Load(_path, Device.Default),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains($"'{_path}': layer chain (outside.chain) is of a kind that is not known, 'outside.chain': register it with ModelLoadOptions.Factories.Register"));
        var half = new LayerFactories().Register("outside.chain", reader => new Chain([.. reader.Layers]));
        Assert.That(
            () => Model.Load(_path, Device.Default, new ModelLoadOptions { Factories = half }),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("layer chain.0 (outside.offset) is of a kind that is not known"));
        Assert.That(() => half.Register("outside.chain", reader => null!), Throws.TypeOf<ArgumentException>());
        Assert.That(() => half.Register("Dense", reader => null!), Throws.TypeOf<ArgumentException>());
    }

    [Test]
    public void A_factory_that_does_not_make_what_the_file_has_is_found_out()
    {
        using Sequential saved = WholeModel.Create(Device.Default, 3);
        saved.Save(_path);

        AssertRefused<InvalidDataException>(reader => new Dense(8, 8), "layer chain.0 (outside.offset): option 'size' is not known");
        AssertRefused<InvalidDataException>(reader => new Offset(reader.GetInt64("size") + 1, reader.GetDouble("start")), "the model (Sequential): layers[2] takes 9 inputs, but layers[1] has 8 outputs");
        AssertRefused<InvalidDataException>(reader => new Offset(reader.GetInt64("start"), reader.GetDouble("size")), "layer chain.0 (outside.offset): option 'start' is 0.25; a whole number is expected");
        AssertRefused<InvalidDataException>(reader => new Offset(reader.GetInt64("width"), 0), "layer chain.0 (outside.offset): option 'width' is missing");
        AssertRefused<InvalidDataException>(reader => throw new ArgumentException("so it is"), "layer chain.0 (outside.offset): so it is");
        AssertRefused<InvalidDataException>(reader => new Offset(reader.GetInt64("size"), reader.GetDouble("start")) { Name = "other" }, "calls a layer 'other' that is said to be 'chain.0'");
        AssertRefused<InvalidOperationException>(reader => null!, "returned null");
        AssertRefused<FormatException>(reader => throw new FormatException("a fault of the factory"), "a fault of the factory");

        void AssertRefused<T>(Func<LayerReader, Layer> factory, string message) where T : Exception
        {
            var factories = new LayerFactories().Register("outside.chain", reader => new Chain([.. reader.Layers])).Register("outside.offset", factory);
            Assert.That(() => Model.Load(_path, Device.Default, new ModelLoadOptions { Factories = factories }), Throws.TypeOf<T>().With.Message.Contains(message));
        }
    }

    [Test]
    public void A_layer_that_does_not_describe_itself_is_saved_and_refused_by_the_name_of_its_class()
    {
        using var saved = new Sequential(Device.Default, 1, new Dense(2, 3), new Scale(3));
        using var given = new Sequential(Device.Default, 2, new Dense(2, 3), new Scale(3));
        saved.Save(_path);

        Assert.That(() => Model.Load(_path, Device.Default), Throws.TypeOf<InvalidDataException>().With.Message.Contains(
            $"'{_path}': layer 1 (OrthoNative.Outside.Scale) did not describe itself when it was saved"));
        given.Load(_path);
        Assert.That(Bytes(given.ParameterData), Is.EqualTo(Bytes(saved.ParameterData)));
    }

    [TestCaseSource(typeof(Version01), nameof(Version01.Models))]
    public void Files_that_do_not_describe_their_layers_are_refused_with_what_to_do(string name)
    {
        Assert.That(() => Model.Load(Version01.File(name), Device.Default), Throws.TypeOf<InvalidDataException>().With.Message.Contains(
            "does not describe its layers, as __metadata__.architecture would: create the model and call its Load"));

        // Loaded into a model and saved again, they do.
        using Sequential model = Version01.Model(name, seed: 99);
        model.Load(Version01.File(name));
        AssertSame(model);
    }

    [TestCase("\"kind\":\"Dense\"", "\"kind\":\"System.IO.FileStream\"", "layer 1 (System.IO.FileStream) is of a kind that is not known, 'System.IO.FileStream'")]
    [TestCase("\"kind\":\"Dense\"", "\"kind\":\"GatedLinear\"", "tensor '1.weight' is Float32 [2, 3]; Float32, Float64, F16 or BF16 [4, 3] is expected")]
    [TestCase("\"outputs\":2", "\"outputs\":1048576", "tensor '1.weight' is Float32 [2, 3]")]
    [TestCase("\"outputs\":2", "\"outputs\":1048577", "layer 1 (Dense): outputs is 1048577; it must be from 1 to 1048576")]
    [TestCase("\"outputs\":2,", "", "layer 1 (Dense): option 'outputs' is missing")]
    [TestCase("\"outputs\":2", "\"outputs\":2.5", "layer 1 (Dense): option 'outputs' is 2.5; a whole number is expected")]
    [TestCase("\"outputs\":2", "\"outputs\":2,\"more\":1", "layer 1 (Dense): option 'more' is not known")]
    [TestCase("\"outputs\":2", "\"outputs\":2,\"outputs\":2", "'outputs' is there again")]
    [TestCase("\"hidden_size\":3", "\"hidden_size\":65536", "options.Filter has matrices of size 3; their size must be 65536, as hiddenSize is.")]
    [TestCase("\"hidden_size\":3", "\"hidden_size\":4", "options.Filter has matrices of size 3; their size must be 4")]
    [TestCase("{\"kind\":\"Custom\"}", "{\"kind\":\"Haar\"}", "__metadata__.rnn.filter is 'Custom, SHA-256")]
    [TestCase("{\"kind\":\"Custom\"}", "{\"kind\":\"Other\"}", "layer rnn (RoaRnn): filter: kind 'Other' is not known; one of Haar")]
    [TestCase("{\"kind\":\"Custom\"}", "{}", "filter has no 'kind'")]
    [TestCase("\"alpha\":[1]", "\"alpha\":[1e999]", "layer rnn (RoaRnn): option 'alpha[0]' is 1e999; a finite number is expected")]
    [TestCase("\"alpha\":[1]", "\"alpha\":[1,2]", "options.Alpha has 2 values; it must have 1, or 3")]
    [TestCase("\"alpha\":[1]", "\"alpha\":[0.5]", "__metadata__.rnn.alpha is '1'; '0.5', as in the model, is expected")]
    [TestCase("\"activation\":\"Tanh\"", "\"activation\":\"0\"", "option 'activation' is \"0\"; one of Tanh, Relu")]
    [TestCase("\"output\":\"Last\"", "\"output\":\"Most\"", "option 'output' is 'Most'; one of Last, All, LastSteps")]
    [TestCase("\"checkpoint_every\":0", "\"checkpoint_every\":-1", "steps is -1; it must be at least 1")]
    [TestCase("\"path\":\"rnn\",\"name\":\"rnn\"", "\"path\":\"rnn\"", "it calls a layer '0' that is said to be 'rnn'")]
    [TestCase("\"path\":\"rnn\",\"name\":\"rnn\"", "\"path\":\"rnn\",\"name\":\"other\"", "path is 'rnn'; 'other' is expected")]
    [TestCase("\"path\":\"1\"", "\"path\":\"rnn\"", "path is 'rnn' again; paths must be unique")]
    [TestCase("{\"format\":1", "{\"format\":2", "format is 2; 1 is expected")]
    [TestCase("\"dtype\":\"F32\"", "\"dtype\":\"I32\"", "dtype must be \"F32\" or \"F64\"")]
    [TestCase("{\"format\":1", "{\"format\":1,\"later\":{}", "'later' is not known; the file may be of a later version")]
    [TestCase("\"kind\":\"Sequential\"", "\"kind\":\"Branches\"", "the model (Branches) is no Sequential")]
    [TestCase("\"kind\":\"Dense\"", "\"kind\":\"Residual\"", "layer 1 (Residual): layers is empty")]
    public void A_changed_description_is_refused_by_the_layer_and_the_option(string text, string other, string message)
    {
        using var model = new Sequential(Device.Default, 1, new RoaRnn(2, 3, new RoaRnnOptions { Filter = Filter.FromMatrix(s_rotation) }) { Name = "rnn" }, new Dense(3, 2));
        model.Save(_path);
        Change(metadata =>
        {
            Assert.That(metadata[Architecture], Does.Contain(text));
            metadata[Architecture] = metadata[Architecture].Replace(text, other, StringComparison.Ordinal);
        });
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long objects = LiveObjects.Count();

        Assert.That(() => Model.Load(_path, Device.Default), Throws.TypeOf<InvalidDataException>().With.Message.Contains(message).And.Message.Contains(_path));
        Assert.That(SystemInfo.LiveObjects, Is.EqualTo(objects));
    }

    [TestCase("rnn.filter_seed", "missing")]
    [TestCase("rnn.alpha", "missing")]
    public void A_file_without_the_state_of_its_layers_is_refused(string key, string message)
    {
        using var model = new Sequential(Device.Default, 1, new RoaRnn(2, 3) { Name = "rnn" });
        model.Save(_path);
        Change(metadata => metadata.Remove(key));
        Assert.That(() => Model.Load(_path, Device.Default), Throws.TypeOf<InvalidDataException>().With.Message.Contains($"__metadata__.{key} is {message}"));
    }

    [Test]
    public void Matrices_that_are_no_filters_are_refused()
    {
        using var model = new Sequential(Device.Default, 1, new RoaRnn(2, 3, new RoaRnnOptions { Filter = Filter.FromMatrix(s_rotation) }) { Name = "rnn" });
        model.Save(_path);
        byte[] file = File.ReadAllBytes(_path);
        int header = 8 + (int)BitConverter.ToUInt64(file);
        BitConverter.GetBytes(0.5).CopyTo(file, header);
        File.WriteAllBytes(_path, file);

        // The digest in the metadata is another one.
        Assert.That(() => Model.Load(_path, Device.Default), Throws.TypeOf<InvalidDataException>().With.Message.Contains("__metadata__.rnn.filter is 'Custom, SHA-256"));
        using var other = new Sequential(Device.Default, 1, new RoaRnn(2, 3, new RoaRnnOptions { Filter = Filter.FromMatrix(s_rotation) }) { Name = "rnn" });
        double[,] wrong = (double[,])s_rotation.Clone();
        wrong[0, 0] = 0.5;
        string digest = Filter.FromMatrix(wrong) is { } filter ? new RoaRnn(2, 3, new RoaRnnOptions { Filter = filter }).Settings.First().Value : "";
        Change(metadata => metadata["rnn.filter"] = digest);
        Assert.That(() => Model.Load(_path, Device.Default), Throws.TypeOf<InvalidDataException>().With.Message.Contains("orthogonal"));
    }

    [Test]
    public void A_small_file_takes_little_memory_whatever_it_says()
    {
        using var model = new Sequential(Device.Default, 1, new Dense(2, 3));
        model.Save(_path);
        string layers = string.Concat(Enumerable.Range(1, 300).Select(i => $$""",{"kind":"Embedding","path":"{{i}}","options":{"entries":2147483647,"size":1048576} }"""));
        Change(metadata => metadata[Architecture] = metadata[Architecture].Replace("]}}", $"{layers}]}}}}", StringComparison.Ordinal));
        AssertRefused("takes");

        // A filter of 65536 units would take days to draw.
        using var rnn = new Sequential(Device.Default, 1, new RoaRnn(2, 3));
        rnn.Save(_path);
        Change(metadata => metadata[Architecture] = metadata[Architecture].Replace("\"hidden_size\":3", "\"hidden_size\":65536", StringComparison.Ordinal));
        AssertRefused("tensor '0.weight' is Float32 [3, 3]; Float32, Float64, F16 or BF16 [65536, 65536] is expected");

        // Each level costs two of the JSON text.
        string deep = string.Concat(Enumerable.Range(0, 5000).Select(i => "{\"kind\":\"Sequential\",\"path\":\"0\",\"layers\":["));
        model.Save(_path);
        Change(metadata => metadata[Architecture] = $"{{\"format\":1,\"dtype\":\"F32\",\"model\":{deep}");
        AssertRefused("is no JSON text");

        void AssertRefused(string message)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Assert.That(() => Model.Load(_path, Device.Default), Throws.TypeOf<InvalidDataException>().With.Message.Contains(message));
            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan((1 << 20) + (100 * new FileInfo(_path).Length)));
        }
    }

    [Test]
    public void A_layer_nested_too_deep_is_saved_and_refused_by_its_class()
    {
        Layer layer = new Dense(2, 2);
        for (int i = 0; i < 70; i++)
        {
            layer = new Sequential(layer);
        }

        using var model = new Sequential(Device.Default, 1, layer);
        model.Save(_path);
        Assert.That(() => Model.Load(_path, Device.Default), Throws.TypeOf<InvalidDataException>().With.Message.Contains("(OrthoNative.Sequential) did not describe itself"));
        model.Load(_path);
    }

    [Test]
    public void A_model_for_inference_has_no_gradients()
    {
        using var saved = new Sequential(Device.Default, 1, new RoaRnn(2, 3), new Dense(3, 2));
        saved.Save(_path);
        using Sequential model = Model.Load(_path, Device.Default, new ModelLoadOptions { Gradients = false });
        Assert.That(model.Training, Is.False);
        Assert.That(() => model.GradientData, Throws.TypeOf<InvalidOperationException>());
        using Sequential training = Model.Load(_path, Device.Default, new ModelLoadOptions { ComputeInputGradient = true });
        using var inputs = new Tensor(Device.Default, DType.Float32, 4, 1, 2);
        using var gradient = new Tensor(Device.Default, DType.Float32, 1, 2);
        training.Forward(inputs);
        training.Backward(gradient);
        Assert.That(training.InputGradient.Shape.ToArray(), Is.EqualTo(inputs.Shape.ToArray()));
        Assert.That(() => Model.Load(_path, Device.Default, new ModelLoadOptions { DType = DType.Int32 }), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("options.DType is Int32"));
    }

    [Test]
    public void Another_process_with_other_threads_and_another_seed_computes_the_same_bits([Values(1, 3)] int threads)
    {
        using var device = Device.Cpu(2);
        using Sequential model = WholeModel.Create(device, 1);
        WholeModel.Results(model, "").Values.ToList().ForEach(tensor => tensor.Dispose());
        model.Save(_path);
        string outputs = _folder.File("outputs");

        var start = new ProcessStartInfo("dotnet", [typeof(WholeModel).Assembly.Location, _path, outputs, threads.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardError = true };
        using (Process process = Process.Start(start)!)
        {
            string error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.That(process.ExitCode, Is.Zero, error);
        }

        Dictionary<string, Tensor> results = SafeTensors.Load(outputs, Device.Default), expected = WholeModel.Results(model, "made");
        AssertEqual(expected, results.Where(pair => pair.Key.StartsWith("made", StringComparison.Ordinal)).ToDictionary());
        AssertEqual(expected, results.Where(pair => pair.Key.StartsWith("given", StringComparison.Ordinal)).ToDictionary(pair => pair.Key.Replace("given", "made", StringComparison.Ordinal), pair => pair.Value));
    }

    private void Change(Action<Dictionary<string, string>> change)
    {
        Dictionary<string, Tensor> tensors = SafeTensors.Load(_path, Device.Default);
        Dictionary<string, string> metadata = SafeTensors.LoadMetadata(_path).ToDictionary();
        change(metadata);
        SafeTensors.Save(_path, tensors, metadata);
        foreach (Tensor tensor in tensors.Values)
        {
            tensor.Dispose();
        }
    }

    private Sequential SaveAndLoad(Sequential model, DType? dtype = null)
    {
        model.Save(_path);
        return Model.Load(_path, Device.Default, new ModelLoadOptions { DType = dtype });
    }

    /// <summary>Saves, loads, and compares all bits of another pass of training, one for inference, and the file that the loaded model makes.</summary>
    private void AssertSame(Sequential saved)
    {
        bool time = saved.Layers.Any(layer => layer is RecurrentLayer or Container or Conv1D or Pooling or WindowPooling);
        using Tensor inputs = UniformTensor(new Random(5), 1, time || saved.InputSize == LayerCatalog.Size ? [5, 3, saved.InputSize] : [3, saved.InputSize]);
        using var given = new Tensor(Device.Default, saved.DType, inputs.Shape);
        SetValues(given, Values(inputs));
        saved.Training = true;
        saved.Forward(given);
        saved.Save(_path);
        using Sequential loaded = Model.Load(_path, Device.Default, new ModelLoadOptions { ComputeInputGradient = true });
        loaded.Save(_folder.File("again"));
        Assert.That(File.ReadAllBytes(_folder.File("again")).AsSpan().SequenceEqual(File.ReadAllBytes(_path)), Encoding.UTF8.GetString(File.ReadAllBytes(_path)));
        Assert.That(loaded.DType, Is.EqualTo(saved.DType));

        List<byte[]> expected = Run(saved), actual = Run(loaded);
        Assert.That(actual, Is.EqualTo(expected));

        List<byte[]> Run(Sequential model)
        {
            model.Training = true;
            Tensor outputs = model.Forward(given);
            List<byte[]> results = [Bytes(model.ParameterData), Bytes(outputs)];
            using var gradient = new Tensor(Device.Default, model.DType, outputs.Shape);
            gradient.Fill(0.25);
            model.Backward(gradient);
            results.AddRange([Bytes(model.GradientData), Bytes(model.InputGradient)]);
            model.Training = false;
            results.Add(Bytes(model.Forward(given)));
            return results;
        }
    }

    private static void AssertEqual(Dictionary<string, Tensor> expected, Dictionary<string, Tensor> actual)
    {
        Assert.That(actual.Keys, Is.EquivalentTo(expected.Keys));
        foreach ((string name, Tensor tensor) in expected)
        {
            Assert.That(Bytes(actual[name]), Is.EqualTo(Bytes(tensor)), name);
        }
    }
}
