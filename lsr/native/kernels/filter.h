// The filter's kernel: for one document and 64 terms, which terms may have a positive logit at some token?
//
// Integers decide: a product of the term's codes with the token's, its maximum over the
// tokens, then one upper bound per term in float32. Why the bound is a proof stands in head/packed_head.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lsr {

inline constexpr size_t kPanelTerms = 16;  // one 64-byte line: 16 terms x 4 codes
inline constexpr size_t kTileTerms = 64;
inline constexpr size_t kTilePanels = kTileTerms / kPanelTerms;
// Codes have 8 bits, in [-127, 127], for AVX2 7 bits, in [-63, 63]; a term's are stored + 128 (or 64), because
// the instructions multiply unsigned by signed bytes. AVX2's vpmaddubsw saturates sums of two products at 16
// bits: even four of 7 bits fit, 4 * 127 * 63 = 32,004.
struct FilterTile {
    const uint8_t* codes;   // [kTilePanels][n_groups][kPanelTerms][4]
    size_t n_groups;        // groups of 4 codes; even
    const float* scale;     // [kTileTerms], and so the four below
    const float* residual;  // factor of the document's `norm`
    const float* norm;      // factor of the document's `residual`
    const float* length;    // factor of the document's `rounding`
    const float* bias;
    uint32_t first_term;
    const uint8_t* next_codes;  // fetched ahead from memory meanwhile; null if it is not wanted
    uint32_t n_terms;           // <= kTileTerms; the last tile's padding holds zeros and is never reported
};

struct FilterDocument {
    const int8_t* codes;  // [n_tokens][4 * n_groups], rows `stride` apart
    size_t stride;
    const int32_t*
        offsets;      // [n_tokens]: minus the sum of the token's codes times what the term's were raised by
    size_t n_tokens;  // >= 1
    float scale;
    float norm;
    float residual;
    float rounding;
};

// Writes the ids, ascending, of the terms for which
//     scale_d * scale_v * max over tokens of (code products) + norm_d * residual_v + residual_d * norm_v +
//     rounding_d * length_v + bias_v
// is not <= 0 in float32 (a NaN counts as a candidate). `out` has room for kTileTerms + 16 ids. Returns how
// many. The integers agree on every instruction set; the float32 line may round differently, within its slack.
using FilterFunction = size_t (*)(const FilterTile& tile, const FilterDocument& document, uint32_t* out);

struct Filter {
    FilterFunction run;
    int largest_code;  // of terms and tokens; terms' codes are stored + (largest_code + 1)
};

size_t filter_scalar(const FilterTile& tile, const FilterDocument& document, uint32_t* out);
size_t filter_avx2(const FilterTile& tile, const FilterDocument& document, uint32_t* out);
size_t filter_avx512(const FilterTile& tile, const FilterDocument& document, uint32_t* out);

}  // namespace lsr
