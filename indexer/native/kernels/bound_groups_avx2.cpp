#include <immintrin.h>

#include "bound_groups.h"

namespace lsr {

namespace {

// 16 sums: two blocks' worth of entries.
__m256i sums(const uint16_t* acc, const uint16_t* blocks) {
    const __m256i bounds = _mm256_set_m128i(_mm_set1_epi16(short(blocks[1])), _mm_set1_epi16(short(blocks[0])));
    return _mm256_add_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(acc)), bounds);
}

// All bits of lane i where bit i of `bits` is set.
__m256i mask_of(uint64_t bits) {
    const __m256i one_each = _mm256_set_epi16(short(0x8000), 0x4000, 0x2000, 0x1000, 0x800, 0x400, 0x200, 0x100,
                                              0x80, 0x40, 0x20, 0x10, 8, 4, 2, 1);
    return _mm256_cmpeq_epi16(_mm256_and_si256(_mm256_set1_epi16(short(bits)), one_each), one_each);
}

}  // namespace

// The processor finds the least of 8 values at once, so the largest is the complement of the complements'
// least.
void bound_groups_avx2(const uint16_t* acc, const uint16_t* blocks, size_t n_groups, const uint64_t* allowed,
                       uint16_t* bounds) {
    for (size_t group = 0; group < n_groups; ++group) {
        const uint64_t shown = allowed != nullptr ? allowed[group] : ~uint64_t{0};
        __m256i largest = _mm256_setzero_si256();
        for (size_t quarter = 0; quarter < 4; ++quarter) {
            const __m256i sum = sums(acc + group * 64 + quarter * 16, blocks + group * 8 + quarter * 2);
            largest = _mm256_max_epu16(largest, _mm256_and_si256(sum, mask_of(shown >> (16 * quarter))));
        }
        const __m128i eight =
            _mm_max_epu16(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
        const __m128i least = _mm_minpos_epu16(_mm_xor_si128(eight, _mm_set1_epi16(-1)));
        bounds[group] = uint16_t(~_mm_extract_epi16(least, 0));
    }
}

}  // namespace lsr
