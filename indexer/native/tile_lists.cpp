#include "tile_lists.h"

#include <algorithm>
#include <string>

#include "errors.h"

namespace lsr {

namespace {

constexpr size_t kMostPrefetched = 16384;  // bytes of a list

[[noreturn]] void refuse_list(uint32_t term, size_t tile) {
    throw Corrupt("the list of term " + std::to_string(term) + " in tile " + std::to_string(tile) +
                  " lies outside its array");
}

void add_row(const TermCursor& cursor, const Run& run, size_t n_groups, std::vector<WeightedRow>& rows) {
    const Lists& lists = *cursor.term.lists;
    const size_t begin = size_t{run.offset} * kGroup;
    if (begin + n_groups * kGroup + kOverrun > lists.dense_bytes) refuse_list(cursor.term.term, run.tile);
    rows.push_back({lists.dense + begin, cursor.term.weight});
}

void add_sparse(const TermCursor& cursor, const Run& run, TileLists& found) {
    const Lists& lists = *cursor.term.lists;
    const size_t begin = size_t{run.offset} * 8;
    if (run.count > kTile || begin + sparse_size_bytes(run.count) + kOverrun > lists.sparse_bytes) {
        refuse_list(cursor.term.term, run.tile);
    }
    const uint8_t* offsets = lists.sparse + begin;
    found.lists.push_back({offsets, offsets + 2 * size_t{run.count}, run.count, cursor.term.weight});
    found.n_postings += run.count;
}

}  // namespace

void TileLists::clear() {
    rows.clear();
    lists.clear();
    n_postings = 0;
}

const Run* take_run(TermCursor& cursor, size_t tile) {
    const Run* runs = cursor.term.lists->runs;
    while (cursor.next < cursor.end && runs[cursor.next].tile < tile) ++cursor.next;
    if (cursor.next == cursor.end || runs[cursor.next].tile != tile) return nullptr;
    return &runs[cursor.next++];
}

void add_run(const TermCursor& cursor, const Run& run, size_t n_groups, TileLists& lists) {
    if (run.dense) {
        add_row(cursor, run, n_groups, lists.rows);
    } else {
        add_sparse(cursor, run, lists);
    }
}

void prefetch(const WeightedList& list) {
    const size_t size = std::min(sparse_size_bytes(list.count), kMostPrefetched);
    for (size_t at = 0; at < size; at += 64) __builtin_prefetch(list.offsets + at, 0, 2);
}

void sum_lists(const TileLists& lists, size_t n_groups, const KernelSet& kernels, uint16_t* acc) {
    kernels.add_rows(lists.rows.data(), lists.rows.size(), n_groups, false, acc);
    for (const WeightedList& list : lists.lists) {
        kernels.add_list(list.offsets, list.codes, list.count, list.weight, acc);
    }
}

}  // namespace lsr
