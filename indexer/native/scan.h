// Reads inverted lists tile by tile into 16-bit accumulators and keeps the documents that may be in the answer.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bounds.h"
#include "buffer.h"
#include "candidates.h"
#include "kernel_set.h"
#include "reference.h"
#include "rescore.h"

namespace lsr {

// What the block filter reads of a term.
enum class Filtering : uint8_t { list, block_row, nothing };

// A term's remaining lists in the segment being read: tiles only ever ascend.
struct TermCursor {
    PartTerm term;
    uint32_t next;
    uint32_t end;
    Filtering filtering;
};

struct WeightedList {
    const uint8_t* offsets;
    const uint8_t* codes;
    uint32_t count;
    uint32_t weight;
};

// What the block filter may leave out (indexer/approximation.py); as it stands here: nothing.
struct Approximation {
    double keep = 1.0;
    double gamma = 1.0;
};

// The lists of some terms in one tile, by form.
struct TileLists {
    std::vector<WeightedRow> rows;
    std::vector<WeightedList> lists;

    void clear() {
        rows.clear();
        lists.clear();
    }
};

// Two ways through a tile. Fully: all lists into the accumulators, then those that reach the threshold. By
// blocks, where a threshold is known and the segment has block rows: only the rare terms' lists are read; the
// frequent terms add a bound for each 8 documents, an eighth of the work, and the few documents whose sum
// reaches the threshold are scored at once. If they are not few, the frequent terms' lists complete the
// accumulators and nothing was wasted but the rows.
//
// One thread's work on one query at a time. Holds its memory from query to query.
class TileScanner {
  public:
    TileScanner();

    // rescorer: assigned to the same query. Everything given must outlive the scan.
    void start(const std::vector<Part>& parts, const Bounds& bounds, size_t k, const KernelSet& kernels,
               Rescorer& rescorer, std::atomic<uint32_t>* threshold, const Approximation& approximation = {});

    // Adds the tile's documents that reach the threshold to the candidates. Tiles must come in ascending order.
    void scan(size_t part, size_t tile);

    Candidates candidates;

  private:
    void enter_part(size_t part);
    void scan_fully(size_t tile);
    void scan_blocks(size_t tile);
    void complete(size_t tile, const uint64_t* allowed);
    void score_found(size_t tile, size_t n);
    uint16_t filter_threshold();
    void leave_out_least();
    // The lists that the filter reads, those it does not, or both.
    enum class Terms { filtered, others, all };
    void gather(size_t tile, Terms terms);
    void accumulate(bool onto);
    const uint64_t* allowed_words(size_t tile);
    void collect(size_t tile, const uint64_t* allowed);
    void estimate_threshold(const uint64_t* allowed);

    const std::vector<Part>* parts_ = nullptr;
    const Bounds* bounds_ = nullptr;
    const KernelSet* kernels_ = nullptr;
    size_t k_ = 0;
    Approximation approximation_;
    size_t part_ = 0;
    Rescorer* rescorer_ = nullptr;
    bool has_blocks_ = false;  // some term of the query has a block row in this segment
    size_t n_groups_ = 0;      // of the tile at hand
    int completed_in_a_row_ = 0;
    int full_tiles_left_ = 0;  // before blocks are tried again
    int full_tiles_next_ = 0;  // as many the next time
    std::vector<TermCursor> cursors_;
    TileLists lists_;
    std::vector<uint64_t> allowed_;
    std::vector<WeightedRow> block_rows_;
    std::vector<uint32_t> found_;
    std::vector<uint16_t> found_bounds_;
    std::vector<uint32_t> order_;
    std::vector<Hit> hits_;
    Buffer<uint16_t> acc_;
    Buffer<uint16_t> lanes_;
    Buffer<uint16_t> block_acc_;
};

}  // namespace lsr
