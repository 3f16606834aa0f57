#include <algorithm>
#include <cmath>

#include "product.h"

namespace lsr {
namespace {

float gelu(float x) {
    return 0.5f * x * (1.0f + std::erf(x * 0.70710678f));
}

}  // namespace

void multiply_scalar(const Product& p) {
    for (size_t row = 0; row < p.n_rows; ++row) {
        for (size_t panel = 0; panel < p.n_panels; ++panel) {
            const size_t column = panel * kPanelColumns;
            float sum[kPanelColumns] = {};
            if (p.bias != nullptr) std::copy_n(p.bias + column, kPanelColumns, sum);
            const float* right = p.panels + panel * p.depth * kPanelColumns;
            for (size_t k = 0; k < p.depth; ++k, right += kPanelColumns) {
                const float left = p.rows[row][k];
                for (size_t lane = 0; lane < kPanelColumns; ++lane) sum[lane] += left * right[lane];
            }
            float* out = p.out + row * p.out_stride + column;
            for (size_t lane = 0; lane < kPanelColumns; ++lane) {
                switch (p.epilogue) {
                    case Epilogue::none: out[lane] = sum[lane]; break;
                    case Epilogue::gelu: out[lane] = gelu(sum[lane]); break;
                    case Epilogue::add:
                        out[lane] = sum[lane] + p.addend[row * p.out_stride + column + lane];
                        break;
                }
            }
        }
    }
}

}  // namespace lsr
