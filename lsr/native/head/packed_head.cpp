#include "packed_head.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "coding.h"

namespace lsr {
namespace {

constexpr double kUnderflow = 1e-30;  // far above d * 2^-149, what products below the normal range can lose
constexpr float kNever = -1e30f;      // stands for a bias of -inf, so that no arithmetic meets an infinity
constexpr size_t kTermsAtOnce = 256;  // brought into the basis together: they stay in the L2 cache

float rounded_up(double x) {
    const float nearest = static_cast<float>(x);
    return nearest < x ? std::nextafter(nearest, std::numeric_limits<float>::infinity()) : nearest;
}

double norm_of(const float* x, size_t n) {
    double squares = 0.0;
    for (size_t at = 0; at < n; ++at) squares += static_cast<double>(x[at]) * x[at];
    return std::sqrt(squares);
}

void check_values(const float* values, size_t n, size_t row_length, const char* what) {
    for (size_t at = 0; at < n; ++at) {
        if (!(std::fabs(values[at]) <= kLargestValue)) {
            throw std::invalid_argument(std::string(what) + " row " + std::to_string(at / row_length) +
                                        " holds " + std::to_string(values[at]) +
                                        "; values must be finite and at most 1e12 in size");
        }
    }
}

}  // namespace

PackedHead::PackedHead(const float* embedding, size_t n_terms, const float* bias, const float* center,
                       Basis basis, const Kernels& kernels)
    : embedding_(embedding),
      n_terms_(n_terms),
      basis_(std::move(basis)),
      largest_code_(kernels.filter.largest_code) {
    if (n_terms == 0 || n_terms > std::numeric_limits<uint32_t>::max() || width() == 0 || width() > kMaxWidth) {
        throw std::invalid_argument("a head needs 1 to 65,536 columns and at least one term, not " +
                                    std::to_string(n_terms) + " x " + std::to_string(width()));
    }
    check_values(embedding, n_terms * width(), width(), "embedding");
    take_bias(bias);
    take_center(center);
    const size_t n_padded = n_tiles() * kTileTerms;
    codes_.reserve(n_padded * basis_.n_screened());
    std::fill_n(codes_.data(), n_padded * basis_.n_screened(), static_cast<uint8_t>(code_offset()));
    row_codes_.reserve(n_terms * basis_.n_coordinates());
    row_sums_.resize(n_terms);
    row_residuals_.resize(n_terms);
    for (Aligned<float>* numbers : {&scale_, &residual_, &norm_, &length_, &bound_bias_}) {
        numbers->reserve(n_padded);
        std::fill_n(numbers->data(), n_padded, 0.0f);
    }
    pack_terms(kernels);
}

void PackedHead::take_bias(const float* bias) {
    bias_.assign(bias, bias + n_terms_);
    for (float& value : bias_) value = value < kNever ? kNever : value;
    for (size_t term = 0; term < n_terms_; ++term) {
        if (!(bias_[term] <= kLargestValue)) check_values(&bias_[term], 1, 1, "bias");
    }
}

void PackedHead::take_center(const float* center) {
    center_.assign(width(), 0.0f);
    if (center != nullptr) std::copy_n(center, width(), center_.data());
    check_values(center_.data(), width(), width(), "center");
    center_norm_ = rounded_up(norm_of(center_.data(), width()) * (1.0 + 1e-6));
}

void PackedHead::pack_terms(const Kernels& kernels) {
    Aligned<float> changed(basis_.is_identity() ? 0 : kTermsAtOnce * width());
    std::vector<const float*> row_pointers;
    std::vector<float> norms(basis_.n_norms());
    std::vector<int8_t> codes(basis_.row_codes() + 64);
    for (size_t first = 0; first < n_terms_; first += kTermsAtOnce) {
        const size_t count = std::min(kTermsAtOnce, n_terms_ - first);
        const float* coordinates = row(first);
        if (!basis_.is_identity()) {
            basis_.backward().apply(kernels, row(first), count, Epilogue::none, nullptr, changed.data(),
                                    row_pointers);
            coordinates = changed.data();
        }
        for (size_t at = 0; at < count; ++at) {
            pack_term(kernels, first + at, coordinates + at * width(), norms.data(), codes.data());
        }
    }
}

void PackedHead::pack_term(const Kernels& kernels, size_t term, const float* coordinates, float* norms,
                           int8_t* codes) {
    const float* e = row(term);
    rest_norms(kernels.rows, basis_, coordinates, norms);
    const float largest = largest_size(kernels.rows, basis_, coordinates, norms);
    const float scale = scale_for(largest, largest_code_);
    const CodedRow coded = code_row(kernels.rows, basis_, coordinates, norms, scale, largest, codes);

    std::copy_n(codes, basis_.n_coordinates(), row_codes_.data() + term * basis_.n_coordinates());
    uint8_t* panel =
        codes_.data() + term / kPanelTerms * basis_.n_screened() * kPanelTerms + term % kPanelTerms * 4;
    const int8_t* screened = codes + basis_.n_rest();
    for (size_t at = 0; at < basis_.n_screened(); ++at) {
        panel[at / 4 * kPanelTerms * 4 + at % 4] = static_cast<uint8_t>(screened[at] + code_offset());
    }
    double center_product = 0.0;
    for (size_t at = 0; at < width(); ++at) center_product += static_cast<double>(center_[at]) * e[at];
    const double centered = static_cast<double>(bias_[term]) + center_product;
    scale_[term] = scale;
    residual_[term] = rounded_up(coded.screened.residual + kLostBelowRange);
    row_sums_[term] = coded.whole.sum;
    row_residuals_[term] = rounded_up(coded.whole.residual + kLostBelowRange);
    norm_[term] = screened_norm_above(kernels.rows, basis_, coordinates);
    length_[term] = norm_above(kernels.rows, e, width());
    bound_bias_[term] =
        rounded_up(centered + std::ldexp(std::fabs(centered), -20) +
                   std::ldexp(static_cast<double>(width()) * center_norm_ * length_[term], -50) + kUnderflow);
}

FilterTile PackedHead::tile(size_t at) const {
    const size_t first = at * kTileTerms;
    const uint8_t* codes = codes_.data() + at * tile_codes();
    return {.codes = codes,
            .n_groups = basis_.n_screened() / 4,
            .scale = scale_.data() + first,
            .residual = residual_.data() + first,
            .norm = norm_.data() + first,
            .length = length_.data() + first,
            .bias = bound_bias_.data() + first,
            .first_term = static_cast<uint32_t>(first),
            .next_codes = at + 1 < n_tiles() ? codes + tile_codes() : nullptr,
            .n_terms = static_cast<uint32_t>(std::min(kTileTerms, n_terms_ - first))};
}

size_t PackedHead::size_bytes() const {
    return codes_.capacity() + row_codes_.capacity() +
           4 * (5 * scale_.capacity() + row_sums_.size() + row_residuals_.size() + bias_.size() +
                center_.size());
}

}  // namespace lsr
