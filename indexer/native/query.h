// A query: (field, term) pairs strictly ascending, each with a float32 weight that is finite and > 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lsr {

struct Query {
    const uint32_t* fields = nullptr;
    const uint32_t* terms = nullptr;
    const float* weights = nullptr;
    size_t size = 0;
};

// Throws InvalidArgument that names the entry at fault. n_fields: what the segments have.
void check_query(const Query& query, size_t n_fields);

// The weights of one field's query terms, by term. Open addressing with at most a quarter of the slots taken,
// so that a vocabulary of any size costs the same few cache lines.
class TermWeights {
  public:
    void assign(const uint32_t* terms, const float* weights, size_t n);

    // The query's weight for a term; 0 if it has none.
    float operator[](uint32_t term) const {
        for (uint32_t slot = first_slot(term);; slot = (slot + 1) & mask_) {
            const Slot& entry = slots_[slot];
            if (entry.weight == 0.0f || entry.term == term) return entry.weight;
        }
    }

    bool empty() const { return n_ == 0; }

  private:
    struct Slot {
        uint32_t term;
        float weight;  // 0: free
    };
    uint32_t first_slot(uint32_t term) const { return (term * 2654435769u) >> shift_; }

    std::vector<Slot> slots_;
    uint32_t mask_ = 0;
    uint32_t shift_ = 31;
    size_t n_ = 0;
};

}  // namespace lsr
