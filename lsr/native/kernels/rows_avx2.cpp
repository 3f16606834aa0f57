#define LSR_LANES 8
#include "rows_simd.h"

namespace lsr {

const RowKernels kRowsAvx2 = {layer_norm, softmax, center, quantize, largest};

}  // namespace lsr
