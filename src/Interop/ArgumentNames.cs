using System.Collections.Frozen;
using System.Globalization;

namespace OrthoNative.Interop;

/// <summary>The C# library's names for the arguments and fields of the C interface: the one place that knows.</summary>
internal static class ArgumentNames
{
    private const string Place = "[]";

    /// <summary>A native group is one parameter of a model.</summary>
    private const string GroupField = "groups[].";

    /// <summary>Those that differ; a field goes without its structure, and "[]" is the place of the element, which otherwise follows.</summary>
    private static readonly FrozenDictionary<string, string> s_names = new Dictionary<string, string>
    {
        ["activation"] = "Activation",
        ["alpha"] = "Alpha",
        ["alpha_count"] = "Alpha.Count",
        ["available_memory"] = "AvailableMemory",
        ["batch"] = "the number of samples",
        ["best_instruction_set"] = "BestInstructionSet",
        ["beta"] = "Beta",
        ["beta1"] = "Beta1",
        ["beta2"] = "Beta2",
        ["beta_count"] = "Beta.Count",
        ["bias_gradients"] = "the gradient of the bias",
        ["block_count"] = "the number of Blocks",
        ["blocks"] = "Blocks",
        ["cell"] = "the kind of the cell",
        ["chain"] = "the layer",
        ["class_weights"] = "ClassWeights",
        ["check_finite"] = "the check for finite values",
        ["checkpoint_every"] = "steps of Checkpointing.Every",
        ["classes"] = "the number of classes",
        ["columns"] = "the number of columns",
        ["compute_capability"] = "the compute capability",
        ["count"] = "the number of elements",
        ["cublas_handle"] = "options.CublasHandle",
        ["cublas_version"] = "the version of cuBLAS",
        ["cuda_stream"] = "options.Stream",
        ["data"] = "address",
        ["decay"] = "Decay",
        ["driver_version"] = "the version of the driver",
        ["epsilon"] = "Epsilon",
        ["filter"] = "Filter",
        ["filter_index"] = "the filter's random stream",
        ["filter_matrix"] = "Filter",
        ["filter_per_layer"] = "FilterPerLayer",
        ["filter_precision"] = "options.FilterPrecision",
        ["final_gradients"] = "the gradient at the final states",
        ["final_states"] = "the final states",
        ["first"] = "the first sample of the part",
        ["first_moment"] = "the first moment",
        ["free_memory"] = "FreeMemory",
        ["gradient_mean"] = "the gradient mean",
        ["gradients"] = "GradientData",
        ["group_count"] = "the number of parameters",
        ["hidden_size"] = "hiddenSize",
        ["initial"] = "options.InitialStates",
        ["initial[] of a feedforward chain"] = "inputs[] of a RoaFnn",
        ["initial_gradients"] = "the gradient at the initial states",
        ["indices"] = "inputs",
        ["input_gradients"] = "InputGradient",
        ["input_size"] = "inputSize",
        ["input_weight_gradients"] = "the gradient of the input weights",
        ["input_weights"] = "the input weights",
        ["instruction_set"] = "InstructionSet",
        ["label_smoothing"] = "LabelSmoothing",
        ["largest_second_moment"] = "the largest second moment",
        ["learning_rate"] = "LearningRate",
        ["logit_gradients"] = "Gradient",
        ["logits"] = "outputs",
        ["matrix_precision"] = "options.MatrixPrecision",
        ["max_norm"] = "maximumNorm",
        ["max_state_bytes"] = "maximumBytes of Checkpointing.Auto",
        ["momentum"] = "Momentum",
        ["nesterov"] = "Nesterov",
        ["next_samples"] = "the samples of the next part",
        ["next_stride"] = "the distance of the partial sums of the next part",
        ["next_sums"] = "the partial sums of the next part",
        ["offset_gradients"] = "the gradient of the offset",
        ["output_gradients"] = "outputGradient",
        ["output_steps"] = "the steps of the output",
        ["padding"] = "Padding",
        ["parameter_count"] = "the number of parameters of the loss",
        ["parameters"] = "ParameterData",
        ["part"] = "the part of the batch",
        ["pooling"] = "the kind of pooling",
        ["prediction_gradients"] = "Gradient",
        ["predictions"] = "outputs",
        ["recurrent_bias"] = "RecurrentBias",
        ["row_weights"] = "weights",
        ["rows"] = "the number of rows",
        ["runtime_version"] = "the version of the runtime",
        ["same_steps"] = "sameForAllSteps",
        ["samples"] = "the samples of the part",
        ["scale_gradients"] = "the gradient of the scale",
        ["second_moment"] = "the second moment",
        ["square_mean"] = "the square mean",
        ["size"] = "Size of Blocks[]",
        ["standard_deviation"] = "standardDeviation",
        ["state_bytes"] = "the bytes of the states",
        ["statistics"] = "the statistics of the rows",
        ["stride"] = "the distance of the partial sums",
        ["struct_size"] = "the size of the structure",
        ["sum_bytes"] = "the bytes of the sums",
        ["sums"] = "the partial sums",
        ["table"] = "the weights",
        ["table_gradients"] = "the gradient of the weights",
        ["total_memory"] = "TotalMemory",
        ["units"] = "the number of units",
        ["weight"] = "the weight of the part",
        ["weight_decay"] = "WeightDecay",
        ["weight_gradients"] = "the gradient of the weights",
        ["window"] = "kernel",
        ["x"] = "inputs",
        ["x_columns"] = "the columns of the inputs",
        ["x_first"] = "the first column of the inputs",
        ["x_gradients"] = "InputGradient",
        ["y"] = "the outputs",
        ["y_columns"] = "the columns of the outputs",
        ["y_first"] = "the first column of the outputs",
        ["y_gradients"] = "outputGradient",
        ["z"] = "the outputs",
    }.ToFrozenDictionary();

    /// <summary>The name of an argument, or of an element of it.</summary>
    /// <param name="argument">As the header calls it: <c>inputs</c>, <c>options->index</c>, <c>groups[].weight_decay</c>.</param>
    /// <param name="element">Index of the element; negative: there is none.</param>
    public static string Of(string argument, long element = -1)
    {
        string field = argument[(argument.LastIndexOfAny(['>', '.']) + 1)..];
        string name = s_names.GetValueOrDefault(field, field);
        if (element >= 0 && argument.StartsWith(GroupField, StringComparison.Ordinal))
        {
            name += " of Parameters[]";
        }

        if (!name.Contains(Place, StringComparison.Ordinal))
        {
            name += Place;
        }

        return name.Replace(Place, element < 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"[{element}]"), StringComparison.Ordinal);
    }
}
