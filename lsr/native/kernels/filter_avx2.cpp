// 4 tokens x 16 terms in 8 accumulators. Token codes of 7 bits bring a third more candidates, and are faster
// all the same (codes_avx2.h).
#include "codes_avx2.h"
#include "filter.h"

namespace lsr {
namespace {

template <int kRows>
inline void raise_best(const uint8_t* terms, size_t n_groups, const FilterDocument& document, size_t token,
                       __m256i best[2]) {
    __m256i sum[kRows][2];
    sum_products<kRows>(terms, n_groups, document.codes + token * document.stride, document.stride,
                        document.offsets + token, sum);
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
        best[0] = _mm256_max_epi32(best[0], sum[row][0]);
        best[1] = _mm256_max_epi32(best[1], sum[row][1]);
    }
}

// One bit per term whose bound is not <= 0.
inline uint32_t passing8(const FilterTile& tile, const FilterDocument& document, size_t first, __m256i best) {
    __m256 bound = _mm256_loadu_ps(tile.bias + first);
    bound = _mm256_fmadd_ps(_mm256_set1_ps(document.rounding), _mm256_loadu_ps(tile.length + first), bound);
    bound = _mm256_fmadd_ps(_mm256_set1_ps(document.residual), _mm256_loadu_ps(tile.norm + first), bound);
    bound = _mm256_fmadd_ps(_mm256_set1_ps(document.norm), _mm256_loadu_ps(tile.residual + first), bound);
    const __m256 scale = _mm256_mul_ps(_mm256_set1_ps(document.scale), _mm256_loadu_ps(tile.scale + first));
    bound = _mm256_fmadd_ps(_mm256_cvtepi32_ps(best), scale, bound);
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(bound, _mm256_setzero_ps(), _CMP_NLE_UQ)));
}

}  // namespace

size_t filter_avx2(const FilterTile& tile, const FilterDocument& document, uint32_t* out) {
    uint64_t passing = 0;
    for (size_t panel = 0; panel < kTilePanels; ++panel) {
        const uint8_t* terms = tile.codes + panel * tile.n_groups * 64;
        __m256i best[2] = {_mm256_set1_epi32(INT32_MIN), _mm256_set1_epi32(INT32_MIN)};
        for_blocks_of_4(document.n_tokens, [&]<int kRows>(size_t token) {
            raise_best<kRows>(terms, tile.n_groups, document, token, best);
        });
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
