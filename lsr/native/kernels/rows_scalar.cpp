#include <algorithm>
#include <cmath>

#include "rows.h"

namespace lsr {
namespace {

void layer_norm(const float* x, size_t n, const float* weight, const float* bias, float epsilon, float* out) {
    double mean = 0.0;
    for (size_t at = 0; at < n; ++at) mean += x[at];
    mean /= static_cast<double>(n);
    double variance = 0.0;
    for (size_t at = 0; at < n; ++at) variance += (x[at] - mean) * (x[at] - mean);
    const double scale = 1.0 / std::sqrt(variance / static_cast<double>(n) + epsilon);
    for (size_t at = 0; at < n; ++at) {
        out[at] = static_cast<float>((x[at] - mean) * scale) * weight[at] + bias[at];
    }
}

float largest(const float* x, size_t n) {
    float highest = 0.0f;
    for (size_t at = 0; at < n; ++at) {
        if (!(std::fabs(x[at]) <= highest)) highest = std::fabs(x[at]);
        if (std::isnan(highest)) break;
    }
    return highest;
}

float center(const float* x, const float* center, size_t n, float* out) {
    for (size_t at = 0; at < n; ++at) out[at] = x[at] - center[at];
    return largest(out, n);
}

Quantized quantize(const float* x, size_t n, float inverse_scale, int8_t* codes) {
    Quantized result{0, 0, 0.0f};
    for (size_t at = 0; at < n; ++at) {
        const float y = x[at] * inverse_scale;
        const float code = std::clamp(std::nearbyint(y), -127.0f, 127.0f);
        codes[at] = static_cast<int8_t>(code);
        result.sum += codes[at];
        result.sum_squares += codes[at] * codes[at];
        result.residual += (y - code) * (y - code);
    }
    for (; n % 8 != 0; ++n) codes[n] = 0;
    return result;
}

float dot(const float* x, const float* y, size_t n) {
    float sum = 0.0f;
    for (size_t at = 0; at < n; ++at) sum += x[at] * y[at];
    return sum;
}

size_t find_contenders(const Contest& c, uint32_t* out) {
    auto middle = [&c](size_t token) { return static_cast<float>(c.sums[token]) * c.scale; };
    auto width = [&c](size_t token) {
        return c.norms[token] * c.term_residual + c.residuals[token] * c.term_norm + c.rounding;
    };
    float bar = c.floor;
    for (size_t token = 0; token < c.n_tokens; ++token) bar = std::max(bar, middle(token) - width(token));
    size_t count = 0;
    for (size_t token = 0; token < c.n_tokens; ++token) {
        if (!(middle(token) + width(token) < bar)) out[count++] = static_cast<uint32_t>(token);
    }
    return count;
}

}  // namespace

const RowKernels kRowsScalar = {layer_norm, center, largest, quantize, dot, find_contenders};

}  // namespace lsr
