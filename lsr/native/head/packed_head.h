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
// Terms and tokens have integer codes: e_v = s_v q_v + r_v and x' = s q + r with one s for the document, all
// codes in [-127, 127] (AVX2: [-63, 63]). Then
//
//     x' . e_v = (s q) . (s_v q_v)  +  (s q) . r_v  +  r . e_v.
//
// The first part is s s_v times a sum of integers, which the filter computes exactly. By Cauchy and Schwarz the
// second is at most A_t rho_v and the third B_t nu_v, where A_t = |s q|, B_t = |r|, rho_v = |r_v|, nu_v =
// |e_v|. So with A = max A_t, B = max B_t over the document's tokens
//
//     max over t of logit(t, v) <= s s_v max_t (q . q_v) + A rho_v + B nu_v + b0_v.
//
// What rounding adds, all of it included in the stored numbers (d = width):
//   * the centring: |x - c - x'| <= u |x'| <= u (A + B), times nu_v;
//   * the float32 product that defines the result, in any order of summation, fused or not: an error of at most
//     (d + 2) u X nu_v with X = max |x_t| <= A + B + |c| (1 + u), which may lift a logit above zero; the last
//     addition, that of the bias, is correctly rounded and cannot change the sign (below the normal range:
//     kUnderflow);
//   * b0_v, computed in double: d 2^-50 |c| nu_v is ample;
//   * the bound's own evaluation, 8 roundings of sums below A (nu_v + rho_v) + B nu_v + |bias_v|, as
//     |s q| |s_v q_v| <= A (nu_v + rho_v);
//   * B and rho_v, computed from the actual residuals (the a-priori s/2 sqrt(d) is looser by sqrt 3) and
//   rounded up.
// Each coefficient below is at least twice what this list needs. Stored are therefore
//
//     norm      = A (1 + 2^-20)
//     residual  = B (1 + d 2^-22) + 2^-20 (A + B) + (d + 8) 2^-23 (A + B + |c|)
//     bias_v    = b0_v + 2^-20 |b0_v| + d 2^-50 |c| nu_v + kUnderflow, rounded up.
//
// The tokens of a candidate are bounded by the same lines with A_t and B_t instead of A and B. They hold for
// the computed product, from both sides, so a token whose upper bound is below another's lower bound has the
// smaller product; the common c . e_v does not matter there.
//
// The final log1p is strictly monotone at zero, so the support is exactly that of the definition, whatever the
// centre: a better one (the mean hidden state) only means fewer candidates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "aligned.h"
#include "dispatch.h"

namespace lsr {

// Bounds on what a head accepts, so that nothing overflows float32 or the integer sums.
inline constexpr size_t kMaxWidth = 65536;
inline constexpr float kLargestValue = 1e16f;  // of a hidden state, an embedding, a bias

class PackedHead {
  public:
    // embedding: [n_terms][width], kept by reference; bias: [n_terms], -inf for a term that shall never have
    // weight; center: [width] or null for zeros. Throws std::invalid_argument, naming the place, if a value is
    // not finite or larger than kLargestValue, or a size is out of range. largest_code: the filter's
    // (filter.h).
    PackedHead(const float* embedding, size_t n_terms, size_t width, const float* bias, const float* center,
               int largest_code);

    size_t n_terms() const { return n_terms_; }
    size_t width() const { return width_; }
    size_t n_groups() const { return n_groups_; }
    size_t n_tiles() const { return (n_terms_ + kTileTerms - 1) / kTileTerms; }
    const float* center() const { return center_.data(); }
    float center_norm() const { return center_norm_; }
    const float* row(size_t term) const { return embedding_ + term * width_; }
    float bias(size_t term) const { return bias_[term]; }
    int largest_code() const { return largest_code_; }
    int code_offset() const { return largest_code_ + 1; }
    // What bounds a term's logits: the step of its codes, nu_v and bias_v.
    float scale(size_t term) const { return scale_[term]; }
    float norm(size_t term) const { return norm_[term]; }
    float bound_bias(size_t term) const { return bound_bias_[term]; }
    FilterTile tile(size_t at) const;
    // Bytes of its own, without the embedding table.
    size_t size_bytes() const;

  private:
    void pack_term(size_t term);

    const float* embedding_;
    size_t n_terms_;
    size_t width_;
    size_t n_groups_;
    int largest_code_;
    float center_norm_;
    std::vector<float> bias_;
    std::vector<float> center_;
    Aligned<uint8_t> codes_;  // FilterTile::codes, tile after tile
    // Four numbers a term, padded to whole tiles: FilterTile's scale, residual, norm and bias.
    Aligned<float> scale_, residual_, norm_, bound_bias_;
};

}  // namespace lsr
