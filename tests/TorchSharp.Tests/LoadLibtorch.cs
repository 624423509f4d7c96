using OrthoNative.Libtorch;

/// <summary>Makes libtorch loadable before the first test. In no namespace, so that it is for the tests of all.</summary>
[SetUpFixture]
internal sealed class LoadLibtorch
{
    [OneTimeSetUp]
    public void Prepare() => TorchRuntime.Prepare();
}
