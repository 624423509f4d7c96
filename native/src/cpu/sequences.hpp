#pragma once

#include "model/operations.hpp"

namespace ortho::cpu {

inline int64_t length_of(const SequenceShape& shape, int64_t sample) {
    return shape.lengths == nullptr ? shape.steps : shape.lengths[sample];
}

} // namespace ortho::cpu
