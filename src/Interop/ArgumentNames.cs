using System.Collections.Frozen;
using System.Text.RegularExpressions;

namespace OrthoNative.Interop;

/// <summary>What the C# library calls the arguments and fields of the C interface, for messages: the one place that knows.</summary>
internal static partial class ArgumentNames
{
    /// <summary>Arguments and fields with an underscore, wherever a message has them.</summary>
    private static readonly FrozenDictionary<string, string> s_names = new Dictionary<string, string>
    {
        ["alpha_count"] = "Alpha.Count",
        ["available_memory"] = "AvailableMemory",
        ["best_instruction_set"] = "BestInstructionSet",
        ["beta_count"] = "Beta.Count",
        ["bias_gradients"] = "the gradient of the bias",
        ["check_finite"] = "the check for finite values",
        ["checkpoint_every"] = "steps of Checkpointing.Every",
        ["compute_capability"] = "the compute capability",
        ["cublas_handle"] = "options.CublasHandle",
        ["cublas_version"] = "the version of cuBLAS",
        ["cuda_stream"] = "options.Stream",
        ["driver_version"] = "the version of the driver",
        ["filter_index"] = "the filter's random stream",
        ["filter_matrix"] = "Filter",
        ["filter_per_layer"] = "FilterPerLayer",
        ["filter_precision"] = "options.FilterPrecision",
        ["first_moment"] = "the first moment",
        ["free_memory"] = "FreeMemory",
        ["group_count"] = "the number of parameters",
        ["hidden_size"] = "hiddenSize",
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

    /// <summary>Names that are also words, where a message begins with them.</summary>
    private static readonly FrozenDictionary<string, string> s_firstNames = new Dictionary<string, string>
    {
        ["alpha"] = "Alpha",
        ["beta"] = "Beta",
        ["data"] = "address",
        ["initial"] = "InitialState",
    }.ToFrozenDictionary();

    /// <summary>Puts the C# library's names into a message of the native library.</summary>
    public static string Translate(string message)
    {
        string translated = Names().Replace(message, match => s_names.GetValueOrDefault(match.Groups[1].Value, match.Groups[1].Value));
        return FirstWord().Replace(translated, match => s_firstNames.GetValueOrDefault(match.Value, match.Value));
    }

    /// <summary>A name of the header, without the structure that it is a field of; parts of paths and of longer words are none.</summary>
    [GeneratedRegex(@"(?:\boptions->|(?<![\w/\\-])(?<!(?<!\])\.))([a-z][a-z0-9]*(?:_[a-z0-9]+)*)(?![\w/\\-]|\.\w)")]
    private static partial Regex Names();

    [GeneratedRegex(@"^[a-z]+(?=\[| is )")]
    private static partial Regex FirstWord();
}
