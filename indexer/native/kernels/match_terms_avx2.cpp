#include <immintrin.h>

#include "match_terms.h"

namespace lsr {

namespace {

// The bitmap as 8 tables of 16 bytes, each in both halves of a register.
struct Tables {
    __m256i of[8];
};

Tables tables_of(const uint32_t* bitmap) {
    Tables tables;
    for (size_t at = 0; at < 8; ++at) {
        const auto* bytes = reinterpret_cast<const __m128i*>(bitmap + 4 * at);
        tables.of[at] = _mm256_broadcastsi128_si256(_mm_loadu_si128(bytes));
    }
    return tables;
}

// 32 values of 16 bits, each below 256, as bytes in order.
__m256i as_bytes(__m256i first, __m256i second) {
    return _mm256_permute4x64_epi64(_mm256_packus_epi16(first, second), 0xd8);
}

// Bit i: whether term i of 32 has its bit in the bitmap: byte term / 8 % 128, bit term % 8. A shuffle looks up
// 16 bytes and yields 0 where the highest bit of its index is set, as it is made for every table but the right
// one.
uint32_t hits_of(__m256i first, __m256i second, const Tables& tables) {
    const __m256i seven = _mm256_set1_epi16(7), low_bits = _mm256_set1_epi16(127);
    const __m256i bit = as_bytes(_mm256_and_si256(first, seven), _mm256_and_si256(second, seven));
    __m256i at = as_bytes(_mm256_and_si256(_mm256_srli_epi16(first, 3), low_bits),
                          _mm256_and_si256(_mm256_srli_epi16(second, 3), low_bits));
    __m256i bytes = _mm256_setzero_si256();
    for (const __m256i& table : tables.of) {
        const __m256i here = _mm256_adds_epu8(at, _mm256_set1_epi8(0x70));  // 0 to 15 stay below 128
        bytes = _mm256_or_si256(bytes, _mm256_shuffle_epi8(table, here));
        at = _mm256_sub_epi8(at, _mm256_set1_epi8(16));
    }
    const __m256i masks = _mm256_shuffle_epi8(_mm256_set1_epi64x(int64_t(0x8040201008040201)), bit);
    const __m256i hits = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, masks), masks);
    return uint32_t(_mm256_movemask_epi8(hits));
}

size_t write_positions(uint32_t hits, size_t first, uint16_t* positions) {
    size_t found = 0;
    for (; hits != 0; hits &= hits - 1) positions[found++] = uint16_t(first + size_t(__builtin_ctz(hits)));
    return found;
}

// The terms behind the last 32, one by one: nothing may be read past them.
template <class Term>
size_t match_rest(const Term* terms, size_t i, size_t n, const uint32_t* bitmap, uint16_t* positions) {
    size_t found = 0;
    for (; i < n; ++i) {
        positions[found] = uint16_t(i);
        found += (bitmap[terms[i] % kMatchBits / 32] >> (terms[i] % 32)) & 1;
    }
    return found;
}

}  // namespace

size_t match_terms16_avx2(const uint16_t* terms, size_t n, const uint32_t* bitmap, uint16_t* positions,
                          uint16_t* matched) {
    const Tables tables = tables_of(bitmap);
    size_t found = 0, i = 0;
    for (; i + 32 <= n; i += 32) {
        const auto* in = reinterpret_cast<const __m256i*>(terms + i);
        const uint32_t hits = hits_of(_mm256_loadu_si256(in), _mm256_loadu_si256(in + 1), tables);
        found += write_positions(hits, i, positions + found);
    }
    found += match_rest(terms, i, n, bitmap, positions + found);
    for (size_t at = 0; at < found; ++at) matched[at] = terms[positions[at]];
    return found;
}

size_t match_terms32_avx2(const uint32_t* terms, size_t n, const uint32_t* bitmap, uint16_t* positions) {
    const Tables tables = tables_of(bitmap);
    const __m256i used = _mm256_set1_epi32(kMatchBits - 1);
    size_t found = 0, i = 0;
    for (; i + 32 <= n; i += 32) {
        const auto* in = reinterpret_cast<const __m256i*>(terms + i);
        __m256i half[2];
        for (int at = 0; at < 2; ++at) {
            const __m256i low = _mm256_and_si256(_mm256_loadu_si256(in + 2 * at), used);
            const __m256i high = _mm256_and_si256(_mm256_loadu_si256(in + 2 * at + 1), used);
            half[at] = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);
        }
        found += write_positions(hits_of(half[0], half[1], tables), i, positions + found);
    }
    return found + match_rest(terms, i, n, bitmap, positions + found);
}

}  // namespace lsr
