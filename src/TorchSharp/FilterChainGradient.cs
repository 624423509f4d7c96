using TorchSharp;
using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp;

/// <summary>
/// The gradients of a chain as a function of its arguments and of the gradient at its output, so that torch differentiates them, too.
/// The native library computes the gradients, torch's operations what follows from them.
/// </summary>
internal sealed class FilterChainGradient : autograd.MultiTensorFunction<FilterChainGradient>
{
    private const string Call = "call";

    public override string Name => nameof(FilterChainGradient);

    /// <summary>Turns gradients into a function of what they were computed from.</summary>
    /// <param name="call">The pass.</param>
    /// <param name="gradients">Gradients at its arguments; null where none is needed. Disposed.</param>
    /// <param name="arguments">The arguments of the pass, and behind them the gradient at its output.</param>
    /// <returns>The gradients with their history.</returns>
    public static TorchTensor?[] Connect(ChainCall call, TorchTensor?[] gradients, TorchTensor?[] arguments)
    {
        var saved = new List<TorchTensor>(arguments!);
        try
        {
            var connected = new Queue<TorchTensor>(apply([new Pass(call, [.. gradients.OfType<TorchTensor>()], saved), .. arguments]));
            return [.. gradients.Select(gradient => gradient is null ? null : connected.Dequeue())];
        }
        finally
        {
            foreach (TorchTensor? gradient in gradients)
            {
                gradient?.Dispose();
            }

            saved.Clear();
        }
    }

    public override List<TorchTensor> forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var pass = (Pass)vars[0];
        ctx.save_data(Call, pass.Call);
        ctx.save_for_backward(pass.Saved);
        return pass.Gradients;
    }

    /// <summary>
    /// The gradients g of the call are those of ⟨e, y⟩, with y its output and e the gradient there. So ⟨v, g⟩ is ⟨e, J v⟩, with J v the
    /// derivative of y along v, and one pass of <see cref="ChainTangent"/> gives torch a number to differentiate.
    /// </summary>
    public override List<TorchTensor> backward(autograd.AutogradContext ctx, List<TorchTensor> grad_outputs)
    {
        var call = (ChainCall)ctx.get_data(Call);
        long[]?[] shapes = [.. call.Shapes, call.OutputShape];
        bool[] needed = [.. shapes.Select(shape => shape is not null)];
        bool differentiable = is_grad_enabled();
        try
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable recording = enable_grad();
            List<TorchTensor?> saved = ctx.get_saved_variables()!;
            var directions = new Queue<TorchTensor>(grad_outputs);
            TorchTensor?[] direction = [.. call.Needed.Select(wanted => wanted ? directions.Dequeue() : null)];

            // Where a third derivative may follow, new names for the saved tensors, so that theirs keep no gradient of this sum.
            TorchTensor?[] at = [.. saved.Select(tensor => tensor is null ? null : differentiable ? tensor.view(tensor.shape) : tensor.detach().requires_grad_(tensor.requires_grad))];
            needed = [.. at.Select(tensor => tensor is not null && tensor.requires_grad)];
            TorchTensor sum = ChainTangent.AlongOutputs(call, at, direction, at[^1]!);
            autograd.backward([sum], null, differentiable, differentiable, [.. at.Where((_, i) => needed[i])!]);
            var result = new List<TorchTensor> { null! };
            foreach (TorchTensor? tensor in at)
            {
                TorchTensor? gradient = tensor?.grad;
                if (gradient is not null)
                {
                    tensor!.grad = null;
                    _ = gradient.MoveToOuterDisposeScope();
                }

                result.Add(gradient!);
            }

            return result;
        }
        catch (Exception exception)
        {
            return BackwardFailure.Report(call, exception, shapes, needed);
        }
    }

    /// <summary>The parameters of <c>forward</c> beside the arguments.</summary>
    private sealed record Pass(ChainCall Call, List<TorchTensor> Gradients, List<TorchTensor> Saved);
}
