// Finds the documents whose accumulator plus their block's bound is at least `threshold` (>= 1), in the groups
// of 64 that are named, in that order.
//
// blocks has an entry for each 8 of acc. Writes the sums and the positions (each with room for limit + 128) and
// returns how many there are, or anything above `limit` as soon as there are more than that. allowed: one bit
// an entry, 0 hides it; null: all may be found. Sums are the caller's to keep below 65,536.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lsr {

using FindBlocks = size_t (*)(const uint16_t* acc, const uint16_t* blocks, const uint16_t* groups,
                              size_t n_groups, const uint64_t* allowed, uint16_t threshold, size_t limit,
                              uint16_t* values, uint16_t* positions);

size_t find_blocks_scalar(const uint16_t* acc, const uint16_t* blocks, const uint16_t* groups, size_t n_groups,
                          const uint64_t* allowed, uint16_t threshold, size_t limit, uint16_t* values,
                          uint16_t* positions);
size_t find_blocks_avx2(const uint16_t* acc, const uint16_t* blocks, const uint16_t* groups, size_t n_groups,
                        const uint64_t* allowed, uint16_t threshold, size_t limit, uint16_t* values,
                        uint16_t* positions);
size_t find_blocks_avx512(const uint16_t* acc, const uint16_t* blocks, const uint16_t* groups, size_t n_groups,
                          const uint64_t* allowed, uint16_t threshold, size_t limit, uint16_t* values,
                          uint16_t* positions);

}  // namespace lsr
