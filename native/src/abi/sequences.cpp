#include "abi/arrays.hpp"
#include "abi/batch.hpp"
#include "abi/guard.hpp"

using namespace ortho;

ortho_status ortho_pool_forward(ortho_device* device, int32_t, int32_t, int64_t, int64_t, int64_t, const int32_t*,
                                const void*, void*) {
    return guard([&] {
        check::device(device);
        fail(ORTHO_NOT_SUPPORTED, "sequences cannot be pooled yet");
    });
}

ortho_status ortho_pool_backward(ortho_device* device, int32_t, int32_t, int64_t, int64_t, int64_t, const int32_t*,
                                 const void*, const void*, void*) {
    return guard([&] {
        check::device(device);
        fail(ORTHO_NOT_SUPPORTED, "sequences cannot be pooled yet");
    });
}

ortho_status ortho_reverse(ortho_device* device, int32_t, int64_t, int64_t, int64_t, const int32_t*, const void*,
                           void*) {
    return guard([&] {
        check::device(device);
        fail(ORTHO_NOT_SUPPORTED, "sequences cannot be reversed yet");
    });
}
