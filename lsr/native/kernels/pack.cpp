#include "pack.h"

#include <algorithm>

#include "product.h"

namespace lsr {

size_t pack_panels(const float* rows, size_t n_rows, size_t depth, size_t stride, float* out) {
    const size_t n_panels = (n_rows + kPanelColumns - 1) / kPanelColumns;
    for (size_t panel = 0; panel < n_panels; ++panel, out += depth * kPanelColumns) {
        const float* from = rows + panel * kPanelColumns * stride;
        const size_t count = std::min(kPanelColumns, n_rows - panel * kPanelColumns);
        if (count < kPanelColumns) std::fill_n(out, depth * kPanelColumns, 0.0f);
        // Four rows at a time: the stores then fill a quarter of a line together.
        size_t lane = 0;
        for (; lane + 4 <= count; lane += 4) {
            const float* a = from + lane * stride;
            const float* b = a + stride;
            const float* c = b + stride;
            const float* d = c + stride;
            for (size_t k = 0; k < depth; ++k) {
                float* to = out + k * kPanelColumns + lane;
                to[0] = a[k];
                to[1] = b[k];
                to[2] = c[k];
                to[3] = d[k];
            }
        }
        for (; lane < count; ++lane) {
            for (size_t k = 0; k < depth; ++k) out[k * kPanelColumns + lane] = from[lane * stride + k];
        }
    }
    return n_panels;
}

}  // namespace lsr
