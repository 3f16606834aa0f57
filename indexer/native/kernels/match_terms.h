// Finds the terms of a document that may be in the query: those whose bit `term % 1024` is set in `bitmap`.
//
// Writes their positions, ascending, to `positions` and returns how many; those of 16 bits are written to
// `matched` as well. Both have room for n + 64. n is at most 65,536. Reads nothing past terms[n - 1]: the
// forward index has no padding of its own.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lsr {

inline constexpr size_t kMatchBits = 1024;

using MatchTerms16 = size_t (*)(const uint16_t* terms, size_t n, const uint32_t* bitmap, uint16_t* positions,
                                uint16_t* matched);
using MatchTerms32 = size_t (*)(const uint32_t* terms, size_t n, const uint32_t* bitmap, uint16_t* positions);

size_t match_terms16_scalar(const uint16_t* terms, size_t n, const uint32_t* bitmap, uint16_t* positions,
                            uint16_t* matched);
size_t match_terms32_scalar(const uint32_t* terms, size_t n, const uint32_t* bitmap, uint16_t* positions);
size_t match_terms16_avx2(const uint16_t* terms, size_t n, const uint32_t* bitmap, uint16_t* positions,
                          uint16_t* matched);
size_t match_terms32_avx2(const uint32_t* terms, size_t n, const uint32_t* bitmap, uint16_t* positions);
size_t match_terms16_avx512(const uint16_t* terms, size_t n, const uint32_t* bitmap, uint16_t* positions,
                            uint16_t* matched);
size_t match_terms32_avx512(const uint32_t* terms, size_t n, const uint32_t* bitmap, uint16_t* positions);

}  // namespace lsr
