#include "scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <numeric>
#include <string>

#include "errors.h"

namespace lsr {

namespace {

constexpr size_t kAccumulators = 65536;  // whatever the tile: offsets are 16 bits wide and not trusted
constexpr size_t kNoPart = ~size_t{0};
constexpr size_t kWordsInTile = kTile / 64;
constexpr size_t kFoundByBlocks = 96;  // above, completing a tile costs less than scoring; flat from 64 to 256
constexpr size_t kScoredTogether = 16;
// After this many tiles completed in a row blocks don't pay for now: the next tiles are scanned fully, twice as
// many each time, for the threshold rises ever more slowly.
constexpr int kCompletedInARow = 2;
constexpr int kFullTilesFirst = 8;
constexpr int kFullTilesMost = 1024;

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
      found_bounds_(kFoundByBlocks + kGroup),
      acc_(make_buffer<uint16_t>(kAccumulators)),
      lanes_(make_buffer<uint16_t>(kTile)),
      block_acc_(make_buffer<uint16_t>(kTile / kBlock)) {}

void TileScanner::start(const std::vector<Part>& parts, const Bounds& bounds, size_t k,
                        const KernelSet& kernels, Rescorer& rescorer, std::atomic<uint32_t>* threshold,
                        const Approximation& approximation) {
    parts_ = &parts;
    bounds_ = &bounds;
    kernels_ = &kernels;
    rescorer_ = &rescorer;
    k_ = k;
    approximation_ = approximation;
    part_ = kNoPart;
    completed_in_a_row_ = full_tiles_left_ = 0;
    full_tiles_next_ = kFullTilesFirst;
    candidates.reset(k, bounds.width, kernels, threshold);
}

void TileScanner::enter_part(size_t part) {
    part_ = part;
    cursors_.clear();
    has_blocks_ = false;
    for (const PartTerm& term : bounds_->parts[part]) {
        const Filtering filtering = term.blocks != nullptr ? Filtering::block_row : Filtering::list;
        const uint32_t* starts = term.lists->run_starts + term.index;
        cursors_.push_back({term, starts[0], starts[1], filtering});
        has_blocks_ |= term.blocks != nullptr;
    }
    if (has_blocks_ && approximation_.keep < 1.0) leave_out_least();
}

// Takes from the filter the terms of least possible contribution, down to the share that is to be kept.
void TileScanner::leave_out_least() {
    double left = 0.0;
    for (const TermCursor& cursor : cursors_) left += cursor.term.largest;
    left *= approximation_.keep;
    order_.resize(cursors_.size());
    std::iota(order_.begin(), order_.end(), 0u);
    std::sort(order_.begin(), order_.end(), [this](uint32_t one, uint32_t other) {
        return cursors_[one].term.largest > cursors_[other].term.largest;
    });
    for (const uint32_t at : order_) {
        if (left <= 0.0) cursors_[at].filtering = Filtering::nothing;
        left -= cursors_[at].term.largest;
    }
}

uint16_t TileScanner::filter_threshold() {
    const double least = approximation_.gamma * candidates.threshold();
    return uint16_t(std::clamp(least, 1.0, 65535.0));
}

void TileScanner::scan(size_t part, size_t tile) {
    if (part != part_) enter_part(part);
    const size_t n_documents = (*parts_)[part].segment->n_documents - tile * kTile;
    n_groups_ = (std::min(n_documents, kTile) + kGroup - 1) / kGroup;
    if (has_blocks_ && full_tiles_left_ == 0 && candidates.selective()) {
        scan_blocks(tile);
    } else {
        full_tiles_left_ -= full_tiles_left_ > 0;
        scan_fully(tile);
    }
}

void TileScanner::scan_fully(size_t tile) {
    gather(tile, Terms::all);
    if (lists_.rows.empty() && lists_.lists.empty()) return;
    accumulate(false);
    collect(tile, allowed_words(tile));
}

void TileScanner::scan_blocks(size_t tile) {
    block_rows_.clear();
    for (const TermCursor& cursor : cursors_) {
        if (cursor.filtering != Filtering::block_row) continue;
        block_rows_.push_back({cursor.term.blocks + tile * (kTile / kBlock), cursor.term.weight});
    }
    gather(tile, Terms::filtered);
    accumulate(false);
    kernels_->add_rows(block_rows_.data(), block_rows_.size(), (n_groups_ + kBlock - 1) / kBlock, false,
                       block_acc_.get());
    const uint64_t* allowed = allowed_words(tile);
    size_t n = kernels_->find_blocks(acc_.get(), block_acc_.get(), n_groups_, allowed, filter_threshold(),
                                     kFoundByBlocks, found_bounds_.data(), found_.data());
    if (n > kFoundByBlocks) {
        complete(tile, allowed);
    } else {
        completed_in_a_row_ = 0;
        // A block's bound stands for places behind the last document, too.
        const size_t n_documents = (*parts_)[part_].segment->n_documents - tile * kTile;
        while (n > 0 && found_[n - 1] >= n_documents) --n;
        score_found(tile, n);
    }
}

// Adds what the filter did not read, as if the tile had been scanned fully from the start.
void TileScanner::complete(size_t tile, const uint64_t* allowed) {
    gather(tile, Terms::others);
    accumulate(true);
    collect(tile, allowed);
    if (++completed_in_a_row_ < kCompletedInARow) return;
    completed_in_a_row_ = 0;
    full_tiles_left_ = full_tiles_next_;
    full_tiles_next_ = std::min(2 * full_tiles_next_, kFullTilesMost);
}

// Scores what the blocks let through, the best bounds first, until the threshold has risen above the rest.
void TileScanner::score_found(size_t tile, size_t n) {
    const Part& part = (*parts_)[part_];
    order_.resize(n);
    for (size_t i = 0; i < n; ++i) order_[i] = uint32_t{found_bounds_[i]} << 16 | uint32_t(i);
    if (n > kScoredTogether) std::sort(order_.begin(), order_.end(), std::greater<>());
    std::array<uint32_t, kScoredTogether> documents;
    for (size_t begin = 0; begin < n; begin += kScoredTogether) {
        const size_t size = std::min(kScoredTogether, n - begin);
        if (n > kScoredTogether && order_[begin] >> 16 < filter_threshold()) return;
        for (size_t i = 0; i < size; ++i)
            documents[i] = uint32_t(tile * kTile) + found_[order_[begin + i] & 0xffff];
        hits_.clear();
        rescorer_->score_all(part, documents.data(), size, hits_);
        for (const Hit& hit : hits_) {
            const auto scaled = uint16_t(std::clamp(bounds_->scale * hit.score(), 0.0, 65535.0));
            if (scaled >= candidates.threshold()) candidates.add_one(scaled, hit.row);
        }
        candidates.prune_if_crowded();
    }
}

void TileScanner::gather(size_t tile, Terms terms) {
    lists_.clear();
    for (TermCursor& cursor : cursors_) {
        const Terms kind = cursor.filtering == Filtering::list ? Terms::filtered : Terms::others;
        if (terms == Terms::all || terms == kind) take_list(cursor, tile, n_groups_, lists_);
    }
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
