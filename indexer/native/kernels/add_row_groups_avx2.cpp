#include <immintrin.h>

#include "add_row_groups.h"

namespace lsr {

void add_row_groups_avx2(const WeightedRow* rows, size_t n_rows, const uint16_t* groups, size_t n,
                         uint16_t* acc) {
    const __m256i high = _mm256_set1_epi16(short(0xff00));
    for (size_t at = 0; at < n; ++at) {
        const size_t ahead = size_t{groups[at + kGroupsAhead < n ? at + kGroupsAhead : n - 1]} * 64;
        auto* out = reinterpret_cast<__m256i*>(acc + size_t{groups[at]} * 64);
        __m256i sum[4];
        for (int i = 0; i < 4; ++i) sum[i] = _mm256_loadu_si256(out + i);
        for (size_t row = 0; row < n_rows; ++row) {
            __builtin_prefetch(rows[row].codes + ahead);
            const __m256i weight = _mm256_set1_epi16(short(rows[row].weight));
            const auto* codes = reinterpret_cast<const __m256i*>(rows[row].codes + size_t{groups[at]} * 64);
            for (int half = 0; half < 2; ++half) {
                const __m256i v = _mm256_loadu_si256(codes + half);
                sum[half] = _mm256_add_epi16(sum[half], _mm256_mulhi_epu16(_mm256_slli_epi16(v, 8), weight));
                sum[2 + half] =
                    _mm256_add_epi16(sum[2 + half], _mm256_mulhi_epu16(_mm256_and_si256(v, high), weight));
            }
        }
        for (int i = 0; i < 4; ++i) _mm256_storeu_si256(out + i, sum[i]);
    }
}

}  // namespace lsr
