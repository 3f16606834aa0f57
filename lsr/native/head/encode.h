// Hidden states to sparse vectors: filter, refine, log1p.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "packed_head.h"

namespace lsr {

// Sparse rows as they come out, document after document.
struct SparseRows {
    std::vector<int64_t> ends;  // non-zeros up to and including each document
    std::vector<uint32_t> terms;
    std::vector<float> weights;
    std::vector<int32_t>
        positions;  // of the token with the largest logit, the first of equals; only when asked for
};

// What one thread needs beside the head. Grows to the largest batch seen and stays.
struct HeadWorkspace {
    struct Document {
        size_t first_token, n_tokens;
        float scale, norm, residual, rounding;
        Aligned<uint32_t> candidates;
        size_t n_candidates;
    };
    std::vector<Document> documents;
    // Candidates that every document has room for: as many as any has needed. Were each to grow by itself, a
    // long run's memory would creep up for as long as places in the batch go on meeting longer documents.
    size_t room = 0;
    // A row or a number for each token of the batch. Sums and bounds are of a row's screened codes for the
    // filter, of all coordinates for what follows.
    Aligned<float> centered, coordinates, rest_norms;
    Aligned<int8_t> codes;
    Aligned<int32_t> offsets;
    Aligned<float> norms, residuals;
    // For one document and a few of its candidates:
    Aligned<uint8_t> token_panels;
    Aligned<int8_t> term_codes;
    Aligned<int32_t> sums;
    Aligned<uint32_t> contenders;
    std::vector<const float*> row_pointers;
};

// Finds the candidates of n_documents documents, documents d's tokens being rows offsets[d] to offsets[d + 1]
// of `hidden` (row-major, `head.width()` columns); they are left in `workspace.documents`. The table is read
// once for all of them. Throws std::invalid_argument, naming the document (first_document + d), if a hidden
// state is not finite.
void find_candidates(const PackedHead& head, const Kernels& kernels, const float* hidden,
                     const int64_t* offsets, size_t n_documents, size_t first_document,
                     HeadWorkspace& workspace);

// Appends the sparse vectors of the same documents to `rows`, terms ascending, weights > 0.
void encode_documents(const PackedHead& head, const Kernels& kernels, const float* hidden,
                      const int64_t* offsets, size_t n_documents, size_t first_document, bool with_positions,
                      HeadWorkspace& workspace, SparseRows& rows);

}  // namespace lsr
