#include <immintrin.h>

#include "lanes.h"

namespace lsr {

namespace {

// The values whose bit of the first 16 is set; 0 for the others.
__m256i shown(__m256i values, uint64_t bits) {
    const __m256i bit = _mm256_set_epi16(short(0x8000), 0x4000, 0x2000, 0x1000, 0x800, 0x400, 0x200, 0x100,
                                         0x80, 0x40, 0x20, 0x10, 8, 4, 2, 1);
    const __m256i word = _mm256_set1_epi16(short(bits));
    return _mm256_and_si256(values, _mm256_cmpeq_epi16(_mm256_and_si256(word, bit), bit));
}

}  // namespace

// 64 lanes at once: both of two neighbouring lines, for the processor fetches neighbours ahead.
void lane_maxima_avx2(const uint16_t* values, size_t n, size_t n_lanes, const uint64_t* allowed,
                      uint16_t* maxima) {
    for (size_t lane = 0; lane < n_lanes; lane += 64) {
        __m256i largest[4];
        for (__m256i& part : largest) part = _mm256_setzero_si256();
        for (size_t at = lane; at < n; at += n_lanes) {
            const auto* in = reinterpret_cast<const __m256i*>(values + at);
            const uint64_t counts = allowed != nullptr ? allowed[at / 64] : ~uint64_t{0};
            for (size_t i = 0; i < 4; ++i)
                largest[i] =
                    _mm256_max_epu16(largest[i], shown(_mm256_loadu_si256(in + i), counts >> (16 * i)));
        }
        for (size_t i = 0; i < 4; ++i)
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(maxima + lane) + i, largest[i]);
    }
}

size_t count_at_least_avx2(const uint16_t* values, size_t n, uint16_t mark) {
    const __m256i least = _mm256_set1_epi16(short(mark));
    size_t count = 0;
    for (size_t i = 0; i < n; i += 32) {
        const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + i));
        const __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + i + 16));
        const __m256i both = _mm256_packs_epi16(_mm256_cmpeq_epi16(_mm256_max_epu16(x, least), x),
                                                _mm256_cmpeq_epi16(_mm256_max_epu16(y, least), y));
        count += size_t(__builtin_popcount(uint32_t(_mm256_movemask_epi8(both))));
    }
    return count;
}

}  // namespace lsr
