// Rows taken in nearly equal blocks of at most 6, the number of rows a compile-time constant in each.
#pragma once

#include <cstddef>

namespace lsr {
namespace {

// Calls block.template operator()<n>(first) for consecutive blocks of n rows: 8 rows are 4 + 4, not 6 + 2.
template <class Block>
inline void for_blocks(size_t n_rows, const Block& block) {
    size_t n_blocks = (n_rows + 5) / 6;
    for (size_t row = 0; row < n_rows; --n_blocks) {
        const size_t n = (n_rows - row + n_blocks - 1) / n_blocks;
        switch (n) {
            case 1: block.template operator()<1>(row); break;
            case 2: block.template operator()<2>(row); break;
            case 3: block.template operator()<3>(row); break;
            case 4: block.template operator()<4>(row); break;
            case 5: block.template operator()<5>(row); break;
            default: block.template operator()<6>(row); break;
        }
        row += n;
    }
}

}  // namespace
}  // namespace lsr
