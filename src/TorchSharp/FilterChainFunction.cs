using OrthoNative.Interop;
using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp;

/// <summary>One forward pass of a module: what it was called with, and what its backward pass needs.</summary>
/// <param name="Module">The module.</param>
/// <param name="Chains">Its chains when the pass was made; a filter that is loaded later brings others.</param>
/// <param name="Steps">T of a recurrent layer, 0 of a feedforward one.</param>
/// <param name="Rows">Samples B.</param>
/// <param name="OutputSteps">States that are the output.</param>
/// <param name="OutputShape">Shape of the output.</param>
/// <param name="KeepsStates">Whether a backward pass may follow.</param>
internal sealed record ChainCall(FilterChainModule Module, ChainPool Chains, long Steps, long Rows, long OutputSteps, long[] OutputShape, bool KeepsStates)
{
    /// <summary>The chain that remembers the pass; null before it and once its backward pass is done.</summary>
    public ChainHandle? Chain { get; set; }

    /// <summary>The tensors of the call, kept alive whatever the caller disposes; null where there is none.</summary>
    public TorchTensor?[] Tensors { get; set; } = [];
}

/// <summary>The native chain as a function that torch differentiates.</summary>
/// <remarks>
/// Backward is called by native code, through which no exception may pass. What fails there leaves gradients that are not a
/// number, or none where even their memory cannot be had, and the module throws it at its next call.
/// </remarks>
internal sealed unsafe class FilterChainFunction : autograd.SingleTensorFunction<FilterChainFunction>
{
    private const string Call = "call";

    // Arguments, in the order in which `apply` takes them behind the call.
    private const int Inputs = 0, Initial = 1, Weight = 2, Bias = 3, InputWeight = 4;

    public override string Name => nameof(FilterChainFunction);

    public override TorchTensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var call = (ChainCall)vars[0];
        TorchTensor?[] tensors = [.. vars.Skip(1).Select(value => Contiguous((TorchTensor?)value))];
        DType dtype = TensorMemory.DTypeOf(tensors[Weight]!, "weight");
        TorchTensor output = empty(call.OutputShape, dtype: tensors[Weight]!.dtype);
        ChainHandle chain = call.Chains.Rent(dtype);
        try
        {
            RunForward(call, chain, tensors, output);
        }
        catch
        {
            call.Chains.Return(chain, dtype);
            Release(tensors);
            output.Dispose();
            throw;
        }

        if (call.KeepsStates)
        {
            call.Chain = chain;
            call.Tensors = tensors;
            ctx.save_data(Call, call);
        }
        else
        {
            call.Chains.Return(chain, dtype);
            Release(tensors);
        }

        return output;
    }

    public override List<TorchTensor> backward(autograd.AutogradContext ctx, TorchTensor grad_output)
    {
        var call = (ChainCall)ctx.get_data(Call);
        var gradients = new TorchTensor?[call.Tensors.Length];
        try
        {
            for (int i = 0; i < gradients.Length; i++)
            {
                gradients[i] = call.Tensors[i] is TorchTensor tensor ? empty(tensor.shape, dtype: tensor.dtype) : null;
            }

            RunBackward(call, grad_output, gradients);
        }
        catch (Exception exception)
        {
            call.Module.Failure = exception;
            foreach (TorchTensor? gradient in gradients)
            {
                gradient?.fill_(double.NaN);
            }
        }

        // The call itself is no tensor and has no gradient.
        return [null!, .. gradients.Select(gradient => gradient!)];
    }

    private static void RunForward(ChainCall call, ChainHandle handle, TorchTensor?[] tensors, TorchTensor? output)
    {
        using HandleScope<ortho_chain> chain = handle.Borrow();
        NativeMethods.ortho_chain_forward(
            chain.Pointer, call.Steps, call.Rows, call.OutputSteps, call.KeepsStates ? 1 : 0,
            TensorMemory.Address(tensors[Weight]), TensorMemory.Address(tensors[InputWeight]), TensorMemory.Address(tensors[Bias]),
            call.Steps > 0 ? TensorMemory.Address(tensors[Inputs]) : null,
            TensorMemory.Address(tensors[call.Steps > 0 ? Initial : Inputs]), TensorMemory.Address(output)).ThrowOnFailure("input");
        GC.KeepAlive(tensors);
    }

    private static void RunBackward(ChainCall call, TorchTensor outputGradient, TorchTensor?[] gradients)
    {
        TorchTensor?[] tensors = call.Tensors;
        DType dtype = TensorMemory.DTypeOf(tensors[Weight]!, "weight");
        bool recurrent = call.Steps > 0;
        // A second backward pass through the same graph: the states are gone and are recomputed.
        bool again = call.Chain is null;
        ChainHandle handle = call.Chain ?? call.Chains.Rent(dtype);
        call.Chain = null;
        try
        {
            if (again)
            {
                using TorchTensor output = empty(call.OutputShape, dtype: tensors[Weight]!.dtype);
                RunForward(call, handle, tensors, output);
            }

            using TorchTensor xGradient = outputGradient.contiguous();
            using HandleScope<ortho_chain> chain = handle.Borrow();
            NativeMethods.ortho_chain_backward(
                chain.Pointer, 0,
                TensorMemory.Address(tensors[Weight]), TensorMemory.Address(tensors[InputWeight]), TensorMemory.Address(tensors[Bias]),
                recurrent ? TensorMemory.Address(tensors[Inputs]) : null, TensorMemory.Address(xGradient),
                TensorMemory.Address(gradients[Weight]), TensorMemory.Address(gradients[InputWeight]), TensorMemory.Address(gradients[Bias]),
                recurrent ? TensorMemory.Address(gradients[Inputs]) : null,
                TensorMemory.Address(gradients[recurrent ? Initial : Inputs])).ThrowOnFailure();
            GC.KeepAlive(gradients);
        }
        finally
        {
            call.Chains.Return(handle, dtype);
        }

        // Until now they had to outlive any dispose scope. For a second backward pass they may stay as long as the current one.
        call.Tensors = [.. tensors.Select(tensor => tensor?.detach())];
        Release(tensors);
    }

    /// <summary>The tensor itself where it lies in one piece, as a handle of our own on the same memory; otherwise a copy.</summary>
    private static TorchTensor? Contiguous(TorchTensor? tensor) =>
        tensor is null ? null : (tensor.is_contiguous() ? tensor.detach() : tensor.contiguous()).DetachFromDisposeScope();

    private static void Release(TorchTensor?[] tensors)
    {
        foreach (TorchTensor? tensor in tensors)
        {
            tensor?.Dispose();
        }
    }
}
