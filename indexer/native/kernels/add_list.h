// acc[offsets[i]] += codes[i] * weight / 256, rounded down, for count postings.
//
// acc must have 65,536 entries: offsets are 16 bits wide and not trusted. The list may be read up to 64 bytes
// past its end. Integers: all versions agree bit for bit. Sums are the caller's to keep below 65,536 (they
// wrap, harmlessly).
#pragma once

#include <cstddef>
#include <cstdint>

namespace lsr {

inline constexpr size_t kPostingsAhead = 256;  // as far ahead their lines are asked for

using AddList = void (*)(const uint8_t* offsets, const uint8_t* codes, size_t count, uint32_t weight,
                         uint16_t* acc);

void add_list_scalar(const uint8_t* offsets, const uint8_t* codes, size_t count, uint32_t weight,
                     uint16_t* acc);
void add_list_avx2(const uint8_t* offsets, const uint8_t* codes, size_t count, uint32_t weight, uint16_t* acc);
void add_list_avx512(const uint8_t* offsets, const uint8_t* codes, size_t count, uint32_t weight,
                     uint16_t* acc);

}  // namespace lsr
