#include <immintrin.h>

#include "add_rows.h"

namespace lsr {

// Two groups at a time, so that each weight is loaded once for 128 entries; the sums stay in registers over all
// rows. (code << 8) * weight >> 16 is code * weight >> 8 in one multiplication. Of an odd number of groups the
// last is computed twice over, from the same input.
void add_rows_avx512(const WeightedRow* rows, size_t n_rows, size_t n_groups, bool onto, uint16_t* acc) {
    const __m512i high = _mm512_set1_epi16(short(0xff00));
    for (size_t group = 0; group < n_groups; group += 2) {
        const size_t second = group + 1 < n_groups ? group + 1 : group;
        uint16_t* out0 = acc + group * 64;
        uint16_t* out1 = acc + second * 64;
        __m512i low0 = _mm512_setzero_si512(), high0 = low0, low1 = low0, high1 = low0;
        if (onto) {
            low0 = _mm512_loadu_si512(out0);
            high0 = _mm512_loadu_si512(out0 + 32);
            low1 = _mm512_loadu_si512(out1);
            high1 = _mm512_loadu_si512(out1 + 32);
        }
        for (size_t row = 0; row < n_rows; ++row) {
            const __m512i weight = _mm512_set1_epi16(short(rows[row].weight));
            const uint8_t* codes = rows[row].codes + group * 64;
            __builtin_prefetch(codes + kRowBytesAhead);
            __builtin_prefetch(codes + kRowBytesAhead + 64);
            const __m512i v0 = _mm512_loadu_si512(codes);
            const __m512i v1 = _mm512_loadu_si512(rows[row].codes + second * 64);
            low0 = _mm512_add_epi16(low0, _mm512_mulhi_epu16(_mm512_slli_epi16(v0, 8), weight));
            high0 = _mm512_add_epi16(high0, _mm512_mulhi_epu16(_mm512_and_si512(v0, high), weight));
            low1 = _mm512_add_epi16(low1, _mm512_mulhi_epu16(_mm512_slli_epi16(v1, 8), weight));
            high1 = _mm512_add_epi16(high1, _mm512_mulhi_epu16(_mm512_and_si512(v1, high), weight));
        }
        _mm512_storeu_si512(out0, low0);
        _mm512_storeu_si512(out0 + 32, high0);
        _mm512_storeu_si512(out1, low1);
        _mm512_storeu_si512(out1 + 32, high1);
    }
}

}  // namespace lsr
