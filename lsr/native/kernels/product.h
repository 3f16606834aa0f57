// Matrix products in float32: rows times panels of 16 columns, with what follows each product done in
// registers.
//
// It serves the linear layers; the panels are their packed weights.
#pragma once

#include <cstddef>

namespace lsr {

inline constexpr size_t kPanelColumns = 16;

enum class Epilogue {
    none,
    gelu,  // x * (1 + erf(x / sqrt 2)) / 2
    add,   // + addend, of the output's shape
};

struct Product {
    const float* const* rows;  // n_rows pointers to `depth` values
    size_t n_rows;
    size_t depth;
    const float* panels;  // [n_panels][depth][16]
    size_t n_panels;
    const float* bias;  // one value a column, or null
    Epilogue epilogue = Epilogue::none;
    const float* addend = nullptr;  // Epilogue::add only; rows `out_stride` apart
    float* out;                     // [n_rows][n_panels * 16], rows `out_stride` apart; may equal `addend`
    size_t out_stride;
};

// Each output is one chain of additions in the order of k, started at the bias; so it does not depend on how
// many rows or panels a call has. Instruction sets differ by fused or separate rounding and in gelu's last
// bits.
using Multiply = void (*)(const Product& product);

void multiply_scalar(const Product& product);
void multiply_avx2(const Product& product);
void multiply_avx512(const Product& product);

}  // namespace lsr
