namespace OrthoNative.Tests;

/// <summary>The CUDA device of the tests.</summary>
internal static class TestDevices
{
    /// <summary>Category of tests that need a CUDA device.</summary>
    public const string CudaCategory = "Cuda";

    private static Device? s_cuda;

    /// <summary>The first GPU, one device for all tests; ignores the running test or fixture where there is none.</summary>
    public static Device Cuda()
    {
        try
        {
            return s_cuda ??= Device.Cuda();
        }
        catch (NotSupportedException exception)
        {
            Assert.Ignore(exception.Message);
            throw;
        }
    }
}
