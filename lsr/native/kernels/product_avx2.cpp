#define LSR_LANES 8
#include "product_simd.h"

namespace lsr {

void multiply_avx2(const Product& product) {
    multiply_blocks(product);
}

}  // namespace lsr
