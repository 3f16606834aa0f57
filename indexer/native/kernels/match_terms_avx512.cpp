#include <immintrin.h>

#include "iota.h"
#include "match_terms.h"

namespace lsr {

// The bitmap fits two registers, so a permutation looks up 32 terms at once: word (term >> 4) % 64, then its
// bit term % 16. (A permutation takes the low bits of its index, which is the modulus.)
size_t match_terms16_avx512(const uint16_t* terms, size_t n, const uint32_t* bitmap, uint16_t* positions,
                            uint16_t* matched) {
    const __m512i low = _mm512_loadu_si512(bitmap), high = _mm512_loadu_si512(bitmap + 16);
    const __m512i one = _mm512_set1_epi16(1), fifteen = _mm512_set1_epi16(15), step = _mm512_set1_epi16(32);
    __m512i at = _mm512_load_si512(kIota);
    size_t found = 0;
    const auto match = [&](__mmask32 present, __m512i term) {
        const __m512i word = _mm512_permutex2var_epi16(low, _mm512_srli_epi16(term, 4), high);
        const __m512i bit = _mm512_sllv_epi16(one, _mm512_and_si512(term, fifteen));
        const __mmask32 hits = _mm512_mask_test_epi16_mask(present, word, bit);
        _mm512_storeu_si512(positions + found, _mm512_maskz_compress_epi16(hits, at));
        _mm512_storeu_si512(matched + found, _mm512_maskz_compress_epi16(hits, term));
        found += size_t(__builtin_popcount(hits));
        at = _mm512_add_epi16(at, step);
    };
    size_t i = 0;
    for (; i + 32 <= n; i += 32) match(~uint32_t{0}, _mm512_loadu_si512(terms + i));
    const __mmask32 rest = (uint32_t{1} << (n - i)) - 1;
    match(rest, _mm512_maskz_loadu_epi16(rest, terms + i));
    return found;
}

// As above with 16 terms at once: word (term >> 5) % 32, bit term % 32.
size_t match_terms32_avx512(const uint32_t* terms, size_t n, const uint32_t* bitmap, uint16_t* positions) {
    const __m512i low = _mm512_loadu_si512(bitmap), high = _mm512_loadu_si512(bitmap + 16);
    const __m512i one = _mm512_set1_epi32(1), mask = _mm512_set1_epi32(31), step = _mm512_set1_epi32(16);
    __m512i at = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    size_t found = 0;
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 present = n - i < 16 ? __mmask16((1u << (n - i)) - 1) : __mmask16(0xffff);
        const __m512i term = _mm512_maskz_loadu_epi32(present, terms + i);
        const __m512i word = _mm512_permutex2var_epi32(low, _mm512_srli_epi32(term, 5), high);
        const __m512i bit = _mm512_sllv_epi32(one, _mm512_and_si512(term, mask));
        const __mmask16 hits = _mm512_mask_test_epi32_mask(present, word, bit);
        const __m256i packed = _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(hits, at));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(positions + found), packed);
        found += size_t(__builtin_popcount(hits));
        at = _mm512_add_epi32(at, step);
    }
    return found;
}

}  // namespace lsr
