// The kernels of one instruction set.
#pragma once

#include "attention.h"
#include "codes.h"
#include "cpu.h"
#include "filter.h"
#include "product.h"
#include "rows.h"

namespace lsr {

struct Kernels {
    Filter filter;
    MultiplyCodes multiply_codes;
    Multiply multiply;
    Attend attend;
    RowKernels rows;
};

Kernels kernels_for(Isa isa);

}  // namespace lsr
