#include <immintrin.h>

#include "find_blocks.h"

namespace lsr {

namespace {

// The mask of 16 sums that reach `least`, two blocks' worth, as 16 bits in each half of a byte mask.
__m256i reaches(const uint16_t* acc, const uint16_t* blocks, __m256i least) {
    const __m256i bounds = _mm256_set_m128i(_mm_set1_epi16(short(blocks[1])), _mm_set1_epi16(short(blocks[0])));
    const __m256i sums = _mm256_add_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(acc)), bounds);
    return _mm256_cmpeq_epi16(_mm256_max_epu16(sums, least), sums);
}

}  // namespace

size_t find_blocks_avx2(const uint16_t* acc, const uint16_t* blocks, const uint16_t* groups, size_t n_groups,
                        const uint64_t* allowed, uint16_t threshold, size_t limit, uint16_t* values,
                        uint16_t* positions) {
    const __m256i least = _mm256_set1_epi16(short(threshold));
    size_t found = 0;
    for (size_t which = 0; which < n_groups && found <= limit; ++which) {
        const size_t group = groups[which];
        uint64_t hits = 0;
        for (size_t half = 0; half < 2; ++half) {
            const uint16_t* in = acc + group * 64 + half * 32;
            const uint16_t* bounds = blocks + group * 8 + half * 4;
            const __m256i both =
                _mm256_packs_epi16(reaches(in, bounds, least), reaches(in + 16, bounds + 2, least));
            const __m256i ordered = _mm256_permute4x64_epi64(both, 0xd8);
            hits |= uint64_t(uint32_t(_mm256_movemask_epi8(ordered))) << (32 * half);
        }
        if (allowed != nullptr) hits &= allowed[group];
        for (; hits != 0; hits &= hits - 1) {
            const size_t at = group * 64 + size_t(__builtin_ctzll(hits));
            values[found] = uint16_t(acc[at] + blocks[at / 8]);
            positions[found++] = uint16_t(at);
        }
    }
    return found;
}

}  // namespace lsr
