#include "scan.h"

#include <algorithm>
#include <bit>
#include <string>

#include "errors.h"

namespace lsr {

namespace {

constexpr size_t kAccumulators = 65536;  // whatever the tile: offsets are 16 bits wide and not trusted
constexpr size_t kNoPart = ~size_t{0};
constexpr size_t kWordsInTile = kTile / 64;

[[noreturn]] void refuse_list(const Lists& lists, uint32_t index, size_t tile) {
    throw Corrupt("the list of term " + std::to_string(lists.terms[index]) + " in tile " +
                  std::to_string(tile) + " lies outside its array");
}

void add_row(const TermCursor& cursor, const Run& run, size_t n_groups, std::vector<WeightedRow>& rows) {
    const Lists& lists = *cursor.term.lists;
    const size_t begin = size_t{run.offset} * kGroup;
    if (begin + n_groups * kGroup + kOverrun > lists.dense_bytes)
        refuse_list(lists, cursor.term.index, run.tile);
    rows.push_back({lists.dense + begin, cursor.term.weight});
}

void add_sparse(const TermCursor& cursor, const Run& run, std::vector<WeightedList>& sparse) {
    const Lists& lists = *cursor.term.lists;
    const size_t begin = size_t{run.offset} * 8;
    if (run.count > kTile || begin + sparse_size_bytes(run.count) + kOverrun > lists.sparse_bytes) {
        refuse_list(lists, cursor.term.index, run.tile);
    }
    const uint8_t* offsets = lists.sparse + begin;
    sparse.push_back({offsets, offsets + 2 * size_t{run.count}, run.count, cursor.term.weight});
    __builtin_prefetch(offsets);
    __builtin_prefetch(offsets + 64);
    __builtin_prefetch(sparse.back().codes);
}

// Adds the term's list in `tile`, if it has one. Leaves the cursor behind the tile.
void take_list(TermCursor& cursor, size_t tile, size_t n_groups, TileLists& lists) {
    const Run* runs = cursor.term.lists->runs;
    while (cursor.next < cursor.end && runs[cursor.next].tile < tile) ++cursor.next;
    if (cursor.next == cursor.end || runs[cursor.next].tile != tile) return;
    const Run& run = runs[cursor.next++];
    if (run.dense) {
        add_row(cursor, run, n_groups, lists.rows);
    } else {
        add_sparse(cursor, run, lists.lists);
    }
}

}  // namespace

TileScanner::TileScanner()
    : found_(kTile + kGroup),
      acc_(make_buffer<uint16_t>(kAccumulators)),
      lanes_(make_buffer<uint16_t>(kTile)) {}

void TileScanner::start(const std::vector<Part>& parts, const Bounds& bounds, size_t k,
                        const KernelSet& kernels, std::atomic<uint32_t>* threshold) {
    parts_ = &parts;
    bounds_ = &bounds;
    kernels_ = &kernels;
    k_ = k;
    part_ = kNoPart;
    candidates.reset(k, bounds.width, kernels, threshold);
}

void TileScanner::enter_part(size_t part) {
    part_ = part;
    cursors_.clear();
    for (const PartTerm& term : bounds_->parts[part]) {
        cursors_.push_back({term, term.lists->run_starts[term.index], term.lists->run_starts[term.index + 1]});
    }
}

void TileScanner::scan(size_t part, size_t tile) {
    if (part != part_) enter_part(part);
    const size_t n_documents = (*parts_)[part].segment->n_documents - tile * kTile;
    n_groups_ = (std::min(n_documents, kTile) + kGroup - 1) / kGroup;
    gather(tile);
    if (lists_.rows.empty() && lists_.lists.empty()) return;
    accumulate(false);
    collect(tile, allowed_words(tile));
}

void TileScanner::gather(size_t tile) {
    lists_.clear();
    for (TermCursor& cursor : cursors_) take_list(cursor, tile, n_groups_, lists_);
}

void TileScanner::accumulate(bool onto) {
    kernels_->add_rows(lists_.rows.data(), lists_.rows.size(), n_groups_, onto, acc_.get());
    for (const WeightedList& list : lists_.lists) {
        kernels_->add_list(list.offsets, list.codes, list.count, list.weight, acc_.get());
    }
}

// The tile's documents that may be returned; null: all.
const uint64_t* TileScanner::allowed_words(size_t tile) {
    const Part& part = (*parts_)[part_];
    const size_t first = tile * kWordsInTile;
    if (part.live == nullptr || part.filter == nullptr) {
        const uint64_t* only = part.live != nullptr ? part.live : part.filter;
        return only == nullptr ? nullptr : only + first;
    }
    allowed_.resize(kWordsInTile);
    for (size_t word = 0; word < n_groups_; ++word) allowed_[word] = part.allowed(first + word);
    return allowed_.data();
}

void TileScanner::collect(size_t tile, const uint64_t* allowed) {
    if (!candidates.selective()) estimate_threshold(allowed);
    uint16_t* values = candidates.new_values(n_groups_ * kGroup);
    const size_t n =
        kernels_->find_above(acc_.get(), n_groups_, allowed, candidates.threshold(), values, found_.data());
    candidates.add(n, found_.data(), (*parts_)[part_].base + int64_t(tile * kTile));
    candidates.prune_if_crowded();
}

// A first threshold from the first tile: the k-th largest of the maxima of disjoint lanes. Each maximum is a
// document of its own, so bounds.h applies. Without it the whole tile would become candidates.
void TileScanner::estimate_threshold(const uint64_t* allowed) {
    const size_t n = n_groups_ * kGroup;
    if (k_ > n) return;
    if (allowed != nullptr) kernels_->hide(acc_.get(), n_groups_, allowed);
    const size_t n_lanes = std::bit_ceil(std::max<size_t>(8 * k_, 64));
    if (n_lanes >= n) {
        candidates.learn(kth_largest(acc_.get(), n, k_, *kernels_));
        return;
    }
    kernels_->lane_maxima(acc_.get(), n, n_lanes, lanes_.get());
    candidates.learn(kth_largest(lanes_.get(), n_lanes, k_, *kernels_));
}

}  // namespace lsr
