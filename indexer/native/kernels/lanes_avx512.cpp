#include <immintrin.h>

#include "lanes.h"

namespace lsr {

// 64 lanes at once: both of two neighbouring lines, for the processor fetches neighbours ahead.
void lane_maxima_avx512(const uint16_t* values, size_t n, size_t n_lanes, const uint64_t* allowed,
                        uint16_t* maxima) {
    for (size_t lane = 0; lane < n_lanes; lane += 64) {
        __m512i first = _mm512_setzero_si512(), second = first;
        for (size_t at = lane; at < n; at += n_lanes) {
            const uint64_t counts = allowed != nullptr ? allowed[at / 64] : ~uint64_t{0};
            first = _mm512_max_epu16(first, _mm512_maskz_loadu_epi16(__mmask32(counts), values + at));
            second =
                _mm512_max_epu16(second, _mm512_maskz_loadu_epi16(__mmask32(counts >> 32), values + at + 32));
        }
        _mm512_storeu_si512(maxima + lane, first);
        _mm512_storeu_si512(maxima + lane + 32, second);
    }
}

size_t count_at_least_avx512(const uint16_t* values, size_t n, uint16_t mark) {
    const __m512i least = _mm512_set1_epi16(short(mark));
    size_t count = 0;
    for (size_t i = 0; i < n; i += 64) {
        count += size_t(__builtin_popcount(_mm512_cmpge_epu16_mask(_mm512_loadu_si512(values + i), least)));
        count +=
            size_t(__builtin_popcount(_mm512_cmpge_epu16_mask(_mm512_loadu_si512(values + i + 32), least)));
    }
    return count;
}

}  // namespace lsr
