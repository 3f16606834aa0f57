#include <immintrin.h>

#include "add_rows.h"

namespace lsr {

// Half a group at a time: 32 bytes hold entries 16h..16h+15 in the low bytes and 32+16h.. in the high ones.
// (code << 8) * weight >> 16 is code * weight >> 8 in one multiplication.
void add_rows_avx2(const WeightedRow* rows, size_t n_rows, size_t n_groups, bool onto, uint16_t* acc) {
    const __m256i high = _mm256_set1_epi16(short(0xff00));
    for (size_t group = 0; group < n_groups; ++group) {
        __m256i low_sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        __m256i high_sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        auto* out = reinterpret_cast<__m256i*>(acc + group * 64);
        for (int half = 0; half < 2 && onto; ++half) {
            low_sum[half] = _mm256_loadu_si256(out + half);
            high_sum[half] = _mm256_loadu_si256(out + 2 + half);
        }
        for (size_t row = 0; row < n_rows; ++row) {
            const __m256i weight = _mm256_set1_epi16(short(rows[row].weight));
            const uint8_t* codes = rows[row].codes + group * 64;
            __builtin_prefetch(codes + kRowBytesAhead);
            for (int half = 0; half < 2; ++half) {
                const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + 32 * half));
                const __m256i low = _mm256_mulhi_epu16(_mm256_slli_epi16(v, 8), weight);
                low_sum[half] = _mm256_add_epi16(low_sum[half], low);
                high_sum[half] =
                    _mm256_add_epi16(high_sum[half], _mm256_mulhi_epu16(_mm256_and_si256(v, high), weight));
            }
        }
        for (int half = 0; half < 2; ++half) {
            _mm256_storeu_si256(out + half, low_sum[half]);
            _mm256_storeu_si256(out + 2 + half, high_sum[half]);
        }
    }
}

}  // namespace lsr
