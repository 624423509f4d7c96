using static OrthoNative.Tests.Layers.ReferenceTests;
using static OrthoNative.Tests.TestData;

namespace OrthoNative.Tests.Cuda;

/// <summary>Layers against the formulas, within the bounds of rounding; sizes that do not fill blocks, warps and tiles among them.</summary>
internal sealed class ChainTests : CudaTests
{
    private static IEnumerable<RecurrentShape> RecurrentShapes()
    {
        Filter[] filters = [Filter.Haar, Filter.Cycle, Filter.Permutation, Filter.Identity];
        int count = 0;
        foreach (DType dtype in FloatingPointTypesAttribute.All)
        {
            foreach ((int steps, int batch, int inputSize, int units) in
                ((int, int, int, int)[])[(1, 1, 1, 1), (9, 5, 3, 1), (17, 3, 2, 3), (12, 7, 1, 33), (11, 5, 3, 64), (6, 17, 33, 64), (7, 4, 2, 100), (3, 33, 1, 100)])
            {
                // Each size with two of the filters, in turn.
                for (int i = 0; i < 2; i++)
                {
                    var shape = new RecurrentShape(
                        steps, batch, inputSize, units, filters[count % 4], count % 3 == 0 ? Activation.Relu : Activation.Tanh, dtype);
                    count++;
                    yield return count % 2 == 0 || steps < 4
                        ? shape
                        : shape with { OutputSteps = 1 + (count % 3), Checkpointing = Checkpointing.Every(2 + (count % 3)) };
                }
            }
        }
    }

    private static IEnumerable<FeedforwardShape> FeedforwardShapes()
    {
        Filter[] filters = [Filter.Haar, Filter.Permutation, Filter.Cycle, Filter.Identity];
        int count = 0;
        foreach (DType dtype in FloatingPointTypesAttribute.All)
        {
            foreach ((int layers, int batch, int units) in ((int, int, int)[])[(1, 1, 1), (5, 3, 3), (9, 2, 33), (4, 33, 64), (6, 5, 100)])
            {
                foreach (bool filterPerLayer in (bool[])[false, true])
                {
                    var shape = new FeedforwardShape(
                        layers, batch, units, filters[count % 4], filterPerLayer, count % 3 == 0 ? Activation.Relu : Activation.Tanh, dtype);
                    count++;
                    yield return layers < 5 ? shape : shape with { Checkpointing = count % 2 == 0 ? Checkpointing.None : Checkpointing.Every(2) };
                }
            }
        }
    }

    [Test]
    public void What_is_not_finite_before_the_first_step_is_named_by_the_kind_of_layer()
    {
        using var feedforward = new Sequential(Device, 1, new RoaFnn(4, 2));
        using var states = new Tensor(Device, DType.Float32, 2, 4);
        states.CopyFrom<float>([0, 0, 0, 0, 0, float.NaN, 0, 0]);
        feedforward.Forward(states);
        AssertReported("inputs[5] of a RoaFnn is NaN or infinite;");

        using var recurrent = new Sequential(Device, 1, new RoaRnn(3, 4));
        using var inputs = new Tensor(Device, DType.Float32, 5, 2, 3);
        recurrent.Forward(inputs, States.From(states));
        AssertReported("options.InitialStates[5] is NaN or infinite;");

        static void AssertReported(string start) =>
            Assert.That(Device.Synchronize, Throws.TypeOf<NotFiniteNumberException>().With.Message.StartsWith(start));
    }

    [TestCaseSource(nameof(RecurrentShapes))]
    public void Recurrent_layer_agrees_with_the_formulas(RecurrentShape shape) => AssertAgrees(Device, shape);

    [TestCaseSource(nameof(FeedforwardShapes))]
    public void Feedforward_layer_agrees_with_the_formulas(FeedforwardShape shape) => AssertAgrees(Device, shape);

    [TestCase(1, 1, 1)]
    [TestCase(17, 5, 33)]
    [TestCase(33, 100, 3)]
    [TestCase(64, 33, 65)]
    public void Dense_layer_agrees_with_its_formula(int rows, int inputSize, int outputSize)
    {
        foreach (DType dtype in FloatingPointTypesAttribute.All)
        {
            var random = new Random(4);
            using var model = new Sequential(
                Device, new SequentialOptions { Seed = 4, DType = dtype, ComputeInputGradient = true }, new Dense(inputSize, outputSize));
            using Tensor inputs = ToTensor(Device, Uniform(random, (long)rows * inputSize), dtype, rows, inputSize);
            using Tensor cotangent = ToTensor(Device, Uniform(random, (long)rows * outputSize), dtype, rows, outputSize);
            double[] a = Values(Parameter(model, "0.weight").Value);
            double[] c = Values(Parameter(model, "0.bias").Value);
            double[] x = Values(inputs);
            double[] g = Values(cotangent);

            double[] y = Values(model.Forward(inputs));
            model.Backward(cotangent);

            using (Assert.EnterMultipleScope())
            {
                AssertSums(y, outputSize, dtype, inputSize + 1, (r, o, k) => k == inputSize ? c[o] : a[(o * inputSize) + k] * x[(r * inputSize) + k]);
                AssertSums(Values(Parameter(model, "0.weight").Gradient), inputSize, dtype, rows, (o, i, r) => g[(r * outputSize) + o] * x[(r * inputSize) + i]);
                AssertSums(Values(Parameter(model, "0.bias").Gradient), outputSize, dtype, rows, (_, o, r) => g[(r * outputSize) + o]);
                AssertSums(Values(model.InputGradient), inputSize, dtype, outputSize, (r, i, o) => g[(r * outputSize) + o] * a[(o * inputSize) + i]);
            }
        }
    }

    [Test]
    public void Lower_precision_is_off_by_its_rounding_and_no_more(
        [Values(MatrixPrecision.Tf32, MatrixPrecision.Bfloat16)] MatrixPrecision precision)
    {
        // cuBLAS only takes a lower precision where it is faster, which small products are not.
        const int Rows = 64;
        const int Size = 1024;
        using Device device = MakeDevice(precision);

        // Both factors of a product are rounded to 11 or 8 significant bits, by half a unit or, where a GPU cuts off, by one.
        double rounding = 2 * Math.Pow(2, precision == MatrixPrecision.Tf32 ? -10 : -7);
        double largest = LargestError(device);

        Assert.That(largest, Is.LessThanOrEqualTo(rounding + (Size * Math.Pow(2, -24))));

        // Roundings average out alike in any precision, and those of float32 are 2^13 or 2^16 times smaller.
        Assert.That(largest, Is.GreaterThan(16 * LargestError(Device)));

        // The largest error of some outputs, relative to the magnitude of what is summed up.
        static double LargestError(Device device)
        {
            using var model = new Sequential(device, 5, new Dense(Size, Size, new DenseOptions { Bias = false }));
            using Tensor inputs = ToTensor(device, Uniform(new Random(5), Rows * Size), DType.Float32, Rows, Size);
            double[] a = Values(model.ParameterData);
            double[] x = Values(inputs);
            double[] y = Values(model.Forward(inputs));
            double largest = 0;
            for (int i = 0; i < y.Length; i += 37)
            {
                IEnumerable<double> products = Enumerable.Range(0, Size).Select(k => a[(i % Size * Size) + k] * x[(i / Size * Size) + k]);
                largest = Math.Max(largest, Math.Abs(y[i] - products.Sum()) / products.Sum(Math.Abs));
            }

            return largest;
        }
    }

    /// <summary>A device of the given precision; ignores the test where the GPU lacks it.</summary>
    private static Device MakeDevice(MatrixPrecision precision)
    {
        try
        {
            return Device.Cuda(0, new CudaOptions { MatrixPrecision = precision });
        }
        catch (NotSupportedException exception)
        {
            Assert.Ignore(exception.Message);
            throw;
        }
    }

    /// <summary>Each element is a sum of products: in any order it is off by at most as many roundings of their magnitude, and one for each factor.</summary>
    private static void AssertSums(double[] actual, int columns, DType dtype, int terms, Func<int, int, int, double> term)
    {
        double unit = Math.Pow(2, dtype == DType.Float32 ? -24 : -53);
        for (int i = 0; i < actual.Length; i++)
        {
            IEnumerable<double> products = Enumerable.Range(0, terms).Select(k => term(i / columns, i % columns, k));
            // What is expected is a sum in float64, so where that is tested there are as many roundings again.
            Assert.That(actual[i], Is.EqualTo(products.Sum()).Within(2 * (terms + 2) * unit * products.Sum(Math.Abs)), $"element {i} of {actual.Length}");
        }
    }
}
