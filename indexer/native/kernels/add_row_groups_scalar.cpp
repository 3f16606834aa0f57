#include "add_row_groups.h"

namespace lsr {

void add_row_groups_scalar(const WeightedRow* rows, size_t n_rows, const uint16_t* groups, size_t n,
                           uint16_t* acc) {
    for (size_t at = 0; at < n; ++at) {
        const size_t ahead = size_t{groups[at + kGroupsAhead < n ? at + kGroupsAhead : n - 1]} * 64;
        uint16_t* out = acc + size_t{groups[at]} * 64;
        for (size_t row = 0; row < n_rows; ++row) {
            __builtin_prefetch(rows[row].codes + ahead);
            const uint32_t weight = rows[row].weight;
            const uint8_t* codes = rows[row].codes + size_t{groups[at]} * 64;
            for (size_t i = 0; i < 32; ++i) {
                out[i] = uint16_t(out[i] + (codes[2 * i] * weight >> 8));
                out[32 + i] = uint16_t(out[32 + i] + (codes[2 * i + 1] * weight >> 8));
            }
        }
    }
}

}  // namespace lsr
