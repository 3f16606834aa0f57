// The lists of a query's terms in one tile, checked against the arrays they lie in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bounds.h"
#include "kernel_set.h"

namespace lsr {

// A term's remaining lists in the segment being read: tiles only ever ascend.
struct TermCursor {
    PartTerm term;
    uint32_t next;
    uint32_t end;
    bool left_out;  // of the filter that finds candidates (Approximation)
};

struct WeightedList {
    const uint8_t* offsets;
    const uint8_t* codes;
    uint32_t count;
    uint32_t weight;
};

// The lists of some terms in one tile, by form.
struct TileLists {
    std::vector<WeightedRow> rows;
    std::vector<WeightedList> lists;
    size_t n_postings = 0;  // of `lists`

    void clear();
};

// The term's list in `tile`; null: it has none. Leaves the cursor behind the tile.
const Run* take_run(TermCursor& cursor, size_t tile);

// Adds the list that take_run found.
void add_run(const TermCursor& cursor, const Run& run, size_t n_groups, TileLists& lists);

// Asks for a list, all of it if it is short, so that it comes to the second-level cache while rows are read.
void prefetch(const WeightedList& list);

// Sets the accumulators of n_groups groups to the sums of these lists.
void sum_lists(const TileLists& lists, size_t n_groups, const KernelSet& kernels, uint16_t* acc);

}  // namespace lsr
