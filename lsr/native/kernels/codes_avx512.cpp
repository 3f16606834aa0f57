#include "codes_avx512.h"

#include "blocks.h"
#include "codes.h"

namespace lsr {
namespace {

template <int kPanels>
void multiply_panels(const CodeProduct& p, size_t first) {
    const size_t stride = p.n_panels * kPanelCodes;
    for_blocks(p.n_rows, [&]<size_t kRows>(size_t row) {
        __m512i sum[kRows][kPanels];
        sum_products<kRows, kPanels>(p.panels + first * p.n_groups * 64, p.n_groups,
                                     p.rows + row * 4 * p.n_groups, 4 * p.n_groups, p.starts + row, nullptr,
                                     sum);
        int32_t* out = p.out + row * stride + first * kPanelCodes;
#pragma GCC unroll 6
        for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
            for (size_t c = 0; c < kPanels; ++c) _mm512_storeu_si512(out + r * stride + c * 16, sum[r][c]);
        }
    });
}

}  // namespace

void multiply_codes_avx512(const CodeProduct& p) {
    for (size_t panel = 0; panel < p.n_panels; panel += 4) {
        switch (p.n_panels - panel) {
            case 1: multiply_panels<1>(p, panel); break;
            case 2: multiply_panels<2>(p, panel); break;
            case 3: multiply_panels<3>(p, panel); break;
            default: multiply_panels<4>(p, panel); break;
        }
    }
}

}  // namespace lsr
