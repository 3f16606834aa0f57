// The additions of add_list, for the vector versions: products are at hand, scatters of 16-bit values are not.
//
// In an anonymous namespace on purpose: each instruction set compiles its own, and the linker must not pick
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace lsr {

namespace {

// acc[offsets[i]] += products[i] for n products, a multiple of `unrolled`. Offsets and products are loaded one
// by one: a core has more loads to spare than shifts.
template <size_t unrolled>
void add_products(const uint8_t* offsets, const uint16_t* products, size_t n, uint16_t* acc) {
    static_assert(unrolled <= 32);
    for (size_t begin = 0; begin < n; begin += unrolled) {
#pragma GCC unroll 32
        for (size_t i = begin; i < begin + unrolled; ++i) {
            uint16_t offset;
            std::memcpy(&offset, offsets + 2 * i, 2);
            acc[offset] = uint16_t(acc[offset] + products[i]);
        }
    }
}

}  // namespace

}  // namespace lsr
