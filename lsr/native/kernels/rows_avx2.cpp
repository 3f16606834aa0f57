#define LSR_LANES 8
#include "rows_simd.h"

namespace lsr {

const RowKernels kRowsAvx2 = {layer_norm, center, largest, quantize, dot, find_contenders};

}  // namespace lsr
