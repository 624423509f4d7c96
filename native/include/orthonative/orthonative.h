/*
 * OrthoNative: the C interface of the native core.
 *
 * Random orthogonal additive filters (A. Ceni, arXiv 2210.01245) as one chain over a batch of states:
 *
 *     x_k = alpha * O_k x_{k-1} + beta * phi(W_k x_{k-1} + d_k),   k = 1..K,   x in R^N,   O_k^T O_k = I
 *
 * recurrent:   k is a time step, W and O are the same at every step, d_k = V u_k + b
 * feedforward: k is a layer, W_k and b_k belong to the layer, d_k = b_k, O shared or one per layer
 *
 * A recurrent chain may consist of GRU or LSTM cells instead (ortho_cell), which have gates and no filter.
 *
 * Conventions, kept by every function:
 *  - A function that can fail returns ortho_status. On failure ortho_last_error() of the calling thread names the
 *    argument, what was given and what is required; ortho_get_last_error() gives the same in parts. Out-parameters and
 *    buffers are then left as they were, unless the function says otherwise. No C++ exception crosses this interface,
 *    nothing prints, nothing exits.
 *  - Objects are opaque; ortho_x_free releases one, null is allowed. An object that was created on a device keeps the
 *    device alive until it is freed itself.
 *  - Structures that begin with struct_size only grow at the end. Their initialisers (ORTHO_DEVICE_OPTIONS_INIT) set
 *    it to the size that the caller is compiled with, and all other fields to 0 or null, their defaults. A smaller
 *    struct_size, of a caller that was compiled with an older header, is accepted: fields beyond it have their defaults
 *    and are neither read nor written. A larger one is refused, as is one smaller than the structure was at first.
 *  - Shapes are row-major and time-major: inputs [T, B, D], states [T, B, N], weights [out, in]. Sizes are int64_t.
 *  - `const void*` / `void*` buffers hold elements of the type named by `dtype` (ORTHO_FLOAT32: float,
 *    ORTHO_FLOAT64: double). Buffers belong to the caller, are used during the call only, and may not overlap unless
 *    the function says otherwise.
 *  - Any thread may call. A device does the work of one call at a time: calls on one device, or on objects that were
 *    made on it, may come from several threads, and then wait for each other. A chain is used by one thread at a time,
 *    and so are the streams of one object. On a CPU, streams wait for nobody, and weights are prepared without waiting.
 *  - `count` is the number of elements of a buffer, at least 1.
 *  - Numbers are given as double. One that must be finite in dtype is refused if it is NaN or infinite once rounded to
 *    the type of the buffers: beyond 3.4e38 for ORTHO_FLOAT32.
 *  - Results depend on the problem's shape, the seed and the kind of processor, never on the number of threads. How
 *    many threads of a device take part in a call is decided anew for each: no more than its work is worth, and
 *    fewer while other programs use the processors.
 *  - After fork, the child has its own copies of all objects. It may use, free and create CPU devices and what lies
 *    on them, and gets the same results; threads are started again when they are needed, fewer if the system does
 *    not start as many. A fork waits for no call. A chain that another thread was using at that moment is half
 *    changed in the child: its forward and backward calls return ORTHO_INVALID_STATE, and freeing it leaves its
 *    memory allocated; so it is with streams. Weights that were being prepared must be prepared anew. What other
 *    threads were writing into buffers at that moment may be half written. CUDA does not survive fork: calls on what
 *    the parent created on a CUDA device return ORTHO_INVALID_STATE, freeing it touches no GPU, and creating a CUDA
 *    device returns ORTHO_NOT_SUPPORTED if the parent had created one. Programs that are started with vfork,
 *    posix_spawn or exec are not concerned.
 *  - A call runs in a floating-point environment of its own, on all of its threads: rounding to nearest, no exception
 *    traps. That of the calling thread does not matter; when the call returns, it is as it was, flags included.
 *  - CPU: chains, dense layers, activations, gates, layer normalization, gradients of embeddings, losses and sums of
 *    parts take numbers below the smallest normal one (1.2e-38 for ORTHO_FLOAT32, 2.2e-308 for ORTHO_FLOAT64) for 0,
 *    since some processors compute with them many times more slowly; so do optimizer steps, unless a learning rate is
 *    above 1. Other functions keep them, and so do CUDA devices.
 *
 * CUDA devices differ in three ways:
 *  - Buffers lie in the GPU's memory: `const void*` / `void*` arguments are addresses there, which the host must not
 *    read or write. What has another type (targets, loss, norm, groups) lies in the host's memory as always.
 *  - Work is given to the device's stream and done in the order of the calls; a call returns before its work is done,
 *    unless it returns a number that was computed or copies to the host.
 *  - Values are checked on the GPU. What is found not to be finite stops the optimizer steps that follow, which leave
 *    the parameters as they are, and is reported as ORTHO_NOT_FINITE by the next call that waits for the device:
 *    ortho_softmax_cross_entropy or ortho_elementwise_loss asked for the loss, ortho_clip_gradient_norm asked for the
 *    norm, ortho_copy_to_host, ortho_device_synchronize. Reporting it also clears it.
 */
#ifndef ORTHONATIVE_H
#define ORTHONATIVE_H

#include <stdint.h>

#if defined(_WIN32)
#if defined(ORTHO_BUILDING)
#define ORTHO_API __declspec(dllexport)
#else
#define ORTHO_API __declspec(dllimport)
#endif
#else
#define ORTHO_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Version of this interface; a library that reports another one must not be used with this header. */
#define ORTHO_ABI_VERSION 6u

/** The result of a function. */
typedef enum ortho_status {
    ORTHO_OK = 0,
    /** An argument is wrong. */
    ORTHO_INVALID_ARGUMENT = 1,
    /** Out of memory; nothing was changed. If a limit was met (ulimit, control group, overcommit), and not the
       machine's memory, the message names it. */
    ORTHO_OUT_OF_MEMORY = 2,
    /** A value is NaN or infinite where finite values are required. */
    ORTHO_NOT_FINITE = 3,
    /** The object is not in a state that allows the call, or another thread is using it. */
    ORTHO_INVALID_STATE = 4,
    /** This build or this machine cannot do what was asked, or the system does not allow it: a limit that is not one of
        memory, which the message names, or the value of an environment variable. */
    ORTHO_NOT_SUPPORTED = 5,
    /** A fault inside the library. */
    ORTHO_INTERNAL = 6
} ortho_status;

/** Kinds of problems with an argument. */
typedef enum ortho_cause {
    /** Anything else, or the failure is not about an argument. */
    ORTHO_CAUSE_OTHER = 0,
    /** It is null and must not be. */
    ORTHO_CAUSE_NULL = 1,
    /** A number is out of its range. */
    ORTHO_CAUSE_RANGE = 2
} ortho_cause;

/** Element type of a buffer. */
typedef enum ortho_dtype { ORTHO_FLOAT32 = 0, ORTHO_FLOAT64 = 1 } ortho_dtype;

/** Kind of device. */
typedef enum ortho_device_kind { ORTHO_DEVICE_CPU = 0, ORTHO_DEVICE_CUDA = 1 } ortho_device_kind;

/** Instruction sets that the CPU kernels are compiled for. */
typedef enum ortho_instruction_set {
    /** Compiler's baseline for the processor family: SSE4.2 on x86-64 (x86-64-v2), NEON on AArch64. */
    ORTHO_ISA_BASELINE = 0,
    /** AVX2 and FMA (x86-64-v3). */
    ORTHO_ISA_AVX2 = 1,
    /** AVX-512 F, BW, CD, DQ and VL (x86-64-v4). */
    ORTHO_ISA_AVX512 = 2
} ortho_instruction_set;

/** Functions of one number. The nonlinearity phi of a filter cell is one of the first two, whose derivatives follow
   from their values. */
typedef enum ortho_activation {
    ORTHO_TANH = 0,
    /** max(x, 0). */
    ORTHO_RELU = 1,
    /** The logistic function, 1 / (1 + exp(-x)). */
    ORTHO_SIGMOID = 2,
    /** x s(x), s the logistic function. */
    ORTHO_SILU = 3,
    /** x (1 + erf(x / sqrt(2))) / 2, with the exact error function. */
    ORTHO_GELU = 4
} ortho_activation;

/** Choices of the orthogonal matrix O. */
typedef enum ortho_filter_kind {
    /** Haar-distributed: Householder QR of a Gaussian matrix in double precision, signs fixed by R's diagonal. */
    ORTHO_FILTER_HAAR = 0,
    /** Cyclic shift: O[i, (i-1) mod N] = 1. */
    ORTHO_FILTER_CYCLE = 1,
    /** Uniformly random permutation with independent random signs. */
    ORTHO_FILTER_PERMUTATION = 2,
    /** The identity: with alpha = beta = 1 the chain is a residual network. */
    ORTHO_FILTER_IDENTITY = 3,
    /** A matrix given by the caller. */
    ORTHO_FILTER_CUSTOM = 4,
    /** Blocks on the diagonal, each of a kind of its own: units exchange their states through the filter only within a
        block. */
    ORTHO_FILTER_BLOCKS = 5
} ortho_filter_kind;

/**
 * Cells: what a step computes. G gates have G matrices [N, N] of W, one above the other, and as many [N, D] of V and
 * vectors [N] of b, in the order of the gates; a state has S vectors [N]. The order of gates is that of PyTorch, s is
 * the logistic function, and b' stands for the second biases, which are 0 without recurrent_bias.
 */
typedef enum ortho_cell {
    /** x_k = alpha O x_{k-1} + beta phi(W x_{k-1} + V u_k + b): G = 1, S = 1. */
    ORTHO_CELL_FILTER = 0,
    /** Gates r, z, n, G = 3; the state is h, S = 1:
            r = s(V_r u + b_r + W_r h + b'_r)    z = s(V_z u + b_z + W_z h + b'_z)
            n = tanh(V_n u + b_n + r (W_n h + b'_n))    h' = (1 - z) n + z h */
    ORTHO_CELL_GRU = 1,
    /** Gates i, f, g, o, G = 4; the state is h and c, S = 2, of which h is the output:
            i = s(V_i u + b_i + W_i h + b'_i)    f = s(V_f u + b_f + W_f h + b'_f)
            g = tanh(V_g u + b_g + W_g h + b'_g)    o = s(V_o u + b_o + W_o h + b'_o)
            c' = f c + i g    h' = o tanh(c') */
    ORTHO_CELL_LSTM = 2
} ortho_cell;

/** Models: the dimension that runs along the chain. */
typedef enum ortho_chain_model { ORTHO_RECURRENT = 0, ORTHO_FEEDFORWARD = 1 } ortho_chain_model;

/** To what precision a CUDA device may round float32 matrices before it multiplies them, which cuBLAS does where it is
    faster: small products may stay in float32. Sums are float32 always. */
typedef enum ortho_matrix_precision {
    /** As they are. */
    ORTHO_MATRIX_FLOAT32 = 0,
    /** Rounded to 10 bits of mantissa (tensor cores, compute capability 8.0 on). */
    ORTHO_MATRIX_TF32 = 1,
    /** Rounded to 7 bits of mantissa (tensor cores, compute capability 8.0 on). */
    ORTHO_MATRIX_BFLOAT16 = 2
} ortho_matrix_precision;

/** Losses of single elements, of a prediction p and a target t. */
typedef enum ortho_loss_kind {
    /** (p - t)^2. */
    ORTHO_LOSS_SQUARED_ERROR = 0,
    /** |p - t|; its gradient at p = t is 0. */
    ORTHO_LOSS_ABSOLUTE_ERROR = 1,
    /** e^2 / 2 where |e| is at most d, otherwise d (|e| - d / 2), with e = p - t. One parameter: d, above 0. */
    ORTHO_LOSS_HUBER = 2,
    /** max(q e, (q - 1) e), with e = t - p; its gradient at p = t is 0. Q parameters: the quantiles q, each above 0 and
        below 1. There are Q predictions for each target: prediction u is that of target u / Q, rounded down, for
        quantile u mod Q. */
    ORTHO_LOSS_QUANTILE = 3,
    /** -w t log s(p) - (1 - t) log(1 - s(p)), with s the logistic function and t from 0 to 1. No parameters: w is 1;
        or one for each unit: w, not negative. */
    ORTHO_LOSS_BINARY_CROSS_ENTROPY = 4
} ortho_loss_kind;

/** Purpose of a random stream; streams of different purpose, index or seed are independent. */
typedef enum ortho_stream {
    ORTHO_STREAM_FILTER = 0,
    ORTHO_STREAM_WEIGHTS = 1,
    ORTHO_STREAM_SHUFFLE = 2,
    ORTHO_STREAM_DATA = 3,
    ORTHO_STREAM_NOISE = 4,
    ORTHO_STREAM_DROPOUT = 5
} ortho_stream;

/** How states of several time steps become one. */
typedef enum ortho_pooling {
    /** That of the last step. */
    ORTHO_POOL_LAST = 0,
    /** Their mean. */
    ORTHO_POOL_MEAN = 1,
    /** The largest value of each unit. */
    ORTHO_POOL_MAX = 2
} ortho_pooling;

/** A device: where buffers lie and work runs. For the CPU it owns the thread pool. */
typedef struct ortho_device ortho_device;
/** Memory on a device. */
typedef struct ortho_buffer ortho_buffer;
/** Memory of the host from which a device is filled while it works. */
typedef struct ortho_staging ortho_staging;
/** A chain of steps: its weights, its filter if its cells have one, and the states that backward needs. */
typedef struct ortho_chain ortho_chain;
/** A filter and weights, prepared once for any number of chains and streams. */
typedef struct ortho_weights ortho_weights;
/** States of sequences that are fed step by step, on prepared weights. */
typedef struct ortho_streams ortho_streams;

/* ---------------------------------------------------------------------------------------------------------------- */
/* Library                                                                                                            */

/** @return ORTHO_ABI_VERSION of the library. */
ORTHO_API uint32_t ortho_abi_version(void);

/** @return version of the library, "major.minor.patch"; static storage. */
ORTHO_API const char* ortho_version(void);

/** @return SHA-256 of this header as the library was built with it, 64 lower-case hexadecimal digits. */
ORTHO_API const char* ortho_header_hash(void);

/** @return message of the calling thread's last failed call, one line; "" if none failed; valid until the next call
 *  of the thread that fails. */
ORTHO_API const char* ortho_last_error(void);

/** A thread's last failed call, in parts. Its texts are never freed by the caller. */
typedef struct ortho_error {
    /** sizeof(ortho_error), set by the caller. */
    uint32_t struct_size;
    /** ortho_status that the call returned; ORTHO_OK if none failed. */
    int32_t status;
    /** ortho_cause. */
    int32_t cause;
    /** 0. */
    int32_t reserved;
    /** Name of the argument or field that the failure is about, as in this header: "inputs", "options->index". "[]" in
        it stands for the element: "groups[].weight_decay", "initial[] of a feedforward chain". Null if it is about
        none. */
    const char* argument;
    /** Index of the element of the argument that the failure is about; -1 if it is not about one. */
    int64_t element;
    /** The problem and what is required, without a name of this interface: "is 0; it must be at least 1". */
    const char* problem;
    /** All of it, as ortho_last_error() gives it: "steps is 0; it must be at least 1". */
    const char* message;
} ortho_error;

/** Initialises an ortho_error. */
#define ORTHO_ERROR_INIT                                                                                               \
    { sizeof(ortho_error), 0, 0, 0, 0, 0, 0, 0 }

/**
 * Gives the calling thread's last failure in parts. Allocates nothing.
 * @param error  written; its struct_size is read first. Its texts are valid until the next call of the thread that
 * fails
 * @return ORTHO_INVALID_ARGUMENT, which is then the last failure: error is null, or its struct_size is refused
 */
ORTHO_API ortho_status ortho_get_last_error(ortho_error* error);

/** @return number of objects (devices, buffers, stagings, chains, weights, streams) created and not yet freed; for leak
 * tests. */
ORTHO_API int64_t ortho_live_objects(void);

/**
 * Tells how this library lays out a structure, so that a binding can be compared with it.
 * @param name  a structure ("ortho_chain_options") for its size, or a field ("ortho_chain_options.seed") for its offset
 * @return bytes; -1 if there is no such structure or field
 */
ORTHO_API int64_t ortho_layout(const char* name);

/** Facts about the machine. */
typedef struct ortho_system_info {
    /** sizeof(ortho_system_info) as the caller was compiled. */
    uint32_t struct_size;
    /** ortho_instruction_set in use. The environment variable ORTHONATIVE_CPU (baseline, avx2, avx512) forces a lower
        one. */
    int32_t instruction_set;
    /** ortho_instruction_set, the highest that this processor and this build have. */
    int32_t best_instruction_set;
    /** Processors that this process may use: its affinity, and its control groups' quota rounded up. */
    int32_t cores;
    /** Physical memory in bytes (the control groups' limit where that is lower). */
    int64_t total_memory;
    /** Memory in bytes that is free now without swapping, with the cache of files that the system would give back:
        of the machine, of the process's control groups, and under its limits of address space and data. */
    int64_t available_memory;
} ortho_system_info;

/** Initialises an ortho_system_info. */
#define ORTHO_SYSTEM_INFO_INIT                                                                                         \
    { sizeof(ortho_system_info), 0, 0, 0, 0, 0 }

/**
 * Describes the machine.
 * @param info  written; its struct_size is read first
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT if info is null or its struct_size is refused;
 *         ORTHO_NOT_SUPPORTED if ORTHONATIVE_CPU names an instruction set that is unknown or that the processor lacks,
 *         or if the processor lacks one of x86-64-v2
 */
ORTHO_API ortho_status ortho_get_system_info(ortho_system_info* info);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Devices and buffers                                                                                                */

/** Options of a device. */
typedef struct ortho_device_options {
    /** sizeof(ortho_device_options) as the caller was compiled. */
    uint32_t struct_size;
    /** ortho_device_kind. */
    int32_t kind;
    /** CPU: threads that work together, 1 to 1024. 0: as many as the environment variable ORTHONATIVE_THREADS says,
       from 1 to 1024, and where it is not set or empty, as many as the processors that this process may use; fewer if
       the system does not start as many. OMP_NUM_THREADS is not read. CUDA: must be 0. */
    int32_t threads;
    /** CUDA: which GPU; CPU: must be 0. A call makes that GPU the thread's current one, and the one before it current
        again if the process has used it. */
    int32_t index;
    /** CUDA: ortho_matrix_precision of all products but those with the filter, and but the gradient of V with up to 4
        inputs, for which nothing is rounded; CPU: must be 0. */
    int32_t matrix_precision;
    /** CUDA: ortho_matrix_precision of products with the filter; CPU: must be 0. Less than float32 makes the filter a
        little less than orthogonal at each step. */
    int32_t filter_precision;
    /** CUDA: a CUstream (cudaStream_t) of that GPU to work on, which stays the caller's and must outlive the device;
        null: a stream of its own, not the default stream. CPU: must be null. */
    void* cuda_stream;
    /** CUDA: a cublasHandle_t of that GPU to use, which stays the caller's, must outlive the device, and whose stream,
        workspace, pointer mode, math mode and atomics mode are set for it at every call that multiplies, during which
       no other thread may use it. Freeing the device puts the stream back, with cuBLAS' default workspace. Null: a
       handle of its own, whose stream is the device's. CPU: must be null. */
    void* cublas_handle;
} ortho_device_options;

/** Initialises ortho_device_options: the CPU with the default number of threads. */
#define ORTHO_DEVICE_OPTIONS_INIT                                                                                      \
    { sizeof(ortho_device_options), ORTHO_DEVICE_CPU, 0, 0, 0, 0, 0, 0 }

/**
 * Creates a device.
 * @param device   written: the new device; free it with ortho_device_free
 * @param options  null: the CPU with the default number of threads, as threads = 0 gives it
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_NOT_SUPPORTED if the kind is not available here (CUDA: the message
 *         says what is missing: the driver, the library orthonative_cuda, or the GPU), if the system does not start so
 *         many threads (the message names the limit), if ORTHONATIVE_THREADS or ORTHONATIVE_CPU is wrong, or if the
 *         processor lacks an instruction set of x86-64-v2; ORTHO_OUT_OF_MEMORY if memory for the threads is missing
 */
ORTHO_API ortho_status ortho_device_create(ortho_device** device, const ortho_device_options* options);

/** Frees a device once the last object made on it is freed. @param device may be null */
ORTHO_API void ortho_device_free(ortho_device* device);

/** @return the most threads that the device works with, the caller's among them; 0 for null and for CUDA. */
ORTHO_API int32_t ortho_device_threads(const ortho_device* device);

/** @return what the device is called: "cpu", or the GPU's name; valid as long as the device; "" for null. */
ORTHO_API const char* ortho_device_name(const ortho_device* device);

/** Facts about a device. */
typedef struct ortho_device_info {
    /** sizeof(ortho_device_info) as the caller was compiled. */
    uint32_t struct_size;
    /** ortho_device_kind. */
    int32_t kind;
    /** CUDA: which GPU; CPU: 0. */
    int32_t index;
    /** CUDA: compute capability times 10, 90 for 9.0; CPU: 0. */
    int32_t compute_capability;
    /** CUDA: streaming multiprocessors; CPU: 0. */
    int32_t multiprocessors;
    /** CUDA: version of the driver as CUDA numbers it, 12040 for 12.4; CPU: 0. */
    int32_t driver_version;
    /** CUDA: version of the runtime that the library works with; CPU: 0. */
    int32_t runtime_version;
    /** CUDA: version of cuBLAS; CPU: 0. */
    int32_t cublas_version;
    /** Memory of the device in bytes; CPU: physical memory. */
    int64_t total_memory;
    /** Memory of the device in bytes that is free now. */
    int64_t free_memory;
    /** CUDA: the stream that it works on, a CUstream; CPU: null. */
    void* cuda_stream;
    /** CUDA: the cublasHandle_t that it uses; CPU: null. */
    void* cublas_handle;
} ortho_device_info;

/** Initialises an ortho_device_info. */
#define ORTHO_DEVICE_INFO_INIT                                                                                         \
    { sizeof(ortho_device_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Describes a device.
 * @param info  written; its struct_size is read first
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_device_get_info(ortho_device* device, ortho_device_info* info);

/**
 * Waits until all work given to the device is done.
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; CUDA: ORTHO_NOT_FINITE, and ORTHO_INTERNAL for a fault of earlier work
 */
ORTHO_API ortho_status ortho_device_synchronize(ortho_device* device);

/**
 * Allocates zeroed memory, aligned to 64 bytes (2 MiB and huge pages where it is large; CUDA: 256 bytes).
 * @param buffer  written: the new buffer; free it with ortho_buffer_free
 * @param bytes   size, at least 1
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY with the bytes asked for and the bytes available;
 *         CUDA: ORTHO_INVALID_STATE while the device's stream is captured
 */
ORTHO_API ortho_status ortho_buffer_create(ortho_buffer** buffer, ortho_device* device, int64_t bytes);

/**
 * Creates a buffer of memory that stays the caller's and must outlive it: CPU: any memory of the process, aligned to
 * its elements; CUDA: memory of that GPU, aligned likewise.
 * @param buffer  written: the new buffer; free it with ortho_buffer_free, which leaves the memory alone
 * @param data    first byte
 * @param bytes   size, at least 1
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT (CUDA: also if it is not memory of that GPU)
 */
ORTHO_API ortho_status ortho_buffer_wrap(ortho_buffer** buffer, ortho_device* device, void* data, int64_t bytes);

/** @return address of the buffer's first byte; null for null. */
ORTHO_API void* ortho_buffer_data(ortho_buffer* buffer);

/** @return size of the buffer in bytes; 0 for null. */
ORTHO_API int64_t ortho_buffer_bytes(const ortho_buffer* buffer);

/**
 * Frees a buffer. CUDA: work given to its device before may still use it; work on other streams that uses it must have
 * ended. The device uses the memory again; the GPU gets it back when it runs out, or when its last device is freed.
 * @param buffer  may be null
 */
ORTHO_API void ortho_buffer_free(ortho_buffer* buffer);

/**
 * Copies from the host to the device, behind the work given to it before. Returns when source may be written again.
 * @param destination  [bytes] on the device
 * @param source       [bytes] in the host's memory
 * @param bytes        at least 1
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_copy_from_host(ortho_device* device, void* destination, const void* source, int64_t bytes);

/**
 * Copies from the device to the host, behind the work given to it before, and waits for it.
 * @param destination  [bytes] in the host's memory
 * @param source       [bytes] on the device
 * @param bytes        at least 1
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; CUDA: ORTHO_NOT_FINITE, and ORTHO_INTERNAL for a fault of earlier work;
 *         destination is then undefined
 */
ORTHO_API ortho_status ortho_copy_to_host(ortho_device* device, void* destination, const void* source, int64_t bytes);

/**
 * Copies on the device, behind the work given to it before.
 * @param destination  [bytes] on the device, may not overlap source
 * @param source       [bytes] on the device
 * @param bytes        at least 1
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_copy(ortho_device* device, void* destination, const void* source, int64_t bytes);

/**
 * Sets all elements of a buffer to one number, rounded to dtype.
 * @param values  [count], written
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_fill(ortho_device* device, int32_t dtype, int64_t count, void* values, double value);

/**
 * Allocates zeroed memory of the host for data on its way to a device; for CUDA it is page-locked. One upload at a
 * time: ortho_staging_wait, write the data, ortho_staging_upload, and ortho_staging_join before the first use of it.
 * With two of them and two destinations the next batch travels while the device works on the last one.
 * @param staging  written: the new staging; free it with ortho_staging_free
 * @param bytes    size, at least 1
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_staging_create(ortho_staging** staging, ortho_device* device, int64_t bytes);

/** @return address of the first byte, in the host's memory, aligned to 64 bytes; null for null. */
ORTHO_API void* ortho_staging_data(ortho_staging* staging);

/**
 * Starts a copy of the first `bytes` bytes to the device, behind the work given to the device before this call; CUDA:
 * on a stream of its own, beside the work given to the device after it.
 * @param destination  [bytes] on the device
 * @param bytes        1 to the staging's size
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_staging_upload(ortho_staging* staging, void* destination, int64_t bytes);

/**
 * Lets the work given to the device after this call wait for the last upload. The caller does not wait.
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_staging_join(ortho_staging* staging);

/**
 * Waits until the last upload has read the memory, which may then be written again.
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_staging_wait(ortho_staging* staging);

/** Frees a staging, once its last upload is done. @param staging may be null */
ORTHO_API void ortho_staging_free(ortho_staging* staging);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Random numbers: counter-based Philox4x32-10, so a value depends on (seed, purpose, index, position) alone. Buffers */
/* without a device lie in the host's memory.                                                                         */

/**
 * Fills a buffer with uniform numbers in [low, high).
 * @param purpose  ortho_stream
 * @param index    which stream of that purpose
 * @param first    position of the first value in the stream, at least 0: a buffer may be filled in parts
 * @param values   [count], written; every value is drawn in double precision and rounded to dtype
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT, also unless low < high, both are finite in dtype, their difference is
 *         finite, and a value of dtype lies in [low, high)
 */
ORTHO_API ortho_status ortho_random_uniform(uint64_t seed, int32_t purpose, uint32_t index, double low, double high,
                                            int32_t dtype, int64_t first, int64_t count, void* values);

/**
 * Fills a buffer with normal numbers (Box-Muller in double precision).
 * @param purpose             ortho_stream
 * @param index               which stream of that purpose
 * @param mean                finite
 * @param standard_deviation  finite, not negative; |mean| + 8.6 standard_deviation, beyond all that can be drawn, must
 *                            be finite in dtype
 * @param first               position of the first value in the stream, at least 0: a buffer may be filled in parts
 * @param values              [count], written
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_random_normal(uint64_t seed, int32_t purpose, uint32_t index, double mean,
                                           double standard_deviation, int32_t dtype, int64_t first, int64_t count,
                                           void* values);

/**
 * Adds independent normal noise: y = x + standard_deviation z, drawn in double precision (Box-Muller) and rounded once
 * to dtype. z depends on seed, source, index, and on the number of the sample in the whole batch, the step and the
 * unit. So a batch may be cut anywhere.
 * @param device              what draws; the values do not depend on its kind or threads
 * @param source              who draws, 0 to 2^20 - 1; sources of one seed, as layers of a model are, share no number
 * @param index               which stream of that source, 0 to 2^32 - 1
 * @param standard_deviation  finite, not negative; 8.6 times it, beyond all that can be drawn, must be finite in dtype
 * @param first               number of the first sample in the whole batch; first + batch is at most 2^24
 * @param steps               T, 1 to 2^30
 * @param batch               B, at least 1
 * @param units               N, 1 to 2^20
 * @param x                   [T, B, N]
 * @param y                   [T, B, N], written; may be x
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_add_normal_noise(ortho_device* device, int32_t dtype, uint64_t seed, uint32_t source,
                                              uint64_t index, double standard_deviation, int64_t first, int64_t steps,
                                              int64_t batch, int64_t units, const void* x, void* y);

/**
 * Inverted dropout: y is 0 with probability rate, and x / (1 - rate) otherwise, as x times 1 / (1 - rate) rounded to
 * dtype. Which elements are dropped depends on seed, source, index and rate, and on the number of the sample in the
 * whole batch, the step and the unit. So a batch may be cut anywhere, and the same call on the gradient at y gives that
 * at x. An element is dropped where its 32-bit word is below rate * 2^32, rounded down, so the probability is that
 * multiple of 2^-32.
 * @param device      what draws; the values do not depend on its kind or threads
 * @param source      who draws, 0 to 2^20 - 1; sources of one seed, as layers of a model are, share no number
 * @param index       which stream of that source, 0 to 2^32 - 1
 * @param rate        0 to 1, 1 excluded
 * @param same_steps  1: all steps of a sample drop the same units, those of step 0; 0: each step draws anew
 * @param first       number of the first sample in the whole batch; first + batch is at most 2^24
 * @param steps       T, 1 to 2^30
 * @param batch       B, at least 1
 * @param units       N, 1 to 2^20
 * @param x           [T, B, N]
 * @param y           [T, B, N], written; may be x; a dropped element is 0 whatever x is there
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_dropout(ortho_device* device, int32_t dtype, uint64_t seed, uint32_t source,
                                     uint64_t index, double rate, int32_t same_steps, int64_t first, int64_t steps,
                                     int64_t batch, int64_t units, const void* x, void* y);

/**
 * Draws a uniformly random permutation of 0..count-1 (Fisher-Yates).
 * @param purpose      ortho_stream
 * @param index        which stream of that purpose
 * @param permutation  [count], written
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_random_permutation(uint64_t seed, int32_t purpose, uint32_t index, int64_t count,
                                                int64_t* permutation);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Batches                                                                                                            */

/*
 * Lengths. Sequences of one batch may have different lengths: `lengths` [B] in the host's memory, in any order, each 0
 * to T; null: all are T. They are read during the call only. Steps of a sample beyond its length are padding. Inputs,
 * logits, predictions and targets that lie there are neither read nor checked to be finite. A chain's state stays as it
 * is there, so the state after the last step is each sample's own last one.
 *
 * Sums. What is summed over samples (gradients of parameters, losses) is summed within leaves first, and then over a
 * binary tree, always in the same order. So a batch may be computed in parts, by several calls or machines. On a CPU
 * they give the bits of one call; CUDA: where cuBLAS sums a batch of fewer products as one of more.
 *  - A leaf is some consecutive samples. The size of the batch alone decides how many leaves there are: the largest
 *    power of two, at most 16, with which a leaf has 16 samples or more; 1 for fewer than 32 samples.
 *  - Leaf i of L starts with sample B i / L, rounded down.
 *  - Node (0, i) of the tree is leaf i. Node (level, i) is the sum of the nodes (level - 1, 2 i) and
 *    (level - 1, 2 i + 1).
 */

/**
 * Which samples of a batch a call holds, where the batch is computed in parts. Sums over the samples are then given as
 * partial sums: the fewest nodes of the batch's tree that hold all its leaves and no others, in the order of the
 * samples. ortho_add_partial_sums puts parts together, those of losses on a CPU device as ORTHO_FLOAT64; the only
 * partial sum of the whole batch is the sum. Bits are those of one call where no part is added to what is there.
 */
typedef struct ortho_batch_part {
    /** sizeof(ortho_batch_part) as the caller was compiled. */
    uint32_t struct_size;
    /** 0. */
    int32_t reserved;
    /** Samples of the whole batch, at least 1. */
    int64_t batch;
    /** The first sample of the part, which starts a leaf. The part ends where a leaf ends. */
    int64_t first;
    /** Elements from a partial sum to the next one in each buffer of gradients. Where there are several, at least as
        many as the largest of these buffers has of one sum. Losses do not read it. */
    int64_t stride;
    /** Losses: the sum of the weights of all rows of the whole batch that count, over which the mean is taken; without
        weights the number of these rows. Otherwise 0. */
    double weight;
} ortho_batch_part;

/** Initialises an ortho_batch_part. */
#define ORTHO_BATCH_PART_INIT                                                                                          \
    { sizeof(ortho_batch_part), 0, 0, 0, 0, 0 }

/** @return number of leaves of a batch, 1, 2, 4, 8 or 16; 0 where batch is below 1. */
ORTHO_API int64_t ortho_leaf_count(int64_t batch);

/** @return the first sample of a leaf of a batch; -1 for a leaf that it does not have. */
ORTHO_API int64_t ortho_leaf_begin(int64_t batch, int64_t leaf);

/**
 * Tells how many partial sums a part of a batch has.
 * @param batch    samples of the whole batch, at least 1
 * @param first    the first sample of the part, which starts a leaf
 * @param samples  of the part, at least 1; it ends where a leaf ends
 * @param count    written: 1 to 6
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_partial_sum_count(int64_t batch, int64_t first, int64_t samples, int64_t* count);

/**
 * Adds the partial sums of a part to those of the part before it, which become those of both.
 * @param count          elements of a partial sum
 * @param batch          samples of the whole batch
 * @param first          the first sample of the part before
 * @param samples        of the part before
 * @param next_samples   of the part after it
 * @param sums           [n, stride], changed in place: the partial sums of the part before become those of both parts.
 *                       n is the number of either, whichever is larger. The last one needs only count elements
 * @param stride         elements from a partial sum to the next, at least count
 * @param next_sums      [.., next_stride]: the partial sums of the part after
 * @param next_stride    likewise
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_add_partial_sums(ortho_device* device, int32_t dtype, int64_t count, int64_t batch,
                                              int64_t first, int64_t samples, int64_t next_samples, void* sums,
                                              int64_t stride, const void* next_sums, int64_t next_stride);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Chain                                                                                                              */

/** A block of a filter of ORTHO_FILTER_BLOCKS. */
typedef struct ortho_filter_block {
    /** Number of its units, at least 1. */
    int64_t size;
    /** ortho_filter_kind but ORTHO_FILTER_BLOCKS. */
    int32_t filter;
    /** 0. */
    int32_t reserved;
    /** ORTHO_FILTER_CUSTOM: [size, size], or [L, size, size] with filter_per_layer; orthogonal to 1e-6; copied.
        Otherwise null. */
    const double* matrix;
} ortho_filter_block;

/** Options of a chain. */
typedef struct ortho_chain_options {
    /** sizeof(ortho_chain_options) as the caller was compiled. */
    uint32_t struct_size;
    /** ortho_dtype of all its buffers. */
    int32_t dtype;
    /** ortho_chain_model. */
    int32_t model;
    /** ORTHO_TANH or ORTHO_RELU. */
    int32_t activation;
    /** ortho_filter_kind. */
    int32_t filter;
    /** Feedforward: 0: one filter for all layers; 1: one for each layer (ORTHO_FILTER_CUSTOM: read from filter_matrix),
        CPU: drawn anew when needed and never stored, but drawn once and kept in prepared weights, 2 L N^2 elements if
        it is a matrix. CUDA: drawn once and kept, L N^2 elements if it is a matrix. Recurrent: must be 0. */
    int32_t filter_per_layer;
    /** Number of units N, 1 to 65536. */
    int64_t hidden_size;
    /** Recurrent: number of inputs D at a step, 0 (driven by the bias alone) to 1048576. Feedforward: must be 0. */
    int64_t input_size;
    /** Feedforward: number of layers L, at least 1. Recurrent: must be 0. */
    int64_t layers;
    /** Seed of the filter. */
    uint64_t seed;
    /** Which filter stream of that seed; give each chain of a model its own. With filter_per_layer, layer l draws from
        stream filter_index + l. */
    uint32_t filter_index;
    /** 1: inputs, initial states, states written to streams, and gradients at outputs and final states are checked for
        NaN and infinity; 0: they are not. */
    int32_t check_finite;
    /** [alpha_count], finite in dtype: factor of the filtered state; one for all units or one for each. */
    const double* alpha;
    /** [beta_count], finite in dtype: factor of the nonlinearity; one for all units or one for each. */
    const double* beta;
    /** 1 or hidden_size. */
    int64_t alpha_count;
    /** 1 or hidden_size. */
    int64_t beta_count;
    /** ORTHO_FILTER_CUSTOM: [N, N], or [L, N, N] with filter_per_layer; orthogonal to 1e-6; copied. Otherwise null. */
    const double* filter_matrix;
    /** Steps between kept states, counted from the last one; those between are recomputed in backward. That changes no
        bit on a CPU; a CUDA device multiplies the steps between kept states at once, so how it rounds depends on them.
        0: keep every state. */
    int64_t checkpoint_every;
    /** Above 0: choose the fewest recomputed steps with which the states fit into so many bytes; then checkpoint_every
        must be 0. */
    int64_t max_state_bytes;
    /** ortho_cell. GRU and LSTM cells have no filter: model must be ORTHO_RECURRENT, and activation, filter, seed,
        filter_index, alpha, beta, their counts and filter_matrix must be 0 or null. */
    int32_t cell;
    /** 1: the cell has a second bias for each gate, added to the products with the state: b is [2, G, N]. Filter cells:
        must be 0. */
    int32_t recurrent_bias;
    /** ORTHO_FILTER_BLOCKS: [block_count], whose sizes add up to hidden_size; copied. Block b draws from filter stream
        filter_index + b, and with filter_per_layer that of layer l from filter_index + l block_count + b. Otherwise
        null. */
    const ortho_filter_block* blocks;
    /** 1 to 1024 with blocks, otherwise 0. */
    int64_t block_count;
} ortho_chain_options;

/** Initialises ortho_chain_options: float32, recurrent, filter cells, tanh, a Haar filter of seed 0. hidden_size,
   alpha, beta and their counts are still to be set. */
#define ORTHO_CHAIN_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(ortho_chain_options), ORTHO_FLOAT32, ORTHO_RECURRENT, ORTHO_TANH, ORTHO_FILTER_HAAR, 0, 0, 0, 0, 0, 0,  \
            0, 0, 0, 0, 0, 0, 0, 0, ORTHO_CELL_FILTER, 0, 0, 0                                                         \
    }

/**
 * Creates a chain and draws its filter.
 * @param chain    written: the new chain; free it with ortho_chain_free
 * @param options  copied
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY; ORTHO_NOT_SUPPORTED if an environment variable
 *         of the library has a value that is not known; CUDA: ORTHO_INVALID_STATE while the device's stream is captured
 */
ORTHO_API ortho_status ortho_chain_create(ortho_chain** chain, ortho_device* device,
                                          const ortho_chain_options* options);

/** Frees a chain. @param chain may be null */
ORTHO_API void ortho_chain_free(ortho_chain* chain);

/**
 * Copies the filter O, in double precision as it was drawn.
 * @param chain   of filter cells
 * @param layer   layer of a feedforward chain with filter_per_layer; otherwise 0
 * @param matrix  [N, N], written
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_chain_filter(const ortho_chain* chain, int64_t layer, double* matrix);

/**
 * Tells how much memory the calls of a chain would take for a whole batch, before they are made. Where lengths differ,
 * a CPU also takes a copy of the inputs, T B D elements at most, and threads that work apart on a feedforward chain
 * pack two layers each.
 * @param steps        T of a recurrent chain; 0 for a feedforward one
 * @param training     1: with what backward needs; 0: without
 * @param state_bytes  written: what a forward call keeps
 * @param sum_bytes    written: what a backward call takes for sums of gradients at most, 0 without training; CUDA: the
 *                     chains of a device share it. Null: not wanted
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_chain_memory(const ortho_chain* chain, int64_t steps, int64_t batch, int32_t training,
                                          int64_t* state_bytes, int64_t* sum_bytes);

/**
 * Runs the chain. Recurrent: over a batch of sequences; feedforward: through all layers.
 *
 * @param chain          used by one thread at a time
 * @param steps          T of a recurrent chain, at least 1; 0 for a feedforward one
 * @param batch          B, at least 1
 * @param lengths        [B] in the host's memory: steps of each sample, 0 to T; null: T. Must be null for a feedforward
 *                       chain. On a CPU the time follows the sum of the lengths
 * @param part           the samples of a larger batch that this call holds; null: the batch is whole. With a part,
 *                       backward writes partial sums of the gradients of weights, input weights and bias
 * @param output_steps   K: how many of the last states are written, 0 to T (recurrent) or to L (feedforward)
 * @param training       1: keep what ortho_chain_backward needs; 0: keep nothing
 * @param weights        W: [G N, N] recurrent, [L, N, N] feedforward; null if the chain is on prepared weights
 * @param input_weights  V: [G N, D]; null where D is 0, or if the chain is on prepared weights
 * @param bias           b: [G N] recurrent, [2, G N] with recurrent_bias, [L, N] feedforward; null if the chain is on
 *                       prepared weights
 * @param inputs         u: [T, B, D]; null where D is 0; must stay as it is until backward is done
 * @param initial        x_0: [S, B, N]; null: zeros
 * @param outputs        [K, B, N], written: the last K states in the order of time, h of LSTM cells; null where K is 0.
 *                       Beyond a sample's length its last state is repeated
 * @param final_states   [S, B, N], written: the state of each sample after its last step, of one without steps the
 *                       initial state; null: not wanted
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_NOT_FINITE; ORTHO_OUT_OF_MEMORY with the arithmetic;
 *         ORTHO_INVALID_STATE if another thread is using the chain, or if it is on prepared weights that are being
 *         prepared, or that are not prepared for the call; CUDA: also if memory is needed or lengths are given while
 *         the device's stream is captured
 */
ORTHO_API ortho_status ortho_chain_forward(ortho_chain* chain, int64_t steps, int64_t batch, const int32_t* lengths,
                                           const ortho_batch_part* part, int64_t output_steps, int32_t training,
                                           const void* weights, const void* input_weights, const void* bias,
                                           const void* inputs, const void* initial, void* outputs, void* final_states);

/**
 * Backpropagates through the last forward call, made with training = 1; once for each such call. Any later forward call
 * that succeeds discards what backward needs of the one before. With g_k the gradient at x_k and a_k = phi(z_k):
 *
 *     delta_k = beta phi'(z_k) g_k         g_{k-1} = alpha O_k^T g_k + W_k^T delta_k
 *     dW = sum delta_k x_{k-1}^T    dV = sum delta_k u_k^T    db = sum delta_k    du_k = V^T delta_k
 *
 * for filter cells; the gradients of the others are those of their equations.
 *
 * Beyond a sample's length delta_k is 0 and gradients pass through: g_{k-1} = g_k. On a CPU every state and gradient of
 * a sample has the bits of that sample computed alone, at its own length.
 *
 * @param accumulate             1: add to the gradients of weights, input weights and bias; 0: overwrite them
 * @param weights                W as given to forward; null if the chain is on prepared weights
 * @param input_weights          V as given to forward; null likewise
 * @param bias                   b as given to forward; null likewise
 * @param inputs                 u as given to forward
 * @param output_gradients       [K, B, N]: gradients at the outputs of forward, all finite, beyond lengths too; null
 *                               where K is 0
 * @param final_gradients        [S, B, N]: gradients at the final states, all finite, which are added to what
 *                               output_gradients has for the last states; null: zeros
 * @param weight_gradients       shaped as W. If forward was given a part: all partial sums, each shaped as W,
 *                               part->stride elements apart; so it is with the next two
 * @param input_weight_gradients shaped as V; null where D is 0
 * @param bias_gradients         shaped as b
 * @param input_gradients        [T, B, D], written, 0 beyond lengths; null: not wanted
 * @param initial_gradients      [S, B, N], written; null: not wanted
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_NOT_FINITE; ORTHO_OUT_OF_MEMORY;
 *         ORTHO_INVALID_STATE without such a forward call, if another thread is using the chain, or if it is on
 *         prepared weights that are being prepared, or were prepared with another content after forward; CUDA: also if
 *         memory is needed while the device's stream is captured
 */
ORTHO_API ortho_status ortho_chain_backward(ortho_chain* chain, int32_t accumulate, const void* weights,
                                            const void* input_weights, const void* bias, const void* inputs,
                                            const void* output_gradients, const void* final_gradients,
                                            void* weight_gradients, void* input_weight_gradients, void* bias_gradients,
                                            void* input_gradients, void* initial_gradients);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Prepared weights: packed and converted once for each change of the parameters, instead of in each call of a chain. */
/* Any number of chains and streams on any threads share them.                                                        */

/**
 * Creates weights, draws their filter and takes all the memory that they need. They must be prepared before they are
 * used. CPU: that is W of all layers and a filter that is a matrix, both packed for forward and for backward, 2 N^2
 * elements for each matrix, beside the parameters of the caller; with filter_per_layer the filters of all layers, drawn
 * once. A feedforward chain with weights of its own takes less: it packs two layers in turns, in every pass. CUDA: one
 * copy of the parameters, and the filters, N^2 elements for each matrix.
 * @param weights  written: the new weights; free them with ortho_weights_free
 * @param options  copied; those of every chain that is created on the weights
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY; CUDA: ORTHO_INVALID_STATE while the device's stream is
 *         captured
 */
ORTHO_API ortho_status ortho_weights_create(ortho_weights** weights, ortho_device* device,
                                            const ortho_chain_options* options);

/**
 * Prepares weights. The parameters are read during the call only.
 * @param version        names the content of the parameters: if it is not 0 and that of the last call, nothing is done
 *                       but what training adds; 0: they are always prepared
 * @param training       1: for forward and backward; 0: for forward without training and for streams
 * @param weights        W: [G N, N] recurrent, [L, N, N] feedforward
 * @param input_weights  V: [G N, D]; null where D is 0
 * @param bias           b: [G N] recurrent, [2, G N] with recurrent_bias, [L, N] feedforward
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_INVALID_STATE while another call uses the weights
 */
ORTHO_API ortho_status ortho_weights_prepare(ortho_weights* prepared, uint64_t version, int32_t training,
                                             const void* weights, const void* input_weights, const void* bias);

/**
 * Frees weights. Chains and streams on them keep what they need of them until they are freed themselves.
 * @param prepared  may be null
 */
ORTHO_API void ortho_weights_free(ortho_weights* prepared);

/**
 * Creates a chain on weights: states alone. Its forward and backward calls take null for weights, input_weights and
 * bias.
 * They return ORTHO_INVALID_STATE while the weights are being prepared or before they are; forward with training = 1
 * unless they are prepared for training; backward if they were prepared with another content after forward.
 * @param chain  written: the new chain; free it with ortho_chain_free
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY; ORTHO_NOT_SUPPORTED if an environment variable of the
 *         library has a value that is not known
 */
ORTHO_API ortho_status ortho_chain_create_on(ortho_chain** chain, ortho_weights* prepared);

/**
 * Creates streams: sequences that are fed step by step, all at the same time. All states are zeros.
 * @param streams   written: the new streams; free them with ortho_streams_free
 * @param prepared  weights of a recurrent chain
 * @param count     at least 1
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY; CUDA: ORTHO_INVALID_STATE while the device's stream is
 *         captured
 */
ORTHO_API ortho_status ortho_streams_create(ortho_streams** streams, ortho_weights* prepared, int64_t count);

/**
 * Runs one step of each stream, on the calling thread: it allocates nothing and waits for nobody. A stream has the
 * states of a chain of any batch that is given the same inputs, bit for bit, whatever the other streams are. Weights
 * that were prepared anew since the last step are used from this one on. CUDA: work for the device's stream, like a
 * call of a chain, whose bits depend on the count; where that stream is captured, the captured step can be replayed any
 * number of times, each a step further.
 * @param streams  used by one thread at a time
 * @param resets   [count] in the host's memory: not 0: that stream starts again from a state of zeros; null: none does
 * @param inputs   [count, D]; null where D is 0
 * @param outputs  [count, N], written: the states after the step, h of LSTM cells; null: not wanted
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_NOT_FINITE; ORTHO_INVALID_STATE if another thread is using the
 *         streams, or unless the weights are prepared; CUDA: also if resets is given while the device's stream is
 *         captured
 */
ORTHO_API ortho_status ortho_streams_step(ortho_streams* streams, const uint8_t* resets, const void* inputs,
                                          void* outputs);

/**
 * Copies the states.
 * @param states  [S, count, N], written
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_INVALID_STATE if another thread is using the streams
 */
ORTHO_API ortho_status ortho_streams_read(ortho_streams* streams, void* states);

/**
 * Replaces the states.
 * @param states  [S, count, N]
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_NOT_FINITE; ORTHO_INVALID_STATE if another thread is using the
 * streams
 */
ORTHO_API ortho_status ortho_streams_write(ortho_streams* streams, const void* states);

/** Frees streams. @param streams may be null */
ORTHO_API void ortho_streams_free(ortho_streams* streams);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Dense layer                                                                                                        */

/**
 * y = x A^T + c for every row.
 * @param rows     at least 1
 * @param weights  A: [outputs, inputs]
 * @param bias     c: [outputs]; null: none
 * @param x        [rows, inputs]
 * @param y        [rows, outputs], written
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_dense_forward(ortho_device* device, int32_t dtype, int64_t rows, int64_t inputs,
                                           int64_t outputs, const void* weights, const void* bias, const void* x,
                                           void* y);

/**
 * Gradients of ortho_dense_forward, whose rows are the steps and samples of a batch.
 * @param part              the samples of a larger batch that the rows belong to; null: the batch is whole. Given,
 *                          weight_gradients and bias_gradients are partial sums, part->stride elements apart
 * @param accumulate        1: add to weight_gradients and bias_gradients; 0: overwrite them
 * @param steps             T, at least 1; rows are T B
 * @param batch             B, at least 1
 * @param weights           A: [outputs, inputs]; may be null where x_gradients is
 * @param x                 [T, B, inputs]
 * @param y_gradients       [T, B, outputs]
 * @param weight_gradients  [outputs, inputs]
 * @param bias_gradients    [outputs]; null: no bias
 * @param x_gradients       [T, B, inputs], written; null: not wanted
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_dense_backward(ortho_device* device, int32_t dtype, const ortho_batch_part* part,
                                            int32_t accumulate, int64_t steps, int64_t batch, int64_t inputs,
                                            int64_t outputs, const void* weights, const void* x,
                                            const void* y_gradients, void* weight_gradients, void* bias_gradients,
                                            void* x_gradients);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Functions of elements and rows                                                                                     */

/**
 * y = f(x) for every element.
 * @param activation  ortho_activation
 * @param x           [count]
 * @param y           [count], written; may be x
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_activation_forward(ortho_device* device, int32_t dtype, int32_t activation, int64_t count,
                                                const void* x, void* y);

/**
 * Gradients of ortho_activation_forward: f'(x) times that at y.
 * @param x            [count], as given to forward
 * @param y_gradients  [count]
 * @param x_gradients  [count], written; may be y_gradients
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_activation_backward(ortho_device* device, int32_t dtype, int32_t activation, int64_t count,
                                                 const void* x, const void* y_gradients, void* x_gradients);

/**
 * The gate of a gated linear unit (Dauphin et al., arXiv 1612.08083): y = a s(b) for rows [a, b] of 2 N elements, s the
 * logistic function.
 * @param rows   at least 1
 * @param units  N, at least 1
 * @param x      [rows, 2, N]
 * @param y      [rows, N], written
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_gate_forward(ortho_device* device, int32_t dtype, int64_t rows, int64_t units,
                                          const void* x, void* y);

/**
 * Gradients of ortho_gate_forward.
 * @param x            [rows, 2, N], as given to forward
 * @param y_gradients  [rows, N]
 * @param x_gradients  [rows, 2, N], written
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_gate_backward(ortho_device* device, int32_t dtype, int64_t rows, int64_t units,
                                           const void* x, const void* y_gradients, void* x_gradients);

/**
 * Layer normalization (Ba et al., arXiv 1607.06450) of every row: y = scale (x - m) r + offset, with m the mean of the
 * row's elements and r = 1 / sqrt(v + epsilon), v the mean of (x - m)^2.
 * @param rows        at least 1
 * @param units       N, at least 1
 * @param epsilon     finite in dtype, above 0
 * @param scale       [N]
 * @param offset      [N]; null: none
 * @param x           [rows, N]
 * @param y           [rows, N], written
 * @param statistics  [rows, 2], written: m and r, for backward; null: not wanted
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_layer_norm_forward(ortho_device* device, int32_t dtype, int64_t rows, int64_t units,
                                                double epsilon, const void* scale, const void* offset, const void* x,
                                                void* y, void* statistics);

/**
 * Gradients of ortho_layer_norm_forward, whose rows are the steps and samples of a batch.
 * @param part              the samples of a larger batch that the rows belong to; null: the batch is whole. Given,
 *                          scale_gradients and offset_gradients are partial sums, part->stride elements apart
 * @param accumulate        1: add to scale_gradients and offset_gradients; 0: overwrite them
 * @param steps             T, at least 1; rows are T B
 * @param batch             B, at least 1
 * @param units             N, at least 1
 * @param scale             [N]
 * @param x                 [T, B, N], as given to forward
 * @param statistics        [T, B, 2], as forward wrote them
 * @param y_gradients       [T, B, N]
 * @param scale_gradients   [N]
 * @param offset_gradients  [N]; null: no offset
 * @param x_gradients       [T, B, N], written; null: not wanted
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_layer_norm_backward(ortho_device* device, int32_t dtype, const ortho_batch_part* part,
                                                 int32_t accumulate, int64_t steps, int64_t batch, int64_t units,
                                                 const void* scale, const void* x, const void* statistics,
                                                 const void* y_gradients, void* scale_gradients, void* offset_gradients,
                                                 void* x_gradients);

/**
 * z = x + y for every element.
 * @param x  [count]
 * @param y  [count]
 * @param z  [count], written; may be x or y
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_add(ortho_device* device, int32_t dtype, int64_t count, const void* x, const void* y,
                                 void* z);

/**
 * Copies some columns of every row: y[r, y_first + i] = x[r, x_first + i] for i below columns. Joins rows of several
 * buffers into longer ones, and splits them.
 * @param rows       at least 1
 * @param columns    at least 1
 * @param x          [rows, x_columns]
 * @param x_columns  elements of a row of x
 * @param x_first    first column to copy; x_first + columns is at most x_columns
 * @param y          [rows, y_columns]; its other columns stay as they are
 * @param y_columns  elements of a row of y
 * @param y_first    first column to write; y_first + columns is at most y_columns
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_copy_columns(ortho_device* device, int32_t dtype, int64_t rows, int64_t columns,
                                          const void* x, int64_t x_columns, int64_t x_first, void* y, int64_t y_columns,
                                          int64_t y_first);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Embedding                                                                                                          */

/**
 * Looks up a row of a table for each index: y = A[index], and 0 beyond a sample's length.
 * @param steps    T, at least 1
 * @param batch    B, at least 1
 * @param lengths  [B] in the host's memory, each 0 to T; null: T
 * @param entries  M, rows of the table, 1 to 2^31 - 1
 * @param units    N, at least 1
 * @param table    A: [M, N]
 * @param indices  [T, B] in the host's memory, each 0 to M - 1 up to the sample's length
 * @param y        [T, B, N], written
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT (an index outside the table is named); ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_embedding_forward(ortho_device* device, int32_t dtype, int64_t steps, int64_t batch,
                                               const int32_t* lengths, int64_t entries, int64_t units,
                                               const void* table, const int32_t* indices, void* y);

/**
 * Gradients of ortho_embedding_forward. Its time and memory follow the number of indices and, where accumulate is 0,
 * the size of the table.
 * @param part             the samples of a larger batch that the call holds; null: the batch is whole. Given,
 *                         table_gradients are partial sums, part->stride elements apart
 * @param accumulate       1: add to table_gradients; 0: overwrite them
 * @param indices          [T, B] in the host's memory, as given to forward
 * @param y_gradients      [T, B, N]; not read beyond lengths
 * @param table_gradients  [M, N]
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_embedding_backward(ortho_device* device, int32_t dtype, const ortho_batch_part* part,
                                                int32_t accumulate, int64_t steps, int64_t batch,
                                                const int32_t* lengths, int64_t entries, int64_t units,
                                                const int32_t* indices, const void* y_gradients, void* table_gradients);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Sequences                                                                                                          */

/**
 * Pools the steps of each sample, up to its length; a sample of length 0 gives zeros.
 * @param pooling  ortho_pooling
 * @param steps    T, at least 1
 * @param batch    B, at least 1
 * @param units    N, at least 1
 * @param lengths  [B] in the host's memory, each 0 to T; null: T
 * @param x        [T, B, N]; ORTHO_POOL_MAX: NaN is larger than all numbers
 * @param y        [B, N], written
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_pool_forward(ortho_device* device, int32_t dtype, int32_t pooling, int64_t steps,
                                          int64_t batch, int64_t units, const int32_t* lengths, const void* x, void* y);

/**
 * Gradients of ortho_pool_forward. That of a maximum goes to the first step that has it.
 * @param x            as given to forward; may be null unless pooling is ORTHO_POOL_MAX
 * @param y_gradients  [B, N]
 * @param x_gradients  [T, B, N], written, 0 beyond lengths
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_pool_backward(ortho_device* device, int32_t dtype, int32_t pooling, int64_t steps,
                                           int64_t batch, int64_t units, const int32_t* lengths, const void* x,
                                           const void* y_gradients, void* x_gradients);

/**
 * Reverses the steps of each sample within its length: y_t = x_{length - 1 - t}, and 0 beyond the length. The same call
 * on the gradient at y gives that at x.
 * @param steps    T, at least 1
 * @param batch    B, at least 1
 * @param units    N, at least 1
 * @param lengths  [B] in the host's memory, each 0 to T; null: T
 * @param x        [T, B, N]
 * @param y        [T, B, N], written; may not be x
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_reverse(ortho_device* device, int32_t dtype, int64_t steps, int64_t batch, int64_t units,
                                     const int32_t* lengths, const void* x, void* y);

/**
 * Copies the steps of each sample up to its length: y = x there, and 0 beyond.
 * @param steps    T, at least 1
 * @param batch    B, at least 1
 * @param units    N, at least 1
 * @param lengths  [B] in the host's memory, each 0 to T; null: T
 * @param x        [T, B, N]; not read beyond lengths
 * @param y        [T, B, N], written; may be x
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_mask(ortho_device* device, int32_t dtype, int64_t steps, int64_t batch, int64_t units,
                                  const int32_t* lengths, const void* x, void* y);

/**
 * Lays out what a convolution over time multiplies: each window of steps as one row,
 * y[t, b, n * window + k] = x[t * stride + k - padding, b, n], and 0 where that step lies outside the sample. The
 * product of the rows with weights [outputs, N, window], by ortho_dense_forward, is the convolution. A sample of length
 * l has (l + 2 padding - window) / stride + 1 windows, rounded down; none where l is 0 or l + 2 padding is below
 * window. Rows beyond them are 0.
 * @param steps    T, at least 1; T + 2 padding is at least window
 * @param batch    B, at least 1
 * @param units    N, at least 1
 * @param lengths  [B] in the host's memory, each 0 to T; null: T
 * @param window   steps of a window, at least 1
 * @param stride   steps from a window to the next, at least 1
 * @param padding  steps of zeros before and after a sample, 0 to window - 1
 * @param x        [T, B, N]; not read beyond lengths
 * @param y        [(T + 2 padding - window) / stride + 1, B, N window], written
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_windows_forward(ortho_device* device, int32_t dtype, int64_t steps, int64_t batch,
                                             int64_t units, const int32_t* lengths, int64_t window, int64_t stride,
                                             int64_t padding, const void* x, void* y);

/**
 * Gradients of ortho_windows_forward: those of all windows that a step is in are added, in the order of the windows.
 * @param y_gradients  shaped as y; not read beyond a sample's windows
 * @param x_gradients  [T, B, N], written, 0 beyond lengths
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_windows_backward(ortho_device* device, int32_t dtype, int64_t steps, int64_t batch,
                                              int64_t units, const int32_t* lengths, int64_t window, int64_t stride,
                                              int64_t padding, const void* y_gradients, void* x_gradients);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Losses                                                                                                             */

/*
 * Weights. The rows of a loss may have weights: row_weights [T, B] in the host's memory, each finite and not negative,
 * not all 0 unless part is given; null: all are 1. The loss is then the weighted mean, sum w l / sum w. A row of weight
 * 0 does not count: as in padding, nothing of it is read or checked, and its gradient is 0. Subnormal weights are 0.
 */

/**
 * Mean of the cross-entropy of softmax(logits) with the target class over the rows that count: the steps of each sample
 * up to its length, of weights above 0.
 * @param steps             T, at least 1; rows are T B
 * @param batch             B, at least 1
 * @param lengths           [B] in the host's memory, each 0 to T, not all 0 unless part is given; null: T
 * @param row_weights       [T, B] in the host's memory; null: 1. Read within lengths only
 * @param part              the samples of a larger batch that the rows belong to; null: the batch is whole
 * @param class_weights     [classes] in the host's memory, each finite and not negative; null: 1. The loss of a row is
 *                          the sum over the classes c of w_c q_c (-log p_c), where q is the target distribution. The
 *                          mean is taken over the products of a row's weight and that of its target; all 0 are refused
 *                          unless part is given
 * @param label_smoothing   s in [0, 1): the target distribution is (1-s) at the class plus s/classes everywhere
 * @param logits            [T, B, classes], finite in rows that count
 * @param targets           [T, B] in the host's memory, each 0 to classes-1 in rows that count
 * @param loss              written, infinite if double is too small for the sum over the rows; may be null (CUDA:
 *                          without it and correct, nothing is waited for). With part: all partial sums of the losses of
 *                          the rows, one after another; the mean is the sum divided by part->weight
 * @param correct           written: rows that count, of this call, whose largest logit (the first one of equals) is the
 *                          target; may be null
 * @param logit_gradients   [T, B, classes], written: gradient of the mean loss, 0 in rows that do not count; null: not
 *                          wanted
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT (a target outside the classes is named); ORTHO_NOT_FINITE;
 *         ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_softmax_cross_entropy(ortho_device* device, int32_t dtype, int64_t steps, int64_t batch,
                                                   const int32_t* lengths, const float* row_weights,
                                                   const ortho_batch_part* part, int64_t classes,
                                                   const float* class_weights, double label_smoothing,
                                                   const void* logits, const int32_t* targets, double* loss,
                                                   int64_t* correct, void* logit_gradients);

/**
 * Mean of a loss of single elements over the elements of the rows that count: the steps of each sample up to its
 * length, of weights above 0.
 * @param kind                  ortho_loss_kind
 * @param steps                 T, at least 1; rows are T B
 * @param batch                 B, at least 1
 * @param lengths               [B] in the host's memory, each 0 to T, not all 0 unless part is given; null: T
 * @param row_weights           [T, B] in the host's memory; null: 1. Read within lengths only
 * @param part                  the samples of a larger batch that the rows belong to; null: the batch is whole
 * @param units                 predictions of a row, at least 1; a multiple of Q with ORTHO_LOSS_QUANTILE
 * @param parameters            [parameter_count] in the host's memory, finite, as the kind says; null where there are
 *                              none
 * @param parameter_count       the kind's number of parameters
 * @param predictions           [T, B, units], finite in rows that count
 * @param targets               [T, B, units], or [T, B, units / Q]; finite in rows that count
 * @param loss                  written, infinite if double is too small for the sum; may be null (CUDA: then nothing is
 *                              waited for). With part: all partial sums of the losses of the elements, one after
 *                              another; the mean is the sum divided by part->weight and units
 * @param prediction_gradients  [T, B, units], written: gradient of the mean loss, infinite where dtype cannot hold it,
 *                              0 in rows that do not count; may be null
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT (on a CPU also for a target of ORTHO_LOSS_BINARY_CROSS_ENTROPY outside 0 to
 *         1); ORTHO_NOT_FINITE; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_elementwise_loss(ortho_device* device, int32_t dtype, int32_t kind, int64_t steps,
                                              int64_t batch, const int32_t* lengths, const float* row_weights,
                                              const ortho_batch_part* part, int64_t units, const double* parameters,
                                              int64_t parameter_count, const void* predictions, const void* targets,
                                              double* loss, void* prediction_gradients);

/* ---------------------------------------------------------------------------------------------------------------- */
/* Optimizers, over a flat buffer of all parameters                                                                   */

/*
 * A step is made as a whole or not at all. It is refused with ORTHO_NOT_FINITE if a gradient of a group is NaN or
 * infinite, or if a parameter or a number of the optimizer's state would be: if a square, a weight decay or an
 * update overflows. Then nothing is changed. The message names the first such element by its index in the whole
 * buffers:
 *     gradients[17] is NaN; it must be finite
 *     gradients[17] is 1e+21; with it the second moment would not stay finite
 * Before the step, parameters and state must be finite, and second moments not negative. The CPU reads gradients and
 * first moments before it changes anything, but the others only if these are extreme; CUDA devices check all of them.
 * CUDA: the step returns ORTHO_OK and the next call that waits reports it; until then no step changes anything.
 */

/** A range of the parameter buffer with a learning rate of its own. */
typedef struct ortho_parameter_group {
    /** First element. */
    int64_t offset;
    /** Number of elements; 0 is allowed. */
    int64_t count;
    /** Learning rate, finite in dtype, not negative. */
    double learning_rate;
    /** Weight decay, finite in dtype, not negative. */
    double weight_decay;
} ortho_parameter_group;

/**
 * Multiplies all gradients by max_norm / norm where their Euclidean norm is larger than max_norm.
 * @param gradients  [count], changed in place
 * @param max_norm   above 0; infinity: measure only
 * @param norm       written: the norm before clipping; may be null (CUDA: then nothing is waited for)
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_NOT_FINITE if the norm is NaN or beyond double (gradients are then
 *         unchanged); ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_clip_gradient_norm(ortho_device* device, int32_t dtype, int64_t count, void* gradients,
                                                double max_norm, double* norm);

/**
 * Multiplies by a factor: gradients that were added up over several batches become their mean.
 * @param count   elements, at least 1
 * @param factor  finite in dtype
 * @param values  [count], changed in place
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_scale(ortho_device* device, int32_t dtype, int64_t count, double factor, void* values);

/**
 * Exponential moving average: averages = decay averages + (1 - decay) values.
 * @param count     elements, at least 1
 * @param decay     0 to 1
 * @param values    [count], read only
 * @param averages  [count], changed in place; must not overlap values
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT
 */
ORTHO_API ortho_status ortho_average(ortho_device* device, int32_t dtype, int64_t count, double decay,
                                     const void* values, void* averages);

/**
 * Stochastic gradient descent: g += weight_decay * p; v = momentum * v + g; p -= learning_rate * v, or with nesterov
 * p -= learning_rate * (g + momentum * v).
 * @param count        elements of the whole buffers, at least 1
 * @param parameters   [count], changed in place
 * @param gradients    [count], read only
 * @param velocity     [count], changed in place; null where momentum is 0
 * @param momentum     0 to 1, 1 excluded
 * @param nesterov     0 or 1
 * @param groups       [group_count] in the host's memory; they lie inside the buffers and do not overlap
 * @param group_count  at least 1
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_NOT_FINITE; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_sgd_step(ortho_device* device, int32_t dtype, int64_t count, void* parameters,
                                      const void* gradients, void* velocity, double momentum, int32_t nesterov,
                                      const ortho_parameter_group* groups, int64_t group_count);

/**
 * Adam (Kingma and Ba, arXiv 1412.6980) with bias correction; AdamW (Loshchilov and Hutter, arXiv 1711.05101) with
 * decoupled = 1: p -= learning_rate * weight_decay * p before the update instead of g += weight_decay * p; AMSGrad
 * (Reddi, Kale and Kumar, arXiv 1904.09237) with largest_second_moment, which the update divides by the root of.
 * @param count          elements of the whole buffers, at least 1
 * @param parameters     [count], changed in place
 * @param gradients      [count], read only
 * @param first_moment   [count], changed in place
 * @param second_moment  [count], changed in place
 * @param largest_second_moment  [count], changed in place: the largest second moment of each element so far, not
 * negative before the step; null: not AMSGrad
 * @param step           number of this step, from 1
 * @param beta1          0 to 1, 1 excluded
 * @param beta2          0 to 1, 1 excluded
 * @param epsilon        finite in dtype, at least 2 sqrt(m / (1 - beta2)), m the smallest normal number of dtype
 * (6.9e-18 for ORTHO_FLOAT32 and a beta2 of 0.999): squares below m are lost, and with this epsilon no update is more
 * than 1.71 times too long for it
 * @param decoupled      0: Adam; 1: AdamW
 * @param groups         [group_count] in the host's memory; they lie inside the buffers and do not overlap
 * @param group_count    at least 1
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_NOT_FINITE; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_adam_step(ortho_device* device, int32_t dtype, int64_t count, void* parameters,
                                       const void* gradients, void* first_moment, void* second_moment,
                                       void* largest_second_moment, int64_t step, double beta1, double beta2,
                                       double epsilon, int32_t decoupled, const ortho_parameter_group* groups,
                                       int64_t group_count);

/**
 * RMSprop (Tieleman and Hinton, 2012), as PyTorch has it: g += weight_decay * p; s = decay * s + (1 - decay) * g^2;
 * with gradient_mean m = decay * m + (1 - decay) * g and d = sqrt(max(s - m^2, 0)) + epsilon, otherwise d = sqrt(s) +
 * epsilon; with velocity v = momentum * v + g / d and p -= learning_rate * v, otherwise p -= learning_rate * g / d.
 * @param count          elements of the whole buffers, at least 1
 * @param parameters     [count], changed in place
 * @param gradients      [count], read only
 * @param square_mean    [count], changed in place: s, not negative before the step
 * @param gradient_mean  [count], changed in place: m; null: not centered
 * @param velocity       [count], changed in place: v; null where momentum is 0
 * @param decay          0 to 1, 1 excluded
 * @param momentum       0 to 1, 1 excluded
 * @param epsilon        finite in dtype, at least 2 sqrt(m / (1 - decay)), m the smallest normal number of dtype, as in
 *                       ortho_adam_step
 * @param groups         [group_count] in the host's memory; they lie inside the buffers and do not overlap
 * @param group_count    at least 1
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_NOT_FINITE; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_rmsprop_step(ortho_device* device, int32_t dtype, int64_t count, void* parameters,
                                          const void* gradients, void* square_mean, void* gradient_mean, void* velocity,
                                          double decay, double momentum, double epsilon,
                                          const ortho_parameter_group* groups, int64_t group_count);

/**
 * Lion (Chen et al., arXiv 2302.06675): p -= learning_rate * weight_decay * p;
 * p -= learning_rate * sign(beta1 * m + (1 - beta1) * g); m = beta2 * m + (1 - beta2) * g.
 * @param count         elements of the whole buffers, at least 1
 * @param parameters    [count], changed in place
 * @param gradients     [count], read only
 * @param first_moment  [count], changed in place: m
 * @param beta1         0 to 1, 1 excluded
 * @param beta2         0 to 1, 1 excluded
 * @param groups        [group_count] in the host's memory; they lie inside the buffers and do not overlap
 * @param group_count   at least 1
 * @return ORTHO_OK; ORTHO_INVALID_ARGUMENT; ORTHO_NOT_FINITE; ORTHO_OUT_OF_MEMORY
 */
ORTHO_API ortho_status ortho_lion_step(ortho_device* device, int32_t dtype, int64_t count, void* parameters,
                                       const void* gradients, void* first_moment, double beta1, double beta2,
                                       const ortho_parameter_group* groups, int64_t group_count);

#ifdef __cplusplus
}
#endif

#endif
