#include "segment.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "errors.h"

namespace lsr {

namespace {

void check_directory(const Lists& lists) {
    for (size_t at = 0; at < lists.n_terms; ++at) {
        if (at > 0 && lists.terms[at] <= lists.terms[at - 1]) {
            throw Corrupt("the directory's terms do not ascend at entry " + std::to_string(at));
        }
        if (!std::isfinite(lists.maxima[at]) || lists.maxima[at] <= 0.0f) {
            throw Corrupt("the largest weight of term " + std::to_string(lists.terms[at]) + " is " +
                          std::to_string(lists.maxima[at]));
        }
        if (lists.run_starts[at] >= lists.run_starts[at + 1] || lists.run_starts[at + 1] > lists.n_runs) {
            throw Corrupt("the runs of term " + std::to_string(lists.terms[at]) + " lie outside the directory");
        }
        const uint32_t row = lists.block_rows[at];
        if (row != kNoBlocks && (uint64_t(row) + 1) * lists.block_row_bytes + kOverrun > lists.blocks_bytes) {
            throw Corrupt("the block row of term " + std::to_string(lists.terms[at]) +
                          " lies outside its array");
        }
    }
}

}  // namespace

Field::Field(const Forward& forward, const Lists& lists) : forward_(forward), lists_(lists) {
    if (forward.n_documents > 0) {
        forward.row(0);
        forward.row(forward.n_documents - 1);
    }
    if (lists.sparse_bytes < kOverrun || lists.dense_bytes < kOverrun)
        throw Corrupt("the lists lack their end padding");
    check_directory(lists);
    entries_.resize(table_size(lists));
    for (size_t at = 0; at < lists.n_terms && !entries_.empty(); ++at) entries_[lists.terms[at]] = entry_at(at);
}

TermEntry Field::find(uint32_t term) const {
    if (!entries_.empty()) return term < entries_.size() ? entries_[term] : TermEntry{};
    const uint32_t* end = lists_.terms + lists_.n_terms;
    const uint32_t* found = std::lower_bound(lists_.terms, end, term);
    return found != end && *found == term ? entry_at(size_t(found - lists_.terms)) : TermEntry{};
}

TermEntry Field::entry_at(size_t index) const {
    return {lists_.maxima[index], lists_.run_starts[index], lists_.run_starts[index + 1],
            lists_.block_rows[index]};
}

}  // namespace lsr
