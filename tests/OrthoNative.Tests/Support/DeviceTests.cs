namespace OrthoNative.Tests;

/// <summary>Tests that run on the CPU and, where there is one, on a CUDA device.</summary>
[TestFixture(DeviceKind.Cpu)]
[TestFixture(DeviceKind.Cuda, Category = TestDevices.CudaCategory)]
internal abstract class DeviceTests(DeviceKind kind)
{
    /// <summary>Where the tests run; belongs to all.</summary>
    protected Device Device { get; private set; } = null!;

    [OneTimeSetUp]
    public void FindDevice() => Device = kind == DeviceKind.Cpu ? Device.Default : TestDevices.Cuda();
}
