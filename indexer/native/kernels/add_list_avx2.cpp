#include <immintrin.h>

#include "add_list.h"
#include "add_products.h"

namespace lsr {

// 16 products at once; the additions are scalar, for there is no scatter of 16-bit values. Documents of a list
// are distinct, so the additions do not wait for each other.
void add_list_avx2(const uint8_t* offsets, const uint8_t* codes, size_t count, uint32_t weight, uint16_t* acc) {
    const __m256i factor = _mm256_set1_epi16(short(weight));
    alignas(32) uint16_t products[16];
    for (size_t begin = 0; begin < count; begin += 16) {
        __builtin_prefetch(offsets + 2 * (begin + kPostingsAhead));
        __builtin_prefetch(codes + begin + kPostingsAhead);
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + begin));
        const __m256i shifted = _mm256_slli_epi16(_mm256_cvtepu8_epi16(bytes), 8);
        _mm256_store_si256(reinterpret_cast<__m256i*>(products), _mm256_mulhi_epu16(shifted, factor));
        if (count - begin >= 16) {
            add_products<16>(offsets + 2 * begin, products, 16, acc);
        } else {
            add_products<1>(offsets + 2 * begin, products, count - begin, acc);
        }
    }
}

}  // namespace lsr
