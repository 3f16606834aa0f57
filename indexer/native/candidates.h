// The documents that may still be among the k best, with their accumulators, and the threshold they imply.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernel_set.h"

namespace lsr {

// The k-th largest of n values (n a multiple of 64, at least k of them): by bisection on the bits, because
// counting runs at 32 values an instruction and selection does not.
uint16_t kth_largest(const uint16_t* values, size_t n, size_t k, const KernelSet& kernels);

class Candidates {
  public:
    // shared: the largest threshold of all threads at work on this query.
    void reset(size_t k, uint32_t width, const KernelSet& kernels, std::atomic<uint32_t>* shared);

    // Documents below are out. At least 1: a document whose accumulator is 0 is no candidate.
    uint16_t threshold();
    // False while nothing but 0 is excluded.
    bool selective() { return threshold() > 1; }

    // Takes notice that the k-th largest of some distinct documents' accumulators is `kth`.
    void learn(uint32_t kth);

    // Room for n more; `add` what was written there.
    uint16_t* new_values(size_t n);
    void add(size_t n, const uint16_t* documents, int64_t base);
    void add_one(uint16_t value, int64_t row);

    // Raises the threshold to what the candidates imply.
    void raise_threshold();
    // The same, and drops what fell below, if there are many more than k: finding the k-th costs little.
    void prune_if_crowded();

    // The k-th largest accumulator; 0 if there are fewer than k candidates.
    uint16_t kth();
    // Drops what lies below `least`.
    void drop_below(uint16_t least);
    void take(Candidates& other);

    size_t size() const { return rows_.size(); }
    const std::vector<int64_t>& rows() const { return rows_; }
    // Removes what is at least `least`; its rows, in order.
    std::vector<int64_t> take_from(uint16_t least);

  private:
    size_t k_ = 0;
    uint32_t width_ = 0;
    const KernelSet* kernels_ = nullptr;
    std::atomic<uint32_t>* shared_ = nullptr;
    std::vector<uint16_t> values_;  // may be longer than rows_
    std::vector<int64_t> rows_;
};

}  // namespace lsr
