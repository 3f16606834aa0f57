#include <algorithm>
#include <cmath>

#include "attention.h"

namespace lsr {

void attend_scalar(const Attention& a) {
    float* scores = a.scratch;
    for (size_t token = 0; token < a.n_tokens; ++token) {
        const float* query = a.queries + token * a.stride;
        for (size_t other = 0; other < a.n_tokens; ++other) {
            scores[other] = 0.0f;
            for (size_t k = 0; k < a.head_size; ++k) scores[other] += query[k] * a.keys[other * a.stride + k];
        }
        const float highest = *std::max_element(scores, scores + a.n_tokens);
        float sum = 0.0f;
        for (size_t other = 0; other < a.n_tokens; ++other) {
            sum += scores[other] = std::exp(scores[other] - highest);
        }
        for (size_t k = 0; k < a.head_size; ++k) {
            float mean = 0.0f;
            for (size_t other = 0; other < a.n_tokens; ++other) {
                mean += scores[other] * a.values[other * a.stride + k];
            }
            a.out[token * a.out_stride + k] = mean / sum;
        }
    }
}

}  // namespace lsr
