// One to one with native/include/orthonative/orthonative.h: same names, same order, blittable types only.
using System.Runtime.InteropServices;

#pragma warning disable IDE1006, CA1712 // native names

namespace OrthoNative.Interop;

internal enum ortho_status
{
    ORTHO_OK = 0,
    ORTHO_INVALID_ARGUMENT = 1,
    ORTHO_OUT_OF_MEMORY = 2,
    ORTHO_NOT_FINITE = 3,
    ORTHO_INVALID_STATE = 4,
    ORTHO_NOT_SUPPORTED = 5,
    ORTHO_INTERNAL = 6,
}

internal enum ortho_dtype
{
    ORTHO_FLOAT32 = 0,
    ORTHO_FLOAT64 = 1,
}

internal enum ortho_device_kind
{
    ORTHO_DEVICE_CPU = 0,
    ORTHO_DEVICE_CUDA = 1,
}

internal enum ortho_instruction_set
{
    ORTHO_ISA_BASELINE = 0,
    ORTHO_ISA_AVX2 = 1,
    ORTHO_ISA_AVX512 = 2,
}

internal enum ortho_activation
{
    ORTHO_TANH = 0,
    ORTHO_RELU = 1,
}

internal enum ortho_filter_kind
{
    ORTHO_FILTER_HAAR = 0,
    ORTHO_FILTER_CYCLE = 1,
    ORTHO_FILTER_PERMUTATION = 2,
    ORTHO_FILTER_IDENTITY = 3,
    ORTHO_FILTER_CUSTOM = 4,
}

internal enum ortho_chain_model
{
    ORTHO_RECURRENT = 0,
    ORTHO_FEEDFORWARD = 1,
}

internal enum ortho_stream
{
    ORTHO_STREAM_FILTER = 0,
    ORTHO_STREAM_WEIGHTS = 1,
    ORTHO_STREAM_SHUFFLE = 2,
    ORTHO_STREAM_DATA = 3,
    ORTHO_STREAM_NOISE = 4,
}

[StructLayout(LayoutKind.Sequential)]
internal struct ortho_system_info
{
    public uint struct_size;
    public int instruction_set;
    public int best_instruction_set;
    public int cores;
    public long total_memory;
    public long available_memory;
}

[StructLayout(LayoutKind.Sequential)]
internal struct ortho_device_options
{
    public uint struct_size;
    public ortho_device_kind kind;
    public int threads;
    public int index;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ortho_chain_options
{
    public uint struct_size;
    public ortho_dtype dtype;
    public ortho_chain_model model;
    public ortho_activation activation;
    public ortho_filter_kind filter;
    public int filter_per_layer;
    public long hidden_size;
    public long input_size;
    public long layers;
    public ulong seed;
    public uint filter_index;
    public int check_finite;
    public double* alpha;
    public double* beta;
    public long alpha_count;
    public long beta_count;
    public double* filter_matrix;
    public long checkpoint_every;
    public long max_state_bytes;
}

[StructLayout(LayoutKind.Sequential)]
internal struct ortho_parameter_group
{
    public long offset;
    public long count;
    public double learning_rate;
    public double weight_decay;
}

internal static unsafe partial class NativeMethods
{
    public const uint ORTHO_ABI_VERSION = 1;

    [LibraryImport(Library)]
    public static partial uint ortho_abi_version();

    [LibraryImport(Library)]
    public static partial byte* ortho_version();

    [LibraryImport(Library)]
    public static partial byte* ortho_header_hash();

    [LibraryImport(Library)]
    public static partial byte* ortho_last_error();

    [LibraryImport(Library)]
    public static partial long ortho_live_objects();

    [LibraryImport(Library)]
    public static partial ortho_status ortho_get_system_info(ortho_system_info* info);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_device_create(nint* device, ortho_device_options* options);

    [LibraryImport(Library)]
    public static partial void ortho_device_free(nint device);

    [LibraryImport(Library)]
    public static partial int ortho_device_threads(DeviceHandle device);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_buffer_create(nint* buffer, DeviceHandle device, long bytes);

    [LibraryImport(Library)]
    public static partial void* ortho_buffer_data(BufferHandle buffer);

    [LibraryImport(Library)]
    public static partial long ortho_buffer_bytes(BufferHandle buffer);

    [LibraryImport(Library)]
    public static partial void ortho_buffer_free(nint buffer);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_random_uniform(
        ulong seed,
        ortho_stream purpose,
        uint index,
        double low,
        double high,
        ortho_dtype dtype,
        long count,
        void* values);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_random_normal(
        ulong seed,
        ortho_stream purpose,
        uint index,
        double mean,
        double standard_deviation,
        ortho_dtype dtype,
        long count,
        void* values);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_add_normal_noise(
        DeviceHandle device,
        ortho_dtype dtype,
        ulong seed,
        uint index,
        double standard_deviation,
        long count,
        void* x,
        void* y);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_random_permutation(
        ulong seed,
        ortho_stream purpose,
        uint index,
        long count,
        long* permutation);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_chain_create(
        nint* chain,
        DeviceHandle device,
        ortho_chain_options* options);

    [LibraryImport(Library)]
    public static partial void ortho_chain_free(nint chain);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_chain_filter(ChainHandle chain, long layer, double* matrix);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_chain_memory(
        ChainHandle chain,
        long steps,
        long batch,
        int training,
        long* bytes);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_chain_forward(
        ChainHandle chain,
        long steps,
        long batch,
        long output_steps,
        int training,
        void* weights,
        void* input_weights,
        void* bias,
        void* inputs,
        void* initial,
        void* outputs);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_chain_backward(
        ChainHandle chain,
        int accumulate,
        void* weights,
        void* input_weights,
        void* bias,
        void* inputs,
        void* output_gradients,
        void* weight_gradients,
        void* input_weight_gradients,
        void* bias_gradients,
        void* input_gradients,
        void* initial_gradients);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_dense_forward(
        DeviceHandle device,
        ortho_dtype dtype,
        long rows,
        long inputs,
        long outputs,
        void* weights,
        void* bias,
        void* x,
        void* y);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_dense_backward(
        DeviceHandle device,
        ortho_dtype dtype,
        int accumulate,
        long rows,
        long inputs,
        long outputs,
        void* weights,
        void* x,
        void* y_gradients,
        void* weight_gradients,
        void* bias_gradients,
        void* x_gradients);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_softmax_cross_entropy(
        DeviceHandle device,
        ortho_dtype dtype,
        long rows,
        long classes,
        double label_smoothing,
        void* logits,
        int* targets,
        double* loss,
        long* correct,
        void* logit_gradients);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_mean_squared_error(
        DeviceHandle device,
        ortho_dtype dtype,
        long count,
        void* predictions,
        void* targets,
        double* loss,
        void* prediction_gradients);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_clip_gradient_norm(
        DeviceHandle device,
        ortho_dtype dtype,
        long count,
        void* gradients,
        double max_norm,
        double* norm);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_sgd_step(
        DeviceHandle device,
        ortho_dtype dtype,
        long count,
        void* parameters,
        void* gradients,
        void* velocity,
        double momentum,
        int nesterov,
        ortho_parameter_group* groups,
        long group_count);

    [LibraryImport(Library)]
    public static partial ortho_status ortho_adam_step(
        DeviceHandle device,
        ortho_dtype dtype,
        long count,
        void* parameters,
        void* gradients,
        void* first_moment,
        void* second_moment,
        long step,
        double beta1,
        double beta2,
        double epsilon,
        int decoupled,
        ortho_parameter_group* groups,
        long group_count);
}
