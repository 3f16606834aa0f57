#include <immintrin.h>

#include "bound_groups.h"

namespace lsr {

// A permutation with the constant indices i / 8 spreads 8 bounds over 64 entries. The processor finds the least
// of 8 values at once, so the largest is the complement of the complements' least.
void bound_groups_avx512(const uint16_t* acc, const uint16_t* blocks, size_t n_groups, const uint64_t* allowed,
                         uint16_t* bounds) {
    alignas(64) static constexpr uint16_t kBlockOf[32] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,
                                                          2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3};
    const __m512i low_blocks = _mm512_load_si512(kBlockOf);
    const __m512i high_blocks = _mm512_add_epi16(low_blocks, _mm512_set1_epi16(4));
    for (size_t group = 0; group < n_groups; ++group) {
        const uint64_t shown = allowed != nullptr ? allowed[group] : ~uint64_t{0};
        const uint16_t* in = acc + group * 64;
        const __m512i eight =
            _mm512_castsi128_si512(_mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks + group * 8)));
        const __m512i low = _mm512_maskz_add_epi16(__mmask32(shown), _mm512_loadu_si512(in),
                                                   _mm512_permutexvar_epi16(low_blocks, eight));
        const __m512i high = _mm512_maskz_add_epi16(__mmask32(shown >> 32), _mm512_loadu_si512(in + 32),
                                                    _mm512_permutexvar_epi16(high_blocks, eight));
        const __m512i largest = _mm512_max_epu16(low, high);
        const __m256i half =
            _mm256_max_epu16(_mm512_castsi512_si256(largest), _mm512_extracti64x4_epi64(largest, 1));
        const __m128i quarter = _mm_max_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
        const __m128i least = _mm_minpos_epu16(_mm_xor_si128(quarter, _mm_set1_epi16(-1)));
        bounds[group] = uint16_t(~_mm_extract_epi16(least, 0));
    }
}

}  // namespace lsr
