#define LSR_LANES 16
#include "product_simd.h"

namespace lsr {

void multiply_avx512(const Product& product) {
    multiply_blocks(product);
}

}  // namespace lsr
