// 6 tokens x 64 terms in 24 accumulators of 16 sums. The running maxima stay in memory (one L1 line a panel):
// 24 accumulators, 4 lines of codes, the token and 4 maxima do not fit 32 registers.
#include <immintrin.h>

#include "filter.h"

namespace lsr {
namespace {

// Written out, because g++ 12 copies the accumulators around _mm512_dpbusd_epi32, at half the speed.
inline void add_products(__m512i& sum, __m512i terms, __m512i token) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(terms), "v"(token));
}

inline __m512i broadcast4(const int8_t* from) {
    int32_t bits;
    __builtin_memcpy(&bits, from, 4);
    return _mm512_set1_epi32(bits);
}

template <int kRows>
inline void raise_best(const uint8_t* terms, size_t n_groups, const int8_t* tokens, const int32_t* offsets,
                       int32_t* best, const uint8_t* next) {
    const size_t panel_bytes = n_groups * 64;
    __m512i sum[kRows][4];
#pragma GCC unroll 6
    for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
        for (int panel = 0; panel < 4; ++panel) sum[row][panel] = _mm512_set1_epi32(offsets[row]);
    }
    for (size_t group = 0; group < n_groups; ++group) {
        // A lone query has two blocks of work for each tile: too little for the hardware to notice the pattern.
        if (next != nullptr) {
#pragma GCC unroll 4
            for (size_t line = 0; line < 4; ++line) {
                _mm_prefetch(reinterpret_cast<const char*>(next + (4 * group + line) * 64), _MM_HINT_T0);
            }
        }
        __m512i codes[4];
#pragma GCC unroll 4
        for (int panel = 0; panel < 4; ++panel) {
            codes[panel] = _mm512_load_si512(terms + panel * panel_bytes + 64 * group);
        }
#pragma GCC unroll 6
        for (int row = 0; row < kRows; ++row) {
            const __m512i token = broadcast4(tokens + (row * n_groups + group) * 4);
#pragma GCC unroll 4
            for (int panel = 0; panel < 4; ++panel) add_products(sum[row][panel], codes[panel], token);
        }
    }
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
    const size_t stride = 4 * tile.n_groups;
    // Nearly equal blocks of at most 6 tokens: 8 tokens are 4 + 4, not 6 + 2.
    size_t n_blocks = (document.n_tokens + 5) / 6;
    for (size_t token = 0; token < document.n_tokens; --n_blocks) {
        const size_t n_rows = (document.n_tokens - token + n_blocks - 1) / n_blocks;
        const int8_t* tokens = document.codes + token * stride;
        const int32_t* offsets = document.offsets + token;
        const uint8_t* next = token == 0 ? tile.next_codes : nullptr;
        switch (n_rows) {
            case 1: raise_best<1>(tile.codes, tile.n_groups, tokens, offsets, best, next); break;
            case 2: raise_best<2>(tile.codes, tile.n_groups, tokens, offsets, best, next); break;
            case 3: raise_best<3>(tile.codes, tile.n_groups, tokens, offsets, best, next); break;
            case 4: raise_best<4>(tile.codes, tile.n_groups, tokens, offsets, best, next); break;
            case 5: raise_best<5>(tile.codes, tile.n_groups, tokens, offsets, best, next); break;
            default: raise_best<6>(tile.codes, tile.n_groups, tokens, offsets, best, next); break;
        }
        token += n_rows;
    }
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
