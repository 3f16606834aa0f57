// 0 to 31, a register of 16-bit lanes.
#pragma once

#include <cstdint>

namespace lsr {

namespace {

alignas(64) constexpr uint16_t kIota[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                            16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

}  // namespace

}  // namespace lsr
