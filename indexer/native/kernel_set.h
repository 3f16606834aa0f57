// The kernels of one instruction set. Chosen once for a searcher, never for a posting.
#pragma once

#include "cpu.h"
#include "kernels/add_list.h"
#include "kernels/add_row_groups.h"
#include "kernels/add_rows.h"
#include "kernels/bound_groups.h"
#include "kernels/find_above.h"
#include "kernels/find_blocks.h"
#include "kernels/lanes.h"
#include "kernels/match_terms.h"

namespace lsr {

struct KernelSet {
    AddRows add_rows;
    AddRowGroups add_row_groups;
    AddList add_list;
    FindAbove find_above;
    BoundGroups bound_groups;
    FindBlocks find_blocks;
    LaneMaxima lane_maxima;
    CountAtLeast count_at_least;
    MatchTerms16 match_terms16;
    MatchTerms32 match_terms32;
};

const KernelSet& kernel_set(Isa isa);

}  // namespace lsr
