#define LSR_LANES 16
#include "rows_simd.h"

namespace lsr {

const RowKernels kRowsAvx512 = {layer_norm, center, largest, quantize, dot, find_contenders};

}  // namespace lsr
