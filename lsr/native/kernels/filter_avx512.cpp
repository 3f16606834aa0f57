// 6 tokens x 64 terms in 24 accumulators of 16 sums. The running maxima stay in memory (one L1 line a panel):
// 24 accumulators, 4 lines of codes, the token and 4 maxima do not fit 32 registers.
#include "blocks.h"
#include "codes_avx512.h"
#include "filter.h"

namespace lsr {
namespace {

template <int kRows>
inline void raise_best(const FilterTile& tile, const FilterDocument& document, size_t token, int32_t* best,
                       const uint8_t* next) {
    __m512i sum[kRows][4];
    sum_products<kRows, 4>(tile.codes, tile.n_groups, document.codes + token * document.stride, document.stride,
                           document.offsets + token, next, sum);
#pragma GCC unroll 4
    for (int panel = 0; panel < 4; ++panel) {
        __m512i highest = _mm512_load_si512(best + 16 * panel);
#pragma GCC unroll 6
        for (int row = 0; row < kRows; ++row) highest = _mm512_max_epi32(highest, sum[row][panel]);
        _mm512_store_si512(best + 16 * panel, highest);
    }
}

inline __mmask16 passing16(const FilterTile& tile, const FilterDocument& document, size_t first, __m512i best) {
    __m512 bound = _mm512_loadu_ps(tile.bias + first);
    bound = _mm512_fmadd_ps(_mm512_set1_ps(document.rounding), _mm512_loadu_ps(tile.length + first), bound);
    bound = _mm512_fmadd_ps(_mm512_set1_ps(document.residual), _mm512_loadu_ps(tile.norm + first), bound);
    bound = _mm512_fmadd_ps(_mm512_set1_ps(document.norm), _mm512_loadu_ps(tile.residual + first), bound);
    const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(document.scale), _mm512_loadu_ps(tile.scale + first));
    bound = _mm512_fmadd_ps(_mm512_cvtepi32_ps(best), scale, bound);
    return _mm512_cmp_ps_mask(bound, _mm512_setzero_ps(), _CMP_NLE_UQ);
}

}  // namespace

size_t filter_avx512(const FilterTile& tile, const FilterDocument& document, uint32_t* out) {
    alignas(64) int32_t best[kTileTerms];
    for (size_t at = 0; at < kTileTerms; at += 16) _mm512_store_si512(best + at, _mm512_set1_epi32(INT32_MIN));
    for_blocks(document.n_tokens, [&]<size_t kRows>(size_t token) {
        raise_best<kRows>(tile, document, token, best, token == 0 ? tile.next_codes : nullptr);
    });
    size_t count = 0;
    for (size_t first = 0; first < tile.n_terms; first += 16) {
        __mmask16 passing = passing16(tile, document, first, _mm512_load_si512(best + first));
        if (tile.n_terms - first < 16) passing &= static_cast<__mmask16>((1u << (tile.n_terms - first)) - 1);
        if (passing == 0) continue;
        const __m512i ids =
            _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(tile.first_term + first)),
                             _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
        // Compressing into a register and storing all of it: the form with a memory operand is microcode on
        // Zen 4.
        _mm512_storeu_si512(out + count, _mm512_maskz_compress_epi32(passing, ids));
        count += static_cast<size_t>(__builtin_popcount(passing));
    }
    return count;
}

}  // namespace lsr
