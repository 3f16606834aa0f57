// The lists of a query's terms in one tile, checked against the arrays they lie in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bounds.h"
#include "kernel_set.h"

namespace lsr {

// What the block filter reads of a term.
enum class Filtering : uint8_t { list, block_row, nothing };

// A term's remaining lists in the segment being read: tiles only ever ascend.
struct TermCursor {
    PartTerm term;
    uint32_t next;
    uint32_t end;
    Filtering filtering;
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

enum class Form : uint8_t { none, dense, sparse };

// Adds the term's list in `tile`, if it has one, and says in which form. Leaves the cursor behind the tile.
Form take_list(TermCursor& cursor, size_t tile, size_t n_groups, TileLists& lists);

// Asks for a list, all of it if it is short, so that it comes to the second-level cache while rows are read.
void prefetch(const WeightedList& list);

// Sets the accumulators of n_groups groups to the sums of these lists.
void sum_lists(const TileLists& lists, size_t n_groups, const KernelSet& kernels, uint16_t* acc);

}  // namespace lsr
