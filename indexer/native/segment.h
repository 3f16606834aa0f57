// A segment as the scorer sees it: its documents' vectors and lists, field by field. Owns nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "forward.h"
#include "lists.h"

namespace lsr {

inline constexpr uint32_t kAbsent = 0xffffffffu;

// One field of one segment.
class Field {
  public:
    // Checks what a query would otherwise have to: sizes, the directory's order, finite maxima. What is larger
    // (lists, rows) is checked where it is read. Throws Corrupt.
    Field(const Forward& forward, const Lists& lists);

    const Forward& forward() const { return forward_; }
    const Lists& lists() const { return lists_; }

    // The directory entry of a term, or kAbsent.
    uint32_t find(uint32_t term) const;

    // The block row of a directory entry; null if it has none.
    const uint8_t* block_row(uint32_t index) const {
        const uint32_t row = lists_.block_rows[index];
        return row == kNoBlocks ? nullptr : lists_.blocks + row * lists_.block_row_bytes;
    }

  private:
    Forward forward_;
    Lists lists_;
    std::vector<uint32_t> index_of_;  // by term; empty where the vocabulary is large beside the segment
};

struct Segment {
    size_t n_documents = 0;
    std::vector<Field> fields;

    size_t n_tiles() const { return (n_documents + kTile - 1) / kTile; }
};

}  // namespace lsr
