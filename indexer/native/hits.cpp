#include "hits.h"

#include <algorithm>
#include <array>

namespace lsr {

namespace {

constexpr size_t kRadixFrom = 64;  // below, comparisons are cheaper than two tables of counts
// The larger the tables, the fewer hits agree in all digits, but a table costs as much as several of its size.
constexpr size_t kManyHits = 4096;
constexpr int kDigitBits = 8, kDigitBitsOfMany = 11;

// Orders by one digit of `key`, descending and stable.
template <int kBits, class Key>
void counting_pass(const std::vector<Hit>& from, std::vector<Hit>& to, const Key& key, int shift) {
    constexpr uint32_t kDigits = 1u << kBits;
    std::array<uint32_t, kDigits> starts{};
    for (const Hit& hit : from) ++starts[key(hit) >> shift & (kDigits - 1)];
    uint32_t total = 0;
    for (size_t digit = kDigits; digit-- > 0;) {
        const uint32_t count = starts[digit];
        starts[digit] = total;
        total += count;
    }
    for (const Hit& hit : from) to[starts[key(hit) >> shift & (kDigits - 1)]++] = hit;
}

// Two counting passes over the leading bits in which the scores differ; the few hits that agree in all of them
// are sorted by comparison.
template <int kBits>
void radix_sort(std::vector<Hit>& hits) {
    const auto by_bits = [](const Hit& left, const Hit& right) { return left.score_bits < right.score_bits; };
    const auto [least, most] = std::minmax_element(hits.begin(), hits.end(), by_bits);
    const uint64_t base = least->score_bits;
    const int excess = std::max(0, int(std::bit_width(most->score_bits - base)) - 2 * kBits);
    const auto key = [base, excess](const Hit& hit) { return (hit.score_bits - base) >> excess; };
    std::vector<Hit> other(hits.size());
    counting_pass<kBits>(hits, other, key, 0);
    counting_pass<kBits>(other, hits, key, kBits);
    for (size_t begin = 0, end; begin < hits.size(); begin = end) {
        end = begin + 1;
        while (end < hits.size() && key(hits[end]) == key(hits[begin])) ++end;
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
