#include "hits.h"

#include <algorithm>
#include <array>
#include <utility>

namespace lsr {

namespace {

constexpr size_t kRadixFrom = 64;  // below, comparisons are cheaper than two tables of counts
// The larger the tables, the fewer hits agree in all digits, but a table costs as much as several of its size.
constexpr size_t kManyHits = 4096;
constexpr int kDigitBits = 8, kDigitBitsOfMany = 11;

// Counts become where each digit's first entry goes, the largest digit's first.
template <size_t n_digits>
void to_starts(std::array<uint32_t, n_digits>& counts) {
    uint32_t total = 0;
    for (size_t digit = n_digits; digit-- > 0;) total += std::exchange(counts[digit], total);
}

// Two counting passes over the leading bits in which the scores differ, by entries of a key and a place in
// `hits`; the few hits that agree in all of these bits are sorted by comparison.
template <int kBits>
void radix_sort(std::vector<Hit>& hits) {
    constexpr uint64_t kDigits = uint64_t{1} << kBits;
    uint64_t least = hits[0].score_bits, most = least;
    for (const Hit& hit : hits) {
        least = std::min(least, hit.score_bits);
        most = std::max(most, hit.score_bits);
    }
    const int excess = std::max(0, int(std::bit_width(most - least)) - 2 * kBits);
    std::array<uint32_t, kDigits> low{}, high{};
    std::vector<uint64_t> entries(hits.size()), other(hits.size());
    for (size_t at = 0; at < hits.size(); ++at) {
        const uint64_t key = (hits[at].score_bits - least) >> excess;
        entries[at] = key << 32 | at;
        ++low[key % kDigits];
        ++high[key / kDigits];
    }
    to_starts(low);
    to_starts(high);
    for (const uint64_t entry : entries) other[low[(entry >> 32) % kDigits]++] = entry;
    for (const uint64_t entry : other) entries[high[(entry >> 32) / kDigits]++] = entry;
    std::vector<Hit> sorted(hits.size());
    for (size_t at = 0; at < hits.size(); ++at) sorted[at] = hits[uint32_t(entries[at])];
    hits.swap(sorted);
    for (size_t begin = 0, end; begin < hits.size(); begin = end) {
        end = begin + 1;
        while (end < hits.size() && entries[end] >> 32 == entries[begin] >> 32) ++end;
        if (end - begin > 1) std::sort(hits.begin() + ptrdiff_t(begin), hits.begin() + ptrdiff_t(end), better);
    }
}

}  // namespace

void keep_best(std::vector<Hit>& hits, size_t k) {
    if (hits.size() > 2 * k) {
        std::nth_element(hits.begin(), hits.begin() + ptrdiff_t(k), hits.end(), better);
        hits.resize(k);
    }
    if (hits.size() < kRadixFrom) {
        std::sort(hits.begin(), hits.end(), better);
    } else if (hits.size() < kManyHits) {
        radix_sort<kDigitBits>(hits);
    } else {
        radix_sort<kDigitBitsOfMany>(hits);
    }
    if (hits.size() > k) hits.resize(k);
}

}  // namespace lsr
