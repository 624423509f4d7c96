using System.Globalization;
using System.Runtime.InteropServices;
using OrthoNative.Benchmarks.Models;
using OrthoNative.Libtorch;

namespace OrthoNative.Benchmarks.Compare;

/// <summary>What the numbers were measured with, in a few lines of text.</summary>
internal static class Machine
{
    public static IEnumerable<string> Describe()
    {
        yield return string.Create(CultureInfo.InvariantCulture,
            $"{Processor()}, {SystemInfo.Cores} cores, {SystemInfo.TotalMemory / (double)(1L << 30):0.0} GiB; {RuntimeInformation.OSDescription}; {RuntimeInformation.FrameworkDescription}");
        yield return $"OrthoNative {SystemInfo.Version}, {SystemInfo.InstructionSet} kernels";
        yield return $"TorchSharp {typeof(TorchSharp.torch).Assembly.GetName().Version?.ToString(3)}, MKL as it comes: {Product(forceAvx512: false)}";
        if (TorchRuntime.CanForceAvx512)
        {
            yield return $"+avx512: mkl_serv_intel_cpu_true replaced by a function that returns 1: {Product(forceAvx512: true)}";
        }

        yield return FlushesSubnormals();
    }

    /// <summary>How each side treats subnormal numbers, as it was found, not as it should be.</summary>
    private static string FlushesSubnormals()
    {
        var workload = new Workload(Mode.Infer, Hidden: 1, Batch: 1, Steps: 1, Threads: 1);
        WorkerAnswer found = Worker.Run(new WorkerRequest(WorkerTask.Subnormals, workload, Peer.All[0].Name));
        return $"Subnormal numbers: {Text(found.ChainsFlush)} by OrthoNative's chains, {Text(found.PeerFlushes)} by TorchSharp";

        static string Text(bool flushes) => flushes ? "flushed to zero" : "kept";
    }

    /// <summary>Which path MKL takes shows in its speed.</summary>
    private static string Product(bool forceAvx512)
    {
        var workload = new Workload(Mode.Infer, Hidden: 512, Batch: 128, Steps: 1, Threads: 1);
        double gflops = Worker.Run(new WorkerRequest(WorkerTask.Product, workload, Peer.All[0].Name, forceAvx512)).Gflops;
        return string.Create(CultureInfo.InvariantCulture,
            $"{gflops:0} GFLOP/s on one thread in [{workload.Batch}, {workload.Hidden}] x [{workload.Hidden}, {2 * workload.Hidden}]");
    }

    private static string Processor()
    {
        const string Key = "model name";
        string? line = OperatingSystem.IsLinux()
            ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(text => text.StartsWith(Key, StringComparison.Ordinal))
            : null;
        return line?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
