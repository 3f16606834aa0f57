#include "candidates.h"

#include <algorithm>

namespace lsr {

uint16_t kth_largest(const uint16_t* values, size_t n, size_t k, const KernelSet& kernels) {
    uint32_t kth = 0;
    for (uint32_t bit = 0x8000; bit != 0; bit >>= 1) {
        if (kernels.count_at_least(values, n, uint16_t(kth | bit)) >= k) kth |= bit;
    }
    return uint16_t(kth);
}

void Candidates::reset(size_t k, uint32_t width, const KernelSet& kernels, std::atomic<uint32_t>* shared) {
    k_ = k;
    width_ = width;
    kernels_ = &kernels;
    shared_ = shared;
    rows_.clear();
}

uint16_t Candidates::threshold() {
    return uint16_t(shared_->load(std::memory_order_relaxed));
}

void Candidates::learn(uint32_t kth) {
    if (kth <= width_) return;
    const uint32_t least = kth - width_;
    uint32_t known = shared_->load(std::memory_order_relaxed);
    while (known < least && !shared_->compare_exchange_weak(known, least, std::memory_order_relaxed)) {
    }
}

uint16_t* Candidates::new_values(size_t n) {
    if (values_.size() < rows_.size() + n) values_.resize(rows_.size() + n);
    return values_.data() + rows_.size();
}

void Candidates::add(size_t n, const uint16_t* documents, int64_t base) {
    const size_t size = rows_.size();
    rows_.resize(size + n);
    for (size_t at = 0; at < n; ++at) rows_[size + at] = base + int64_t(documents[at]);
}

void Candidates::add_one(uint16_t value, int64_t row) {
    *new_values(1) = value;
    rows_.push_back(row);
}

void Candidates::raise_threshold() {
    learn(kth());
}

void Candidates::prune_if_crowded() {
    if (rows_.size() < k_ + std::max<size_t>(k_ / 2, 32)) return;
    raise_threshold();
    drop_below(threshold());
}

uint16_t Candidates::kth() {
    if (rows_.size() < k_) return 0;
    const size_t padded = (rows_.size() + 63) / 64 * 64;
    uint16_t* tail = new_values(padded - rows_.size());
    std::fill(tail, tail + (padded - rows_.size()), uint16_t{0});
    return kth_largest(values_.data(), padded, k_, *kernels_);
}

void Candidates::drop_below(uint16_t least) {
    size_t kept = 0;
    for (size_t at = 0; at < rows_.size(); ++at) {
        const uint16_t value = values_[at];
        values_[kept] = value;
        rows_[kept] = rows_[at];
        kept += value >= least;
    }
    rows_.resize(kept);
}

std::vector<int64_t> Candidates::take_from(uint16_t least) {
    std::vector<int64_t> taken(rows_.size());
    size_t n_taken = 0, kept = 0;
    for (size_t at = 0; at < rows_.size(); ++at) {
        const uint16_t value = values_[at];
        const int64_t row = rows_[at];
        taken[n_taken] = row;
        n_taken += value >= least;
        values_[kept] = value;
        rows_[kept] = row;
        kept += value < least;
    }
    taken.resize(n_taken);
    rows_.resize(kept);
    return taken;
}

void Candidates::take(Candidates& other) {
    std::copy_n(other.values_.data(), other.rows_.size(), new_values(other.rows_.size()));
    rows_.insert(rows_.end(), other.rows_.begin(), other.rows_.end());
    other.rows_.clear();
}

}  // namespace lsr
