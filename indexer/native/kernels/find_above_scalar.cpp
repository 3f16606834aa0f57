#include "find_above.h"

namespace lsr {

size_t find_above_scalar(const uint16_t* acc, size_t n_groups, const uint64_t* allowed, uint16_t threshold,
                         uint16_t* values, uint16_t* positions) {
    size_t found = 0;
    for (size_t i = 0; i < n_groups * 64; ++i) {
        if (acc[i] < threshold) continue;
        if (allowed != nullptr && ((allowed[i / 64] >> (i % 64)) & 1) == 0) continue;
        values[found] = acc[i];
        positions[found++] = uint16_t(i);
    }
    return found;
}

}  // namespace lsr
