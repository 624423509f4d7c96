// Runs the tests that need a CUDA device with nothing but the test framework itself; the exit code is the number of failures. An argument
// leaves only those whose full names match that regular expression.
using System.Reflection;
using System.Security;
using NUnit.Framework.Api;
using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

var runner = new NUnitTestAssemblyRunner(new DefaultTestAssemblyBuilder());
runner.Load(Assembly.Load("OrthoNative.Tests"), new Dictionary<string, object>());
ITestResult result = runner.Run(new FailurePrinter(), TestFilter.FromXml(
    args is [var pattern]
        ? $"<filter><and><cat>Cuda</cat><test re='1'>{SecurityElement.Escape(pattern)}</test></and></filter>"
        : "<filter><cat>Cuda</cat></filter>"));
Console.WriteLine($"{result.PassCount} passed, {result.FailCount} failed, {result.SkipCount} skipped");
return result.PassCount == 0 && result.FailCount == 0 ? 77 : Math.Min(result.FailCount, 70);

/// <summary>Prints the tests that fail, and why others are skipped, each reason once.</summary>
internal sealed class FailurePrinter : ITestListener
{
    private readonly HashSet<string> _reasons = [];

    public void TestFinished(ITestResult result)
    {
        if (result.HasChildren)
        {
            return;
        }

        if (result.ResultState.Status == TestStatus.Failed)
        {
            Console.WriteLine($"FAILED {result.FullName}\n{result.Message}\n{result.StackTrace}");
        }
        else if (result.ResultState.Status == TestStatus.Skipped && _reasons.Add(result.Message))
        {
            Console.WriteLine($"skipped: {result.Message}");
        }
    }

    public void TestStarted(ITest test) { }

    public void TestOutput(TestOutput output) { }

    public void SendMessage(TestMessage message) { }
}
