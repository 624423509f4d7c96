#include "abi/batch.hpp"

#include <algorithm>

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
        if (first + samples == batch)
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("samples"),
                 "is %" PRId64 "; it must be below %" PRId64 ", so that there are samples behind", samples, samples);
        const Span next = check::leaves_of(batch, "first", first + samples, "next_samples", next_samples);
        const int64_t most = check::largest_address_space / 8 / Cover::most;
        check::range("stride", stride, count, most);
        check::range("next_stride", next_stride, count, most);
        const int64_t slots = std::max(Cover(leaves).count(), Cover({leaves.begin, next.end}).count());
        const check::Arrays arrays(*device, dtype);
        arrays.needed("sums", sums, (slots - 1) * stride + count);
        arrays.needed("next_sums", next_sums, (Cover(next).count() - 1) * next_stride + count);
        device->run(AddPartialSums{static_cast<ortho_dtype>(dtype), count, leaves.begin, next.begin, next.end, sums,
                                   stride, next_sums, next_stride});
    });
}
