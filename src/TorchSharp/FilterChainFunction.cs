using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp;

/// <summary>The native chain as a function that torch differentiates.</summary>
/// <remarks>
/// Backward is called by native code, through which no exception may pass; <see cref="BackwardFailure"/> has what is done instead.
/// Saved tensors are torch's: it keeps them alive, and refuses them if they were changed in place since.
/// </remarks>
internal sealed class FilterChainFunction : autograd.SingleTensorFunction<FilterChainFunction>
{
    private const string Call = "call";

    public override string Name => nameof(FilterChainFunction);

    /// <summary>Turns an output into a function of the arguments that it was computed from.</summary>
    /// <param name="call">The forward pass.</param>
    /// <param name="output">Its output; disposed.</param>
    /// <param name="arguments">The arguments.</param>
    /// <returns>The output with its history.</returns>
    public static TorchTensor Connect(ChainCall call, TorchTensor output, TorchTensor?[] arguments)
    {
        var saved = new List<TorchTensor>(arguments!);
        try
        {
            // What may fail was done before: torch never frees the node of a function whose forward throws.
            return apply([new Pass(call, output, saved), .. arguments]);
        }
        catch
        {
            // The pass cannot be differentiated.
            if (call.Chains.Take(call) is { } chain)
            {
                call.Chains.Return(chain);
            }

            throw;
        }
        finally
        {
            output.Dispose();

            // Torch has its own references; the context would keep these objects as long as the graph.
            saved.Clear();
        }
    }

    public override TorchTensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var pass = (Pass)vars[0];
        ctx.save_data(Call, pass.Call);
        ctx.save_for_backward(pass.Saved);
        return pass.Output;
    }

    public override List<TorchTensor> backward(autograd.AutogradContext ctx, TorchTensor grad_output)
    {
        var call = (ChainCall)ctx.get_data(Call);
        List<TorchTensor>? saved = null;
        try
        {
            saved = ctx.get_saved_variables();
            TorchTensor?[] gradients = call.Backward(saved, grad_output);

            // With create_graph, the gradients are functions, too.
            gradients = is_grad_enabled() ? FilterChainGradient.Connect(call, gradients, [.. saved, grad_output]) : gradients;

            // The call itself is no tensor and has no gradient.
            return [null!, .. gradients.Select(gradient => gradient!)];
        }
        catch (Exception exception)
        {
            return BackwardFailure.Report(call, exception, call.Shapes, call.Needed);
        }
        finally
        {
            saved?.ForEach(tensor => tensor?.Dispose());
        }
    }

    /// <summary>The parameters of <c>forward</c> beside the arguments.</summary>
    private sealed record Pass(ChainCall Call, TorchTensor Output, List<TorchTensor> Saved);
}
