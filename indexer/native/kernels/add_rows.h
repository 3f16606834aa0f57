// acc[i] = (onto ? acc[i] : 0) + sum over the rows of codes[i] * weight / 256, rounded down term by term, for
// n_groups * 64 entries.
//
// Rows are shuffled in groups of 64 (lists.h); acc is in natural order. The rows may be read up to
// 64 bytes past their end. They are more streams, and shorter ones, than hardware prefetchers follow well, so
// lines are asked for ahead. Integers: all versions agree bit for bit. Sums are the caller's to keep below
// 65,536.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lsr {

inline constexpr size_t kRowBytesAhead = 1536;

struct WeightedRow {
    const uint8_t* codes;
    uint32_t weight;  // < 65,536
};

using AddRows = void (*)(const WeightedRow* rows, size_t n_rows, size_t n_groups, bool onto, uint16_t* acc);

void add_rows_scalar(const WeightedRow* rows, size_t n_rows, size_t n_groups, bool onto, uint16_t* acc);
void add_rows_avx2(const WeightedRow* rows, size_t n_rows, size_t n_groups, bool onto, uint16_t* acc);
void add_rows_avx512(const WeightedRow* rows, size_t n_rows, size_t n_groups, bool onto, uint16_t* acc);

}  // namespace lsr
