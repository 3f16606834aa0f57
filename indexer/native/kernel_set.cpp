#include "kernel_set.h"

namespace lsr {

const KernelSet& kernel_set(Isa isa) {
    static const KernelSet scalar{add_rows_scalar,     add_row_groups_scalar, add_list_scalar,
                                  find_above_scalar,   bound_groups_scalar,   find_blocks_scalar,
                                  lane_maxima_scalar,  count_at_least_scalar, match_terms16_scalar,
                                  match_terms32_scalar};
#if defined(__x86_64__)
    static const KernelSet avx2{add_rows_avx2,      add_row_groups_avx2, add_list_avx2,    find_above_avx2,
                                bound_groups_avx2,  find_blocks_avx2,    lane_maxima_avx2, count_at_least_avx2,
                                match_terms16_avx2, match_terms32_avx2};
    static const KernelSet avx512{add_rows_avx512,     add_row_groups_avx512, add_list_avx512,
                                  find_above_avx512,   bound_groups_avx512,   find_blocks_avx512,
                                  lane_maxima_avx512,  count_at_least_avx512, match_terms16_avx512,
                                  match_terms32_avx512};
    if (isa == Isa::avx512) return avx512;
    if (isa == Isa::avx2) return avx2;
#endif
    (void)isa;
    return scalar;
}

}  // namespace lsr
