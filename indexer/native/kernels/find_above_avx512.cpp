#include <immintrin.h>

#include "find_above.h"
#include "iota.h"

namespace lsr {

// What reaches the threshold is pressed out of the registers: a step for each hit costs a misprediction a
// group.
size_t find_above_avx512(const uint16_t* acc, size_t n_groups, const uint64_t* allowed, uint16_t threshold,
                         uint16_t* values, uint16_t* positions) {
    const __m512i least = _mm512_set1_epi16(short(threshold));
    const __m512i iota = _mm512_load_si512(kIota), half = _mm512_set1_epi16(32);
    size_t found = 0;
    const auto press = [&](__mmask32 hits, __m512i entries, __m512i at) {
        _mm512_storeu_si512(values + found, _mm512_maskz_compress_epi16(hits, entries));
        _mm512_storeu_si512(positions + found, _mm512_maskz_compress_epi16(hits, at));
        found += size_t(__builtin_popcount(hits));
    };
    for (size_t group = 0; group < n_groups; ++group) {
        const uint16_t* in = acc + group * 64;
        const __m512i low = _mm512_loadu_si512(in), high = _mm512_loadu_si512(in + 32);
        const uint64_t low_hits = _mm512_cmpge_epu16_mask(low, least);
        const uint64_t high_hits = _mm512_cmpge_epu16_mask(high, least);
        uint64_t hits = low_hits | high_hits << 32;
        if (allowed != nullptr) hits &= allowed[group];
        if (hits == 0) continue;
        const __m512i at = _mm512_add_epi16(iota, _mm512_set1_epi16(short(group * 64)));
        press(__mmask32(hits), low, at);
        press(__mmask32(hits >> 32), high, _mm512_add_epi16(at, half));
    }
    return found;
}

}  // namespace lsr
