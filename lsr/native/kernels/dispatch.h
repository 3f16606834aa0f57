// The kernels of one instruction set.
#pragma once

#include "cpu.h"
#include "filter.h"
#include "product.h"
#include "rows.h"

namespace lsr {

struct Kernels {
    Filter filter;
    Multiply multiply;
    RowKernels rows;
};

Kernels kernels_for(Isa isa);

}  // namespace lsr
