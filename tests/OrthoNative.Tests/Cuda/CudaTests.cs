namespace OrthoNative.Tests.Cuda;

/// <summary>Tests that run on a CUDA device alone.</summary>
[Category(TestDevices.CudaCategory)]
internal abstract class CudaTests
{
    /// <summary>Where the tests run; belongs to all.</summary>
    protected static Device Device => TestDevices.Cuda();

    [OneTimeSetUp]
    public void FindDevice() => TestDevices.Cuda();

    /// <summary>Whatever a test left to be reported does not reach the next one.</summary>
    [TearDown]
    public void ClearReport()
    {
        try
        {
            Device.Synchronize();
        }
        catch (NotFiniteNumberException)
        {
            // This is what it is called for.
        }
    }
}
