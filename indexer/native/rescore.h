// Exact scores of many documents, fast: the same sums as score_document, found with the matching kernels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "hits.h"
#include "kernel_set.h"
#include "query.h"
#include "reference.h"

namespace lsr {

// The query terms of one field as `match_terms` wants them.
struct MatchBitmap {
    alignas(64) std::array<uint32_t, kMatchBits / 32> words;
};

class Rescorer {
  public:
    // weights must outlive the rescorer's use.
    void assign(const Query& query, const QueryWeights& weights, const KernelSet& kernels);

    double score(const Segment& segment, size_t document);

    // Appends the hits of documents (positions in `part`, n of them) that have a common term. Documents ahead
    // are prefetched: most of the time goes to cache misses.
    void score_all(const Part& part, const uint32_t* documents, size_t n, std::vector<Hit>& hits);

  private:
    void prefetch_start(const Segment& segment, size_t document) const;
    void prefetch_row(const Segment& segment, size_t document) const;
    double add_field(const Forward& forward, const TermWeights& weights, const MatchBitmap& bitmap, Row row,
                     double score);

    static constexpr size_t kChunk = 2048;  // terms matched at once

    const QueryWeights* weights_ = nullptr;
    const KernelSet* kernels_ = nullptr;
    std::vector<MatchBitmap> bitmaps_;
    std::array<uint16_t, kChunk + 64> positions_;
};

}  // namespace lsr
