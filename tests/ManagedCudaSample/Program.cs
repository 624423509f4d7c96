// Trains a model in memory that belongs to ManagedCuda, on its stream and with its cuBLAS handle, and reads the results with it: nothing is
// copied between the two libraries.
using ManagedCuda;
using ManagedCuda.BasicTypes;
using ManagedCuda.CudaBlas;
using OrthoNative;

// The primary context, in which OrthoNative works too; a plain CudaContext would be another one.
using var context = new PrimaryContext(0);
context.SetCurrent();
using var stream = new CudaStream();
var blas = new CudaBlas(stream.Stream);
try
{
    return Train(stream, blas);
}
finally
{
    // Behind the device that used it.
    blas.Dispose();
}

static int Train(CudaStream stream, CudaBlas blas)
{
    const int Length = 50;
    const int BatchSize = 32;
    const int TrainingSteps = 200;

    // A sequence of numbers for each sample, [T, B, 1], and what the model should answer: their mean, [B, 1].
    var random = new Random(1);
    float[] numbers = new float[Length * BatchSize];
    float[] means = new float[BatchSize];
    for (int i = 0; i < numbers.Length; i++)
    {
        numbers[i] = random.NextSingle();
        means[i % BatchSize] += numbers[i] / Length;
    }

    using var numbersOnGpu = new CudaDeviceVariable<float>(numbers.Length);
    using var meansOnGpu = new CudaDeviceVariable<float>(means.Length);
    numbersOnGpu.CopyToDevice(numbers);
    meansOnGpu.CopyToDevice(means);

    using var device = Device.Cuda(0, new CudaOptions { Stream = stream.Stream.Pointer, CublasHandle = blas.CublasHandle.Pointer });
    Console.WriteLine(device);
    using Tensor inputs = CudaInterop.Wrap(device, numbersOnGpu.DevicePointer.Pointer, DType.Float32, Length, BatchSize, 1);
    using Tensor targets = CudaInterop.Wrap(device, meansOnGpu.DevicePointer.Pointer, DType.Float32, BatchSize, 1);
    using var model = new Sequential(device, seed: 1, new RoaRnn(1, 64), new Dense(64, 1));
    using var loss = new MeanSquaredErrorLoss();
    using var optimizer = new Adam(model, 1e-2);

    double before = loss.Evaluate(model.Forward(inputs), targets);
    for (int step = 0; step < TrainingSteps; step++)
    {
        // Nothing here waits for the GPU.
        loss.Differentiate(model.Forward(inputs), targets);
        model.Backward(loss.Gradient);
        model.ClipGradients(1);
        optimizer.Step();
    }

    Tensor outputs = model.Forward(inputs);
    using CudaDeviceVariable<float> outputsOnGpu = View(outputs);
    using CudaDeviceVariable<float> parameters = View(model.ParameterData);

    // On the same stream, so it sees the trained parameters.
    float norm = blas.Norm2(parameters, 1);
    stream.Synchronize();
    float[] answers = outputsOnGpu;
    double after = answers.Zip(means, (answer, mean) => (double)(answer - mean) * (answer - mean)).Average();
    Console.WriteLine(FormattableString.Invariant(
        $"mean squared error {before:G4} before, {after:G4} after {TrainingSteps} steps; norm of the parameters {norm:G4}"));
    return after < before ? 0 : 1;
}

// A tensor as ManagedCuda sees it; the memory stays the tensor's. The size is in bytes.
static CudaDeviceVariable<float> View(Tensor tensor) =>
    new(new CUdeviceptr { Pointer = CudaInterop.GetPointer(tensor) }, tensor.Count * sizeof(float));
