#include <immintrin.h>

#include "find_above.h"

namespace lsr {

size_t find_above_avx512(const uint16_t* acc, size_t n_groups, const uint64_t* allowed, uint16_t threshold,
                         uint16_t* values, uint32_t* positions) {
    const __m512i least = _mm512_set1_epi16(short(threshold));
    size_t found = 0;
    for (size_t group = 0; group < n_groups; ++group) {
        const uint16_t* in = acc + group * 64;
        const uint64_t low = _mm512_cmpge_epu16_mask(_mm512_loadu_si512(in), least);
        const uint64_t high = _mm512_cmpge_epu16_mask(_mm512_loadu_si512(in + 32), least);
        uint64_t hits = low | high << 32;
        if (hits == 0) continue;
        if (allowed != nullptr) hits &= allowed[group];
        for (; hits != 0; hits &= hits - 1) {
            const size_t at = group * 64 + size_t(__builtin_ctzll(hits));
            values[found] = acc[at];
            positions[found++] = uint32_t(at);
        }
    }
    return found;
}

}  // namespace lsr
