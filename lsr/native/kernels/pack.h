// Rows turned into panels of 16 columns, the right-hand side of a product (product.h).
#pragma once

#include <cstddef>

namespace lsr {

// n_rows rows of `depth` values, `stride` apart, as panels of 16 rows each: row r, value k goes to
// out[(r / 16) * depth * 16 + k * 16 + r % 16]. The last panel is filled up with zeros. Returns the number of
// panels.
size_t pack_panels(const float* rows, size_t n_rows, size_t depth, size_t stride, float* out);

}  // namespace lsr
