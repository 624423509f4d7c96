using TorchSharp;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace OrthoNative.TorchSharp.Tests;

/// <summary>Steps of the library's optimizers against those of TorchSharp, in float64.</summary>
internal sealed class OptimizerTests
{
    private const int Steps = 20;
    private const double Rate = 0.01;

    private static readonly (string Name, Func<Sequential, Optimizer> Ours, Func<IEnumerable<TorchParameter>, torch.optim.Optimizer> Theirs)[] s_optimizers =
    [
        ("RMSprop", model => new RmsProp(model, Rate), parameters => torch.optim.RMSProp(parameters, Rate)),
        ("RMSprop, centered, with momentum and decay",
            model => new RmsProp(model, Rate, new RmsPropOptions { SquareDecay = 0.9, Momentum = 0.8, Centered = true, WeightDecay = 0.1, DecayScope = DecayScope.AllParameters }),
            parameters => torch.optim.RMSProp(parameters, Rate, 0.9, weight_decay: 0.1, momentum: 0.8, centered: true)),
        ("Adam", model => new Adam(model, Rate), parameters => torch.optim.Adam(parameters, Rate)),
        ("Adam, AMSGrad",
            model => new Adam(model, Rate, new AdamOptions { Beta2 = 0.9, AmsGrad = true, WeightDecay = 0.1, DecayScope = DecayScope.AllParameters }),
            parameters => torch.optim.Adam(parameters, Rate, beta2: 0.9, weight_decay: 0.1, amsgrad: true)),
        ("AdamW",
            model => new AdamW(model, Rate, new AdamOptions { WeightDecay = 0.1, DecayScope = DecayScope.AllParameters }),
            parameters => torch.optim.AdamW(parameters, Rate, weight_decay: 0.1)),
        ("SGD, Nesterov",
            model => new Sgd(model, Rate, new SgdOptions { Momentum = 0.9, Nesterov = true, WeightDecay = 0.1, DecayScope = DecayScope.AllParameters }),
            parameters => torch.optim.SGD(parameters, Rate, momentum: 0.9, weight_decay: 0.1, nesterov: true)),
    ];

    private static IEnumerable<string> Names => s_optimizers.Select(optimizer => optimizer.Name);

    [TestCaseSource(nameof(Names))]
    public void Steps_are_those_of_torch(string name)
    {
        (_, Func<Sequential, Optimizer> ours, Func<IEnumerable<TorchParameter>, torch.optim.Optimizer> theirs) = s_optimizers.Single(optimizer => optimizer.Name == name);
        using var model = new Sequential(Device.Default, new SequentialOptions { Seed = 1, DType = DType.Float64 }, new Dense(7, 5));
        using Optimizer optimizer = ours(model);
        using var parameter = new TorchParameter(torch.tensor(model.ParameterData.ToArray<double>()));
        using torch.optim.Optimizer reference = theirs([parameter]);
        var random = new Random(1);
        for (int step = 0; step < Steps; step++)
        {
            double[] gradient = [.. Enumerable.Range(0, (int)model.ParameterData.Count).Select(_ => (2 * random.NextDouble()) - 1)];
            model.GradientData.CopyFrom<double>(gradient);
            optimizer.Step();
            using torch.Tensor values = torch.tensor(gradient);
            using torch.Tensor product = parameter * values;
            using torch.Tensor sum = product.sum();
            reference.zero_grad();
            sum.backward();
            reference.step();

            // Some twenty roundings at each of 20 steps, of numbers below 10 that are scaled by the rate; a variance is at least a hundredth of the mean of squares.
            Assert.That(model.ParameterData.ToArray<double>(), Is.EqualTo(parameter.data<double>().ToArray()).Within(Steps * 20 * 10 * 100 * Rate * 1.2e-16), $"step {step}");
        }
    }
}
