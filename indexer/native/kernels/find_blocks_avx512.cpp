#include <immintrin.h>

#include "find_blocks.h"
#include "iota.h"

namespace lsr {

// A permutation with the constant indices i / 8 spreads 8 bounds over 64 documents.
size_t find_blocks_avx512(const uint16_t* acc, const uint16_t* blocks, const uint16_t* groups, size_t n_groups,
                          const uint64_t* allowed, uint16_t threshold, size_t limit, uint16_t* values,
                          uint16_t* positions) {
    alignas(64) static constexpr uint16_t kBlockOf[32] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,
                                                          2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3};
    const __m512i low_blocks = _mm512_load_si512(kBlockOf);
    const __m512i high_blocks = _mm512_add_epi16(low_blocks, _mm512_set1_epi16(4));
    const __m512i least = _mm512_set1_epi16(short(threshold));
    const __m512i iota = _mm512_load_si512(kIota), half = _mm512_set1_epi16(32);
    size_t found = 0;
    const auto press = [&](__mmask32 hits, __m512i sums, __m512i at) {
        _mm512_storeu_si512(values + found, _mm512_maskz_compress_epi16(hits, sums));
        _mm512_storeu_si512(positions + found, _mm512_maskz_compress_epi16(hits, at));
        found += size_t(__builtin_popcount(hits));
    };
    for (size_t which = 0; which < n_groups && found <= limit; ++which) {
        const size_t group = groups[which];
        const uint16_t* in = acc + group * 64;
        const __m512i bounds =
            _mm512_castsi128_si512(_mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks + group * 8)));
        const __m512i low =
            _mm512_add_epi16(_mm512_loadu_si512(in), _mm512_permutexvar_epi16(low_blocks, bounds));
        const __m512i high =
            _mm512_add_epi16(_mm512_loadu_si512(in + 32), _mm512_permutexvar_epi16(high_blocks, bounds));
        uint64_t hits = _mm512_cmpge_epu16_mask(low, least) | uint64_t(_mm512_cmpge_epu16_mask(high, least))
                                                                  << 32;
        if (allowed != nullptr) hits &= allowed[group];
        if (hits == 0) continue;
        const __m512i at = _mm512_add_epi16(iota, _mm512_set1_epi16(short(group * 64)));
        press(__mmask32(hits), low, at);
        press(__mmask32(hits >> 32), high, _mm512_add_epi16(at, half));
    }
    return found;
}

}  // namespace lsr
