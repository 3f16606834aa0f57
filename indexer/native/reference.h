// The definition of a score and of a result, in plain code from the forward index alone: the oracle of every
// faster path, and what takes over where a fast path cannot promise the same answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "hits.h"
#include "query.h"
#include "segment.h"

namespace lsr {

// One searchable segment: bit d of `live` says whether document d may be returned; null: all may.
struct Part {
    const Segment* segment = nullptr;
    int64_t base = 0;  // row of its first document
    const uint64_t* live = nullptr;
    const uint64_t* filter = nullptr;

    // The 64 documents from 64 * word on that may be returned.
    uint64_t allowed(size_t word) const {
        return (live ? live[word] : ~uint64_t{0}) & (filter ? filter[word] : ~uint64_t{0});
    }
    bool allows(size_t document) const { return (allowed(document / 64) >> (document % 64)) & 1; }
};

// A query's weights by field and term.
using QueryWeights = std::vector<TermWeights>;

void assign_weights(const Query& query, size_t n_fields, QueryWeights& weights);

// Sum over the common (field, term) pairs, ascending, in float64. A product of two float32 is exact in float64,
// so only the additions round, and with or without fused multiply-add the bits are the same. 0: no common term,
// for products of two float32 above 0 are at least 2^-298, which float64 holds.
double score_document(const Segment& segment, size_t document, const QueryWeights& weights);

// The k best allowed documents that have a term in common with the query.
std::vector<Hit> search_reference(const std::vector<Part>& parts, const QueryWeights& weights, size_t k);

}  // namespace lsr
