// The inner loop of the integer kernels built for AVX2: one panel of 16 columns in two halves, two groups of 4
// codes a step. With 7-bit codes the sums of four products fit 16 bits (4 * 127 * 63 = 32,004), so two
// vpmaddubsw share one vpmaddwd: a quarter fewer instructions on the multiplying ports.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace lsr {
namespace {

inline __m256i broadcast4(const int8_t* from) {
    int32_t bits;
    __builtin_memcpy(&bits, from, 4);
    return _mm256_set1_epi32(bits);
}

// Written out, because g++ 12 copies the accumulators around the intrinsic.
inline void add(__m256i& sum, __m256i products) {
    asm("vpaddd %1, %0, %0" : "+x"(sum) : "x"(products));
}

template <int kRows>
inline void sum_products(const uint8_t* panel, size_t n_groups, const int8_t* rows, size_t stride,
                         const int32_t* starts, __m256i (&sum)[kRows][2]) {
    const __m256i ones = _mm256_set1_epi16(1);
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) sum[row][0] = sum[row][1] = _mm256_set1_epi32(starts[row]);
    for (size_t group = 0; group < n_groups; group += 2) {
        const auto* columns = reinterpret_cast<const __m256i*>(panel + 64 * group);
#pragma GCC unroll 4
        for (int row = 0; row < kRows; ++row) {
            const int8_t* codes = rows + row * stride + 4 * group;
            const __m256i first = broadcast4(codes);
            const __m256i second = broadcast4(codes + 4);
#pragma GCC unroll 2
            for (int half = 0; half < 2; ++half) {
                const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(columns[half], first),
                                                       _mm256_maddubs_epi16(columns[2 + half], second));
                add(sum[row][half], _mm256_madd_epi16(pairs, ones));
            }
        }
    }
}

// Calls block.template operator()<n>(first) for blocks of n <= 4 rows: 5 as 3 + 2, because a block of one row
// wastes most of its loads.
template <class Block>
inline void for_blocks_of_4(size_t n_rows, const Block& block) {
    for (size_t row = 0; row < n_rows;) {
        const size_t left = n_rows - row;
        const size_t n = left == 5 ? 3 : left < 4 ? left : 4;
        switch (n) {
            case 1: block.template operator()<1>(row); break;
            case 2: block.template operator()<2>(row); break;
            case 3: block.template operator()<3>(row); break;
            default: block.template operator()<4>(row); break;
        }
        row += n;
    }
}

}  // namespace
}  // namespace lsr
