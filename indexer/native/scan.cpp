#include "scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

namespace lsr {

namespace {

constexpr size_t kAccumulators = 65536;  // whatever the tile: offsets are 16 bits wide and not trusted
constexpr size_t kNoPart = ~size_t{0};
constexpr size_t kGroupsInTile = kTile / kGroup;
constexpr size_t kBlocksInTile = kTile / kBlock;
// Where more than this share of a tile's groups has to be read, reading them all in order costs less.
constexpr double kMostGroups = 0.3;
// Where more than this share has to be read, the next tiles, kLongPause of them, will hardly be better.
constexpr double kFarTooManyGroups = 0.6;
constexpr size_t kLongPause = 8;
constexpr size_t kLongestPause = 1024;
// A document is scored rather than this many postings read that would complete its tile.
constexpr size_t kPostingsAScore = 375;
// Scored in one go: the more, the better the cache misses overlap; the fewer, the sooner the threshold rises.
constexpr size_t kScoredTogether = 32;

}  // namespace

TileScanner::TileScanner()
    : acc_(make_buffer<uint16_t>(kAccumulators)),
      lanes_(make_buffer<uint16_t>(kTile)),
      sparse_bounds_(make_buffer<uint16_t>(kBlocksInTile)),
      all_bounds_(make_buffer<uint16_t>(kBlocksInTile)),
      group_bounds_(make_buffer<uint16_t>(kGroupsInTile)),
      groups_(kGroupsInTile + kGroup),
      found_(kTile + 2 * kGroup),
      found_bounds_(kTile + 2 * kGroup) {}

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
    rare_pause_ = sparse_pause_ = Pause{};
    waiting_.clear();
    candidates.reset(k, bounds.width, kernels, threshold);
}

void TileScanner::enter_part(size_t part) {
    finish();
    part_ = part;
    cursors_.clear();
    has_blocks_ = false;
    for (const PartTerm& term : bounds_->parts[part]) {
        cursors_.push_back({term, term.runs_begin, term.runs_end, false});
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
        if (left <= 0.0) cursors_[at].left_out = true;
        left -= cursors_[at].term.largest;
    }
}

uint16_t TileScanner::filter_threshold() {
    const double least = approximation_.gamma * candidates.threshold();
    return uint16_t(std::clamp(least, 1.0, 65535.0));
}

// The tile's documents that may be returned; null: all.
const uint64_t* TileScanner::allowed_words(size_t tile) {
    const Part& part = (*parts_)[part_];
    const size_t first = tile * kGroupsInTile;
    if (part.live == nullptr || part.filter == nullptr) {
        const uint64_t* only = part.live != nullptr ? part.live : part.filter;
        return only == nullptr ? nullptr : only + first;
    }
    allowed_.resize(kGroupsInTile);
    for (size_t word = 0; word < n_groups_; ++word) allowed_[word] = part.allowed(first + word);
    return allowed_.data();
}

void TileScanner::scan(size_t part, size_t tile) {
    if (part != part_) enter_part(part);
    const size_t n_documents = (*parts_)[part].segment->n_documents - tile * kTile;
    n_groups_ = (std::min(n_documents, kTile) + kGroup - 1) / kGroup;
    const Reading reading = next_reading();
    gather(tile, reading);
    if (reading == Reading::all) {
        scan_fully(tile);
    } else {
        scan_blocks(tile, reading);
    }
}

void TileScanner::Pause::begin(double share_of_groups) {
    if (share_of_groups > kFarTooManyGroups) next = std::max(next, kLongPause);
    left = next;
    next = std::min(2 * next, kLongestPause);
}

TileScanner::Reading TileScanner::next_reading() {
    if (!has_blocks_ || !candidates.selective()) return Reading::all;
    if (rare_pause_.left == 0) return Reading::rare;
    --rare_pause_.left;
    if (sparse_pause_.left == 0) return Reading::sparse;
    --sparse_pause_.left;
    return Reading::all;
}

void TileScanner::gather(size_t tile, Reading reading) {
    for (TileLists* lists : {&read_, &bounded_, &left_out_}) lists->clear();
    dense_blocks_.clear();
    sparse_blocks_.clear();
    for (TermCursor& cursor : cursors_) {
        const Run* run = take_run(cursor, tile);
        if (run == nullptr) continue;
        const bool has_bounds = cursor.term.blocks != nullptr && (run->dense || reading == Reading::rare);
        if (reading == Reading::all || !(has_bounds || cursor.left_out)) {
            add_run(cursor, *run, n_groups_, read_);
            if (!run->dense) prefetch(read_.lists.back());
        } else if (cursor.left_out) {
            add_run(cursor, *run, n_groups_, left_out_);
        } else {
            add_run(cursor, *run, n_groups_, bounded_);
            auto& blocks = run->dense ? dense_blocks_ : sparse_blocks_;
            blocks.push_back({cursor.term.blocks + tile * kBlocksInTile, cursor.term.weight});
        }
    }
}

void TileScanner::scan_fully(size_t tile) {
    if (read_.rows.empty() && read_.lists.empty()) return;
    sum_lists(read_, n_groups_, *kernels_, acc_.get());
    const uint64_t* allowed = allowed_words(tile);
    if (!candidates.selective()) estimate_threshold(allowed);
    uint16_t* values = candidates.new_values(n_groups_ * kGroup + kGroup);
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
    const size_t n_lanes = std::min(n, std::bit_ceil(std::max<size_t>(8 * k_, 64)));
    kernels_->lane_maxima(acc_.get(), n, n_lanes, allowed, lanes_.get());
    candidates.learn(kth_largest(lanes_.get(), n_lanes, k_, *kernels_));
}

void TileScanner::scan_blocks(size_t tile, Reading reading) {
    const uint64_t* allowed = allowed_words(tile);
    const size_t n = find_groups(allowed);
    kernels_->add_row_groups(bounded_.rows.data(), bounded_.rows.size(), groups_.data(), n, acc_.get());
    const bool completed = collect(tile, allowed, n);
    const double share = double(n) / double(n_groups_);
    if (reading == Reading::sparse) {
        if (share > kMostGroups) sparse_pause_.begin(share);
    } else if (completed || (share > kMostGroups && bounded_.lists.empty())) {
        rare_pause_.begin(share);
    }
    if (waiting_.size() >= kScoredTogether) score_waiting();
}

// Puts the groups that hold a document which may reach the threshold into groups_ and returns how many. The
// block rows come first: while they are read, the lists arrive.
size_t TileScanner::find_groups(const uint64_t* allowed) {
    const size_t n_groups_of_blocks = (n_groups_ + kBlock - 1) / kBlock;
    kernels_->add_rows(sparse_blocks_.data(), sparse_blocks_.size(), n_groups_of_blocks, false,
                       sparse_bounds_.get());
    std::copy_n(sparse_bounds_.get(), n_groups_of_blocks * kGroup, all_bounds_.get());
    kernels_->add_rows(dense_blocks_.data(), dense_blocks_.size(), n_groups_of_blocks, true, all_bounds_.get());
    sum_lists(read_, n_groups_, *kernels_, acc_.get());
    kernels_->bound_groups(acc_.get(), all_bounds_.get(), n_groups_, allowed, group_bounds_.get());
    std::fill(group_bounds_.get() + n_groups_, group_bounds_.get() + kGroupsInTile, uint16_t{0});
    return kernels_->find_above(group_bounds_.get(), kGroupsInTile / kGroup, nullptr, filter_threshold(),
                                found_bounds_.data(), groups_.data());
}

// Takes what reaches the threshold in the first n of groups_; true: the accumulators had to be completed for
// it.
bool TileScanner::collect(size_t tile, const uint64_t* allowed, size_t n) {
    const bool whole = bounded_.lists.empty() && left_out_.lists.empty() && left_out_.rows.empty();
    if (!whole && let_few_wait(tile, allowed, n)) return false;
    if (!whole) complete(n);
    const size_t found = kernels_->find_blocks(acc_.get(), sparse_bounds_.get(), groups_.data(), n, allowed,
                                               candidates.threshold(), kTile,
                                               candidates.new_values(kTile + 2 * kGroup), found_.data());
    candidates.add(found, found_.data(), (*parts_)[part_].base + int64_t(tile * kTile));
    candidates.prune_if_crowded();
    return !whole;
}

// Where few documents may reach the threshold, scoring them costs less than to complete the accumulators.
bool TileScanner::let_few_wait(size_t tile, const uint64_t* allowed, size_t n) {
    const size_t limit = (bounded_.n_postings + left_out_.n_postings) / kPostingsAScore;
    const size_t found = kernels_->find_blocks(acc_.get(), sparse_bounds_.get(), groups_.data(), n, allowed,
                                               filter_threshold(), limit, found_bounds_.data(), found_.data());
    if (found > limit) return false;
    const size_t n_documents = (*parts_)[part_].segment->n_documents;
    for (size_t at = 0; at < found; ++at) {
        const size_t document = tile * kTile + found_[at];
        // A block's bound stands for places behind the last document, too.
        if (document < n_documents) waiting_.push_back({found_bounds_[at], uint32_t(document)});
    }
    return true;
}

// Makes the accumulators of the first n of groups_ whole.
void TileScanner::complete(size_t n) {
    for (const WeightedList& list : bounded_.lists) prefetch(list);
    kernels_->add_row_groups(left_out_.rows.data(), left_out_.rows.size(), groups_.data(), n, acc_.get());
    for (const TileLists* lists : {&bounded_, &left_out_}) {
        for (const WeightedList& list : lists->lists) {
            kernels_->add_list(list.offsets, list.codes, list.count, list.weight, acc_.get());
        }
    }
    std::fill_n(sparse_bounds_.get(), kBlocksInTile, uint16_t{0});
}

void TileScanner::finish() {
    if (!waiting_.empty()) score_waiting();
}

// The best bounds first, until the threshold has risen above the rest.
void TileScanner::score_waiting() {
    const Part& part = (*parts_)[part_];
    std::sort(waiting_.begin(), waiting_.end(),
              [](const Waiting& one, const Waiting& other) { return one.bound > other.bound; });
    std::array<uint32_t, kScoredTogether> documents;
    for (size_t begin = 0; begin < waiting_.size();) {
        const uint16_t least = filter_threshold();
        size_t size = 0;
        for (; size < kScoredTogether && begin < waiting_.size() && waiting_[begin].bound >= least; ++begin)
            documents[size++] = waiting_[begin].document;
        if (size == 0) break;
        hits_.clear();
        rescorer_->score_all(part, documents.data(), size, hits_);
        for (const Hit& hit : hits_) {
            const auto scaled = uint16_t(std::clamp(bounds_->scale * hit.score(), 0.0, 65535.0));
            if (scaled >= candidates.threshold()) candidates.add_one(scaled, hit.row);
        }
        candidates.raise_threshold();
    }
    waiting_.clear();
    candidates.prune_if_crowded();
}

}  // namespace lsr
