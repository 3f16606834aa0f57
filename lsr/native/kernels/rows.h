// Kernels on one row of floats.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lsr {

// out = (x - mean) / sqrt(variance + epsilon) * weight + bias over the n values of a row; out may equal x.
using LayerNorm = void (*)(const float* x, size_t n, const float* weight, const float* bias, float epsilon,
                           float* out);

// out = x - center; returns the largest |out|, or a NaN if there is one among them.
using Center = float (*)(const float* x, const float* center, size_t n, float* out);

// The largest |x|, or a NaN if there is one among them.
using Largest = float (*)(const float* x, size_t n);

// A row's 8-bit codes: code = y to the nearest integer, in [-127, 127], where y = x * inverse_scale in float32.
// Zero codes follow up to the next multiple of 8; up to 15 bytes behind that may be overwritten.
struct Quantized {
    int32_t sum;          // of the codes
    int32_t sum_squares;  // of the codes
    float residual;       // sum of (y - code)^2, each difference exact, n + 1 roundings
};
using Quantize = Quantized (*)(const float* x, size_t n, float inverse_scale, int8_t* codes);

// x . y in one order of summation for each n.
using Dot = float (*)(const float* x, const float* y, size_t n);

// One term against the tokens of a document: bounds of its logits, without the bias, from products of codes.
struct Contest {
    const int32_t* sums;  // [n_tokens], of code products; readable up to the next multiple of 16
    const float* norms;   // [n_tokens], readable likewise, and so the next
    const float* residuals;
    size_t n_tokens;
    float scale;          // of a sum
    float term_residual;  // factor of a token's norm
    float term_norm;      // factor of a token's residual
    float rounding;       // what rounding may add to any of the bounds
    float floor;          // logits at or below it do not matter
};

// Writes, ascending, the tokens that may have the largest logit above the floor: those whose upper bound is not
// less than the floor and than every token's lower bound. `out` has room for n_tokens + 16. Returns how many.
using FindContenders = size_t (*)(const Contest& contest, uint32_t* out);

struct RowKernels {
    LayerNorm layer_norm;
    Center center;
    Largest largest;
    Quantize quantize;
    Dot dot;
    FindContenders find_contenders;
};

extern const RowKernels kRowsScalar;
extern const RowKernels kRowsAvx2;
extern const RowKernels kRowsAvx512;

}  // namespace lsr
