#include "query.h"

#include <bit>
#include <cmath>
#include <string>

#include "errors.h"

namespace lsr {

void check_query(const Query& query, size_t n_fields) {
    for (size_t at = 0; at < query.size; ++at) {
        const float weight = query.weights[at];
        if (!std::isfinite(weight) || weight <= 0.0f) {
            throw InvalidArgument("query term " + std::to_string(query.terms[at]) + " has weight " +
                                  std::to_string(weight) + "; weights must be finite and above 0");
        }
        if (query.fields[at] >= n_fields) {
            throw InvalidArgument("the query names field " + std::to_string(query.fields[at]) +
                                  ", but there are " + std::to_string(n_fields));
        }
        if (at == 0) continue;
        const bool ascending =
            query.fields[at] > query.fields[at - 1] ||
            (query.fields[at] == query.fields[at - 1] && query.terms[at] > query.terms[at - 1]);
        if (!ascending) {
            throw InvalidArgument("the query's (field, term) pairs must be strictly ascending, but term " +
                                  std::to_string(query.terms[at]) + " follows " +
                                  std::to_string(query.terms[at - 1]));
        }
    }
}

void TermWeights::assign(const uint32_t* terms, const float* weights, size_t n) {
    const uint32_t size = uint32_t(std::bit_ceil(8 * n + 8));
    slots_.assign(size, Slot{0, 0.0f, false});
    mask_ = size - 1;
    shift_ = 32 - uint32_t(std::countr_zero(size));
    n_ = n;
    for (size_t at = 0; at < n; ++at) {
        uint32_t slot = first_slot(terms[at]);
        while (slots_[slot].weight != 0.0f) {
            slots_[slot].shared = true;
            slot = (slot + 1) & mask_;
        }
        slots_[slot].term = terms[at];
        slots_[slot].weight = weights[at];
    }
}

float TermWeights::find_further(uint32_t term) const {
    uint32_t slot = first_slot(term);
    while (slots_[slot].shared && slots_[slot].term != term) slot = (slot + 1) & mask_;
    return slots_[slot].term == term ? slots_[slot].weight : 0.0f;
}

}  // namespace lsr
