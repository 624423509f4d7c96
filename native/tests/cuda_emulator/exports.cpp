// What a test program can reach of the emulator inside the library, by dlsym.
#include <cublas_v2.h>
#include <cuda_runtime.h>

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT void ortho_cuda_emulator_counters(ortho_cuda_emulator::Counters* counters);
EXPORT void ortho_cuda_emulator_set_device_count(int count);
EXPORT void ortho_cuda_emulator_set_multiprocessors(int count);
EXPORT void ortho_cuda_emulator_set_memory_left(int64_t bytes);
EXPORT void ortho_cuda_emulator_set_memory_pools(int supported);
EXPORT void ortho_cuda_emulator_set_room_for_blocks(int room);
EXPORT void ortho_cuda_emulator_set_cooperative_capture(int possible);
EXPORT void ortho_cuda_emulator_set_host_page_tables(int used);
EXPORT void ortho_cuda_emulator_fail_next(const char* function, int status, int skip);
EXPORT int ortho_cuda_emulator_forget_failures(void);
EXPORT void* ortho_cuda_emulator_blas_stream(void* handle);
EXPORT void ortho_cuda_emulator_begin_capture(void* stream);
/** @return what was captured, to be replayed and discarded */
EXPORT void* ortho_cuda_emulator_end_capture(void* stream);
EXPORT void ortho_cuda_emulator_replay(void* captured, void* stream);
EXPORT void ortho_cuda_emulator_discard(void* captured);

void ortho_cuda_emulator_counters(ortho_cuda_emulator::Counters* counters) {
    *counters = ortho_cuda_emulator::counters();
}
void ortho_cuda_emulator_set_device_count(int count) {
    ortho_cuda_emulator::set_device_count(count);
}
void ortho_cuda_emulator_set_multiprocessors(int count) {
    ortho_cuda_emulator::set_multiprocessors(count);
}
void ortho_cuda_emulator_set_memory_left(int64_t bytes) {
    ortho_cuda_emulator::set_memory_left(bytes);
}
void ortho_cuda_emulator_set_memory_pools(int supported) {
    ortho_cuda_emulator::set_memory_pools(supported != 0);
}
void ortho_cuda_emulator_set_room_for_blocks(int room) {
    ortho_cuda_emulator::set_room_for_blocks(room != 0);
}
void ortho_cuda_emulator_set_cooperative_capture(int possible) {
    ortho_cuda_emulator::set_cooperative_capture(possible != 0);
}
void ortho_cuda_emulator_set_host_page_tables(int used) {
    ortho_cuda_emulator::set_host_page_tables(used != 0);
}
void ortho_cuda_emulator_fail_next(const char* function, int status, int skip) {
    ortho_cuda_emulator::fail_next(function, status, skip);
}
int ortho_cuda_emulator_forget_failures(void) {
    return ortho_cuda_emulator::forget_failures();
}
void* ortho_cuda_emulator_blas_stream(void* handle) {
    cudaStream_t stream = nullptr;
    static_cast<void>(cublasGetStream(static_cast<cublasHandle_t>(handle), &stream));
    return stream;
}
void ortho_cuda_emulator_begin_capture(void* stream) {
    static_cast<void>(cudaStreamBeginCapture(static_cast<cudaStream_t>(stream), cudaStreamCaptureModeGlobal));
}
void* ortho_cuda_emulator_end_capture(void* stream) {
    cudaGraph_t graph = nullptr;
    static_cast<void>(cudaStreamEndCapture(static_cast<cudaStream_t>(stream), &graph));
    return graph;
}
void ortho_cuda_emulator_replay(void* captured, void* stream) {
    static_cast<void>(cudaGraphLaunch(static_cast<cudaGraphExec_t>(captured), static_cast<cudaStream_t>(stream)));
}
void ortho_cuda_emulator_discard(void* captured) {
    static_cast<void>(cudaGraphDestroy(static_cast<cudaGraph_t>(captured)));
}
