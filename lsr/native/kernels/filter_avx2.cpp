// 4 tokens x 16 terms in 8 accumulators, two groups of 4 codes a step. With token codes of 7 bits the sums of
// four products fit 16 bits (4 * 127 * 63 = 32,004), so two vpmaddubsw share one vpmaddwd: a quarter fewer
// instructions on the multiplying ports, for a third more candidates.
#include <immintrin.h>

#include "filter.h"

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
inline void raise_best(const uint8_t* terms, size_t n_groups, const int8_t* tokens, const int32_t* offsets,
                       __m256i best[2]) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sum[kRows][2];
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) sum[row][0] = sum[row][1] = _mm256_set1_epi32(offsets[row]);
    for (size_t group = 0; group < n_groups; group += 2) {
        const auto* codes = reinterpret_cast<const __m256i*>(terms + 64 * group);
#pragma GCC unroll 4
        for (int row = 0; row < kRows; ++row) {
            const int8_t* token = tokens + (row * n_groups + group) * 4;
            const __m256i first = broadcast4(token);
            const __m256i second = broadcast4(token + 4);
#pragma GCC unroll 2
            for (int half = 0; half < 2; ++half) {
                const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(codes[half], first),
                                                       _mm256_maddubs_epi16(codes[2 + half], second));
                add(sum[row][half], _mm256_madd_epi16(pairs, ones));
            }
        }
    }
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
        best[0] = _mm256_max_epi32(best[0], sum[row][0]);
        best[1] = _mm256_max_epi32(best[1], sum[row][1]);
    }
}

// One bit per term whose bound is not <= 0.
inline uint32_t passing8(const FilterTile& tile, const FilterDocument& document, size_t first, __m256i best) {
    __m256 bound = _mm256_loadu_ps(tile.bias + first);
    bound = _mm256_fmadd_ps(_mm256_set1_ps(document.residual), _mm256_loadu_ps(tile.norm + first), bound);
    bound = _mm256_fmadd_ps(_mm256_set1_ps(document.norm), _mm256_loadu_ps(tile.residual + first), bound);
    const __m256 scale = _mm256_mul_ps(_mm256_set1_ps(document.scale), _mm256_loadu_ps(tile.scale + first));
    bound = _mm256_fmadd_ps(_mm256_cvtepi32_ps(best), scale, bound);
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(bound, _mm256_setzero_ps(), _CMP_NLE_UQ)));
}

}  // namespace

size_t filter_avx2(const FilterTile& tile, const FilterDocument& document, uint32_t* out) {
    const size_t stride = 4 * tile.n_groups;
    uint64_t passing = 0;
    for (size_t panel = 0; panel < kTilePanels; ++panel) {
        const uint8_t* terms = tile.codes + panel * tile.n_groups * 64;
        __m256i best[2] = {_mm256_set1_epi32(INT32_MIN), _mm256_set1_epi32(INT32_MIN)};
        const size_t n = document.n_tokens;
        for (size_t token = 0; token < n;) {
            const int8_t* tokens = document.codes + token * stride;
            const int32_t* offsets = document.offsets + token;
            const size_t left = n - token;
            // 5 tokens as 3 + 2, not 4 + 1: a block of one row wastes most of its loads.
            switch (left == 5 ? 3 : left < 4 ? left : 4) {
                case 1: raise_best<1>(terms, tile.n_groups, tokens, offsets, best), token += 1; break;
                case 2: raise_best<2>(terms, tile.n_groups, tokens, offsets, best), token += 2; break;
                case 3: raise_best<3>(terms, tile.n_groups, tokens, offsets, best), token += 3; break;
                default: raise_best<4>(terms, tile.n_groups, tokens, offsets, best), token += 4; break;
            }
        }
        const size_t first = panel * kPanelTerms;
        passing |= static_cast<uint64_t>(passing8(tile, document, first, best[0])) << first;
        passing |= static_cast<uint64_t>(passing8(tile, document, first + 8, best[1])) << (first + 8);
    }
    if (tile.n_terms < kTileTerms) passing &= (uint64_t{1} << tile.n_terms) - 1;
    size_t count = 0;
    for (; passing != 0; passing &= passing - 1) {
        out[count++] = tile.first_term + static_cast<uint32_t>(__builtin_ctzll(passing));
    }
    return count;
}

}  // namespace lsr
