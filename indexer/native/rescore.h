// Exact scores of many documents, fast: the same sums as score_document, found with the matching kernels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "buffer.h"
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
    Rescorer();

    // weights must outlive the rescorer's use.
    void assign(const Query& query, const QueryWeights& weights, const KernelSet& kernels);

    // Appends the hits among n documents (positions in `part`): those that have a common term.
    void score_all(const Part& part, const uint32_t* documents, size_t n, std::vector<Hit>& hits);

  private:
    static constexpr size_t kRowTerms = 512;
    static constexpr size_t kAskedTogether = 12;  // weights
    static constexpr size_t kAddedTogether = 6;   // products

    static constexpr size_t kPadding = 16;  // at least both of these

    // The terms of a part of a document that may be in the query, and behind them kPadding that are not.
    struct Matches {
        size_t n = 0;
        std::array<uint16_t, kRowTerms + 64> positions;
        std::array<uint16_t, kRowTerms + 64> terms;  // of 16 bits only
    };

    // A document on its way through the stages of `add_field`.
    struct Stage {
        Row row;
        bool matched;  // its matches are known; false: the row is too long for them
        Matches matches;
    };

    void add_field(const Forward& forward, size_t field, const uint32_t* documents, size_t n);
    void load_row(const Forward& forward, size_t document, Stage& stage) const;
    void match_row(const Forward& forward, size_t field, Stage& stage) const;
    double add_long_row(const Forward& forward, size_t field, Row row, double score) const;
    void match(const Forward& forward, size_t field, size_t begin, size_t size, Matches& matches) const;
    double add_matches(const Forward& forward, size_t field, size_t begin, const Matches& matches,
                       double score) const;

    static constexpr size_t kStartsAhead = 16;  // in documents, as all here
    static constexpr size_t kMatchAfter = 6;
    static constexpr size_t kAddAfter = 10;
    static constexpr size_t kStages = 16;     // above kAddAfter
    static constexpr size_t kLinesAsked = 6;  // of a document's terms, without a look at their number

    const QueryWeights* weights_ = nullptr;
    const KernelSet* kernels_ = nullptr;
    std::vector<MatchBitmap> bitmaps_;
    std::vector<double> scores_;
    std::vector<Stage> stages_;
    // By field: the query's weights by term, for terms of 16 bits. A load instead of a search for each match.
    std::vector<Buffer<float>> tables_;
    std::vector<std::pair<uint32_t, uint32_t>> set_;  // (field, term) of what is not 0 in them
    size_t absent_ = 0;                               // a term that is 0 in all of them, if there is one
};

}  // namespace lsr
