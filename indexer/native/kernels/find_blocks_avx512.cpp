#include <immintrin.h>

#include "find_blocks.h"

namespace lsr {

// A permutation with the constant indices i / 8 spreads 8 bounds over 64 documents.
size_t find_blocks_avx512(const uint16_t* acc, const uint16_t* blocks, const uint32_t* groups, size_t n_groups,
                          const uint64_t* allowed, uint16_t threshold, size_t limit, uint16_t* values,
                          uint32_t* positions) {
    alignas(64) static constexpr uint16_t kBlockOf[32] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,
                                                          2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3};
    const __m512i low_blocks = _mm512_load_si512(kBlockOf);
    const __m512i high_blocks = _mm512_add_epi16(low_blocks, _mm512_set1_epi16(4));
    const __m512i least = _mm512_set1_epi16(short(threshold));
    size_t found = 0;
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
        if (hits == 0) continue;
        if (allowed != nullptr) hits &= allowed[group];
        for (; hits != 0; hits &= hits - 1) {
            const size_t at = group * 64 + size_t(__builtin_ctzll(hits));
            values[found] = uint16_t(acc[at] + blocks[at / 8]);
            positions[found++] = uint32_t(at);
        }
    }
    return found;
}

}  // namespace lsr
