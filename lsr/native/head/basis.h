// Coordinates in which a part of a vector says most about its products.
#pragma once

#include <cstddef>
#include <vector>

#include "linear.h"

namespace lsr {

// x . e = (forward x) . (backward e) where forward^T backward = 1: tokens are written with one matrix, terms
// with the other, both [width][width]. Coordinates [edges[0], edges[n]) are the rest, those behind them are
// screened. Of the rest, the coordinates between two edges are represented by their norm.
struct BasisMatrices {
    const float* forward;
    const float* backward;
    std::vector<size_t> edges;  // ascending from 0
};

class Basis {
  public:
    // The coordinates as they come, all of them screened.
    explicit Basis(size_t width);

    // Throws std::invalid_argument, saying what is wrong, unless width is a multiple of 16, the rest one of 4,
    // what is screened (coordinates and norms) one of 8, and the matrices are inverse to each other up to
    // rounding.
    Basis(size_t width, const BasisMatrices& matrices);

    bool is_identity() const { return is_identity_; }
    size_t width() const { return width_; }
    // Coordinates with what pads them to a multiple of 8; a row of codes: rest, screened coordinates, norms.
    size_t n_coordinates() const { return n_coordinates_; }
    size_t n_rest() const { return edges_.back(); }
    size_t n_norms() const { return edges_.size() - 1; }
    size_t n_screened() const { return n_coordinates_ - n_rest() + n_norms(); }
    size_t row_codes() const { return n_coordinates_ + n_norms(); }
    const std::vector<size_t>& edges() const { return edges_; }

    // Not for the identity:
    const PackedLinear& forward() const { return forward_; }
    const PackedLinear& backward() const { return backward_; }
    // Upper bounds: |fl(F x) - F x| <= forward_error |x| as PackedLinear computes it, backward likewise, and
    // |x . e - (F x) . (B e)| <= mismatch |x| |e|, all norms Euclidean. The first two leave out what falls
    // below the normal range, at most kLostBelowRange in norm.
    double forward_error() const { return forward_error_; }
    double backward_error() const { return backward_error_; }
    double mismatch() const { return mismatch_; }

  private:
    void check_edges() const;

    size_t width_;
    size_t n_coordinates_;
    bool is_identity_;
    std::vector<size_t> edges_;
    PackedLinear forward_, backward_;
    double forward_error_ = 0.0, backward_error_ = 0.0, mismatch_ = 0.0;
};

inline constexpr size_t kMostNorms = 64;

// Twice d^(3/2) 2^-149 for the largest width, 65,536.
inline constexpr float kLostBelowRange = 1e-36f;

}  // namespace lsr
