#include "find_blocks.h"

namespace lsr {

size_t find_blocks_scalar(const uint16_t* acc, const uint16_t* blocks, const uint16_t* groups, size_t n_groups,
                          const uint64_t* allowed, uint16_t threshold, size_t limit, uint16_t* values,
                          uint16_t* positions) {
    size_t found = 0;
    for (size_t which = 0; which < n_groups && found <= limit; ++which) {
        const size_t group = groups[which];
        for (size_t i = group * 64; i < group * 64 + 64; ++i) {
            const uint16_t sum = uint16_t(acc[i] + blocks[i / 8]);
            if (sum < threshold) continue;
            if (allowed != nullptr && ((allowed[group] >> (i % 64)) & 1) == 0) continue;
            values[found] = sum;
            positions[found++] = uint16_t(i);
        }
    }
    return found;
}

}  // namespace lsr
