// The inverted lists of one field of one segment: bounds only, the exact weights are in the forward index.
//
// Documents are cut into tiles of 32,768. A term has at most one list for each tile, in one of two forms:
//   sparse  count u16 offsets within the tile, ascending, then count u8 codes
//   dense   one u8 code a document (0: the term is absent), shuffled as below; for terms in many documents of
//   the tile
// A code is the weight over the term's scale (its largest weight / 255), rounded up: 1 to 255, so code * scale
// never lies below the weight and, above it, by less than one scale (both but for a relative 1e-6).
//
// Frequent terms of large segments also have a block row: the largest code of each 8 consecutive documents.
//
// Dense rows and block rows are shuffled in groups of 64: entry r < 32 at byte 2r, entry 32 + r at byte 2r + 1.
// A vector load seen as 16-bit lanes then holds entries 0..31 in its low bytes and 32..63 in its high bytes,
// both in order, and a multiplication needs no unpacking.
//
// The directory is sparse: the terms present, ascending, each with its run of tiles. All tiles of a term are
// adjacent.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace lsr {

inline constexpr size_t kTile = 32768;      // offsets fit 16 bits, accumulators (64 KB) the second-level cache
inline constexpr size_t kBlock = 8;         // documents under one entry of a block row
inline constexpr size_t kGroup = 64;        // entries shuffled together
inline constexpr size_t kOverrun = 64;      // bytes that vector loads may read past a list
inline constexpr int64_t kListsLayout = 1;  // changes with anything described above
inline constexpr uint32_t kNoBlocks = 0xffffffffu;

// Where entry `at` of a row lies.
inline size_t shuffled(size_t at) {
    const size_t within = at % kGroup;
    return at - within + (within < 32 ? 2 * within : 2 * (within - 32) + 1);
}

inline size_t round_up(size_t value, size_t unit) {
    return (value + unit - 1) / unit * unit;
}

// The tiles of a field.
struct Tiles {
    size_t n_documents;
    size_t size() const { return (n_documents + kTile - 1) / kTile; }
    size_t first(size_t tile) const { return tile * kTile; }
    size_t last(size_t tile) const { return std::min(n_documents, (tile + 1) * kTile); }
    size_t row_bytes(size_t tile) const { return round_up(last(tile) - first(tile), kGroup); }
};

inline size_t block_row_size_bytes(size_t n_documents) {
    return round_up((n_documents + kBlock - 1) / kBlock, kGroup);
}

// 1 / scale. Finite in float64 for every float32 above 0.
inline double codes_a_unit(float largest) {
    return 255.0 / double(largest);
}

// ceil(w / scale), 1 to 255. The factor keeps the largest weight at 255 in spite of rounding; the error bound
// in bounds.h counts it.
inline uint8_t code_of(float weight, double codes_a_unit) {
    const double code = std::ceil(double(weight) * codes_a_unit * (1.0 - 1e-6));
    return uint8_t(std::clamp(code, 1.0, 255.0));
}

struct Run {
    uint32_t tile;
    uint32_t offset;  // of the list: 8-byte units into `sparse`, 64-byte units into `dense`
    uint32_t count;   // documents, 1 to kTile
    uint32_t dense;   // 1: dense form
};

inline constexpr size_t kRunValues = sizeof(Run) / sizeof(uint32_t);

inline size_t sparse_size_bytes(size_t count) {
    return round_up(3 * count, 8);
}

// Arrays as they are mapped: nothing in them is trusted but their lengths.
struct Lists {
    const uint32_t* terms = nullptr;       // n_terms, ascending
    const float* maxima = nullptr;         // n_terms: the largest weight of each
    const uint32_t* run_starts = nullptr;  // n_terms + 1
    const Run* runs = nullptr;
    const uint8_t* sparse = nullptr;
    const uint8_t* dense = nullptr;
    const uint32_t* block_rows = nullptr;  // n_terms: the term's row in `blocks`, or kNoBlocks
    const uint8_t* blocks = nullptr;
    size_t n_terms = 0;
    size_t n_runs = 0;
    size_t sparse_bytes = 0;
    size_t dense_bytes = 0;
    size_t blocks_bytes = 0;
    size_t block_row_bytes = 0;
};

// How long a table of the directory by term is; 0 where a large vocabulary beside a small segment is worth
// none.
inline size_t table_size(const Lists& lists) {
    const size_t end = lists.n_terms == 0 ? 0 : size_t(lists.terms[lists.n_terms - 1]) + 1;
    return end > 4 * lists.n_terms + 4096 ? 0 : end;
}

}  // namespace lsr
