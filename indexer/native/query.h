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

// The weights of one field's query terms, by term. A hash table with at most an eighth of the slots taken, so
// that a vocabulary of any size costs the same few cache lines, and nearly every look-up is one slot and no
// jump.
class TermWeights {
  public:
    void assign(const uint32_t* terms, const float* weights, size_t n);

    // The query's weight for a term; 0 if it has none.
    float operator[](uint32_t term) const {
        const Slot& entry = slots_[first_slot(term)];
        if (entry.shared && entry.term != term) [[unlikely]]
            return find_further(term);
        return entry.term == term ? entry.weight : 0.0f;
    }

    bool empty() const { return n_ == 0; }

  private:
    struct Slot {
        uint32_t term;
        float weight;  // 0: free
        bool shared;   // a term that belongs here had to go further
    };
    uint32_t first_slot(uint32_t term) const { return (term * 2654435769u) >> shift_; }
    float find_further(uint32_t term) const;

    std::vector<Slot> slots_;
    uint32_t mask_ = 0;
    uint32_t shift_ = 31;
    size_t n_ = 0;
};

}  // namespace lsr
