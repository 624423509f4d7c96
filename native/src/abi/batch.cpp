#include "abi/batch.hpp"

#include "abi/arrays.hpp"
#include "abi/guard.hpp"

using namespace ortho;

int64_t ortho_leaf_count(int64_t batch) {
    return batch < 1 ? 0 : Leaves(batch).count();
}

int64_t ortho_leaf_begin(int64_t batch, int64_t leaf) {
    if (batch < 1 || leaf < 0 || leaf >= Leaves(batch).count())
        return -1;
    return Leaves(batch).begin(leaf);
}

ortho_status ortho_partial_sum_count(int64_t batch, int64_t first, int64_t samples, int64_t* count) {
    return guard([&] {
        check::not_null("count", count);
        check::at_least("batch", batch, 1);
        *count = Cover(check::leaves_of(batch, "first", first, "samples", samples)).count();
    });
}

ortho_status ortho_add_partial_sums(ortho_device* device, int32_t dtype, int64_t count, int64_t batch, int64_t first,
                                    int64_t samples, int64_t next_samples, void* sums, int64_t stride,
                                    const void* next_sums, int64_t next_stride) {
    return guard([&] {
        check::device(device);
        check::dtype(dtype);
        check::count("count", count);
        check::at_least("batch", batch, 1);
        const Span leaves = check::leaves_of(batch, "first", first, "samples", samples);
        const Span next = check::leaves_of(batch, "samples", first + samples, "next_samples", next_samples);
        (void)leaves, (void)next, (void)sums, (void)stride, (void)next_sums, (void)next_stride;
        fail(ORTHO_NOT_SUPPORTED, "partial sums cannot be added yet");
    });
}
