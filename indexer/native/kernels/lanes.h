// What a first threshold needs: the largest values of strided lanes, and how many values reach a mark.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lsr {

// maxima[lane] = largest of values[lane + j * n_lanes] over n values; n_lanes a multiple of 64, n a multiple
// of 64.
using LaneMaxima = void (*)(const uint16_t* values, size_t n, size_t n_lanes, uint16_t* maxima);

// How many of n values (a multiple of 64) are >= mark.
using CountAtLeast = size_t (*)(const uint16_t* values, size_t n, uint16_t mark);

// Sets values[i] to 0 where bit i of `allowed` is 0, for n_groups * 64 values.
using Hide = void (*)(uint16_t* values, size_t n_groups, const uint64_t* allowed);

void hide_scalar(uint16_t* values, size_t n_groups, const uint64_t* allowed);
void hide_avx2(uint16_t* values, size_t n_groups, const uint64_t* allowed);
void hide_avx512(uint16_t* values, size_t n_groups, const uint64_t* allowed);
void lane_maxima_scalar(const uint16_t* values, size_t n, size_t n_lanes, uint16_t* maxima);
void lane_maxima_avx2(const uint16_t* values, size_t n, size_t n_lanes, uint16_t* maxima);
void lane_maxima_avx512(const uint16_t* values, size_t n, size_t n_lanes, uint16_t* maxima);
size_t count_at_least_scalar(const uint16_t* values, size_t n, uint16_t mark);
size_t count_at_least_avx2(const uint16_t* values, size_t n, uint16_t mark);
size_t count_at_least_avx512(const uint16_t* values, size_t n, uint16_t mark);

}  // namespace lsr
