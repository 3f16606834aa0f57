// A segment as the scorer sees it: its documents' vectors and lists, field by field. Owns nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "forward.h"
#include "lists.h"

namespace lsr {

// What the directory says of a term, in one place: a query pays a cache miss for each array it looks into.
struct TermEntry {
    float largest = 0.0f;  // weight; 0: the field does not have the term
    uint32_t runs_begin = 0;
    uint32_t runs_end = 0;
    uint32_t block_row = kNoBlocks;
};

// One field of one segment.
class Field {
  public:
    // Checks what a query would otherwise have to: sizes, the directory's order, finite maxima. What is larger
    // (lists, rows) is checked where it is read. Throws Corrupt.
    Field(const Forward& forward, const Lists& lists);

    const Forward& forward() const { return forward_; }
    const Lists& lists() const { return lists_; }

    TermEntry find(uint32_t term) const;

    // The block row of an entry; null if it has none.
    const uint8_t* block_row(const TermEntry& entry) const {
        return entry.block_row == kNoBlocks ? nullptr
                                            : lists_.blocks + entry.block_row * lists_.block_row_bytes;
    }

  private:
    TermEntry entry_at(size_t index) const;

    Forward forward_;
    Lists lists_;
    std::vector<TermEntry> entries_;  // by term; empty where the vocabulary is large beside the segment
};

struct Segment {
    size_t n_documents = 0;
    std::vector<Field> fields;

    size_t n_tiles() const { return (n_documents + kTile - 1) / kTile; }
};

}  // namespace lsr
