using System.Diagnostics;
using System.Reflection;
using TorchSharp;
using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp;

/// <summary>Handles the failure of a backward pass, since no exception may pass through the native code that called it.</summary>
/// <remarks>
/// TorchSharp turns errors of torch's engine into exceptions in <c>backward</c>, but not in <c>autograd.grad</c>, where an error of the
/// engine ends the process. So a pass that was called by <c>backward</c> returns a gradient of a wrong shape, which the engine refuses;
/// any other one returns gradients that are not a number. The module has the reason.
/// </remarks>
internal static class BackwardFailure
{
    // TorchSharp's functions and the native ones that they call: either may be inlined. In the first ones, errors of the engine are caught.
    private static readonly string[] s_guarded = ["backward", "THSTensor_backward", "THSAutograd_backward"];
    private static readonly string[] s_unguarded = ["grad", "THSAutograd_grad"];

    /// <summary>Keeps the reason for the module's next call, and makes the caller fail if it can.</summary>
    /// <param name="call">The pass.</param>
    /// <param name="reason">The exception that it failed with.</param>
    /// <param name="shapes">Shapes of the gradients.</param>
    /// <param name="needed">Which of them are wanted.</param>
    /// <returns>The result of <c>backward</c> for TorchSharp.</returns>
    public static List<TorchTensor> Report(ChainCall call, Exception reason, long[]?[] shapes, bool[] needed)
    {
        call.Module.KeepBackwardError(reason);
        bool refuse = CallerCatches();
        var gradients = new List<TorchTensor> { null! };
        for (int i = 0; i < shapes.Length; i++)
        {
            gradients.Add((needed[i] ? NotANumber(refuse ? [] : shapes[i]!, call.ElementType) : null)!);
        }

        return gradients;
    }

    /// <summary>A scalar fits no argument: all have a dimension.</summary>
    private static TorchTensor? NotANumber(long[] shape, ScalarType dtype)
    {
        try
        {
            using IDisposable quiet = no_grad();
            return full(shape, double.NaN, dtype: dtype);
        }
        catch (Exception)
        {
            // Not even memory for this.
            return null;
        }
    }

    /// <summary>Which of TorchSharp's functions runs the engine in this thread; the innermost, since backward passes may be nested.</summary>
    private static bool CallerCatches()
    {
        foreach (StackFrame frame in new StackTrace(fNeedFileInfo: false).GetFrames())
        {
            MethodBase? method = frame.GetMethod();
            if (method?.DeclaringType?.Assembly != typeof(torch).Assembly)
            {
                continue;
            }

            if (s_guarded.Contains(method.Name))
            {
                return true;
            }

            if (s_unguarded.Contains(method.Name))
            {
                return false;
            }
        }

        return false;
    }
}
