using OrthoNative.Libtorch;

namespace OrthoNative.TorchSharp.Tests;

/// <summary>Makes libtorch loadable before the first test.</summary>
[SetUpFixture]
internal sealed class LoadLibtorch
{
    [OneTimeSetUp]
    public void Prepare() => TorchRuntime.Prepare();
}
