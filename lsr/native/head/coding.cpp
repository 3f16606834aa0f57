#include "coding.h"

#include <cmath>

namespace lsr {
namespace {

// y differs from x / scale by at most 127 * 2^-23 (two roundings), in each of d places.
Coded coded(const Quantized& row, size_t n, float scale, float largest) {
    const auto d = static_cast<double>(n);
    // Without codes the residual is the vector itself.
    if (scale == 0.0f) return {0, 0.0, largest * std::sqrt(d) * (1.0 + 0x1p-20)};
    const double residual = std::sqrt(row.residual * (1.0 + std::ldexp(d, -22))) + std::sqrt(d) * 127 * 0x1p-22;
    return {row.sum, scale * std::sqrt(static_cast<double>(row.sum_squares)) * (1.0 + 0x1p-20),
            scale * residual * (1.0 + 0x1p-20)};
}

Quantized together(const Quantized& a, const Quantized& b) {
    return {a.sum + b.sum, a.sum_squares + b.sum_squares, a.residual + b.residual};
}

}  // namespace

float norm_above(const RowKernels& kernels, const float* x, size_t n) {
    // What squares lose below the normal range is less than 1e-18 in norm.
    const double squares = kernels.dot(x, x, n);
    return static_cast<float>(std::sqrt(squares) * (1.0 + std::ldexp(static_cast<double>(n) + 8.0, -23))) +
           1e-18f;
}

void rest_norms(const RowKernels& kernels, const Basis& basis, const float* coordinates, float* norms) {
    for (size_t at = 0; at < basis.n_norms(); ++at) {
        const size_t first = basis.edges()[at];
        norms[at] = norm_above(kernels, coordinates + first, basis.edges()[at + 1] - first);
    }
}

float screened_norm_above(const RowKernels& kernels, const Basis& basis, const float* coordinates) {
    // Each piece's norm is raised by at most (n + 16) 2^-23 and 1e-18; there are at most kMostNorms.
    const double raised = 1.0 + std::ldexp(static_cast<double>(basis.width()) + 16.0, -22);
    return static_cast<float>(norm_above(kernels, coordinates, basis.width()) * raised) + 1e-17f;
}

float largest_size(const RowKernels& kernels, const Basis& basis, const float* coordinates,
                   const float* norms) {
    const float largest = kernels.largest(coordinates, basis.width());
    const float norm = kernels.largest(norms, basis.n_norms());
    return norm <= largest ? largest : norm;
}

float scale_for(float largest, int largest_code) {
    const float step = largest / static_cast<float>(largest_code);
    return step < kSmallestScale ? 0.0f : step;
}

CodedRow code_row(const RowKernels& kernels, const Basis& basis, const float* coordinates, const float* norms,
                  float scale, float largest, int8_t* codes) {
    const float inverse = scale == 0.0f ? 0.0f : 1.0f / scale;
    const size_t n_rest = basis.n_rest();
    // In this order, because each part may write zeros over the first codes of the next.
    const Quantized rest = kernels.quantize(coordinates, n_rest, inverse, codes);
    const Quantized own =
        kernels.quantize(coordinates + n_rest, basis.width() - n_rest, inverse, codes + n_rest);
    const Quantized extra = kernels.quantize(norms, basis.n_norms(), inverse, codes + basis.n_coordinates());
    return {coded(together(rest, own), basis.width(), scale, largest),
            coded(together(own, extra), basis.n_screened(), scale, largest)};
}

}  // namespace lsr
