#include "check_lists.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "errors.h"
#include "parallel.h"

namespace lsr {

namespace {

using Faults = std::map<std::string, std::string>;

// What a tile's documents hold, by entry of the directory: postings [starts[i], starts[i + 1]) of entry i.
struct Postings {
    std::vector<uint32_t> starts;
    std::vector<uint16_t> offsets;
    std::vector<uint8_t> codes;

    size_t count(size_t entry) const { return starts[entry + 1] - starts[entry]; }
};

std::string place(const Lists& lists, size_t entry, size_t tile) {
    return "of term " + std::to_string(lists.terms[entry]) + " in tile " + std::to_string(tile);
}

// The directory by term.
class Entries {
  public:
    explicit Entries(const Lists& lists) : lists_(lists) {
        for (size_t entry = 0; entry < lists.n_terms; ++entry)
            codes_a_unit.push_back(lsr::codes_a_unit(lists.maxima[entry]));
        by_term_.assign(table_size(lists), uint32_t(lists.n_terms));
        for (size_t entry = 0; entry < lists.n_terms && !by_term_.empty(); ++entry)
            by_term_[lists.terms[entry]] = uint32_t(entry);
    }

    // The term's entry; n_terms: it has none.
    uint32_t find(uint32_t term) const {
        if (!by_term_.empty()) return term < by_term_.size() ? by_term_[term] : uint32_t(lists_.n_terms);
        const uint32_t* end = lists_.terms + lists_.n_terms;
        const uint32_t* found = std::lower_bound(lists_.terms, end, term);
        return uint32_t((found != end && *found == term ? found : end) - lists_.terms);
    }

    std::vector<double> codes_a_unit;  // by entry

  private:
    const Lists& lists_;
    std::vector<uint32_t> by_term_;
};

// One thread's share of the tiles.
class Checker {
  public:
    Checker(const Field& field, const Entries& entries)
        : largest(field.lists().n_terms),
          entries_(entries),
          forward_(field.forward()),
          lists_(field.lists()),
          tiles_{forward_.n_documents},
          row_(kTile),
          block_row_(kTile / kBlock) {}

    // Adds what is wrong in the tile; a fault that is known already stands.
    void check(size_t tile, Faults& faults) {
        if (!transpose(tile, faults)) return;
        for (size_t entry = 0; entry < lists_.n_terms; ++entry) {
            check_list(entry, tile, faults);
            if (lists_.block_rows[entry] != kNoBlocks) check_blocks(entry, tile, faults);
        }
    }

    std::vector<float> largest;  // weight by entry, of the tiles checked
    size_t n_runs = 0;           // that belong to them

  private:
    // Fills postings_; false: a document has a term that the directory lacks.
    bool transpose(size_t tile, Faults& faults) {
        postings_.starts.assign(lists_.n_terms + 1, 0);
        at_.clear();
        for (size_t document = tiles_.first(tile); document < tiles_.last(tile); ++document) {
            const Row row = forward_.row(document);
            for (size_t at = row.begin; at < row.end; ++at) {
                const uint32_t entry = entries_.find(forward_.term(at));
                if (entry == lists_.n_terms) {
                    faults.emplace("terms", "there are no lists of term " + std::to_string(forward_.term(at)));
                    return false;
                }
                const float weight = forward_.weight(at);
                if (!(weight > 0.0f) || !std::isfinite(weight))
                    throw Corrupt("document " + std::to_string(document) + ": weight " +
                                  std::to_string(weight) + " must be finite and above 0");
                at_.push_back(entry);
                ++postings_.starts[entry + 1];
                largest[entry] = std::max(largest[entry], weight);
            }
        }
        for (size_t entry = 0; entry < lists_.n_terms; ++entry)
            postings_.starts[entry + 1] += postings_.starts[entry];
        place_postings(tile);
        return true;
    }

    void place_postings(size_t tile) {
        postings_.offsets.resize(at_.size());
        postings_.codes.resize(at_.size());
        std::vector<uint32_t> next(postings_.starts.begin(), postings_.starts.end() - 1);
        size_t posting = 0;
        for (size_t document = tiles_.first(tile); document < tiles_.last(tile); ++document) {
            const Row row = forward_.row(document);
            for (size_t at = row.begin; at < row.end; ++at, ++posting) {
                const uint32_t entry = at_[posting];
                const uint32_t to = next[entry]++;
                postings_.offsets[to] = uint16_t(document - tiles_.first(tile));
                postings_.codes[to] = code_of(forward_.weight(at), entries_.codes_a_unit[entry]);
            }
        }
    }

    void check_list(size_t entry, size_t tile, Faults& faults) {
        const Run* end = lists_.runs + lists_.run_starts[entry + 1];
        const Run* run = std::lower_bound(lists_.runs + lists_.run_starts[entry], end, tile,
                                          [](const Run& other, size_t wanted) { return other.tile < wanted; });
        const bool present = run != end && run->tile == tile;
        n_runs += present;
        const size_t count = present ? run->count : 0;
        if (count != postings_.count(entry)) {
            faults.emplace("runs", "the list " + place(lists_, entry, tile) + " is said to have " +
                                       std::to_string(count) + " documents, not " +
                                       std::to_string(postings_.count(entry)));
        } else if (present) {
            check_content(entry, *run, faults);
        }
    }

    void check_content(size_t entry, const Run& run, Faults& faults) {
        const size_t begin = size_t{run.offset} * (run.dense ? kGroup : 8);
        const size_t size = run.dense ? tiles_.row_bytes(run.tile) : sparse_size_bytes(run.count);
        if (begin + size + kOverrun > (run.dense ? lists_.dense_bytes : lists_.sparse_bytes)) {
            faults.emplace("runs", "the list " + place(lists_, entry, run.tile) + " lies outside its array");
            return;
        }
        const bool same = run.dense ? same_row(entry, lists_.dense + begin, size)
                                    : same_list(entry, lists_.sparse + begin, run.count);
        if (!same)
            faults.emplace(run.dense ? "dense" : "sparse",
                           "the list " + place(lists_, entry, run.tile) + " is not that of the documents");
    }

    bool same_list(size_t entry, const uint8_t* list, size_t count) const {
        const size_t first = postings_.starts[entry];
        return std::memcmp(list, postings_.offsets.data() + first, 2 * count) == 0 &&
               std::memcmp(list + 2 * count, postings_.codes.data() + first, count) == 0;
    }

    bool same_row(size_t entry, const uint8_t* row, size_t size) {
        std::fill(row_.begin(), row_.end(), uint8_t{0});
        for (size_t at = postings_.starts[entry]; at < postings_.starts[entry + 1]; ++at)
            row_[shuffled(postings_.offsets[at])] = postings_.codes[at];
        return std::memcmp(row, row_.data(), size) == 0;
    }

    void check_blocks(size_t entry, size_t tile, Faults& faults) {
        std::fill(block_row_.begin(), block_row_.end(), uint8_t{0});
        for (size_t at = postings_.starts[entry]; at < postings_.starts[entry + 1]; ++at) {
            uint8_t& largest_code = block_row_[shuffled(postings_.offsets[at] / kBlock)];
            largest_code = std::max(largest_code, postings_.codes[at]);
        }
        const size_t first = tile * (kTile / kBlock);
        const uint8_t* row = lists_.blocks + lists_.block_rows[entry] * lists_.block_row_bytes + first;
        const size_t size = std::min(lists_.block_row_bytes - first, kTile / kBlock);
        if (std::memcmp(row, block_row_.data(), size) != 0)
            faults.emplace("blocks", "the block row " + place(lists_, entry, tile) +
                                         " is not that of the documents' largest codes");
    }

    const Entries& entries_;
    const Forward& forward_;
    const Lists& lists_;
    Tiles tiles_;
    Postings postings_;
    std::vector<uint32_t> at_;  // the entries of the tile's postings, document by document
    std::vector<uint8_t> row_, block_row_;
};

// The directory's runs ascend within a term, or searching among them would mislead.
void check_order(const Lists& lists, Faults& faults) {
    for (size_t entry = 0; entry < lists.n_terms; ++entry) {
        for (size_t run = lists.run_starts[entry] + 1; run < lists.run_starts[entry + 1]; ++run) {
            if (lists.runs[run].tile <= lists.runs[run - 1].tile)
                faults.emplace("runs", "the lists of term " + std::to_string(lists.terms[entry]) +
                                           " are not in the order of their tiles");
        }
    }
}

void check_maxima(const Lists& lists, const std::vector<Checker>& checkers, Faults& faults) {
    for (size_t entry = 0; entry < lists.n_terms; ++entry) {
        float largest = 0.0f;
        for (const Checker& checker : checkers) largest = std::max(largest, checker.largest[entry]);
        if (largest != lists.maxima[entry])
            faults.emplace("maxima", "the largest weight of term " + std::to_string(lists.terms[entry]) +
                                         " is said to be " + std::to_string(lists.maxima[entry]) + ", not " +
                                         std::to_string(largest));
    }
}

}  // namespace

std::map<std::string, std::string> check_lists(const Field& field, int threads) {
    const Lists& lists = field.lists();
    const Tiles tiles{field.forward().n_documents};
    Faults faults;
    check_order(lists, faults);
    if (!faults.empty()) return faults;
    threads = int(std::clamp<size_t>(size_t(std::max(threads, 1)), 1, std::max<size_t>(tiles.size(), 1)));
    std::vector<Checker> checkers;
    const Entries entries(lists);
    for (int thread = 0; thread < threads; ++thread) checkers.emplace_back(field, entries);
    std::vector<Faults> by_tile(tiles.size());  // so that the first ones are named whatever the threads do
    parallel_for(tiles.size(), threads,
                 [&](size_t thread, size_t tile) { checkers[thread].check(tile, by_tile[tile]); });
    for (const Faults& found : by_tile) faults.insert(found.begin(), found.end());
    if (faults.contains("terms")) return faults;
    check_maxima(lists, checkers, faults);
    size_t n_runs = 0;
    for (const Checker& checker : checkers) n_runs += checker.n_runs;
    if (n_runs != lists.n_runs)
        faults.emplace("runs", "there are " + std::to_string(lists.n_runs) + " lists, not " +
                                   std::to_string(n_runs) + ": some are of no tile or of no term");
    return faults;
}

}  // namespace lsr
