#define LSR_LANES 8
#include "attention_simd.h"

namespace lsr {

void attend_avx2(const Attention& attention) {
    attend(attention);
}

}  // namespace lsr
