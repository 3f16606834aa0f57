#include <immintrin.h>

#include "add_row_groups.h"

namespace lsr {

void add_row_groups_avx512(const WeightedRow* rows, size_t n_rows, const uint16_t* groups, size_t n,
                           uint16_t* acc) {
    const __m512i high = _mm512_set1_epi16(short(0xff00));
    for (size_t at = 0; at < n; ++at) {
        const size_t ahead = size_t{groups[at + kGroupsAhead < n ? at + kGroupsAhead : n - 1]} * 64;
        uint16_t* out = acc + size_t{groups[at]} * 64;
        __m512i low_sum = _mm512_loadu_si512(out), high_sum = _mm512_loadu_si512(out + 32);
        for (size_t row = 0; row < n_rows; ++row) {
            __builtin_prefetch(rows[row].codes + ahead);
            const __m512i weight = _mm512_set1_epi16(short(rows[row].weight));
            const __m512i v = _mm512_loadu_si512(rows[row].codes + size_t{groups[at]} * 64);
            low_sum = _mm512_add_epi16(low_sum, _mm512_mulhi_epu16(_mm512_slli_epi16(v, 8), weight));
            high_sum = _mm512_add_epi16(high_sum, _mm512_mulhi_epu16(_mm512_and_si512(v, high), weight));
        }
        _mm512_storeu_si512(out, low_sum);
        _mm512_storeu_si512(out + 32, high_sum);
    }
}

}  // namespace lsr
