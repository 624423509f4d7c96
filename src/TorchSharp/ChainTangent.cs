using static TorchSharp.torch;
using TorchTensor = TorchSharp.torch.Tensor;

namespace OrthoNative.TorchSharp;

/// <summary>The derivative of a chain along a direction, in torch's operations, so that torch can differentiate it any number of times.</summary>
internal static class ChainTangent
{
    /// <summary>
    /// ⟨e, J v⟩. With ẋ and ż the derivatives of the state x and of z = W x + drive along v:
    /// ẋ ← α O ẋ + β φ'(z) ż, ż = W ẋ + Ẇ x + the derivative of the drive.
    /// </summary>
    /// <param name="call">The pass.</param>
    /// <param name="at">Its arguments.</param>
    /// <param name="direction">v, one for each argument; null: zero.</param>
    /// <param name="outputGradient">e, shaped as the output.</param>
    public static TorchTensor AlongOutputs(ChainCall call, TorchTensor?[] at, TorchTensor?[] direction, TorchTensor outputGradient)
    {
        ChainLayer layer = call.Module.Layer;
        TorchTensor weight = at[ChainCall.Weight]!;
        ScalarType dtype = weight.dtype;
        bool recurrent = call.Steps > 0;
        long units = layer.HiddenSize;
        long steps = recurrent ? call.Steps : weight.shape[0];
        TorchTensor alpha = Values(layer.Filters!.Alpha, dtype), beta = Values(layer.Filters.Beta, dtype);
        TorchTensor e = outputGradient.reshape(call.OutputSteps, call.Rows, units);
        int entry = recurrent ? ChainCall.Initial : ChainCall.Inputs;
        TorchTensor x = at[entry]?.reshape(call.Rows, units) ?? zeros(call.Rows, units, dtype: dtype);
        TorchTensor tangent = direction[entry]?.reshape(call.Rows, units) ?? zeros(call.Rows, units, dtype: dtype);
        TorchTensor? drive = recurrent ? at[ChainCall.Inputs]!.matmul(at[ChainCall.InputWeight]!.t()) + at[ChainCall.Bias]! : at[ChainCall.Bias]!;
        TorchTensor? driveTangent = direction[ChainCall.Bias];
        if (recurrent)
        {
            driveTangent = Add(driveTangent, direction[ChainCall.InputWeight] is { } v ? at[ChainCall.Inputs]!.matmul(v.t()) : null);
            driveTangent = Add(driveTangent, direction[ChainCall.Inputs]?.matmul(at[ChainCall.InputWeight]!.t()));

            // The bias alone has no time.
            driveTangent = driveTangent?.expand_as(drive);
        }

        TorchTensor sum = zeros([], dtype: dtype);
        TorchTensor? filter = null;
        for (long k = 0; k < steps; k++)
        {
            TorchTensor w = recurrent ? weight : weight[k];
            TorchTensor? wTangent = recurrent ? direction[ChainCall.Weight] : direction[ChainCall.Weight]?[k];
            TorchTensor z = x.matmul(w.t()) + drive[k];
            TorchTensor zTangent = tangent.matmul(w.t());
            zTangent = Add(zTangent, wTangent is null ? null : x.matmul(wTangent.t()))!;
            zTangent = Add(zTangent, driveTangent?[k])!;
            TorchTensor phi = layer.Filters.Activation == Activation.Relu ? z.relu() : z.tanh();
            TorchTensor slope = layer.Filters.Activation == Activation.Relu ? z.gt(0).to(dtype) : 1 - (phi * phi);
            filter = filter is null || layer.HasFilterPerLayer ? tensor(call.Chains.CopyFilter(k), dtype: dtype).reshape(units, units).t() : filter;
            x = (alpha * x.matmul(filter)) + (beta * phi);
            tangent = (alpha * tangent.matmul(filter)) + (beta * slope * zTangent);
            if (k >= steps - call.OutputSteps)
            {
                sum += (e[k - (steps - call.OutputSteps)] * tangent).sum();
            }
        }

        return sum;
    }

    private static TorchTensor Values(UnitValues values, ScalarType dtype) => tensor(values.Span.ToArray(), dtype: dtype);

    private static TorchTensor? Add(TorchTensor? a, TorchTensor? b) => a is null ? b : b is null ? a : a + b;
}
