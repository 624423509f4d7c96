// A layer and a loss of one's own, trained like any other: dotnet run examples/custom.cs [-- epochs]
#:project ../src/Managed/OrthoNative.csproj
#:property PublishAot=false
using OrthoNative;

var training = new AddingProblem(length: 50, count: 6400, seed: 1);
var test = new AddingProblem(length: 50, count: 1000, seed: 1, DataSplit.Test);
using var model = new Sequential(Device.Default, seed: 1, new RoaRnn(2, 32, RoaRnnOptions.Memory(50)), new Scale(32), new Dense(32, 1));
using var loss = new FourthPowerLoss();
using var adam = new Adam(model, 3e-3);
var trainer = new Trainer(model, loss, adam, new TrainerOptions { BatchSize = 64, Epochs = args.Length > 0 ? int.Parse(args[0]) : 5, ClipNorm = 1, Metrics = [new RootMeanSquaredError()] });
trainer.Fit(training);
Console.WriteLine($"root mean squared error {trainer.Evaluate(test)["root_mean_squared_error"]:F3}, of the mean alone {Math.Sqrt(test.Baseline()):F3}");

// y = s x, with a trained factor s for each unit.
internal sealed class Scale(int size) : Layer
{
    public override long InputSize => size;

    public override long OutputSize => size;

    protected override IReadOnlyList<ParameterDefinition> Definitions => [ParameterDefinition.Constant("scale", [size], 1)];

    protected override Tensor Forward(in ForwardContext context, Tensor inputs)
    {
        Tensor outputs = context.Outputs(inputs.Shape);
        ReadOnlySpan<float> x = inputs.AsSpan<float>(), s = Parameters[0].Value.AsSpan<float>();
        Span<float> y = outputs.AsSpan<float>();
        for (int i = 0; i < x.Length; i++)
        {
            y[i] = s[i % size] * x[i];
        }

        return outputs;
    }

    protected override void Backward(in BackwardContext context, Tensor outputGradient, Tensor? inputGradient)
    {
        if (!context.Accumulate)
        {
            Parameters[0].Gradient.Fill(0);
        }

        ReadOnlySpan<float> x = context.Inputs.AsSpan<float>(), s = Parameters[0].Value.AsSpan<float>(), dy = outputGradient.AsSpan<float>();
        Span<float> ds = Parameters[0].Gradient.AsSpan<float>(), dx = inputGradient is null ? [] : inputGradient.AsSpan<float>();
        for (int i = 0; i < x.Length; i++)
        {
            ds[i % size] += dy[i] * x[i];
            if (!dx.IsEmpty)
            {
                dx[i] = dy[i] * s[i % size];
            }
        }
    }
}

// The mean of the fourth powers of the errors, for which large errors count more.
internal sealed class FourthPowerLoss : Loss
{
    protected override double Compute(Tensor outputs, in Targets targets, Tensor? gradient, bool wantsValue)
    {
        ReadOnlySpan<float> y = outputs.AsSpan<float>(), target = targets.Values!.AsSpan<float>();
        Span<float> slope = gradient is null ? [] : gradient.AsSpan<float>();
        double sum = 0;
        for (int i = 0; i < y.Length; i++)
        {
            double error = y[i] - target[i], weight = targets.WeightOf(i);
            sum += weight * Math.Pow(error, 4);
            if (!slope.IsEmpty)
            {
                slope[i] = (float)(weight * 4 * Math.Pow(error, 3) / WeightSum);
            }
        }

        return sum / WeightSum;
    }
}
