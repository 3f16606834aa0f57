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
#include "tile_lists.h"

namespace lsr {

// What the block filter may leave out (indexer/approximation.py); as it stands here: nothing.
struct Approximation {
    double keep = 1.0;
    double gamma = 1.0;
};

// Three ways through a tile. Fully: all lists into the accumulators, then those that reach the threshold. By
// blocks, where the segment has block rows: only the rare terms' lists are read, and a frequent term adds one
// bound for each 8 documents, an eighth of the work. Then, where a group of 64 documents has one that may reach
// the threshold, the dense rows take the place of their bounds: a cache line for each term, less than it costs
// to score a single document. What still reaches it is scored, or, if that is much, the sparse lists of the
// frequent terms complete the accumulators. Between the two, where that happens: all sparse lists are read at
// once, and only dense rows wait for groups that need them.
//
// One thread's work on one query at a time. Holds its memory from query to query.
class TileScanner {
  public:
    TileScanner();

    // rescorer: assigned to the same query. Everything given must outlive the scan.
    void start(const std::vector<Part>& parts, const Bounds& bounds, size_t k, const KernelSet& kernels,
               Rescorer& rescorer, std::atomic<uint32_t>* threshold, const Approximation& approximation = {});

    // Adds the tile's documents that reach the threshold to the candidates, or has them wait to be scored.
    // Tiles must come in ascending order.
    void scan(size_t part, size_t tile);

    // Scores those that wait. To be called after the last tile.
    void finish();

    Candidates candidates;

  private:
    // A document of the part at hand whose accumulator is not known, only that it is at most `bound`.
    struct Waiting {
        uint16_t bound;
        uint32_t document;
    };

    // The lists of a tile that are read at once; block rows stand for the others at first.
    enum class Reading : uint8_t { rare, sparse, all };

    // Tiles until a way of reading is tried again after it did not pay: one, then twice as many each time, for
    // the threshold rises ever more slowly; and many at once where it was far from paying.
    struct Pause {
        size_t left = 0;
        size_t next = 1;
        void begin(double share_of_groups);
    };

    void enter_part(size_t part);
    void leave_out_least();
    const uint64_t* allowed_words(size_t tile);
    uint16_t filter_threshold();

    Reading next_reading();
    void gather(size_t tile, Reading reading);

    void scan_fully(size_t tile);
    void estimate_threshold(const uint64_t* allowed);

    void scan_blocks(size_t tile, Reading reading);
    size_t find_groups(const uint64_t* allowed);
    bool collect(size_t tile, const uint64_t* allowed, size_t n);
    bool let_few_wait(size_t tile, const uint64_t* allowed, size_t n);
    void complete(size_t n);
    void score_waiting();

    const std::vector<Part>* parts_ = nullptr;
    const Bounds* bounds_ = nullptr;
    const KernelSet* kernels_ = nullptr;
    size_t k_ = 0;
    Approximation approximation_;
    size_t part_ = 0;
    Rescorer* rescorer_ = nullptr;
    bool has_blocks_ = false;  // some term of the query has a block row in this segment
    size_t n_groups_ = 0;      // of the tile at hand
    Pause rare_pause_, sparse_pause_;
    std::vector<TermCursor> cursors_;
    std::vector<Hit> hits_;
    std::vector<Waiting> waiting_;
    std::vector<uint64_t> allowed_;
    std::vector<uint32_t> order_;
    // The tile's lists that are read at once, those that block rows stand for at first, and what the filter
    // leaves out.
    TileLists read_, bounded_, left_out_;
    std::vector<WeightedRow> dense_blocks_, sparse_blocks_;  // of bounded_.rows and bounded_.lists
    Buffer<uint16_t> acc_;
    Buffer<uint16_t> lanes_;
    Buffer<uint16_t> sparse_bounds_, all_bounds_;  // by block of 8: of sparse_blocks_; of both
    Buffer<uint16_t> group_bounds_;
    std::vector<uint16_t> groups_;
    std::vector<uint16_t> found_;
    std::vector<uint16_t> found_bounds_;
};

}  // namespace lsr
