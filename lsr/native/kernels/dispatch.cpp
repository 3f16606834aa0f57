#include "dispatch.h"

namespace lsr {

Kernels kernels_for(Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::avx512)
        return {{filter_avx512, 127}, multiply_codes_avx512, multiply_avx512, attend_avx512, kRowsAvx512};
    if (isa == Isa::avx2)
        return {{filter_avx2, 63}, multiply_codes_avx2, multiply_avx2, attend_avx2, kRowsAvx2};
#endif
    static_cast<void>(isa);
    return {{filter_scalar, 127}, multiply_codes_scalar, multiply_scalar, attend_scalar, kRowsScalar};
}

}  // namespace lsr
