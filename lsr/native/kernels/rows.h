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

// A row's 8-bit codes: code = y to the nearest integer, in [-127, 127], where y = x * inverse_scale in float32.
// Zero codes follow up to the next multiple of 8; up to 15 bytes behind that may be overwritten.
struct Quantized {
    int32_t sum;          // of the codes
    int32_t sum_squares;  // of the codes
    float residual;       // sum of (y - code)^2, each difference exact, n + 1 roundings
};
using Quantize = Quantized (*)(const float* x, size_t n, float inverse_scale, int8_t* codes);

// The largest of n >= 1 values.
using Largest = float (*)(const float* x, size_t n);

struct RowKernels {
    LayerNorm layer_norm;
    Center center;
    Quantize quantize;
    Largest largest;
};

extern const RowKernels kRowsScalar;
extern const RowKernels kRowsAvx2;
extern const RowKernels kRowsAvx512;

}  // namespace lsr
