using System.Globalization;
using System.Linq.Expressions;
using System.Reflection;
using System.Text.RegularExpressions;
using OrthoNative.Diagnostics;
using OrthoNative.Interop;

namespace OrthoNative.Tests;

/// <summary>
/// Every refused argument is named as the caller knows it, in <see cref="ArgumentException.ParamName"/> and in the message, and numbers are
/// spelled the same way in every culture.
/// </summary>
internal sealed partial class ArgumentTests
{
    private static readonly CultureInfo s_foreign = MakeCulture();

    private static readonly Sequential s_model = new(
        Device.Default, 1, new RoaRnn(2, 4) { Name = "rnn" }, new RoaFnn(4, 3, new RoaFnnOptions { FilterPerLayer = true }), new Dense(4, 2));

    private static readonly Tensor s_tensor = new(Device.Default, DType.Float32, 2, 3);
    private static readonly Tensor s_wide = new(Device.Default, DType.Float64, 2, 3);
    private static readonly CrossEntropyLoss s_entropy = new();
    private static readonly MeanSquaredErrorLoss s_error = new();
    private static readonly DataLoader s_loader = new(new AddingProblem(4, 10, 1), 2);
    private static readonly double[,] s_skewed = { { 1, 0.5, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 } };

    /// <summary>Names of the C interface that the library has too, or that no message tells: those of results, and of what the library passes itself.</summary>
    private static readonly string[] s_same =
    [
        "accumulate", "argument", "averages", "bias", "buffer", "bytes", "cause", "cores", "correct", "decoupled", "destination", "device", "dtype", "element",
        "entries", "error", "factor", "groups", "high", "index", "info", "inputs", "kind", "layer", "layers", "leaf", "lengths", "loss", "low",
        "matrix", "mean", "message", "model", "multiprocessors", "name", "norm", "offset", "options", "outputs", "permutation", "prepared",
        "problem",
        "purpose", "rate", "reserved", "resets", "scale", "seed", "source", "staging", "states", "status", "step", "steps", "streams", "targets", "threads", "training", "value",
        "values", "velocity", "version", "weights",
    ];

    private static RoaRnn Rnn => (RoaRnn)s_model.Layers[0];

    private static RoaFnn Fnn => (RoaFnn)s_model.Layers[1];

    /// <summary>A call of a public member that refuses an argument: what the message says of it, and the argument where it is not the first word.</summary>
    private static IEnumerable<TestCaseData> Calls()
    {
        // Layers and their options.
        yield return Call(() => new RoaRnn(0, 4), "inputSize is 0;");
        yield return Call(() => new RoaRnn(-3, 4), "inputSize is -3;");
        yield return Call(() => new RoaRnn(1, -4), "hiddenSize is -4;");
        yield return Call(() => new RoaFnn(-4, 2, null), "hiddenSize is -4;");
        yield return Call(() => new RoaFnn(4, -2, null), "layers is -2;");
        yield return Call(() => new Dense(-1, 2, null), "inputs is -1;");
        yield return Call(() => new Dense(1, -2, null), "outputs is -2;");
        yield return Call(() => new Dense(1, 2, new DenseOptions { WeightScale = -1.5 }), "options.WeightScale is -1.5;");
        yield return Call(() => new Dense(1, 2, new DenseOptions { BiasScale = double.NaN }), "options.BiasScale is NaN;");
        yield return Call(() => new Dense(1, 2, new DenseOptions { WeightLearningRateScale = -1 }), "options.WeightLearningRateScale is -1;");
        yield return Call(() => new Dense(1, 2, new DenseOptions { BiasLearningRateScale = -0.5 }), "options.BiasLearningRateScale is -0.5;");
        yield return Call(() => new GaussianNoise(-1, 1), "size is -1;");
        yield return Call(() => new GaussianNoise(1, -0.5), "standardDeviation is -0.5;");
        yield return Call(() => new Dropout(-1, 0.5), "size is -1;");
        yield return Call(() => new Dropout(1, 1), "rate is 1;");
        yield return Call(() => new RoaRnn(1, 4, new RoaRnnOptions { Alpha = double.NegativeInfinity }), "options.Alpha is -Infinity;");
        yield return Call(() => new RoaRnn(1, 2, new RoaRnnOptions { Beta = new[] { 1, double.NaN } }), "options.Beta[1] is NaN;");
        yield return Call(() => new RoaRnn(1, 4, new RoaRnnOptions { Beta = new[] { 1.0, 2 } }), "options.Beta has 2 values;");
        yield return Call(() => new RoaRnn(1, 4, new RoaRnnOptions { Filter = null! }), "options.Filter is null;");
        yield return Call(() => new RoaRnn(1, 4, new RoaRnnOptions { Filter = Filter.FromMatrix(new double[3, 3]) }), "options.Filter has matrices of size 3;");
        yield return Call(() => new RoaRnn(1, 4, new RoaRnnOptions { Filter = Filter.FromMatrices(new double[2, 4, 4]) }), "options.Filter has 2 matrices;");
        yield return Call(() => new RoaFnn(4, 3, new RoaFnnOptions { Filter = Filter.FromMatrices(new double[2, 4, 4]) }), "options.Filter has 2 matrices;");
        yield return Call(() => new RoaFnn(4, 3, new RoaFnnOptions { TotalBeta = double.NaN }), "options.TotalBeta is NaN;");
        yield return Call(() => new RoaRnn(1, 4, new RoaRnnOptions { Activation = (Activation)(-7) }), "options.Activation is -7;");
        yield return Call(() => new RoaRnn(1, 4, new RoaRnnOptions { InputScale = -2.5 }), "options.InputScale is -2.5;");
        yield return Call(() => new RoaRnn(1, 4, new RoaRnnOptions { InputOffset = double.NaN }), "options.InputOffset is NaN;");
        yield return Call(() => new RoaRnn(1, 4, new RoaRnnOptions { InputLearningRateScale = -2.5 }), "options.InputLearningRateScale is -2.5;");
        yield return Call(() => new RoaRnn(1, 4, new RoaRnnOptions { WeightScale = -2.5 }), "options.WeightScale is -2.5;");
        yield return Call(() => new RoaRnn(1, 4, new RoaRnnOptions { BiasScale = -2.5 }), "options.BiasScale is -2.5;");
        yield return Call(() => new RoaRnn(1, 4, new RoaRnnOptions { BiasOffset = double.NaN }), "options.BiasOffset is NaN;");
        yield return Call(() => new RoaRnn(1, 4, new RoaRnnOptions { WeightLearningRateScale = -2.5 }), "options.WeightLearningRateScale is -2.5;");
        yield return Call(() => new RoaRnn(1, 4, new RoaRnnOptions { BiasLearningRateScale = -2.5 }), "options.BiasLearningRateScale is -2.5;");
        yield return Call(() => RoaRnnOptions.Convex(-0.5), "beta is -0.5;");
        yield return Call(() => RoaFnnOptions.Convex(1.5), "beta is 1.5;");
        yield return Call(() => SequenceOutput.LastSteps(-1), "steps is -1;");
        yield return Call(() => Checkpointing.Every(-1), "steps is -1;");
        yield return Call(() => Checkpointing.Auto(-1), "maximumBytes is -1;");
        yield return Call(() => Filter.FromMatrix(null!), "", "matrix");
        yield return Call(() => Filter.FromMatrix(new double[2, 3]), "matrix is 2 x 3;");
        yield return Call(() => Filter.FromMatrices(new double[0, 3, 3]), "matrices has shape [0, 3, 3];");
        yield return Call(() => Fnn.GetFilter(-1), "layer is -1;");
        yield return Call(() => Fnn.GetFilter(3), "layer is 3;");
        yield return Call(() => Fnn.GetStateBytes(-1, true), "batch is -1;");
        yield return Call(() => Rnn.GetStateBytes(-1, 1, true), "steps is -1;");
        yield return Call(() => Rnn.GetStateBytes(1, -1, true), "batch is -1;");
        yield return Property(() => s_model.Parameters[0].LearningRateScale = -1.5, nameof(Parameter.LearningRateScale), "LearningRateScale is -1.5;");

        // Models.
        yield return Call(() => new Sequential(null!, 1, new Layer[] { new Dense(1, 1) }), "", "device");
        yield return Call(() => new Sequential(Device.Default, (SequentialOptions)null!, new Layer[] { new Dense(1, 1) }), "", "options");
        yield return Call(() => new Sequential(Device.Default, new SequentialOptions { DType = (DType)(-1) }, new Layer[] { new Dense(1, 1) }), "options.DType is -1;");
        yield return Model("layers is empty;");
        yield return Model("layers[1] is null;", new Dense(1, 1), null!);
        yield return Model("layers[1] is part of a model already;", new Dense(1, 4), Rnn);
        yield return Model("layers[1] takes 5 inputs", new Dense(1, 4), new Dense(5, 1));
        yield return Model("layers[1] has the same name, '1', as a layer before it;", new Dense(1, 1) { Name = "1" }, new Dense(1, 1));
        yield return Model("layers have no parameters;", new GaussianNoise(1, 1));
        yield return Model("layers[1].Filter (number 0) is 0.5 away from orthogonal", new Dense(1, 4), new RoaFnn(4, 2, new RoaFnnOptions { Filter = Filter.FromMatrix(s_skewed) }));
        yield return Model("layers[0].Alpha[0] is 1E+39;", new RoaRnn(1, 2, new RoaRnnOptions { Alpha = 1e39 }));
        yield return Model("layers[1].Beta[1] is -1E+39;", new Dense(1, 2), new RoaFnn(2, 2, new RoaFnnOptions { Beta = (double[])[1, -1e39] }));
        yield return Model("layers[1].StandardDeviation is 1E+38;", new Dense(1, 1), new GaussianNoise(1, 1e38));
        yield return Model("layers[0] has WeightScale that Float32 cannot hold;", new Dense(1, 1, new DenseOptions { WeightScale = 1e39 }));
        yield return Model("layers[0] has BiasScale that Float32 cannot hold;", new Dense(1, 1, new DenseOptions { BiasScale = 1e39 }));
        yield return Model("layers[1] has WeightScale that Float32 cannot hold;", new Dense(1, 1), new RoaRnn(1, 1, new RoaRnnOptions { WeightScale = 1e39 }));
        yield return Model("layers[0] has BiasOffset and BiasScale that", new RoaFnn(1, 1, new RoaFnnOptions { BiasOffset = 1e39 }));
        yield return Model("layers[0] has InputOffset and InputScale that", new RoaRnn(1, 1, new RoaRnnOptions { InputOffset = -1e39 }));
        yield return Model("layers[0] has BiasOffset and BiasScale that", new RoaFnn(1, 1, new RoaFnnOptions { BiasOffset = 1 + 1e-9, BiasScale = 1e-10 }));
        yield return Model(
            "layers[0] has BiasScale and ForgetBias that", new Lstm(1, 64, new LstmOptions { BiasScale = 1e36, ForgetBias = float.MaxValue }));
        yield return Call(() => s_model.Forward(null!), "", "inputs");
        yield return Call(() => s_model.Forward(s_tensor), "inputs has shape [2, 3];");
        yield return Call(() => s_model.Forward(s_wide), "inputs has element type Float64;");
        yield return Call(() => s_model.ClipGradientNorm(-0.5), "maximumNorm is -0.5;");
        yield return Call(() => s_model.ClipGradients(double.NaN), "maximumNorm is NaN;");
        yield return Call(() => s_model.Summary(-1, 1), "batch is -1;");
        yield return Call(() => s_model.Summary(1, -1), "steps is -1;");
        yield return Call(() => s_model.Backward(null!, false), "", "outputGradient");
        yield return Action(typeof(Sequential), nameof(Sequential.Backward), () => Backward(s_tensor), "outputGradient has shape [2, 3];");
        yield return Action(typeof(Sequential), nameof(Sequential.Backward), () => Backward(s_wide), "outputGradient has element type Float64;");

        // Losses.
        yield return Call(() => new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = -0.5 }), "options.LabelSmoothing is -0.5;");
        yield return Call(() => s_entropy.Forward(s_tensor, new[] { 0, -1 }), "targets[1] is -1;");
        yield return Call(() => s_entropy.Evaluate(s_tensor, new[] { 3, 0 }), "targets[0] is 3;");
        yield return Call(() => s_entropy.Differentiate(s_tensor, new[] { 0 }), "targets has 1 elements;");
        yield return Call(() => s_entropy.Forward(null!, new[] { 0 }), "", "outputs");
        yield return Call(() => s_error.Forward(null!, s_tensor), "", "outputs");
        yield return Call(() => s_error.Evaluate(s_tensor, null!), "", "targets");
        yield return Call(() => s_error.Differentiate(s_tensor, s_wide), "targets has element type Float64;");

        // Optimizers and schedules.
        yield return Call(() => new Sgd(null!, 1, null), "", "model");
        yield return Call(() => new Sgd(s_model, -0.5, null), "learningRate is -0.5;");
        yield return Call(() => new Sgd(s_model, 1, new SgdOptions { Momentum = -0.5 }), "options.Momentum is -0.5;");
        yield return Call(() => new Sgd(s_model, 1, new SgdOptions { Nesterov = true }), "options.Nesterov is true");
        yield return Call(() => new Sgd(s_model, 1, new SgdOptions { WeightDecay = -0.5 }), "options.WeightDecay is -0.5;");
        yield return Call(() => new Sgd(s_model, 1, new SgdOptions { WeightDecay = 1e39 }), "options.WeightDecay is 1E+39;");
        yield return Call(() => new Sgd(s_model, 1, new SgdOptions { Groups = null! }), "options.Groups is null;");
        yield return Call(() => new Sgd(s_model, 1, new SgdOptions { Groups = new ParameterGroup[] { null! } }), "options.Groups[0] is null;");
        yield return Group("options.Groups[0].LearningRateScale is -0.5;", new ParameterGroup(s_model.Parameters[0]) { LearningRateScale = -0.5 });
        yield return Group("options.Groups[0].WeightDecay is 1E+39;", new ParameterGroup(s_model.Parameters[0]) { WeightDecay = 1e39 });
        yield return Group("options.Groups[1] has the parameter rnn.weight", new ParameterGroup(s_model.Parameters[0]), new ParameterGroup(s_model.Parameters[0]));
        yield return Call(() => new ParameterGroup(new Parameter[] { null! }), "parameters[0] is null;");
        yield return Call(() => new Adam(s_model, -1e-3, null), "learningRate is -0.001;");
        yield return Call(() => new Adam(s_model, 1, new AdamOptions { Beta1 = -0.5 }), "options.Beta1 is -0.5;");
        yield return Call(() => new AdamW(s_model, 1, new AdamOptions { Beta2 = 1.5 }), "options.Beta2 is 1.5;");
        yield return Call(() => new AdamW(s_model, 1, new AdamOptions { Epsilon = 1e39 }), "options.Epsilon is 1E+39;");
        yield return Call(() => new AdamW(s_model, 1, new AdamOptions { Epsilon = 1e-39 }), "options.Epsilon is 1E-39;");
        yield return Property(() => { using var sgd = new Sgd(s_model, 1); sgd.LearningRate = -0.5; }, nameof(Optimizer.LearningRate), "LearningRate is -0.5;");
        yield return Call(() => new ConstantSchedule(-0.5), "learningRate is -0.5;");
        yield return Call(() => new CosineSchedule(1, -1, 0), "steps is -1;");
        yield return Call(() => new CosineSchedule(1, 1, -0.5), "finalLearningRate is -0.5;");
        yield return Call(() => new StepDecaySchedule(1, -1, 0.5), "interval is -1;");
        yield return Call(() => new StepDecaySchedule(1, 1, -0.5), "factor is -0.5;");
        yield return Call(() => new ExponentialDecaySchedule(1, -0.5), "factor is -0.5;");
        yield return Call(() => new WarmupSchedule(-1, new ConstantSchedule(1)), "steps is -1;");
        yield return Call(() => new WarmupSchedule(1, null!), "", "next");

        // Tensors and devices.
        yield return Call(() => new Tensor(null!, DType.Float32, new long[] { 1 }), "", "device");
        yield return Call(() => new Tensor(Device.Default, (DType)(-2), new long[] { 1 }), "dtype is -2;");
        yield return Call(() => new Tensor(Device.Default, DType.Float32, new long[] { 2, -3 }), "shape is [2, -3];");
        yield return Call(() => new Tensor(Device.Default, DType.Float32, new long[9]), "shape has 9 sizes;");
        yield return Call(() => new Tensor(Device.Default, DType.Float32, (long[])null!), "", "shape");
        yield return Action(typeof(Tensor), nameof(Tensor.CopyTo), () => s_tensor.CopyTo<float>(-1, new float[1]), "start is -1;");
        yield return Action(typeof(Tensor), nameof(Tensor.CopyTo), () => s_tensor.CopyTo<float>(5, new float[2]), "destination.Length is 2;");
        yield return Action(typeof(Tensor), nameof(Tensor.CopyTo), () => s_tensor.CopyTo<float>(new float[2]), "destination has 2 elements;");
        yield return Action(typeof(Tensor), nameof(Tensor.CopyFrom), () => s_tensor.CopyFrom<float>(-1, new float[1]), "start is -1;");
        yield return Action(typeof(Tensor), nameof(Tensor.AsSpan), () => _ = s_tensor.AsSpan<float>(-1, 1).Length, "start is -1;");
        yield return Action(typeof(Tensor), nameof(Tensor.AsSpan), () => _ = s_tensor.AsSpan<float>(0, -1).Length, "length is -1;");
        yield return Call(() => s_tensor.CopyFrom(s_wide), "source has element type Float64;");
        yield return Call(() => s_tensor.CopyFrom((Tensor)null!), "", "source");
        yield return Call(() => Device.Cpu(-1), "threads is -1;");
        yield return Call(() => Device.Cuda(-1, null), "index is -1;");
        yield return Call(() => Device.Cuda(0, new CudaOptions { MatrixPrecision = (MatrixPrecision)(-1) }), "options.MatrixPrecision is -1;");
        yield return Call(() => Device.Cuda(0, new CudaOptions { FilterPrecision = (MatrixPrecision)9 }), "options.FilterPrecision is 9;");
        yield return Call(() => CudaInterop.GetPointer(s_tensor), "tensor lies on the device");
        yield return Call(() => CudaInterop.GetStream(Device.Default), "device is 'cpu");
        yield return Call(() => CudaInterop.GetCublasHandle(null!), "", "device");

        // Data.
        yield return Call(() => new AddingProblem(-1, 1, 1, DataSplit.Training), "length is -1;");
        yield return Call(() => new AddingProblem(2, -1, 1, DataSplit.Training), "count is -1;");
        yield return Call(() => new AddingProblem(2, (1L << 31) + 1, 1, DataSplit.Training), "count is 2147483649;");
        yield return Call(() => new AddingProblem(2, 1, 1, (DataSplit)(-1)), "split is -1;");
        yield return Call(() => new CopyingMemory(-1, 1, 1, DataSplit.Training), "delay is -1;");
        yield return Call(() => new CopyingMemory(1, 1, 1, (DataSplit)5), "split is 5;");
        yield return Action(typeof(Dataset), nameof(Dataset.Read), () => new AddingProblem(2, 5, 1).Read([-1], new float[4], [], new float[1]), "samples is -1;");
        yield return Action(typeof(Dataset), nameof(Dataset.Read), () => new AddingProblem(2, 5, 1).Read([0], new float[3], [], new float[1]), "inputs has 3 elements;");
        yield return Action(typeof(Dataset), nameof(Dataset.Read), () => new AddingProblem(2, 5, 1).Read([0], new float[4], [], []), "values has 0 elements;");
        yield return Action(typeof(Dataset), nameof(Dataset.Read), () => new CopyingMemory(2, 5, 1).Read([0], new float[220], new int[9], []), "classes has 9 elements;");
        yield return Call(() => new DataLoader(null!, 1), "", "dataset");
        yield return Call(() => new DataLoader(new AddingProblem(2, 5, 1, DataSplit.Training), -1), "batchSize is -1;");
        yield return Call(() => new DataLoader(new AddingProblem(2, 5, 1, DataSplit.Training), 6, new DataLoaderOptions { DropLast = true }), "batchSize is 6;");
        yield return Call(() => new DataLoader(new NoSteps(), 1), "dataset.Steps is -4;");
        yield return Call(() => new DataLoader(new AddingProblem(2, 5, 1, DataSplit.Training), 1, new DataLoaderOptions { DType = (DType)(-1) }), "options.DType is -1;");
        yield return Call(() => DataLoader.GetLargestBatchSize(new NoSteps()), "dataset.Steps is -4;");
        yield return Call(() => s_loader.Epoch(-1), "number is -1;");
        yield return Action(typeof(DataLoader.Enumerator), nameof(DataLoader.Enumerator.Skip), () => s_loader.Epoch(0).GetEnumerator().Skip(-1), "batches is -1;");
        yield return Call(() => new PixelSequence(null!, null), "", "images");
        yield return Call(() => IdxFile.Read("none", -1), "dimensions is -1;");
        yield return Call(() => Mnist.Load("none", (DataSplit)(-1)), "split is -1;");

        // Diagnostics.
        yield return Action(typeof(LinearizedChain), nameof(LinearizedChain.Of), () => LinearizedChain.Of(Fnn, [1]), "input has 1 elements;");
        yield return Action(typeof(LinearizedChain), nameof(LinearizedChain.Of), () => LinearizedChain.Of(Rnn, [1]), "inputs has 1 elements;");
        yield return Action(typeof(LinearizedChain), nameof(LinearizedChain.Of), () => LinearizedChain.Of(Rnn, [1, 2], [1]), "initialState has 1 elements;");
        yield return Call(() => LinearizedChain.Of(Fnn, new double[4]).GetWeightNorms(-1), "every is -1;");
        yield return Call(() => new GradientRecorder(s_model, Rnn, -1), "interval is -1;");
        yield return Call(() => new GradientRecorder(s_model, new RoaRnn(1, 1, null), 1), "layer is not part of the model;");
        yield return Call(() => SafeTensors.Load("", Device.Default), "", "path");
    }

    [TestCaseSource(nameof(Calls))]
    public void A_refused_argument_is_named_as_the_caller_knows_it_in_every_culture(Action call, string start, string[] names)
    {
        CultureInfo culture = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = s_foreign;
            ArgumentException exception = Assert.Catch<ArgumentException>(() => call())!;
            string message = exception.Message;

            Assert.That(message, Does.StartWith(start));
            Assert.That(exception.ParamName, Is.AnyOf(names));
            if (start.Length > 0)
            {
                Assert.That(start, Does.StartWith(exception.ParamName!));
            }

            AssertReadable(message);
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }

    [Test]
    public void A_number_out_of_range_is_the_actual_value()
    {
        Assert.That(Assert.Throws<ArgumentOutOfRangeException>(() => Device.Cpu(-1))!.ActualValue, Is.EqualTo(-1));
        Assert.That(Assert.Throws<ArgumentOutOfRangeException>(() => _ = new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = 1.5 }))!.ActualValue, Is.EqualTo(1.5));
        Assert.That(Assert.Throws<ArgumentOutOfRangeException>(() => _ = new DataLoader(new AddingProblem(2, 5, 1), 0))!.ActualValue, Is.EqualTo(0));
        Assert.That(Assert.Throws<ArgumentOutOfRangeException>(() => s_model.ClipGradients(-2))!.ActualValue, Is.EqualTo(-2));
    }

    [Test]
    public void Every_name_of_the_c_interface_has_one_of_the_library()
    {
        IEnumerable<string> functions = typeof(NativeMethods).GetMethods(BindingFlags.Public | BindingFlags.Static)
            .SelectMany(method => method.GetParameters()).Select(parameter => parameter.Name!);
        IEnumerable<string> structures = typeof(NativeMethods).Assembly.GetTypes()
            .Where(type => type.IsValueType && type.Name.StartsWith("ortho_", StringComparison.Ordinal))
            .SelectMany(type => type.GetFields(BindingFlags.Public | BindingFlags.Instance)).Select(field => field.Name);

        // The states of the random streams are no one's argument.
        string[] all = [.. functions.Concat(structures).Where(name => !name.EndsWith("__", StringComparison.Ordinal)).Distinct()];
        string[] names = [.. all.Where(name => name.Contains('_', StringComparison.Ordinal))];
        Assert.That(names, Has.Length.GreaterThan(30));
        Assert.That(all.Except(names).Where(name => ArgumentNames.Of(name) == name), Is.EquivalentTo(s_same));
        Assert.That(names.Where(name => NativeName().IsMatch(ArgumentNames.Of(name)) || NativeName().IsMatch(ArgumentNames.Of($"options->{name}"))), Is.Empty);
        Assert.That(names.Where(name => NativeName().IsMatch(ArgumentNames.Of($"groups[].{name}", 3))), Is.Empty);
    }

    [TestCase("output_gradients", 3, "outputGradient[3]")]
    [TestCase("groups[].learning_rate", -1, "LearningRate")]
    [TestCase("groups[].learning_rate", 3, "LearningRate of Parameters[3]")]
    [TestCase("initial[] of a feedforward chain", 7, "inputs[7] of a RoaFnn")]
    [TestCase("batch", -1, "the number of samples")]
    [TestCase("x", 2, "inputs[2]")]
    [TestCase("options->filter", -1, "Filter")]
    [TestCase("beta1", -1, "Beta1")]
    [TestCase("initial", 7, "options.InitialStates[7]")]
    [TestCase("initial_gradients", -1, "the gradient at the initial states")]
    [TestCase("final_states", -1, "the final states")]
    [TestCase("final_gradients", 2, "the gradient at the final states[2]")]
    [TestCase("indices", 3, "inputs[3]")]
    [TestCase("data", -1, "address")]
    [TestCase("options->index", -1, "index")]
    [TestCase("options->matrix_precision", -1, "options.MatrixPrecision")]
    [TestCase("targets", 0, "targets[0]")]
    [TestCase("lengths", 4, "lengths[4]")]
    [TestCase("part->first", -1, "the first sample of the part")]
    public void Names_of_the_c_interface_become_those_of_the_library(string native, long element, string expected) =>
        Assert.That(ArgumentNames.Of(native, element), Is.EqualTo(expected));

    [Test]
    public void A_native_refusal_is_of_the_exception_type_that_fits_and_names_the_argument()
    {
        ArgumentOutOfRangeException target = Assert.Throws<ArgumentOutOfRangeException>(() => s_entropy.Forward(s_tensor, [0, 7]))!;
        Assert.That(target.Message, Does.StartWith("targets[1] is 7; it must be from 0 to 2"));
        Assert.That(target.ParamName, Is.EqualTo("targets"));

        ArgumentException skewed = Assert.Catch<ArgumentException>(() => _ = new Sequential(Device.Default, 1, new RoaRnn(1, 4, new RoaRnnOptions { Filter = Filter.FromMatrix(s_skewed) })))!;
        Assert.That(skewed, Is.TypeOf<ArgumentException>());
        Assert.That(skewed.Message, Does.StartWith("layers[0].Filter (number 0) is 0.5 away from orthogonal"));
        Assert.That(skewed.ParamName, Is.EqualTo("layers"));

        ArgumentNullException missing = Assert.Throws<ArgumentNullException>(FillNothing)!;
        Assert.That(missing.Message, Does.StartWith("values is null; it must point to memory"));
        Assert.That(missing.ParamName, Is.EqualTo("values"));

        static unsafe void FillNothing()
        {
            using HandleScope<ortho_device> device = Device.Default.Handle.Borrow();
            NativeMethods.ortho_fill(device.Pointer, DType.Float32.ToNative(), 1, null, 0).ThrowOnFailure("values");
        }
    }

    [Test]
    public void Values_that_are_not_finite_are_named_as_the_caller_knows_them()
    {
        using var model = new Sequential(Device.Default, 1, new RoaRnn(3, 4));
        using var inputs = new Tensor(Device.Default, DType.Float32, 5, 2, 3);
        using var gradient = new Tensor(Device.Default, DType.Float32, 2, 4);
        using var state = new Tensor(Device.Default, DType.Float32, 2, 4);
        gradient.AsSpan<float>()[3] = float.NaN;
        state.AsSpan<float>()[7] = float.NaN;
        model.Forward(inputs);

        AssertMessage(() => model.Backward(gradient), "outputGradient[3] is NaN;");
        AssertMessage(() => model.Forward(inputs, States.From(state)), "options.InitialStates['0.state'][7] is NaN;");
        inputs.AsSpan<float>()[17] = float.NegativeInfinity;
        AssertMessage(() => model.Forward(inputs), "inputs[17] is -Infinity;");
        AssertMessage(() => LinearizedChain.Of(Fnn, [1, 2, 3, double.NegativeInfinity]), "input[3] is -Infinity;");

        static void AssertMessage(Action call, string start)
        {
            Exception exception = Assert.Catch(() => call())!;
            Assert.That(exception.Message, Does.StartWith(start));
            AssertReadable(exception.Message);
        }
    }

    [Test]
    public void Values_that_become_not_finite_in_a_model_are_named_with_their_layer()
    {
        using var inputs = new Tensor(Device.Default, DType.Float32, 5, 2, 3);
        using var gradient = new Tensor(Device.Default, DType.Float32, 5, 2, 4);
        inputs.Fill(1);
        gradient.Fill(1);
        var every = new RoaRnnOptions { Output = SequenceOutput.All };

        using var feedforward = new Sequential(Device.Default, 1, new Dense(3, 4), new RoaFnn(4, 2), new Dense(4, 4));
        feedforward.Layers[0].Parameters[1].Value.AsSpan<float>()[2] = float.NaN;
        AssertMessage(() => feedforward.Forward(inputs), "inputs[2] of layer 1 (RoaFnn) is NaN;");
        using var recurrent = new Sequential(Device.Default, 1, new Dense(3, 4), new RoaRnn(4, 4, every), new Dense(4, 4));
        recurrent.Layers[0].Parameters[1].Value.AsSpan<float>()[1] = float.PositiveInfinity;
        AssertMessage(() => recurrent.Forward(inputs), "inputs[1] of layer 1 (RoaRnn) is Infinity;");

        // The product with weights so large overflows in the backward pass alone, where the states are small.
        using var backward = new Sequential(Device.Default, 1, new RoaRnn(3, 4, every), new Dense(4, 4));
        Tensor weights = backward.Layers[1].Parameters[0].Value;
        weights.Fill(3e38);
        backward.Layers[0].Parameters[0].Value.Fill(0);
        backward.Forward(inputs);
        AssertMessage(() => backward.Backward(gradient), "outputGradient[0] of layer 0 (RoaRnn) is Infinity;");

        static void AssertMessage(Action call, string start)
        {
            NotFiniteNumberException exception = Assert.Throws<NotFiniteNumberException>(() => call())!;
            Assert.That(exception.Message, Does.StartWith(start));
            AssertReadable(exception.Message);
        }
    }

    [Test]
    public void A_learning_rate_that_the_element_type_cannot_hold_is_refused_and_changes_nothing()
    {
        using var model = new Sequential(Device.Default, 1, new Dense(2, 1));
        using var sgd = new Sgd(model, 1e30);
        model.Parameters[1].LearningRateScale = 1e30;
        model.GradientData.Fill(1);
        byte[] before = TestData.Bytes(model.ParameterData);

        Assert.That(sgd.Step, Throws.InvalidOperationException.With.Message.Contains("learning rate of parameter 0.bias").And.Message.Contains("finite in Float32"));
        Assert.That(TestData.Bytes(model.ParameterData), Is.EqualTo(before));
        Assert.That(sgd.StepCount, Is.Zero);
    }

    private static void Backward(Tensor gradient)
    {
        using var model = new Sequential(Device.Default, 1, new Dense(3, 4));
        model.Forward(s_tensor);
        model.Backward(gradient);
    }

    private static void AssertReadable(string message)
    {
        Assert.That(NativeName().Match(message).Value, Is.Empty, message);
        Assert.That(message, Does.Not.Contain("\u2212").And.Not.Contain("¤").And.Not.Contain("∞"));
        Assert.That(DecimalComma().Match(message).Value, Is.Empty, message);
    }

    /// <summary>A constructor or method, whose parameters are the names that may be told.</summary>
    private static TestCaseData Call(Expression<Func<object?>> call, string start, string? argument = null)
    {
        Expression body = call.Body is UnaryExpression { NodeType: ExpressionType.Convert } convert ? convert.Operand : call.Body;
        return Case(call.Compile(), Parameters(body), start, argument);
    }

    private static TestCaseData Call(Expression<Action> call, string start, string? argument = null)
    {
        Action compiled = call.Compile();
        return Case(() => { compiled(); return null; }, Parameters(call.Body), start, argument);
    }

    private static string[] Parameters(Expression body) =>
        [.. (body is NewExpression made ? (MethodBase)made.Constructor! : ((MethodCallExpression)body).Method).GetParameters().Select(parameter => parameter.Name!)];

    /// <summary>A method that an expression cannot call, because it has to do with spans.</summary>
    private static TestCaseData Action(Type type, string method, Action call, string start) => Case(
        () => { call(); return null; },
        [.. type.GetMethods().Where(candidate => candidate.Name == method).SelectMany(candidate => candidate.GetParameters()).Select(parameter => parameter.Name!)],
        start,
        null);

    private static TestCaseData Property(Action set, string name, string start) => Case(() => { set(); return null; }, ["value", name], start, null);

    private static TestCaseData Model(string start, params Layer[] layers) => Call(() => new Sequential(Device.Default, 1, layers), start);

    private static TestCaseData Group(string start, params ParameterGroup[] groups) => Call(() => new Sgd(s_model, 1, new SgdOptions { Groups = groups }), start);

    private static TestCaseData Case(Func<object?> call, string[] parameters, string start, string? argument)
    {
        string[] names = argument is null ? parameters : [argument];
        Action action = () => call();
        return new TestCaseData(action, start, names).SetArgDisplayNames($"{start}{argument} of {string.Join(", ", parameters)}");
    }

    /// <summary>Swedish minus, decimal comma, and signs of its own for what is no number.</summary>
    private static CultureInfo MakeCulture()
    {
        var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        culture.NumberFormat.NegativeSign = "\u2212";
        culture.NumberFormat.NumberDecimalSeparator = ",";
        culture.NumberFormat.NaNSymbol = "¤";
        culture.NumberFormat.PositiveInfinitySymbol = "∞";
        culture.NumberFormat.NegativeInfinitySymbol = "\u2212∞";
        return culture;
    }

    [GeneratedRegex(@"\b[a-z0-9]+_[a-z0-9_]+\b|->")]
    private static partial Regex NativeName();

    [GeneratedRegex(@"\d,\d")]
    private static partial Regex DecimalComma();

    private sealed class NoSteps : Dataset
    {
        public override long Count => 1;

        public override long Steps => -4;

        public override long Features => 1;

        public override long TargetSteps => 1;

        public override long Outputs => 1;

        public override bool IsClassification => true;

        public override void Read(ReadOnlySpan<long> samples, Span<float> inputs, Span<int> classes, Span<float> values) { }
    }
}
