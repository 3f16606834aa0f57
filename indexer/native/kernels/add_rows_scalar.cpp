#include "add_rows.h"

namespace lsr {

void add_rows_scalar(const WeightedRow* rows, size_t n_rows, size_t n_groups, bool onto, uint16_t* acc) {
    for (size_t i = 0; i < n_groups * 64 && !onto; ++i) acc[i] = 0;
    for (size_t row = 0; row < n_rows; ++row) {
        const uint32_t weight = rows[row].weight;
        for (size_t group = 0; group < n_groups; ++group) {
            const uint8_t* codes = rows[row].codes + group * 64;
            uint16_t* out = acc + group * 64;
            for (size_t i = 0; i < 32; ++i) {
                out[i] = uint16_t(out[i] + (codes[2 * i] * weight >> 8));
                out[32 + i] = uint16_t(out[32 + i] + (codes[2 * i + 1] * weight >> 8));
            }
        }
    }
}

}  // namespace lsr
