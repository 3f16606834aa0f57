#include "lanes.h"

namespace lsr {

void lane_maxima_scalar(const uint16_t* values, size_t n, size_t n_lanes, const uint64_t* allowed,
                        uint16_t* maxima) {
    for (size_t lane = 0; lane < n_lanes; ++lane) maxima[lane] = 0;
    for (size_t begin = 0; begin < n; begin += n_lanes) {
        const size_t lanes = n - begin < n_lanes ? n - begin : n_lanes;
        for (size_t lane = 0; lane < lanes; ++lane) {
            const size_t at = begin + lane;
            const bool counts = allowed == nullptr || ((allowed[at / 64] >> (at % 64)) & 1) != 0;
            const uint16_t value = counts ? values[at] : uint16_t{0};
            maxima[lane] = value > maxima[lane] ? value : maxima[lane];
        }
    }
}

size_t count_at_least_scalar(const uint16_t* values, size_t n, uint16_t mark) {
    size_t count = 0;
    for (size_t i = 0; i < n; ++i) count += values[i] >= mark;
    return count;
}

}  // namespace lsr
