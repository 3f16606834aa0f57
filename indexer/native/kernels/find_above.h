// Finds the entries of acc that are at least `threshold` (>= 1) among n_groups * 64, in order.
//
// Writes their values to `values` and their positions, which must fit 16 bits, to `positions` (each with room
// for n_groups * 64 + 64) and returns how many. allowed: one bit an entry, 0 hides it; null: all may be found.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lsr {

using FindAbove = size_t (*)(const uint16_t* acc, size_t n_groups, const uint64_t* allowed, uint16_t threshold,
                             uint16_t* values, uint16_t* positions);

size_t find_above_scalar(const uint16_t* acc, size_t n_groups, const uint64_t* allowed, uint16_t threshold,
                         uint16_t* values, uint16_t* positions);
size_t find_above_avx2(const uint16_t* acc, size_t n_groups, const uint64_t* allowed, uint16_t threshold,
                       uint16_t* values, uint16_t* positions);
size_t find_above_avx512(const uint16_t* acc, size_t n_groups, const uint64_t* allowed, uint16_t threshold,
                         uint16_t* values, uint16_t* positions);

}  // namespace lsr
