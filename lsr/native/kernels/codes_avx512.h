// The inner loop of the integer kernels built for AVX-512.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace lsr {
namespace {

// Written out, because g++ 12 copies the accumulators around _mm512_dpbusd_epi32, at half the speed.
inline void add_products(__m512i& sum, __m512i columns, __m512i row) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(columns), "v"(row));
}

inline __m512i broadcast4(const int8_t* from) {
    int32_t bits;
    __builtin_memcpy(&bits, from, 4);
    return _mm512_set1_epi32(bits);
}

// sum[row][panel] = starts[row] + codes of the row, `stride` apart, times those of the panel's 16 columns.
// Lines of `next`, if it is not null, are fetched from memory meanwhile, as many as are read.
template <int kRows, int kPanels>
inline void sum_products(const uint8_t* panels, size_t n_groups, const int8_t* rows, size_t stride,
                         const int32_t* starts, const uint8_t* next, __m512i (&sum)[kRows][kPanels]) {
    const size_t panel_bytes = n_groups * 64;
#pragma GCC unroll 6
    for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
        for (int panel = 0; panel < kPanels; ++panel) sum[row][panel] = _mm512_set1_epi32(starts[row]);
    }
    for (size_t group = 0; group < n_groups; ++group) {
        // A lone query has two blocks of work for each tile: too little for the hardware to notice the pattern.
        if (next != nullptr) {
#pragma GCC unroll 4
            for (size_t line = 0; line < kPanels; ++line) {
                _mm_prefetch(reinterpret_cast<const char*>(next + (kPanels * group + line) * 64), _MM_HINT_T0);
            }
        }
        __m512i columns[kPanels];
#pragma GCC unroll 4
        for (int panel = 0; panel < kPanels; ++panel) {
            columns[panel] = _mm512_load_si512(panels + panel * panel_bytes + 64 * group);
        }
#pragma GCC unroll 6
        for (int row = 0; row < kRows; ++row) {
            const __m512i code = broadcast4(rows + row * stride + 4 * group);
#pragma GCC unroll 4
            for (int panel = 0; panel < kPanels; ++panel) add_products(sum[row][panel], columns[panel], code);
        }
    }
}

}  // namespace
}  // namespace lsr
