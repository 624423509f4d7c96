using OrthoNative.Interop;
using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp;

/// <summary>One forward pass of a module, and its backward passes.</summary>
/// <param name="module">The module.</param>
/// <param name="chains">Its chains when the pass was made; a filter that is loaded later brings others.</param>
/// <param name="arguments">The arguments of the pass, in the order of the constants; null where there is none.</param>
/// <param name="steps">T of a recurrent layer, 0 of a feedforward one.</param>
/// <param name="rows">Samples B.</param>
/// <param name="outputSteps">States that are the output.</param>
/// <param name="outputShape">Shape of the output.</param>
internal sealed unsafe class ChainCall(
    FilterChainModule module, ChainPool chains, TorchTensor?[] arguments, long steps, long rows, long outputSteps, long[] outputShape)
{
    // The arguments.
    public const int Inputs = 0, Initial = 1, Weight = 2, Bias = 3, InputWeight = 4;

    public FilterChainModule Module => module;

    public ChainPool Chains => chains;

    /// <summary>Element type of all tensors of the pass.</summary>
    public ScalarType ElementType { get; } = arguments[Weight]!.dtype;

    /// <summary>T of a recurrent layer, 0 of a feedforward one.</summary>
    public long Steps => steps;

    public long Rows => rows;

    public long OutputSteps => outputSteps;

    public long[] OutputShape => outputShape;

    /// <summary>Shapes of the arguments; null where there is none.</summary>
    public long[]?[] Shapes { get; } = [.. arguments.Select(argument => argument?.shape)];

    /// <summary>Which arguments a gradient is wanted for.</summary>
    public bool[] Needed { get; } = [.. arguments.Select(argument => argument is not null && argument.requires_grad)];

    /// <summary>The chain that remembers the pass; null before it, once its backward pass is done, and when another pass took it. The pool sets it.</summary>
    public ChainHandle? Chain { get; set; }

    /// <summary>True if another pass took the chain.</summary>
    public bool LostChain { get; set; }

    /// <summary>Takes the chain away from the pass, which recomputes if it has to.</summary>
    public ChainHandle GiveUpChain()
    {
        ChainHandle chain = Chain!;
        (Chain, LostChain) = (null, true);
        return chain;
    }

    /// <summary>Runs the chain.</summary>
    /// <param name="arguments">The arguments.</param>
    /// <param name="keepsStates">True if a backward pass may follow.</param>
    /// <returns>The output, which torch knows no history of.</returns>
    public TorchTensor Forward(TorchTensor?[] arguments, bool keepsStates)
    {
        using IDisposable quiet = no_grad();
        TorchTensor?[] dense = Dense(arguments);
        TorchTensor? output = null;
        ChainHandle? chain = null;
        try
        {
            output = empty(outputShape, dtype: ElementType);
            chain = chains.Rent();
            Forward(chain, dense, output, keepsStates);
        }
        catch
        {
            output?.Dispose();
            if (chain is not null)
            {
                chains.Return(chain);
            }

            throw;
        }
        finally
        {
            Release(dense);
        }

        if (keepsStates)
        {
            chains.Keep(this, chain);
        }
        else
        {
            chains.Return(chain);
        }

        return output;
    }

    /// <summary>Backpropagates through the pass; recomputes it first if no chain remembers it.</summary>
    /// <param name="arguments">The arguments of the forward pass, unchanged.</param>
    /// <param name="outputGradient">The gradient at the output.</param>
    /// <returns>The gradients at the arguments; null where none is needed.</returns>
    public TorchTensor?[] Backward(IReadOnlyList<TorchTensor?> arguments, TorchTensor outputGradient)
    {
        using IDisposable quiet = no_grad();
        bool recurrent = steps > 0;
        TorchTensor?[] dense = Dense([.. arguments, outputGradient]);
        var gradients = new TorchTensor?[arguments.Count];
        ChainHandle? handle = chains.Take(this);
        bool recompute = handle is null;
        try
        {
            for (int i = 0; i < gradients.Length; i++)
            {
                // The native call writes the gradients of all parameters.
                gradients[i] = Needed[i] || (i >= Weight && Shapes[i] is not null) ? empty(Shapes[i]!, dtype: ElementType) : null;
            }

            handle ??= chains.Rent();
            if (recompute)
            {
                using TorchTensor output = empty(outputShape, dtype: ElementType);
                Forward(handle, dense, output, keepsStates: true);
            }

            using HandleScope<ortho_chain> chain = handle.Borrow();
            NativeMethods.ortho_chain_backward(
                chain.Pointer, 0,
                TensorMemory.Address(dense[Weight]), TensorMemory.Address(dense[InputWeight]), TensorMemory.Address(dense[Bias]),
                recurrent ? TensorMemory.Address(dense[Inputs]) : null, TensorMemory.Address(dense[^1]), null,
                TensorMemory.Address(gradients[Weight]), TensorMemory.Address(gradients[InputWeight]), TensorMemory.Address(gradients[Bias]),
                recurrent ? TensorMemory.Address(gradients[Inputs]) : null,
                TensorMemory.Address(gradients[recurrent ? Initial : Inputs])).ThrowOnFailure();
        }
        catch
        {
            Release(gradients);
            throw;
        }
        finally
        {
            Release(dense);
            if (handle is not null)
            {
                chains.Return(handle);
            }
        }

        for (int i = 0; i < gradients.Length; i++)
        {
            if (!Needed[i])
            {
                gradients[i]?.Dispose();
                gradients[i] = null;
            }
        }

        return gradients;
    }

    private void Forward(ChainHandle handle, TorchTensor?[] dense, TorchTensor output, bool keepsStates)
    {
        using HandleScope<ortho_chain> chain = handle.Borrow();
        NativeMethods.ortho_chain_forward(
            chain.Pointer, steps, rows, null, null, outputSteps, keepsStates ? 1 : 0,
            TensorMemory.Address(dense[Weight]), TensorMemory.Address(dense[InputWeight]), TensorMemory.Address(dense[Bias]),
            steps > 0 ? TensorMemory.Address(dense[Inputs]) : null,
            TensorMemory.Address(dense[steps > 0 ? Initial : Inputs]), TensorMemory.Address(output), null).ThrowOnFailure("input");
        long bytes;
        NativeMethods.ortho_chain_memory(chain.Pointer, steps, rows, keepsStates ? 1 : 0, &bytes, null).ThrowOnFailure("input");
        handle.AddStatePressure(bytes);
    }

    /// <summary>Handles on the same memory where a tensor lies there in one piece and as it reads; otherwise copies.</summary>
    private static TorchTensor?[] Dense(TorchTensor?[] tensors)
    {
        var dense = new TorchTensor?[tensors.Length];
        try
        {
            for (int i = 0; i < tensors.Length; i++)
            {
                // The imaginary part of a conjugate is stored with the opposite sign.
                using TorchTensor? resolved = tensors[i]?.resolve_neg();
                dense[i] = resolved?.contiguous();
            }
        }
        catch
        {
            Release(dense);
            throw;
        }

        return dense;
    }

    private static void Release(TorchTensor?[] tensors)
    {
        foreach (TorchTensor? tensor in tensors)
        {
            tensor?.Dispose();
        }
    }
}
