// Products of integer codes: the few candidates of a document against each of its tokens.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lsr {

inline constexpr size_t kPanelCodes = 16;  // columns of a panel: one 64-byte line holds 4 codes of each

struct CodeProduct {
    const int8_t* rows;     // [n_rows][4 * n_groups]
    const int32_t* starts;  // [n_rows]: what each sum starts at
    size_t n_rows;
    const uint8_t* panels;  // [n_panels][n_groups][kPanelCodes][4]
    size_t n_panels;
    size_t n_groups;  // even
    int32_t* out;     // [n_rows][n_panels * kPanelCodes]
};

// out = starts + rows times columns, exactly. Panels hold [1, 255] and rows [-127, 127]; for AVX2, whose 16-bit
// sums of four products saturate, [1, 127] and [-63, 63] (see filter.h).
using MultiplyCodes = void (*)(const CodeProduct& product);

void multiply_codes_scalar(const CodeProduct& product);
void multiply_codes_avx2(const CodeProduct& product);
void multiply_codes_avx512(const CodeProduct& product);

}  // namespace lsr
