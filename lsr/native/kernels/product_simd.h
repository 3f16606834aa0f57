// The body of product_avx2.cpp and product_avx512.cpp: blocks of 6 rows whose sums stay in registers.
// AVX-512: 6 x 64 columns, 24 accumulators of 32 registers; AVX2: 6 x 16, 12 of 16.
#include "blocks.h"
#include "product.h"
#include "simd.h"

namespace lsr {
namespace {

constexpr size_t kVectors = kPanelColumns / kLanes;   // vectors in a panel's row: 1 or 2
constexpr size_t kMostPanels = kLanes == 16 ? 4 : 1;  // panels of a block
constexpr size_t kMostRows = 6;                       // rows of a block
constexpr size_t kRowBlockBytes = size_t{384} << 10;  // rows that stay in the L2 cache over all panels

template <size_t kRows, size_t kPanels>
inline void block(const Product& p, size_t row, size_t panel) {
    constexpr size_t kWide = kPanels * kVectors;
    const float* left[kRows];
    Floats sum[kRows][kWide];
#pragma GCC unroll 6
    for (size_t r = 0; r < kRows; ++r) left[r] = p.rows[row + r];
#pragma GCC unroll 4
    for (size_t c = 0; c < kWide; ++c) {
        const Floats start =
            p.bias == nullptr ? broadcast(0.0f) : load(p.bias + panel * kPanelColumns + c * kLanes);
#pragma GCC unroll 6
        for (size_t r = 0; r < kRows; ++r) sum[r][c] = start;
    }
    const size_t panel_step = p.depth * kPanelColumns;
    const float* right = p.panels + panel * panel_step;
    for (size_t k = 0; k < p.depth; ++k, right += kPanelColumns) {
        Floats columns[kWide];
#pragma GCC unroll 4
        for (size_t c = 0; c < kWide; ++c) {
            columns[c] = load(right + c / kVectors * panel_step + c % kVectors * kLanes);
        }
#pragma GCC unroll 6
        for (size_t r = 0; r < kRows; ++r) {
            const Floats x = broadcast(left[r][k]);
#pragma GCC unroll 4
            for (size_t c = 0; c < kWide; ++c) sum[r][c] = multiply_add(x, columns[c], sum[r][c]);
        }
    }
#pragma GCC unroll 6
    for (size_t r = 0; r < kRows; ++r) {
        const size_t at = (row + r) * p.out_stride + panel * kPanelColumns;
#pragma GCC unroll 4
        for (size_t c = 0; c < kWide; ++c) {
            Floats value = sum[r][c];
            if (p.epilogue == Epilogue::add) value = value + load(p.addend + at + c * kLanes);
            store(p.out + at + c * kLanes, value);
        }
    }
    // In a second pass over what lies in the L1 cache: inlined above it would be 24 copies of gelu in each
    // block.
    if (p.epilogue == Epilogue::gelu) {
        for (size_t r = 0; r < kRows; ++r) {
            float* out = p.out + (row + r) * p.out_stride + panel * kPanelColumns;
            for (size_t c = 0; c < kWide; ++c) store(out + c * kLanes, gelu(load(out + c * kLanes)));
        }
    }
}

template <size_t kPanels>
void rows_of_panels(const Product& p, size_t first, size_t last, size_t panel) {
    for_blocks(last - first, [&]<size_t kRows>(size_t row) { block<kRows, kPanels>(p, first + row, panel); });
}

void multiply_blocks(const Product& p) {
    const size_t row_block =
        p.depth == 0 ? p.n_rows : kRowBlockBytes / (4 * p.depth) / kMostRows * kMostRows + kMostRows;
    for (size_t first = 0; first < p.n_rows; first += row_block) {
        const size_t last = first + row_block < p.n_rows ? first + row_block : p.n_rows;
        for (size_t panel = 0; panel < p.n_panels;) {
            const size_t n = p.n_panels - panel < kMostPanels ? p.n_panels - panel : kMostPanels;
            if constexpr (kMostPanels == 1) {
                rows_of_panels<1>(p, first, last, panel);
            } else {
                switch (n) {
                    case 1: rows_of_panels<1>(p, first, last, panel); break;
                    case 2: rows_of_panels<2>(p, first, last, panel); break;
                    case 3: rows_of_panels<3>(p, first, last, panel); break;
                    default: rows_of_panels<4>(p, first, last, panel); break;
                }
            }
            panel += n;
        }
    }
}

}  // namespace
}  // namespace lsr
