#include <algorithm>

#include "bound_groups.h"

namespace lsr {

void bound_groups_scalar(const uint16_t* acc, const uint16_t* blocks, size_t n_groups, const uint64_t* allowed,
                         uint16_t* bounds) {
    for (size_t group = 0; group < n_groups; ++group) {
        uint16_t largest = 0;
        for (size_t i = 0; i < 64; ++i) {
            if (allowed != nullptr && ((allowed[group] >> i) & 1) == 0) continue;
            largest = std::max(largest, uint16_t(acc[group * 64 + i] + blocks[group * 8 + i / 8]));
        }
        bounds[group] = largest;
    }
}

}  // namespace lsr
