#include <immintrin.h>

#include <cstring>

#include "add_list.h"

namespace lsr {

// 16 products at once; the additions are scalar, for there is no scatter of 16-bit values. Documents of a list
// are distinct, so the additions do not wait for each other.
void add_list_avx2(const uint8_t* offsets, const uint8_t* codes, size_t count, uint32_t weight, uint16_t* acc) {
    const __m256i factor = _mm256_set1_epi16(short(weight));
    alignas(32) uint16_t products[16];
    for (size_t begin = 0; begin < count; begin += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + begin));
        const __m256i shifted = _mm256_slli_epi16(_mm256_cvtepu8_epi16(bytes), 8);
        _mm256_store_si256(reinterpret_cast<__m256i*>(products), _mm256_mulhi_epu16(shifted, factor));
        const size_t n = count - begin < 16 ? count - begin : 16;
        size_t i = 0;
        for (; i + 4 <= n; i += 4) {
            uint64_t four, terms;
            std::memcpy(&four, offsets + 2 * (begin + i), 8);
            std::memcpy(&terms, products + i, 8);
            acc[uint16_t(four)] = uint16_t(acc[uint16_t(four)] + terms);
            acc[uint16_t(four >> 16)] = uint16_t(acc[uint16_t(four >> 16)] + (terms >> 16));
            acc[uint16_t(four >> 32)] = uint16_t(acc[uint16_t(four >> 32)] + (terms >> 32));
            acc[four >> 48] = uint16_t(acc[four >> 48] + (terms >> 48));
        }
        for (; i < n; ++i) {
            uint16_t offset;
            std::memcpy(&offset, offsets + 2 * (begin + i), 2);
            acc[offset] = uint16_t(acc[offset] + products[i]);
        }
    }
}

}  // namespace lsr
