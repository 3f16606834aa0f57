#include "codes_avx2.h"

#include "codes.h"

namespace lsr {

void multiply_codes_avx2(const CodeProduct& p) {
    const size_t stride = p.n_panels * kPanelCodes;
    for (size_t panel = 0; panel < p.n_panels; ++panel) {
        for_blocks_of_4(p.n_rows, [&]<int kRows>(size_t row) {
            __m256i sum[kRows][2];
            sum_products<kRows>(p.panels + panel * p.n_groups * 64, p.n_groups, p.rows + row * 4 * p.n_groups,
                                4 * p.n_groups, p.starts + row, sum);
            int32_t* out = p.out + row * stride + panel * kPanelCodes;
#pragma GCC unroll 4
            for (int r = 0; r < kRows; ++r) {
                _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + r * stride), sum[r][0]);
                _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + r * stride + 8), sum[r][1]);
            }
        });
    }
}

}  // namespace lsr
