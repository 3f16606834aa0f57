// The filter's kernel: for one document and 64 terms, which terms may have a positive logit at some token?
//
// Integers decide: a product of 7-bit codes of the term with 8-bit codes of the token, its maximum over the
// tokens, then one upper bound per term in float32. Why the bound is a proof stands in head/packed_head.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lsr {

inline constexpr size_t kPanelTerms = 16;  // one 64-byte line: 16 terms x 4 codes
inline constexpr size_t kTileTerms = 64;
inline constexpr size_t kTilePanels = kTileTerms / kPanelTerms;
inline constexpr int kTermCodeOffset = 64;

// A term's codes lie in [-63, 63] and are stored + 64, in [1, 127]; a token's lie in [-127, 127], for AVX2 in
// [-63, 63]. AVX2's vpmaddubsw saturates sums of products at 16 bits: 2 * 127 * 127 = 32,258 just fits, and so
// does 4 * 127 * 63 = 32,004. So one layout of the terms serves every processor.
struct FilterTile {
    const uint8_t* codes;   // [kTilePanels][n_groups][kPanelTerms][4]
    size_t n_groups;        // groups of 4 codes; even
    const float* scale;     // [kTileTerms], and so the three below
    const float* residual;  // factor of the document's `norm`
    const float* norm;      // factor of the document's `residual`
    const float* bias;
    uint32_t first_term;
    const uint8_t* next_codes;  // fetched ahead from memory meanwhile; null if it is not wanted
    uint32_t n_terms;           // <= kTileTerms; the last tile's padding holds zeros and is never reported
};

struct FilterDocument {
    const int8_t* codes;     // [n_tokens][4 * n_groups]
    const int32_t* offsets;  // [n_tokens]: -64 * the sum of the token's codes, which undoes the stored + 64
    size_t n_tokens;         // >= 1
    float scale;
    float norm;
    float residual;
};

// Writes the ids, ascending, of the terms for which
//     scale_d * scale_v * max over tokens of (code products) + norm_d * residual_v + residual_d * norm_v +
//     bias_v
// is not <= 0 in float32 (a NaN counts as a candidate). `out` has room for kTileTerms + 16 ids. Returns how
// many. The integers agree on every instruction set; the float32 line may round differently, within its slack.
using FilterFunction = size_t (*)(const FilterTile& tile, const FilterDocument& document, uint32_t* out);

struct Filter {
    FilterFunction run;
    float largest_code;  // of a token
};

size_t filter_scalar(const FilterTile& tile, const FilterDocument& document, uint32_t* out);
size_t filter_avx2(const FilterTile& tile, const FilterDocument& document, uint32_t* out);
size_t filter_avx512(const FilterTile& tile, const FilterDocument& document, uint32_t* out);

}  // namespace lsr
