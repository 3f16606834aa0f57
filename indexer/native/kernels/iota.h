// 0 to 31, a register of 16-bit lanes: the places of entries, where those that are wanted are pressed out of
// it.
//
// In an anonymous namespace on purpose: each instruction set compiles its own, and the linker must not pick
// one.
#pragma once

#include <cstdint>

namespace lsr {

namespace {

alignas(64) constexpr uint16_t kIota[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                            16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

}  // namespace

}  // namespace lsr
