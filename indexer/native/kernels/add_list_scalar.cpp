#include <cstring>

#include "add_list.h"

namespace lsr {

void add_list_scalar(const uint8_t* offsets, const uint8_t* codes, size_t count, uint32_t weight,
                     uint16_t* acc) {
    for (size_t i = 0; i < count; ++i) {
        uint16_t offset;
        std::memcpy(&offset, offsets + 2 * i, sizeof offset);
        acc[offset] = uint16_t(acc[offset] + (codes[i] * weight >> 8));
    }
}

}  // namespace lsr
