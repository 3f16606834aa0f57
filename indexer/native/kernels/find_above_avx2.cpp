#include <immintrin.h>

#include "find_above.h"

namespace lsr {

// AVX2 has no unsigned comparison: max(x, t) == x says x >= t. Two comparisons pack into 32 bytes, whose sign
// bits come out as a mask once the lanes are put in order.
size_t find_above_avx2(const uint16_t* acc, size_t n_groups, const uint64_t* allowed, uint16_t threshold,
                       uint16_t* values, uint16_t* positions) {
    const __m256i least = _mm256_set1_epi16(short(threshold));
    size_t found = 0;
    for (size_t group = 0; group < n_groups; ++group) {
        const auto* in = reinterpret_cast<const __m256i*>(acc + group * 64);
        uint64_t hits = 0;
        for (int half = 0; half < 2; ++half) {
            const __m256i x = _mm256_loadu_si256(in + 2 * half), y = _mm256_loadu_si256(in + 2 * half + 1);
            const __m256i both = _mm256_packs_epi16(_mm256_cmpeq_epi16(_mm256_max_epu16(x, least), x),
                                                    _mm256_cmpeq_epi16(_mm256_max_epu16(y, least), y));
            const __m256i ordered = _mm256_permute4x64_epi64(both, 0xd8);
            hits |= uint64_t(uint32_t(_mm256_movemask_epi8(ordered))) << (32 * half);
        }
        if (allowed != nullptr) hits &= allowed[group];
        for (; hits != 0; hits &= hits - 1) {
            const size_t at = group * 64 + size_t(__builtin_ctzll(hits));
            values[found] = acc[at];
            positions[found++] = uint16_t(at);
        }
    }
    return found;
}

}  // namespace lsr
