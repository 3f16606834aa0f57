// The body of rows_avx2.cpp and rows_avx512.cpp.
#include "rows.h"
#include "simd.h"

namespace lsr {
namespace {

inline size_t lanes_at(size_t at, size_t n) {
    return n - at < kLanes ? n - at : kLanes;
}

void layer_norm(const float* x, size_t n, const float* weight, const float* bias, float epsilon, float* out) {
    Floats sums = broadcast(0.0f);
    for (size_t at = 0; at < n; at += kLanes) sums = sums + load_first(x + at, lanes_at(at, n), 0.0f);
    const float mean = sum_of(sums) / static_cast<float>(n);
    Floats squares = broadcast(0.0f);
    for (size_t at = 0; at < n; at += kLanes) {
        const Floats distance = load_first(x + at, lanes_at(at, n), mean) - broadcast(mean);
        squares = multiply_add(distance, distance, squares);
    }
    const float scale = 1.0f / __builtin_sqrtf(sum_of(squares) / static_cast<float>(n) + epsilon);
    for (size_t at = 0; at < n; at += kLanes) {
        const size_t count = lanes_at(at, n);
        const Floats normal = (load_first(x + at, count, 0.0f) - broadcast(mean)) * broadcast(scale);
        const Floats value =
            multiply_add(normal, load_first(weight + at, count, 0.0f), load_first(bias + at, count, 0.0f));
        store_first(out + at, count, value);
    }
}

float dot(const float* x, const float* y, size_t n) {
    Floats sum[4] = {broadcast(0.0f), broadcast(0.0f), broadcast(0.0f), broadcast(0.0f)};
    size_t at = 0;
    for (; at + 4 * kLanes <= n; at += 4 * kLanes) {
#pragma GCC unroll 4
        for (size_t part = 0; part < 4; ++part) {
            sum[part] = multiply_add(load(x + at + part * kLanes), load(y + at + part * kLanes), sum[part]);
        }
    }
    for (; at < n; at += kLanes) {
        const size_t count = lanes_at(at, n);
        sum[0] = multiply_add(load_first(x + at, count, 0.0f), load_first(y + at, count, 0.0f), sum[0]);
    }
    return sum_of((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

// A contest's bounds of the tokens from `at` on: middle +- width.
struct Bounds {
    Floats middle, width;
    Bounds(const Contest& c, size_t at)
        : middle(load_integers(c.sums + at) * broadcast(c.scale)),
          width(multiply_add(
              load(c.norms + at), broadcast(c.term_residual),
              multiply_add(load(c.residuals + at), broadcast(c.term_norm), broadcast(c.rounding)))) {}
};

// A bit for each token of [at, at + kLanes), but for those behind the last.
inline uint32_t not_less(const Contest& c, size_t at, Floats upper, Floats bar) {
    const uint32_t passing = not_less(upper, bar);
    return c.n_tokens - at < kLanes ? passing & ((1u << (c.n_tokens - at)) - 1) : passing;
}

size_t find_contenders(const Contest& c, uint32_t* out) {
    // Most candidates have no contender at all, which one pass over the tokens shows.
    Floats bars = broadcast(c.floor);
    uint32_t any = 0;
    for (size_t at = 0; at < c.n_tokens; at += kLanes) {
        const Bounds bounds(c, at);
        any |= not_less(c, at, bounds.middle + bounds.width, broadcast(c.floor));
        Floats lower = bounds.middle - bounds.width;
        if (c.n_tokens - at < kLanes) {
            float lanes[kLanes];
            store(lanes, lower);
            lower = load_first(lanes, c.n_tokens - at, c.floor);
        }
        bars = maximum(bars, lower);
    }
    if (any == 0) return 0;
    const Floats bar = broadcast(maximum_of(bars));
    size_t count = 0;
    for (size_t at = 0; at < c.n_tokens; at += kLanes) {
        const Bounds bounds(c, at);
        for (uint32_t passing = not_less(c, at, bounds.middle + bounds.width, bar); passing != 0;
             passing &= passing - 1) {
            out[count++] = static_cast<uint32_t>(at) + static_cast<uint32_t>(__builtin_ctz(passing));
        }
    }
    return count;
}

float center(const float* x, const float* center, size_t n, float* out) {
    // Compared as integers: without their sign, larger bits are larger floats, and NaNs are above infinity.
    Integers largest = to_integer(broadcast(0.0f));
    for (size_t at = 0; at < n; at += kLanes) {
        const size_t count = lanes_at(at, n);
        const Floats moved = load_first(x + at, count, 0.0f) - load_first(center + at, count, 0.0f);
        store_first(out + at, count, moved);
        largest = maximum_bits(largest, absolute(moved));
    }
    return maximum_of_bits(largest);
}

float largest(const float* x, size_t n) {
    Integers highest = to_integer(broadcast(0.0f));
    for (size_t at = 0; at < n; at += kLanes) {
        highest = maximum_bits(highest, absolute(load_first(x + at, lanes_at(at, n), 0.0f)));
    }
    return maximum_of_bits(highest);
}

Quantized quantize(const float* x, size_t n, float inverse_scale, int8_t* codes) {
    Integers sum = to_integer(broadcast(0.0f));
    Integers squares = sum;
    Floats residual = broadcast(0.0f);
    for (size_t at = 0; at < n; at += kLanes) {
        const Floats y = load_first(x + at, lanes_at(at, n), 0.0f) * broadcast(inverse_scale);
        const Floats code = minimum(maximum(round_to_integer(y), broadcast(-127.0f)), broadcast(127.0f));
        const Integers whole = to_integer(code);
        store_bytes(codes + at, whole);
        sum = add_integers(sum, whole);
        squares = add_squares(squares, whole);
        residual = multiply_add(y - code, y - code, residual);
    }
    return {sum_of_integers(sum), sum_of_integers(squares), sum_of(residual)};
}

}  // namespace
}  // namespace lsr
