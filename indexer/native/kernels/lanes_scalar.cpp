#include "lanes.h"

namespace lsr {

void lane_maxima_scalar(const uint16_t* values, size_t n, size_t n_lanes, uint16_t* maxima) {
    for (size_t lane = 0; lane < n_lanes; ++lane) maxima[lane] = 0;
    for (size_t begin = 0; begin < n; begin += n_lanes) {
        const size_t lanes = n - begin < n_lanes ? n - begin : n_lanes;
        for (size_t lane = 0; lane < lanes; ++lane) {
            const uint16_t value = values[begin + lane];
            maxima[lane] = value > maxima[lane] ? value : maxima[lane];
        }
    }
}

size_t count_at_least_scalar(const uint16_t* values, size_t n, uint16_t mark) {
    size_t count = 0;
    for (size_t i = 0; i < n; ++i) count += values[i] >= mark;
    return count;
}

void hide_scalar(uint16_t* values, size_t n_groups, const uint64_t* allowed) {
    for (size_t i = 0; i < n_groups * 64; ++i) {
        if (((allowed[i / 64] >> (i % 64)) & 1) == 0) values[i] = 0;
    }
}

}  // namespace lsr
