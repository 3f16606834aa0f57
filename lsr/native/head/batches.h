// Many documents in batches of a bounded number of tokens, over threads, and their rows joined again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "encode.h"

namespace lsr {

struct Batch {
    size_t first, last;  // documents
};

// Neighbouring documents in batches of at most some 1,024 tokens, as many for each thread, so that none waits
// for the last. Measured on 2 layers x 128: 382 documents a second with 128 tokens, 428 with 1,024, 411 with
// 4,096.
std::vector<Batch> split_batches(const int64_t* offsets, size_t n_documents, size_t n_threads);

// Throws std::invalid_argument unless offsets[0 .. n_documents] rise from 0 to n_tokens.
void check_offsets(const int64_t* offsets, size_t n_documents, size_t n_tokens);

// Calls encode(batch, rows) for every batch on up to n_threads threads and joins the rows in order.
SparseRows encode_batches(const int64_t* offsets, size_t n_documents, size_t n_threads,
                          const std::function<void(Batch batch, SparseRows& rows)>& encode);

}  // namespace lsr
