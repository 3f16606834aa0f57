// What a first threshold needs: the largest values of strided lanes, and how many values reach a mark.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lsr {

// maxima[lane] = largest of values[lane + j * n_lanes] over n values; n_lanes a multiple of 64, n a multiple
// of 64. allowed: one bit a value, 0 counts it as 0; null: all count.
using LaneMaxima = void (*)(const uint16_t* values, size_t n, size_t n_lanes, const uint64_t* allowed,
                            uint16_t* maxima);

// How many of n values (a multiple of 64) are >= mark.
using CountAtLeast = size_t (*)(const uint16_t* values, size_t n, uint16_t mark);

void lane_maxima_scalar(const uint16_t* values, size_t n, size_t n_lanes, const uint64_t* allowed,
                        uint16_t* maxima);
void lane_maxima_avx2(const uint16_t* values, size_t n, size_t n_lanes, const uint64_t* allowed,
                      uint16_t* maxima);
void lane_maxima_avx512(const uint16_t* values, size_t n, size_t n_lanes, const uint64_t* allowed,
                        uint16_t* maxima);
size_t count_at_least_scalar(const uint16_t* values, size_t n, uint16_t mark);
size_t count_at_least_avx2(const uint16_t* values, size_t n, uint16_t mark);
size_t count_at_least_avx512(const uint16_t* values, size_t n, uint16_t mark);

}  // namespace lsr
