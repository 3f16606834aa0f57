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

namespace lsr {

// A term's remaining lists in the segment being read: tiles only ever ascend.
struct TermCursor {
    PartTerm term;
    uint32_t next;
    uint32_t end;
};

struct WeightedList {
    const uint8_t* offsets;
    const uint8_t* codes;
    uint32_t count;
    uint32_t weight;
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

// One thread's work on one query at a time. Holds its memory from query to query.
class TileScanner {
  public:
    TileScanner();

    void start(const std::vector<Part>& parts, const Bounds& bounds, size_t k, const KernelSet& kernels,
               std::atomic<uint32_t>* threshold);

    // Adds the tile's documents that reach the threshold to the candidates. Tiles must come in ascending order.
    void scan(size_t part, size_t tile);

    Candidates candidates;

  private:
    void enter_part(size_t part);
    void gather(size_t tile);
    void accumulate(bool onto);
    const uint64_t* allowed_words(size_t tile);
    void collect(size_t tile, const uint64_t* allowed);
    void estimate_threshold(const uint64_t* allowed);

    const std::vector<Part>* parts_ = nullptr;
    const Bounds* bounds_ = nullptr;
    const KernelSet* kernels_ = nullptr;
    size_t k_ = 0;
    size_t part_ = 0;
    size_t n_groups_ = 0;  // of the tile at hand
    std::vector<TermCursor> cursors_;
    TileLists lists_;
    std::vector<uint64_t> allowed_;
    std::vector<uint32_t> found_;
    Buffer<uint16_t> acc_;
    Buffer<uint16_t> lanes_;
};

}  // namespace lsr
