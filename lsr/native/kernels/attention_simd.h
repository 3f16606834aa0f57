// The body of attention_avx2.cpp and attention_avx512.cpp.
//
// Scores are computed transposed, a row for each key and a lane for each query: so the largest score and the
// sum of a query's exponentials need no sums across lanes, and no key is padded. Queries are padded with zeros
// up to whole vectors; what comes out for them is not stored.
#include "attention.h"
#include "blocks.h"
#include "simd.h"

namespace lsr {
namespace {

constexpr size_t kMostVectors = kLanes == 16 ? 4 : 2;  // 24 accumulators of 32 registers, or 12 of 16

// left(row, k) * right(k), summed over k in this order, for kRows rows and kVectors vectors of columns.
template <size_t kRows, size_t kVectors>
inline void accumulate(const float* left, size_t left_row, size_t left_step, const float* right,
                       size_t right_step, size_t depth, Floats (&sum)[kRows][kVectors]) {
#pragma GCC unroll 6
    for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (size_t c = 0; c < kVectors; ++c) sum[r][c] = broadcast(0.0f);
    }
    for (size_t k = 0; k < depth; ++k, left += left_step, right += right_step) {
        Floats columns[kVectors];
#pragma GCC unroll 4
        for (size_t c = 0; c < kVectors; ++c) columns[c] = load(right + c * kLanes);
#pragma GCC unroll 6
        for (size_t r = 0; r < kRows; ++r) {
            const Floats x = broadcast(left[r * left_row]);
#pragma GCC unroll 4
            for (size_t c = 0; c < kVectors; ++c) sum[r][c] = multiply_add(x, columns[c], sum[r][c]);
        }
    }
}

// One block of queries, kVectors vectors of them, and where its numbers lie in the scratch memory.
template <size_t kVectors>
struct Block {
    static constexpr size_t kColumns = kVectors * kLanes;
    const Attention& a;
    size_t first, count;  // queries
    float* queries;       // [head_size][kColumns]
    float* highest;       // [kColumns], and so is `sum`
    float* sum;
    float* scores;  // [n_tokens][kColumns]

    Block(const Attention& attention, size_t from, size_t n)
        : a(attention),
          first(from),
          count(n),
          queries(attention.scratch),
          highest(queries + a.head_size * kColumns),
          sum(highest + kColumns),
          scores(sum + kColumns) {}

    void pack_queries() {
        for (size_t k = 0; k < a.head_size; ++k) {
#pragma GCC unroll 4
            for (size_t c = 0; c < kVectors; ++c) store(queries + k * kColumns + c * kLanes, broadcast(0.0f));
        }
        for (size_t at = 0; at < count; ++at) {
            const float* from = a.queries + (first + at) * a.stride;
            for (size_t k = 0; k < a.head_size; ++k) queries[k * kColumns + at] = from[k];
        }
    }

    template <size_t kRows>
    void score(size_t key) {
        Floats product[kRows][kVectors];
        accumulate(a.keys + key * a.stride, a.stride, 1, queries, kColumns, a.head_size, product);
#pragma GCC unroll 4
        for (size_t c = 0; c < kVectors; ++c) {
            Floats top = load(highest + c * kLanes);
#pragma GCC unroll 6
            for (size_t r = 0; r < kRows; ++r) {
                store(scores + (key + r) * kColumns + c * kLanes, product[r][c]);
                top = maximum(top, product[r][c]);
            }
            store(highest + c * kLanes, top);
        }
    }

    void raise_to_powers() {
        Floats top[kVectors], total[kVectors];
#pragma GCC unroll 4
        for (size_t c = 0; c < kVectors; ++c) {
            top[c] = load(highest + c * kLanes);
            total[c] = broadcast(0.0f);
        }
        for (float* row = scores; row < scores + a.n_tokens * kColumns; row += kColumns) {
#pragma GCC unroll 4
            for (size_t c = 0; c < kVectors; ++c) {
                const Floats power = exponential(load(row + c * kLanes) - top[c]);
                store(row + c * kLanes, power);
                total[c] = total[c] + power;
            }
        }
#pragma GCC unroll 4
        for (size_t c = 0; c < kVectors; ++c) store(sum + c * kLanes, broadcast(1.0f) / total[c]);
    }

    template <size_t kRows, size_t kWide>
    void mix(size_t at, size_t column) {
        Floats mean[kRows][kWide];
        accumulate(scores + at, 1, kColumns, a.values + column, a.stride, a.n_tokens, mean);
        float* out = a.out + (first + at) * a.out_stride + column;
#pragma GCC unroll 6
        for (size_t r = 0; r < kRows; ++r) {
            const Floats share = broadcast(sum[at + r]);
#pragma GCC unroll 4
            for (size_t c = 0; c < kWide; ++c) store(out + r * a.out_stride + c * kLanes, mean[r][c] * share);
        }
    }

    template <size_t kWide>
    void mix_columns(size_t column) {
        for_blocks(count, [&]<size_t kRows>(size_t at) { mix<kRows, kWide>(at, column); });
    }

    void run() {
        pack_queries();
        for (size_t at = 0; at < kColumns; at += kLanes) store(highest + at, broadcast(-__builtin_inff()));
        for_blocks(a.n_tokens, [&]<size_t kRows>(size_t key) { score<kRows>(key); });
        raise_to_powers();
        for (size_t column = 0; column < a.head_size;) {
            const size_t left = (a.head_size - column) / kLanes;
            const size_t wide = left < kMostVectors ? left : kMostVectors;
            if constexpr (kMostVectors == 2) {
                wide == 1 ? mix_columns<1>(column) : mix_columns<2>(column);
            } else {
                switch (wide) {
                    case 1: mix_columns<1>(column); break;
                    case 2: mix_columns<2>(column); break;
                    case 3: mix_columns<3>(column); break;
                    default: mix_columns<4>(column); break;
                }
            }
            column += wide * kLanes;
        }
    }
};

void attend(const Attention& a) {
    // Nearly equal blocks: 84 queries are 48 + 48 lanes, not 64 + 32.
    const size_t n_vectors = (a.n_tokens + kLanes - 1) / kLanes;
    size_t n_blocks = (n_vectors + kMostVectors - 1) / kMostVectors;
    size_t vectors_left = n_vectors;
    for (size_t first = 0; first < a.n_tokens; --n_blocks) {
        const size_t wide = (vectors_left + n_blocks - 1) / n_blocks;
        const size_t left = a.n_tokens - first;
        const size_t count = left < wide * kLanes ? left : wide * kLanes;
        if constexpr (kMostVectors == 2) {
            wide == 1 ? Block<1>(a, first, count).run() : Block<2>(a, first, count).run();
        } else {
            switch (wide) {
                case 1: Block<1>(a, first, count).run(); break;
                case 2: Block<2>(a, first, count).run(); break;
                case 3: Block<3>(a, first, count).run(); break;
                default: Block<4>(a, first, count).run(); break;
            }
        }
        first += count;
        vectors_left -= wide;
    }
}

}  // namespace
}  // namespace lsr
