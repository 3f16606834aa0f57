// Scored documents and the k best of them: by score descending, then by row ascending.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lsr {

// Scores compare as their bits: for numbers >= 0 that is their order, and it stays a strict order on whatever
// damaged arrays may yield (NaN), which sorting needs in order to stay inside its range.
struct Hit {
    uint64_t score_bits;
    int64_t row;

    double score() const { return std::bit_cast<double>(score_bits); }
};

inline Hit make_hit(double score, int64_t row) {
    return {std::bit_cast<uint64_t>(score), row};
}

inline bool better(const Hit& left, const Hit& right) {
    return left.score_bits != right.score_bits ? left.score_bits > right.score_bits : left.row < right.row;
}

// Leaves the k best, best first.
void keep_best(std::vector<Hit>& hits, size_t k);

}  // namespace lsr
