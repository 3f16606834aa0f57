#include "basis.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>
#include <string>

namespace lsr {
namespace {

constexpr double kLargestNorm = 1e6;       // of a matrix, so that no product of coordinates overflows
constexpr double kLargestMismatch = 1e-2;  // beyond it the matrices are not inverse, whatever rounding did

// At least the spectral norm of |matrix|, which is at most the root of its largest row sum times its largest
// column sum.
double norm_of_sizes(const float* matrix, size_t width) {
    std::vector<double> columns(width, 0.0);
    double largest_row = 0.0;
    for (size_t row = 0; row < width; ++row) {
        double sum = 0.0;
        for (size_t column = 0; column < width; ++column) {
            const double size = std::fabs(matrix[row * width + column]);
            sum += size;
            columns[column] += size;
        }
        largest_row = std::fmax(largest_row, sum);
    }
    const double largest_column = *std::max_element(columns.begin(), columns.end());
    return std::sqrt(largest_row * largest_column) * (1.0 + 1e-6);
}

// At least the Frobenius norm of 1 - forward^T backward.
double mismatch_of(const BasisMatrices& matrices, size_t width) {
    const std::vector<double> backward(matrices.backward, matrices.backward + width * width);
    std::vector<double> row(width);
    double squares = 0.0;
    for (size_t at = 0; at < width; ++at) {
        std::fill(row.begin(), row.end(), 0.0);
        row[at] = -1.0;
        for (size_t k = 0; k < width; ++k) {
            const double factor = matrices.forward[k * width + at];
            for (size_t column = 0; column < width; ++column)
                row[column] += factor * backward[k * width + column];
        }
        for (double value : row) squares += value * value;
    }
    return std::sqrt(squares) * (1.0 + 1e-6);
}

PackedLinear packed(const float* matrix, size_t width) {
    const std::vector<float> zeros(width, 0.0f);
    return PackedLinear({{.weight = matrix, .bias = zeros.data(), .n_outputs = width, .n_inputs = width}});
}

}  // namespace

Basis::Basis(size_t width)
    : width_(width), n_coordinates_((width + 7) / 8 * 8), is_identity_(true), edges_{0} {}

Basis::Basis(size_t width, const BasisMatrices& matrices)
    : width_(width), n_coordinates_(width), is_identity_(false), edges_(matrices.edges) {
    check_edges();
    const double forward_norm = norm_of_sizes(matrices.forward, width);
    const double backward_norm = norm_of_sizes(matrices.backward, width);
    if (!(forward_norm <= kLargestNorm && backward_norm <= kLargestNorm)) {
        throw std::invalid_argument("the basis has values that are not finite or too large");
    }
    mismatch_ =
        mismatch_of(matrices, width) + 0x1p-45 * static_cast<double>(width) * forward_norm * backward_norm;
    if (!(mismatch_ <= kLargestMismatch)) {
        throw std::invalid_argument("the basis's matrices are not inverse: off by " +
                                    std::to_string(mismatch_));
    }
    // (d + 2) 2^-24 for a product of d terms in float32, in any order, fused or not; twice that.
    const double of_product = std::ldexp(static_cast<double>(width) + 2.0, -23);
    forward_error_ = of_product * forward_norm;
    backward_error_ = of_product * backward_norm;
    forward_ = packed(matrices.forward, width);
    backward_ = packed(matrices.backward, width);
}

void Basis::check_edges() const {
    const bool rising =
        !edges_.empty() && edges_.front() == 0 && edges_.back() < width_ &&
        std::adjacent_find(edges_.begin(), edges_.end(), std::greater_equal<>()) == edges_.end();
    if (!rising || n_norms() > kMostNorms) {
        throw std::invalid_argument(
            "the basis's edges must rise from 0, end below the width and be at most 65");
    }
    if (width_ % 16 != 0 || n_rest() % 4 != 0 || n_screened() % 8 != 0) {
        throw std::invalid_argument("a basis needs a width that is a multiple of 16, a rest of 4 and " +
                                    std::string("screened numbers of 8, not ") + std::to_string(width_) + ", " +
                                    std::to_string(n_rest()) + " and " + std::to_string(n_screened()));
    }
}

}  // namespace lsr
