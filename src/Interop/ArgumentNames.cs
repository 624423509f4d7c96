using System.Collections.Frozen;
using System.Globalization;

namespace OrthoNative.Interop;

/// <summary>The C# library's names for the arguments and fields of the C interface: the one place that knows.</summary>
internal static class ArgumentNames
{
    /// <summary>Those that differ; a field goes without its structure.</summary>
    private static readonly FrozenDictionary<string, string> s_names = new Dictionary<string, string>
    {
        ["alpha"] = "Alpha",
        ["alpha_count"] = "Alpha.Count",
        ["available_memory"] = "AvailableMemory",
        ["best_instruction_set"] = "BestInstructionSet",
        ["beta"] = "Beta",
        ["beta_count"] = "Beta.Count",
        ["bias_gradients"] = "the gradient of the bias",
        ["chain"] = "the layer",
        ["check_finite"] = "the check for finite values",
        ["checkpoint_every"] = "steps of Checkpointing.Every",
        ["compute_capability"] = "the compute capability",
        ["cublas_handle"] = "options.CublasHandle",
        ["cublas_version"] = "the version of cuBLAS",
        ["cuda_stream"] = "options.Stream",
        ["data"] = "address",
        ["driver_version"] = "the version of the driver",
        ["filter_index"] = "the filter's random stream",
        ["filter_matrix"] = "Filter",
        ["filter_per_layer"] = "FilterPerLayer",
        ["filter_precision"] = "options.FilterPrecision",
        ["first_moment"] = "the first moment",
        ["free_memory"] = "FreeMemory",
        ["gradients"] = "GradientData",
        ["group_count"] = "the number of parameters",
        ["hidden_size"] = "hiddenSize",
        ["initial"] = "InitialState",
        ["initial_gradients"] = "InitialStateGradient",
        ["input_gradients"] = "InputGradient",
        ["input_size"] = "inputSize",
        ["input_weight_gradients"] = "the gradient of the input weights",
        ["input_weights"] = "the input weights",
        ["instruction_set"] = "InstructionSet",
        ["label_smoothing"] = "labelSmoothing",
        ["learning_rate"] = "LearningRate",
        ["logit_gradients"] = "Gradient",
        ["matrix_precision"] = "options.MatrixPrecision",
        ["max_norm"] = "maximumNorm",
        ["max_state_bytes"] = "maximumBytes",
        ["output_gradients"] = "outputGradient",
        ["output_steps"] = "the steps of the output",
        ["parameters"] = "ParameterData",
        ["prediction_gradients"] = "Gradient",
        ["runtime_version"] = "the version of the runtime",
        ["second_moment"] = "the second moment",
        ["standard_deviation"] = "standardDeviation",
        ["struct_size"] = "the size of the structure",
        ["total_memory"] = "TotalMemory",
        ["weight_decay"] = "WeightDecay",
        ["weight_gradients"] = "the gradient of the weights",
        ["x_gradients"] = "InputGradient",
        ["y_gradients"] = "outputGradient",
    }.ToFrozenDictionary();

    /// <summary>The name of an argument, or of an element of it.</summary>
    /// <param name="argument">As the header calls it: <c>inputs</c>, <c>options->index</c>, <c>groups[].weight_decay</c>.</param>
    /// <param name="element">Index of the element; negative: there is none.</param>
    public static string Of(string argument, long element = -1)
    {
        string field = argument[(argument.LastIndexOfAny(['>', '.']) + 1)..];
        string name = s_names.GetValueOrDefault(field, field);
        return element < 0 ? name : string.Create(CultureInfo.InvariantCulture, $"{name}[{element}]");
    }
}
