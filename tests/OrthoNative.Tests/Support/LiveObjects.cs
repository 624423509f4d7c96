namespace OrthoNative.Tests;

/// <summary>The native objects that are held, for tests of leaks.</summary>
internal static class LiveObjects
{
    /// <summary>Counts them when what other tests dropped is gone, so that it does not go while a test counts.</summary>
    public static long Count()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return SystemInfo.LiveObjects;
    }
}
