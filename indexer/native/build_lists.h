// From the forward index of a field to its inverted lists.
#pragma once

#include <cstddef>
#include <cstdint>

#include "buffer.h"
#include "forward.h"
#include "lists.h"

namespace lsr {

struct BuiltLists {
    Buffer<uint32_t> terms, run_starts, block_rows;
    Buffer<float> maxima;
    Buffer<Run> runs;
    Buffer<uint8_t> sparse, dense, blocks;
    size_t n_terms = 0, n_runs = 0, sparse_bytes = 0, dense_bytes = 0, blocks_bytes = 0;
};

// Every term must lie below n_terms and ascend within its document, every weight be finite and > 0; Throws
// InvalidArgument otherwise. The result depends on the input alone, not on the number of threads.
BuiltLists build_lists(const Forward& forward, uint64_t n_terms, int threads);

}  // namespace lsr
