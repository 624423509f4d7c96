#include <limits>

#include "abi/arrays.hpp"
#include "abi/batch.hpp"
#include "abi/guard.hpp"

using namespace ortho;

namespace {

/** @return steps of all samples, up to their lengths */
int64_t check_rows(const ortho_device* device, int32_t dtype, const SequenceShape& shape, int64_t entries) {
    check::device(device);
    check::dtype(dtype);
    check::range("entries", entries, 1, std::numeric_limits<int32_t>::max());
    check::at_least("units", shape.units, 1);
    check::addressable("entries", entries, shape.units, "units");
    check::rows(shape.steps, shape.batch, shape.units, "units");
    return check::lengths(shape.lengths, shape.steps, shape.batch);
}

void check_indices(const int32_t* indices, const SequenceShape& shape, int64_t entries) {
    check::memory("indices", indices, shape.steps * shape.batch * static_cast<int64_t>(sizeof *indices));
    check::numbers("indices", indices, entries, shape.steps, shape.batch, shape.lengths);
}

} // namespace

ortho_status ortho_embedding_forward(ortho_device* device, int32_t dtype, int64_t steps, int64_t batch,
                                     const int32_t* lengths, int64_t entries, int64_t units, const void* table,
                                     const int32_t* indices, void* y) {
    return guard([&] {
        const SequenceShape shape{steps, batch, units, lengths};
        check_rows(device, dtype, shape, entries);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("table", table, entries * units);
        arrays.needed("y", y, steps * batch * units);
        check_indices(indices, shape, entries);
        device->run(EmbeddingForward{static_cast<ortho_dtype>(dtype), shape, table, indices, y});
    });
}

ortho_status ortho_embedding_backward(ortho_device* device, int32_t dtype, const ortho_batch_part* part,
                                      int32_t accumulate, int64_t steps, int64_t batch, const int32_t* lengths,
                                      int64_t entries, int64_t units, const int32_t* indices, const void* y_gradients,
                                      void* table_gradients) {
    return guard([&] {
        const SequenceShape shape{steps, batch, units, lengths};
        const int64_t rows = check_rows(device, dtype, shape, entries);
        const BatchPart samples = check::gradient_part(part, batch, "batch", entries * units);
        check::flag("accumulate", accumulate);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("y_gradients", y_gradients, steps * batch * units);
        arrays.needed("table_gradients", table_gradients,
                      (samples.sums().count() - 1) * samples.stride + entries * units);
        check_indices(indices, shape, entries);
        device->run(EmbeddingBackward{static_cast<ortho_dtype>(dtype), shape, rows, samples, accumulate == 1, entries,
                                      indices, y_gradients, table_gradients});
    });
}
