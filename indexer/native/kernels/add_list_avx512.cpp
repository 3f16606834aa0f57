#include <immintrin.h>

#include "add_list.h"
#include "add_products.h"

namespace lsr {

// 32 products at once; the additions are scalar, for there is no scatter of 16-bit values. Documents of a list
// are distinct, so the additions do not wait for each other.
void add_list_avx512(const uint8_t* offsets, const uint8_t* codes, size_t count, uint32_t weight,
                     uint16_t* acc) {
    const __m512i factor = _mm512_set1_epi16(short(weight));
    alignas(64) uint16_t products[32];
    for (size_t begin = 0; begin < count; begin += 32) {
        __builtin_prefetch(offsets + 2 * (begin + kPostingsAhead));
        __builtin_prefetch(codes + begin + kPostingsAhead);
        const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + begin));
        const __m512i shifted = _mm512_slli_epi16(_mm512_cvtepu8_epi16(bytes), 8);
        _mm512_store_si512(products, _mm512_mulhi_epu16(shifted, factor));
        if (count - begin >= 32) {
            add_products<32>(offsets + 2 * begin, products, 32, acc);
        } else {
            add_products<1>(offsets + 2 * begin, products, count - begin, acc);
        }
    }
}

}  // namespace lsr
