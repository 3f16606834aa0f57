// A masked-LM head packed for exact encoding: which terms have a positive logit at some token of a document,
// and how large is it?
//
//     logit(t, v) = x_t . e_v + b_v          x_t: hidden state of token t, e_v, b_v: row and bias of term v
//     weight(v)   = log(1 + max(0, max over t of logit(t, v)))
//
// Of 30,522 terms some 130 end above zero. The *definition* of the result is the float32 dot product of
// kernels/rows.h for every token and term; an 8-bit filter with a rigorous bound finds some 200 candidate
// terms, the same bound taken token by token leaves one or two tokens for each, and only these products are
// computed.
//
// Why no term is lost. Let u = 2^-24, the rounding unit of float32. Any vector c will do as a centre; with
// x' = fl(x - c) and b0_v = b_v + c . e_v,
//
//     x . e_v + b_v = (x - c) . e_v + b0_v = x' . e_v + (x - c - x') . e_v + b0_v.
//
// Any two matrices with F^T G near 1 will do as a basis (basis.h; without one F = G = 1, exactly). With
// X = fl(F x') and E_v = fl(G e_v), and f, g, m for forward_error, backward_error and mismatch,
//
//     |x' . e_v - X . E_v| <= m |x'| |e_v| + f |x'| |G e_v| + |X| g |e_v|,     |G e_v| <= |E_v| + g |e_v|.
//
// A part of the coordinates, the rest, is not multiplied: by Cauchy and Schwarz the products of its pieces are
// at most those of their norms. So with Y = (X's other coordinates, norms of the rest's pieces) and Z_v alike,
//
//     X . E_v <= Y . Z_v.
//
// A good basis makes the rest small, and Y is shorter than x: this is where the time is saved. Y and Z_v have
// integer codes: Z_v = s_v q_v + r_v and Y = s q + r with one s for the document, all codes in [-127, 127]
// (AVX2: [-63, 63]). Then
//
//     Y . Z_v = (s q) . (s_v q_v)  +  (s q) . r_v  +  r . Z_v.
//
// The first part is s s_v times a sum of integers, which the filter computes exactly. By Cauchy and Schwarz the
// second is at most A_t rho_v and the third B_t nu_v, where A_t = |s q|, B_t = |r|, rho_v = |r_v|, nu_v =
// |Z_v| = |E_v|. So with A, B, R the largest A_t, B_t and R_t (below) of the document's tokens
//
//     max over t of logit(t, v) <= s s_v max_t (q . q_v) + A rho_v + B nu_v + R |e_v| + b0_v.
//
// What rounding adds, all of it included in the stored numbers (d = width):
//   * the centring: |x - c - x'| <= u |x'|, times |e_v|;
//   * the basis, as above: f |x'| belongs to B_t, the rest to R_t;
//   * the float32 product that defines the result, in any order of summation, fused or not: an error of at most
//     (d + 2) u |x| |e_v| with |x| <= |x'| (1 + u) + |c|, which may lift a logit above zero; the last
//     addition, that of the bias, is correctly rounded and cannot change the sign (below the normal range:
//     kUnderflow, kLostBelowRange);
//   * b0_v, computed in double: d 2^-50 |c| |e_v| is ample;
//   * the bound's own evaluation, 10 roundings of sums below A (nu_v + rho_v) + B nu_v + R |e_v| + |bias_v|, as
//     |s q| |s_v q_v| <= A (nu_v + rho_v);
//   * B and rho_v, computed from the actual residuals (the a-priori s/2 sqrt(d) is looser by sqrt 3) and
//   rounded up.
// Each coefficient below is at least twice what this list needs. N_t is at least |x'|. Stored are therefore
//
//     norm      = A_t (1 + 2^-20)
//     residual  = B_t + 2^-20 (A_t + B_t) + f N_t + kLostBelowRange
//     rounding  = (1 + 2^-20) ((d + 8) 2^-23 (N_t + |c|) + m N_t + g (|X| + f N_t))
//     bias_v    = b0_v + 2^-20 |b0_v| + d 2^-50 |c| |e_v| + kUnderflow, rounded up.
//
// The tokens of a candidate are bounded by the same lines with X and E_v instead of Y and Z_v, and each token's
// own numbers. They hold for the computed product, from both sides, so a token whose upper bound is below
// another's lower bound has the smaller product; the common c . e_v does not matter there.
//
// The final log1p is strictly monotone at zero, so the support is exactly that of the definition, whatever the
// centre and the basis: better ones only mean less work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "aligned.h"
#include "basis.h"
#include "dispatch.h"

namespace lsr {

// Bounds on what a head accepts, so that nothing overflows float32 or the integer sums.
inline constexpr size_t kMaxWidth = 65536;
inline constexpr float kLargestValue = 1e12f;  // of a hidden state, an embedding, a bias

class PackedHead {
  public:
    // embedding: [n_terms][width], kept by reference; bias: [n_terms], -inf for a term that shall never have
    // weight; center: [width] or null for zeros; kernels: of the instruction set that will use the codes.
    // Throws std::invalid_argument, naming the place, if a value is not finite or larger than kLargestValue, or
    // a size is out of range.
    PackedHead(const float* embedding, size_t n_terms, const float* bias, const float* center, Basis basis,
               const Kernels& kernels);

    size_t n_terms() const { return n_terms_; }
    size_t width() const { return basis_.width(); }
    const Basis& basis() const { return basis_; }
    size_t n_tiles() const { return (n_terms_ + kTileTerms - 1) / kTileTerms; }
    const float* center() const { return center_.data(); }
    float center_norm() const { return center_norm_; }
    const float* row(size_t term) const { return embedding_ + term * width(); }
    float bias(size_t term) const { return bias_[term]; }
    int largest_code() const { return largest_code_; }
    int code_offset() const { return largest_code_ + 1; }
    // The filter's: codes of Z_v.
    FilterTile tile(size_t at) const;
    // Codes of E_v, basis().n_coordinates() of them, their sum, and what bounds a term's logits: the step of
    // its codes, |r_v|, nu_v, |e_v| and bias_v.
    const int8_t* codes(size_t term) const { return row_codes_.data() + term * basis_.n_coordinates(); }
    int32_t code_sum(size_t term) const { return row_sums_[term]; }
    float scale(size_t term) const { return scale_[term]; }
    float row_residual(size_t term) const { return row_residuals_[term]; }
    float norm(size_t term) const { return norm_[term]; }
    float length(size_t term) const { return length_[term]; }
    float bound_bias(size_t term) const { return bound_bias_[term]; }
    // Bytes of its own, without the embedding table.
    size_t size_bytes() const;

  private:
    void take_bias(const float* bias);
    void take_center(const float* center);
    void pack_terms(const Kernels& kernels);
    // norms, codes: room for one row's.
    void pack_term(const Kernels& kernels, size_t term, const float* coordinates, float* norms, int8_t* codes);
    size_t tile_codes() const { return kTileTerms * basis_.n_screened(); }

    const float* embedding_;
    size_t n_terms_;
    Basis basis_;
    int largest_code_;
    float center_norm_;
    std::vector<float> bias_;
    std::vector<float> center_;
    Aligned<uint8_t> codes_;  // FilterTile::codes, tile after tile
    Aligned<int8_t> row_codes_;
    std::vector<int32_t> row_sums_;
    std::vector<float> row_residuals_;
    // A number for each term, padded to whole tiles: FilterTile's.
    Aligned<float> scale_, residual_, norm_, length_, bound_bias_;
};

}  // namespace lsr
