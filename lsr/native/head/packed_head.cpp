#include "packed_head.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

namespace lsr {
namespace {

constexpr double kUnderflow = 1e-30;      // far above d * 2^-149, what products below the normal range can lose
constexpr float kNever = -1e30f;          // stands for a bias of -inf, so that no arithmetic meets an infinity
constexpr float kSmallestScale = 1e-30f;  // a row below it gets zero codes: its norm alone bounds it

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
                                        "; values must be finite and at most 1e16 in size");
        }
    }
}

}  // namespace

PackedHead::PackedHead(const float* embedding, size_t n_terms, size_t width, const float* bias,
                       const float* center, int largest_code)
    : embedding_(embedding),
      n_terms_(n_terms),
      width_(width),
      n_groups_((width + 7) / 8 * 2),
      largest_code_(largest_code) {
    if (n_terms == 0 || n_terms > std::numeric_limits<uint32_t>::max() || width == 0 || width > kMaxWidth) {
        throw std::invalid_argument("a head needs 1 to 65,536 columns and at least one term, not " +
                                    std::to_string(n_terms) + " x " + std::to_string(width));
    }
    check_values(embedding, n_terms * width, width, "embedding");
    bias_.assign(bias, bias + n_terms);
    for (float& value : bias_) value = value < kNever ? kNever : value;
    for (size_t term = 0; term < n_terms; ++term) {
        if (!(bias_[term] <= kLargestValue)) check_values(&bias_[term], 1, 1, "bias");
    }
    center_.assign(width, 0.0f);
    if (center != nullptr) std::copy_n(center, width, center_.data());
    check_values(center_.data(), width, width, "center");
    center_norm_ = rounded_up(norm_of(center_.data(), width) * (1.0 + 1e-6));

    const size_t n_padded = n_tiles() * kTileTerms;
    codes_.reserve(n_padded * n_groups_ * 4);
    std::fill_n(codes_.data(), n_padded * n_groups_ * 4, static_cast<uint8_t>(code_offset()));
    for (Aligned<float>* numbers : {&scale_, &residual_, &norm_, &bound_bias_}) {
        numbers->reserve(n_padded);
        std::fill_n(numbers->data(), n_padded, 0.0f);
    }
    for (size_t term = 0; term < n_terms; ++term) pack_term(term);
}

void PackedHead::pack_term(size_t term) {
    const float* e = row(term);
    float largest = 0.0f;
    for (size_t at = 0; at < width_; ++at) largest = std::max(largest, std::fabs(e[at]));
    const float step = largest / static_cast<float>(largest_code_);
    const float scale = step < kSmallestScale ? 0.0f : step;

    uint8_t* panel = codes_.data() + term / kPanelTerms * n_groups_ * kPanelTerms * 4 + term % kPanelTerms * 4;
    double residual_squares = 0.0;
    double center_product = 0.0;
    for (size_t at = 0; at < width_; ++at) {
        const double exact = scale == 0.0f ? 0.0 : static_cast<double>(e[at]) / scale;
        const int code = std::clamp(static_cast<int>(std::lrint(exact)), -largest_code_, largest_code_);
        panel[at / 4 * kPanelTerms * 4 + at % 4] = static_cast<uint8_t>(code + code_offset());
        const double rest = e[at] - static_cast<double>(scale) * code;
        residual_squares += rest * rest;
        center_product += static_cast<double>(center_[at]) * e[at];
    }
    const double norm = norm_of(e, width_) * (1.0 + 1e-6);
    const double centered = static_cast<double>(bias_[term]) + center_product;
    scale_[term] = scale;
    residual_[term] = rounded_up(std::sqrt(residual_squares) * (1.0 + 1e-6));
    norm_[term] = rounded_up(norm);
    bound_bias_[term] =
        rounded_up(centered + std::ldexp(std::fabs(centered), -20) +
                   std::ldexp(static_cast<double>(width_) * center_norm_ * norm, -50) + kUnderflow);
}

FilterTile PackedHead::tile(size_t at) const {
    const size_t first = at * kTileTerms;
    return {.codes = codes_.data() + first * n_groups_ * 4,
            .n_groups = n_groups_,
            .scale = scale_.data() + first,
            .residual = residual_.data() + first,
            .norm = norm_.data() + first,
            .bias = bound_bias_.data() + first,
            .first_term = static_cast<uint32_t>(first),
            .next_codes = at + 1 < n_tiles() ? codes_.data() + (first + kTileTerms) * n_groups_ * 4 : nullptr,
            .n_terms = static_cast<uint32_t>(std::min(kTileTerms, n_terms_ - first))};
}

size_t PackedHead::size_bytes() const {
    return codes_.capacity() + 4 * (4 * scale_.capacity() + bias_.size() + center_.size());
}

}  // namespace lsr
