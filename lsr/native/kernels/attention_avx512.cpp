#define LSR_LANES 16
#include "attention_simd.h"

namespace lsr {

void attend_avx512(const Attention& attention) {
    attend(attention);
}

}  // namespace lsr
