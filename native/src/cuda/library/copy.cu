#include "cuda/library/operations.hpp"

namespace ortho::cuda {

void run(Device& device, const CopyFromHost& call) {
    copy_to_device(device, call.destination, call.source, call.bytes);
}

void run(Device& device, const CopyToHost& call) {
    check(cudaMemcpyAsync(call.destination, call.source, static_cast<size_t>(call.bytes), cudaMemcpyDeviceToHost,
                          device.stream),
          "cudaMemcpyAsync");
    device.wait();
}

void run(Device& device, const CopyOnDevice& call) {
    copy_on_device(device, call.destination, call.source, call.bytes);
}

} // namespace ortho::cuda
