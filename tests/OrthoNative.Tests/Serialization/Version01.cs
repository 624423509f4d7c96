using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Serialization;

/// <summary>
/// The models, optimizers and runs whose files version 0.1 wrote, in Fixtures/v0.1: how each is made, and what it was run on. The README
/// there says how they were written.
/// </summary>
internal static class Version01
{
    /// <summary>Steps of training that each model has behind it.</summary>
    public const int TrainedSteps = 3;

    /// <summary>Steps that an optimizer makes once its file is loaded.</summary>
    public const int StepsAfterLoading = 2;

    /// <summary>Time steps, samples and inputs of each model's batch; a feedforward model has no time steps.</summary>
    private const int Steps = 6, Samples = 3, Inputs = 2;

    private static readonly double[,] s_rotation =
    {
        { 0, 0.6, -0.8, 0 },
        { 0, 0.8, 0.6, 0 },
        { 0, 0, 0, -1 },
        { 1, 0, 0, 0 },
    };

    private static readonly Dictionary<string, (DType DType, Func<Layer[]> Layers)> s_models = new()
    {
        ["rnn-haar"] = (DType.Float32, () => [new RoaRnn(Inputs, 8, new RoaRnnOptions()), new Dense(8, 3)]),
        ["rnn-haar-float64"] = (DType.Float64, () =>
        [
            new RoaRnn(Inputs, 8, new RoaRnnOptions { Alpha = 0.9, Beta = [0.1, 0.2, 0.3, 0.4, 0.1, 0.2, 0.3, 0.4], Output = SequenceOutput.All, Checkpointing = Checkpointing.Every(2) }),
            new Dense(8, 3),
        ]),
        ["rnn-cycle"] = (DType.Float32, () => [new RoaRnn(Inputs, 8, new RoaRnnOptions { Filter = Filter.Cycle, Activation = Activation.Relu, Output = SequenceOutput.LastSteps(2) })]),
        ["rnn-permutation"] = (DType.Float32, () => [new RoaRnn(Inputs, 8, new RoaRnnOptions { Filter = Filter.Permutation, Checkpointing = Checkpointing.Auto(1 << 20) })]),
        ["rnn-identity"] = (DType.Float32, () => [new RoaRnn(Inputs, 8, RoaRnnOptions.Residual), new Dense(8, 3, new DenseOptions { Bias = false })]),
        ["rnn-plain"] = (DType.Float32, () => [new RoaRnn(Inputs, 8, RoaRnnOptions.Plain)]),
        ["rnn-convex"] = (DType.Float32, () => [new RoaRnn(Inputs, 8, RoaRnnOptions.Convex(0.25))]),
        ["rnn-matrix"] = (DType.Float32, () => [new RoaRnn(Inputs, 4, new RoaRnnOptions { Filter = Filter.FromMatrix(s_rotation), Beta = 0.5 })]),
        ["rnn-two-layers"] = (DType.Float32, () =>
        [
            new RoaRnn(Inputs, 4, new RoaRnnOptions { Output = SequenceOutput.All }),
            new RoaRnn(4, 8, new RoaRnnOptions { Output = SequenceOutput.Last }),
            new Dense(8, 3),
        ]),
        ["fnn-shared"] = (DType.Float32, () => [new Dense(Inputs, 8), new RoaFnn(8, 5), new Dense(8, 3)]),
        ["fnn-own"] = (DType.Float32, () => [new RoaFnn(Inputs, 4, new RoaFnnOptions { FilterPerLayer = true, TotalBeta = 2 })]),
        ["fnn-own-float64"] = (DType.Float64, () =>
            [new Dense(Inputs, 8), new RoaFnn(8, 5, new RoaFnnOptions { FilterPerLayer = true, Filter = Filter.Permutation, Checkpointing = Checkpointing.Every(2) })]),
        ["fnn-cycle"] = (DType.Float32, () => [new RoaFnn(Inputs, 4, new RoaFnnOptions { Filter = Filter.Cycle, Activation = Activation.Relu })]),
        ["fnn-identity"] = (DType.Float32, () => [new RoaFnn(Inputs, 4, RoaFnnOptions.Residual)]),
        ["fnn-matrices"] = (DType.Float32, () => [new RoaFnn(Inputs, 2, new RoaFnnOptions { Filter = Filter.FromMatrices(new double[,,] { { { 0, 1 }, { 1, 0 } }, { { 0.6, 0.8 }, { -0.8, 0.6 } } }), FilterPerLayer = true })]),
        ["noise"] = (DType.Float32, () => [new GaussianNoise(Inputs, 0.5), new RoaRnn(Inputs, 8), new Dense(8, 3)]),
        ["dense"] = (DType.Float32, () => [new Dense(Inputs, 4), new Dense(4, 3)]),
    };

    private static readonly Dictionary<string, Func<Sequential, Optimizer>> s_optimizers = new()
    {
        ["sgd"] = model => new Sgd(model, 0.1, new SgdOptions()),
        ["sgd-momentum"] = model => new Sgd(model, 0.1, new SgdOptions { Momentum = 0.75, WeightDecay = 0.01 }),
        ["sgd-nesterov"] = model => new Sgd(model, 0.1, new SgdOptions { Momentum = 0.5, Nesterov = true }),
        ["adam"] = model => new Adam(model, 0.01),
        ["adam-options"] = model => new Adam(model, 0.01, new AdamOptions { Beta1 = 0.75, Beta2 = 0.9375, Epsilon = 1e-16, WeightDecay = 0.01 }),
        ["adamw"] = model => new AdamW(model, 0.01),
        ["adamw-groups"] = model => new AdamW(model, 0.01, new AdamOptions
        {
            DecayScope = DecayScope.AllParameters,
            Groups = [new ParameterGroup([model.Parameters[0]]) { LearningRateScale = 0.5, WeightDecay = 0.25 }],
        }),
    };

    /// <summary>The command of the run that was interrupted, and of the one that was not.</summary>
    public static readonly string[] RunCommand =
        ["train", "copy", "--length", "5000", "--hidden", "8", "--batch", "4", "--test-samples", "20", "--steps", "60", "--limit", "40",
         "--stop-at", "1", "--input-noise", "0.05", "--seed", "5", "--threads", "1"];

    public static IEnumerable<string> Models => s_models.Keys;

    public static IEnumerable<string> Optimizers => s_optimizers.Keys;

    /// <summary>Where tests find the files: copied beside the assembly.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "Fixtures", "v0.1");

    /// <summary>Where the files lie in the repository.</summary>
    public static string Source { get; } = Path.Combine(Repository.Root, "tests", "OrthoNative.Tests", "Fixtures", "v0.1");

    /// <summary>The instruction set of the numbers that this process computes, as files name it.</summary>
    public static string InstructionSetName => SystemInfo.InstructionSet.ToString().ToLowerInvariant();

    public static string File(string name) => Path.Combine(Folder, $"{name}.safetensors");

    /// <summary>A model as version 0.1 made it, but of another seed: weights, and drawn filters, must come from the file.</summary>
    public static Sequential Model(string name, ulong seed) =>
        new(Device.Default, new SequentialOptions { Seed = seed, DType = s_models[name].DType, ComputeInputGradient = true }, s_models[name].Layers());

    /// <summary>The model that the optimizers train.</summary>
    public static Sequential OptimizerModel() => new(Device.Default, 1, new Dense(3, 4), new Dense(4, 2));

    /// <summary>True if what the model computes in training depends on random numbers.</summary>
    public static bool HasNoise(Sequential model) => model.Layers.Any(layer => layer is GaussianNoise);

    public static Optimizer Optimizer(string name, Sequential model) => s_optimizers[name](model);

    /// <summary>Gradients for a step: halves and quarters, which every instruction set holds exactly.</summary>
    public static float[] Gradients(long count, int step) =>
        [.. Enumerable.Range(0, (int)count).Select(i => ((((i * 7) + (step * 5)) % 17) - 8) / 16f)];

    /// <summary>Runs a model with a loaded file forward and backward, once while training and once not.</summary>
    /// <returns>Results by name; the caller disposes them.</returns>
    public static Dictionary<string, Tensor> Results(Sequential model)
    {
        model.Training = true;
        using Tensor inputs = Batch(model);
        Tensor outputs = Copy(model.Forward(inputs));
        using Tensor cotangent = Cotangent(outputs, model);
        model.Backward(cotangent);
        var results = new Dictionary<string, Tensor>
        {
            ["outputs"] = outputs,
            ["gradients"] = Copy(model.GradientData),
            ["input_gradients"] = Copy(model.InputGradient),
        };
        model.Training = false;
        results["inference"] = Copy(model.Forward(inputs));
        return results;
    }

    /// <summary>Writes the files of all models but what they compute.</summary>
    public static void WriteModels(string folder)
    {
        foreach (string name in Models)
        {
            using Sequential model = Model(name, 3);
            using var optimizer = new Sgd(model, 0.125);
            using Tensor inputs = Batch(model);
            for (int step = 0; step < TrainedSteps; step++)
            {
                using Tensor cotangent = Cotangent(model.Forward(inputs), model);
                model.Backward(cotangent);
                optimizer.Step();
            }

            model.Save(Path.Combine(folder, $"{name}.safetensors"));
        }
    }

    /// <summary>Writes the files of all optimizers, each with the model's parameters.</summary>
    public static void WriteOptimizers(string folder)
    {
        foreach (string name in Optimizers)
        {
            using Sequential model = OptimizerModel();
            using Optimizer optimizer = Optimizer(name, model);
            Step(model, optimizer, TrainedSteps);
            model.Save(Path.Combine(folder, $"{name}-model.safetensors"));
            optimizer.Save(Path.Combine(folder, $"{name}.safetensors"));
        }
    }

    /// <summary>Steps with the gradients of their numbers.</summary>
    public static void Step(Sequential model, Optimizer optimizer, int count)
    {
        for (int i = 0; i < count; i++)
        {
            model.GradientData.CopyFrom<float>(Gradients(model.GradientData.Count, (int)optimizer.StepCount));
            optimizer.Step();
        }
    }

    /// <summary>
    /// How far the outputs may be from the exact ones of the same file, in the Frobenius norm, by an analysis of first order in
    /// the unit roundoff u. A sum of m products is off by at most m u times the sum of their absolute values, and ‖|A||x|‖ ≤ ‖A‖_F ‖x‖;
    /// the activation, the scaling by β, the sum and the rounding of the filter add eight roundings. A step passes an error on at
    /// most α + β‖W‖_F times as large, since O is orthogonal and the activation's slope at most 1.
    /// </summary>
    public static double OutputBound(Sequential model)
    {
        double u = model.DType == DType.Float32 ? Math.Pow(2, -24) : Math.Pow(2, -53);
        using Tensor inputs = Batch(model);
        double rows = Math.Sqrt(Steps * Samples), norm = Norm(Values(inputs)), error = 0;
        for (int index = 0; index < model.Layers.Count; index++)
        {
            Layer layer = model.Layers[index];
            switch (layer)
            {
                case GaussianNoise noise:
                    // |z| ≤ √(2 ln 2⁵³): normal numbers are made of uniform ones of at least 2⁻⁵³.
                    norm += noise.StandardDeviation * Math.Sqrt(2 * 53 * Math.Log(2)) * Math.Sqrt(inputs.Count);
                    error += 8 * u * norm;
                    break;
                case Dense:
                    double weight = ParameterNorm(model, index, "weight"), bias = ParameterNorm(model, index, "bias") * rows;
                    error = (weight * error) + ((layer.InputSize + 2) * u * ((weight * norm) + bias));
                    norm = (weight * norm) + bias;
                    break;
                case ChainLayer chain:
                    (norm, error) = ChainBound(model, index, chain, rows, u, norm, error);
                    break;
            }
        }

        return error;
    }

    private static (double Norm, double Error) ChainBound(Sequential model, int index, ChainLayer chain, double rows, double u, double norm, double error)
    {
        double alpha = chain.Filters!.Alpha.Max(Math.Abs), beta = chain.Filters.Beta.Max(Math.Abs), n = chain.HiddenSize;
        double weight = ParameterNorm(model, index, "weight"), input = ParameterNorm(model, index, "input_weight"), bias = ParameterNorm(model, index, "bias") * rows;
        bool recurrent = chain is RoaRnn;
        double drive = (input * norm) + bias, driveError = input * error;
        double x = recurrent ? 0 : norm, e = recurrent ? 0 : error, total = 0;
        for (long step = 0; step < (chain is RoaFnn fnn ? fnn.Layers : Steps); step++)
        {
            double terms = n + chain.InputSize + 8;
            double local = terms * u * ((alpha * Math.Sqrt(n) * x) + (beta * ((weight * x) + drive)));
            e = ((alpha + (beta * weight)) * e) + (beta * driveError) + local;
            x = (alpha * x) + (beta * ((weight * x) + drive));
            total += e * e;
        }

        // All states may be put out; each is at most as large as the last bound.
        return recurrent ? (x * Math.Sqrt(Steps), Math.Sqrt(total)) : (x, e);
    }

    private static double ParameterNorm(Sequential model, int index, string name) =>
        model.Parameters.FirstOrDefault(parameter => parameter.Name == $"{index}.{name}") is { } found ? Norm(Values(found.Value)) : 0;

    private static double Norm(IEnumerable<double> values) => Math.Sqrt(values.Sum(value => value * value));

    private static Tensor Batch(Sequential model)
    {
        long[] shape = model.Layers.Any(layer => layer is RoaRnn) ? [Steps, Samples, Inputs] : [Samples, Inputs];
        return Exact(model, shape, 11);
    }

    private static Tensor Cotangent(Tensor outputs, Sequential model) => Exact(model, outputs.Shape, 7);

    /// <summary>Sixteenths between -0.5 and 0.5, which both element types hold exactly.</summary>
    private static Tensor Exact(Sequential model, ReadOnlySpan<long> shape, int factor)
    {
        var tensor = new Tensor(model.Device, model.DType, shape);
        SetValues(tensor, [.. Enumerable.Range(0, (int)tensor.Count).Select(i => ((i * factor % 17) - 8) / 16.0)]);
        return tensor;
    }

    public static Tensor Copy(Tensor tensor)
    {
        var copy = new Tensor(tensor.Device, tensor.DType, tensor.Shape);
        copy.CopyFrom(tensor);
        return copy;
    }
}
