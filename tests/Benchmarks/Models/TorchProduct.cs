using System.Diagnostics;
using TorchSharp;

namespace OrthoNative.Benchmarks.Models;

/// <summary>What libtorch's matrix product reaches here.</summary>
internal static class TorchProduct
{
    /// <summary>Speed of one step's product, [B, N] x [N, 2N].</summary>
    /// <returns>10⁹ operations a second, in the fastest of many repetitions.</returns>
    public static double Measure(Workload workload)
    {
        const int Repetitions = 200;
        torch.set_num_threads(workload.Threads);
        using torch.Tensor state = torch.randn(workload.Batch, workload.Hidden);
        using torch.Tensor weights = torch.randn(workload.Hidden, 2 * workload.Hidden);
        using torch.Tensor product = torch.zeros(workload.Batch, 2 * workload.Hidden);
        double shortest = double.PositiveInfinity;
        for (int i = 0; i < Repetitions; i++)
        {
            long begin = Stopwatch.GetTimestamp();
            product.addmm_(state, weights, beta: 0, alpha: 1);
            shortest = Math.Min(shortest, Stopwatch.GetElapsedTime(begin).TotalSeconds);
        }

        return 4.0 * workload.Batch * workload.Hidden * workload.Hidden / shortest / 1e9;
    }
}
