#include "reorder.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "lists.h"
#include "parallel.h"

namespace lsr {

namespace {

// Halves are cut anew until fewer than one document in so many changes sides, or so many times.
constexpr size_t kSettledOneIn = 100;
constexpr int kMostRounds = 8;
constexpr size_t kLeaf = kBlock;  // whose order among themselves does not matter
constexpr size_t kSlice = 8192;   // documents that a thread takes at once
constexpr size_t kAhead = 8;      // documents whose terms are asked for
constexpr size_t kTabled = 65536;

// Documents' terms under numbers of their own, in the terms' place. 0 is for what tells nothing: no term, or
// one of a single document.
struct Numbered {
    const uint32_t* terms;  // kHeaviest a document
    size_t n_numbers = 1;

    Numbered(uint32_t* given, size_t n_documents) : terms(given) {
        uint32_t n_terms = 0;
        uint32_t* end = given + n_documents * kHeaviest;
        for (const uint32_t* at = given; at < end; ++at) n_terms = std::max(n_terms, *at + 1);  // kNoTerm: 0
        std::vector<uint32_t> numbers(n_terms);
        for (const uint32_t* at = given; at < end; ++at) {
            if (*at != kNoTerm) ++numbers[*at];
        }
        for (uint32_t& count : numbers) count = count > 1 ? uint32_t(n_numbers++) : 0;
        for (uint32_t* at = given; at < end; ++at) *at = *at == kNoTerm ? 0 : numbers[*at];
    }

    const uint32_t* of(size_t document) const { return terms + document * kHeaviest; }
};

// One thread's counts for the part that it cuts; cleared through `present`, so that small parts cost little.
struct Halves {
    std::vector<uint32_t> left, right;  // documents that have the term, by number
    std::vector<float> pull;            // to the right, by number
    std::vector<uint32_t> present;

    explicit Halves(size_t n_numbers) : left(n_numbers), right(n_numbers), pull(n_numbers) {}

    void clear() {
        for (const uint32_t number : present) left[number] = right[number] = 0;
        present.clear();
    }
};

class Bisection {
  public:
    std::vector<uint32_t> order;

    Bisection(uint32_t* terms, size_t n_documents)
        : order(n_documents), numbered_(terms, n_documents), ranked_(n_documents), is_right_(n_documents) {
        std::iota(order.begin(), order.end(), 0u);
        for (size_t count = 0; count < kTabled; ++count) logs_.push_back(std::log2(float(count + 1)));
    }

    void run(int threads) {
        Halves halves(numbered_.n_numbers);
        cut(0, order.size(), threads, halves);
    }

  private:
    void cut(size_t begin, size_t end, int threads, Halves& halves) {
        if (end - begin <= kLeaf) {
            std::sort(order.begin() + begin, order.begin() + end);
            return;
        }
        const size_t middle = begin + round_up((end - begin + 1) / 2, kLeaf);
        count(begin, middle, halves.left, halves.right, halves.present);
        count(middle, end, halves.right, halves.left, halves.present);
        for (int round = 0; round < kMostRounds; ++round) {
            if (cut_anew(begin, middle, end, threads, halves) < (end - begin) / kSettledOneIn + 1) break;
        }
        halves.clear();
        parallel_for(2, threads, [&](size_t thread, size_t half) {
            const int share = std::max(threads / 2, 1);
            Halves own(thread == 0 ? 0 : numbered_.n_numbers);
            Halves& free = thread == 0 ? halves : own;
            half == 0 ? cut(begin, middle, share, free) : cut(middle, end, share, free);
        });
    }

    void count(size_t begin, size_t end, std::vector<uint32_t>& here, const std::vector<uint32_t>& there,
               std::vector<uint32_t>& present) const {
        for (size_t at = begin; at < end; ++at) {
            const uint32_t* terms = ask_ahead(order, at, end);
            for (size_t i = 0; i < kHeaviest; ++i) {
                if (here[terms[i]]++ == 0 && there[terms[i]] == 0) present.push_back(terms[i]);
            }
        }
    }

    // Cuts at the median of what pulls the documents; returns how many change sides.
    size_t cut_anew(size_t begin, size_t middle, size_t end, int threads, Halves& halves) {
        for (const uint32_t number : halves.present)
            halves.pull[number] = log_of(halves.right[number]) - log_of(halves.left[number]);
        halves.pull[0] = 0.0f;
        parallel_for((end - begin + kSlice - 1) / kSlice, threads, [&](size_t, size_t slice) {
            const size_t first = begin + slice * kSlice;
            rank(first, std::min(first + kSlice, end), halves.pull);
        });
        std::nth_element(ranked_.begin() + begin, ranked_.begin() + middle, ranked_.begin() + end);
        return change_sides(begin, middle, end, halves);
    }

    void rank(size_t begin, size_t end, const std::vector<float>& pull) {
        for (size_t at = begin; at < end; ++at) {
            const uint32_t* terms = ask_ahead(order, at, end);
            float sum = 0.0f;
            for (size_t i = 0; i < kHeaviest; ++i) sum += pull[terms[i]];
            ranked_[at] = {sum, order[at]};
        }
    }

    size_t change_sides(size_t begin, size_t middle, size_t end, Halves& halves) {
        for (size_t at = begin; at < end; ++at) is_right_[order[at]] = at >= middle;
        size_t changed = 0;
        for (size_t at = begin; at < end; ++at) {
            const uint32_t document = ranked_[at].second;
            order[at] = document;
            if (bool(is_right_[document]) == (at >= middle)) continue;
            ++changed;
            std::vector<uint32_t>& from = at >= middle ? halves.left : halves.right;
            std::vector<uint32_t>& to = at >= middle ? halves.right : halves.left;
            for (size_t i = 0; i < kHeaviest; ++i) {
                const uint32_t number = numbered_.of(document)[i];
                --from[number];
                ++to[number];
            }
        }
        return changed;
    }

    // The terms of the document at a place, while those of one further on are fetched.
    const uint32_t* ask_ahead(const std::vector<uint32_t>& documents, size_t at, size_t end) const {
        const uint32_t* ahead = numbered_.of(documents[std::min(at + kAhead, end - 1)]);
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + kHeaviest / 2);
        return numbered_.of(documents[at]);
    }

    float log_of(uint32_t count) const {
        return count < kTabled ? logs_[count] : std::log2(float(count) + 1.0f);
    }

    Numbered numbered_;
    std::vector<std::pair<float, uint32_t>> ranked_;  // pull to the right, document; by place
    std::vector<uint8_t> is_right_;                   // by document
    std::vector<float> logs_;                         // by count
};

}  // namespace

void heaviest_terms(const Forward& forward, uint32_t* terms) {
    std::vector<std::pair<float, uint32_t>> row;  // -weight, term
    for (size_t document = 0; document < forward.n_documents; ++document, terms += kHeaviest) {
        const Row extent = forward.row(document);
        row.clear();
        for (size_t at = extent.begin; at < extent.end; ++at)
            row.emplace_back(-forward.weight(at), forward.term(at));
        if (row.size() > kHeaviest) {
            std::nth_element(row.begin(), row.begin() + kHeaviest, row.end());
            row.resize(kHeaviest);
        }
        std::transform(row.begin(), row.end(), terms, [](const auto& pair) { return pair.second; });
        std::sort(terms, terms + row.size());
        std::fill(terms + row.size(), terms + kHeaviest, kNoTerm);
    }
}

std::vector<uint32_t> bisected_order(uint32_t* terms, size_t n_documents, int threads) {
    Bisection bisection(terms, n_documents);
    bisection.run(threads);
    return std::move(bisection.order);
}

}  // namespace lsr
