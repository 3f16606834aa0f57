// add_rows for some groups only: acc[i] += sum over the rows of codes[i] * weight / 256, rounded down term by
// term, for the 64 entries i of each of n groups.
//
// Each row and group is one cache line that no hardware prefetcher foresees, so they are asked for some groups
// ahead. Rows as in add_rows.h. Integers: all versions agree bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "add_rows.h"

namespace lsr {

inline constexpr size_t kGroupsAhead = 4;  // of about ten rows: as many lines as a core can wait for

using AddRowGroups = void (*)(const WeightedRow* rows, size_t n_rows, const uint16_t* groups, size_t n,
                              uint16_t* acc);

void add_row_groups_scalar(const WeightedRow* rows, size_t n_rows, const uint16_t* groups, size_t n,
                           uint16_t* acc);
void add_row_groups_avx2(const WeightedRow* rows, size_t n_rows, const uint16_t* groups, size_t n,
                         uint16_t* acc);
void add_row_groups_avx512(const WeightedRow* rows, size_t n_rows, const uint16_t* groups, size_t n,
                           uint16_t* acc);

}  // namespace lsr
