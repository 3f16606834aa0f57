// Rows of coordinates as 8-bit codes, of tokens and of terms alike, with what the codes left out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "basis.h"
#include "dispatch.h"

namespace lsr {

inline constexpr float kSmallestScale = 1e-30f;  // below it codes are zero and norms alone bound

// Part of a row: the sum of its codes, the norm of what they stand for, and that of what they left out. The
// norms are rounded up.
struct Coded {
    int32_t sum;
    double norm, residual;
};
struct CodedRow {
    Coded whole;     // all coordinates
    Coded screened;  // those behind the rest, and the norms
};

// At least the Euclidean norm of n numbers.
float norm_above(const RowKernels& kernels, const float* x, size_t n);

// norms[i]: at least the norm of the rest's coordinates between edges i and i + 1.
void rest_norms(const RowKernels& kernels, const Basis& basis, const float* coordinates, float* norms);

// At least the norm of the coordinates, with norms of the rest's pieces that `rest_norms` has rounded up.
float screened_norm_above(const RowKernels& kernels, const Basis& basis, const float* coordinates);

// The largest of coordinates and norms by size, or a NaN if there is one among them.
float largest_size(const RowKernels& kernels, const Basis& basis, const float* coordinates, const float* norms);

// The step between codes whose largest is `largest_code`; 0 if it would be too small.
float scale_for(float largest, int largest_code);

// Writes basis.row_codes() codes, of coordinates and norms; up to 15 bytes behind them may be overwritten.
// largest: of the coordinates and norms, by size.
CodedRow code_row(const RowKernels& kernels, const Basis& basis, const float* coordinates, const float* norms,
                  float scale, float largest, int8_t* codes);

}  // namespace lsr
