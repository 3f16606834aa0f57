#include "codes.h"

namespace lsr {

void multiply_codes_scalar(const CodeProduct& p) {
    for (size_t row = 0; row < p.n_rows; ++row) {
        const int8_t* codes = p.rows + row * 4 * p.n_groups;
        for (size_t column = 0; column < p.n_panels * kPanelCodes; ++column) {
            const uint8_t* others =
                p.panels + (column / kPanelCodes * p.n_groups * kPanelCodes + column % kPanelCodes) * 4;
            int32_t sum = p.starts[row];
            for (size_t at = 0; at < 4 * p.n_groups; ++at) {
                sum += codes[at] * others[at / 4 * kPanelCodes * 4 + at % 4];
            }
            p.out[row * p.n_panels * kPanelCodes + column] = sum;
        }
    }
}

}  // namespace lsr
