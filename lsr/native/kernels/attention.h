// Attention of one head over one document: softmax(Q K^T) V.
#pragma once

#include <cstddef>

namespace lsr {

struct Attention {
    const float* queries;  // token t's values start at t * stride, and so keys' and values'
    const float* keys;
    const float* values;
    size_t stride;
    size_t n_tokens;   // >= 1
    size_t head_size;  // a multiple of 16
    float* out;        // [n_tokens][head_size], rows out_stride apart
    size_t out_stride;
    float* scratch;  // attention_scratch(n_tokens, head_size) floats, 64-byte aligned
};

inline constexpr size_t kQueryColumns = 64;  // queries worked on together, at most

constexpr size_t attention_scratch(size_t n_tokens, size_t head_size) {
    return kQueryColumns * (head_size + n_tokens + 2);
}

// The factor 1 / sqrt(head size) is the caller's: it goes into the queries.
using Attend = void (*)(const Attention& attention);

void attend_scalar(const Attention& attention);
void attend_avx2(const Attention& attention);
void attend_avx512(const Attention& attention);

}  // namespace lsr
