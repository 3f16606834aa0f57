#include "match_terms.h"

namespace lsr {

size_t match_terms16_scalar(const uint16_t* terms, size_t n, const uint32_t* bitmap, uint16_t* positions,
                            uint16_t* matched) {
    size_t found = 0;
    for (size_t i = 0; i < n; ++i) {
        positions[found] = uint16_t(i);
        matched[found] = terms[i];
        found += (bitmap[terms[i] % kMatchBits / 32] >> (terms[i] % 32)) & 1;
    }
    return found;
}

size_t match_terms32_scalar(const uint32_t* terms, size_t n, const uint32_t* bitmap, uint16_t* positions) {
    size_t found = 0;
    for (size_t i = 0; i < n; ++i) {
        positions[found] = uint16_t(i);
        found += (bitmap[terms[i] % kMatchBits / 32] >> (terms[i] % 32)) & 1;
    }
    return found;
}

}  // namespace lsr
