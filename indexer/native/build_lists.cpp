#include "build_lists.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "errors.h"
#include "parallel.h"

namespace lsr {

namespace {

// A term in at least 1/12 of a tile's documents gets a dense row: 3 bytes a posting against 1 byte a document
// would say 1/3, but a dense row is read six times as fast as a sparse list and the optimum in time is flat
// from 5 to 10 %. In large segments, which have block rows beside them, 1/11: there it makes no difference in
// time, and keeps what bench/engine.py measures below 11 bytes a posting in all, reordered too.
constexpr size_t kDenseOneIn = 12;
constexpr size_t kDenseOneInLarge = 11;
// Block rows: for terms in at least 1/40 of the documents, in segments where skipping blocks beats scanning
// tiles.
constexpr size_t kBlocksOneIn = 40;
constexpr size_t kBlocksFrom = 100000;

struct TileTerm {
    uint32_t term;
    uint32_t count;
};

struct TermFacts {
    Buffer<float> maxima;         // by term id
    Buffer<uint32_t> n_runs;      // tiles that hold the term
    Buffer<uint32_t> n_postings;  // documents that hold it
};

[[noreturn]] void refuse(size_t document, const std::string& what) {
    throw InvalidArgument("document " + std::to_string(document) + ": " + what);
}

// One thread's counts over a tile; cleared through `touched`, so a large vocabulary costs nothing for a small
// tile.
struct TileCounter {
    Buffer<uint32_t> counts;
    Buffer<float> maxima;
    std::vector<uint32_t> touched;

    explicit TileCounter(uint64_t n_terms)
        : counts(make_buffer<uint32_t>(n_terms)), maxima(make_buffer<float>(n_terms)) {}

    void count(const Forward& forward, uint64_t n_terms, size_t first, size_t last) {
        for (size_t document = first; document < last; ++document) {
            const Row row = forward.row(document);
            int64_t previous = -1;
            for (size_t at = row.begin; at < row.end; ++at) {
                const uint32_t term = forward.term(at);
                const float weight = forward.weight(at);
                if (term >= n_terms)
                    refuse(document, "term " + std::to_string(term) + " is outside the vocabulary of " +
                                         std::to_string(n_terms));
                if (int64_t(term) <= previous) refuse(document, "terms must be strictly ascending");
                if (!(weight > 0.0f) || !std::isfinite(weight))
                    refuse(document, "weight " + std::to_string(weight) + " must be finite and above 0");
                previous = term;
                if (counts[term]++ == 0) touched.push_back(term);
                maxima[term] = std::max(maxima[term], weight);
            }
        }
    }

    // The tile's terms, ascending, with their counts; the counter is empty afterwards but for the maxima.
    std::vector<TileTerm> take() {
        std::sort(touched.begin(), touched.end());
        std::vector<TileTerm> result;
        result.reserve(touched.size());
        for (const uint32_t term : touched) {
            result.push_back({term, counts[term]});
            counts[term] = 0;
        }
        touched.clear();
        return result;
    }
};

TermFacts gather_facts(const std::vector<TileCounter>& counters,
                       const std::vector<std::vector<TileTerm>>& tiles, uint64_t n_terms) {
    TermFacts facts{make_buffer<float>(n_terms), make_buffer<uint32_t>(n_terms),
                    make_buffer<uint32_t>(n_terms)};
    for (const auto& tile : tiles) {
        for (const TileTerm& entry : tile) {
            facts.n_runs[entry.term] += 1;
            facts.n_postings[entry.term] += entry.count;
        }
    }
    for (const TileCounter& counter : counters) {
        for (uint64_t term = 0; term < n_terms; ++term) {
            facts.maxima[term] = std::max(facts.maxima[term], counter.maxima[term]);
        }
    }
    return facts;
}

// Fills terms, maxima, run_starts and block_rows; returns for each term id the index of its next run.
std::vector<uint32_t> lay_out_terms(const TermFacts& facts, uint64_t n_terms, size_t n_documents,
                                    BuiltLists& built) {
    for (uint64_t term = 0; term < n_terms; ++term) built.n_terms += facts.n_runs[term] != 0;
    built.terms = make_buffer<uint32_t>(built.n_terms);
    built.maxima = make_buffer<float>(built.n_terms);
    built.run_starts = make_buffer<uint32_t>(built.n_terms + 1);
    built.block_rows = make_buffer<uint32_t>(built.n_terms);
    std::vector<uint32_t> next_run(n_terms);
    size_t at = 0, runs = 0;
    uint32_t block_rows = 0;
    for (uint64_t term = 0; term < n_terms; ++term) {
        if (facts.n_runs[term] == 0) continue;
        const bool blocks = n_documents >= kBlocksFrom && facts.n_postings[term] >= n_documents / kBlocksOneIn;
        built.terms[at] = uint32_t(term);
        built.maxima[at] = facts.maxima[term];
        built.run_starts[at] = uint32_t(runs);
        built.block_rows[at] = blocks ? block_rows++ : kNoBlocks;
        next_run[term] = uint32_t(runs);
        runs += facts.n_runs[term];
        ++at;
    }
    if (runs > 0xffffffffu) throw InvalidArgument("more than 2^32 lists: split the segment");
    built.run_starts[at] = uint32_t(runs);
    built.n_runs = runs;
    built.blocks_bytes = block_rows * block_row_size_bytes(n_documents) + (block_rows ? kOverrun : 0);
    return next_run;
}

void lay_out_runs(const std::vector<std::vector<TileTerm>>& tile_terms, const Tiles& tiles,
                  std::vector<uint32_t> next_run, BuiltLists& built) {
    built.runs = make_buffer<Run>(built.n_runs);
    const size_t dense_one_in = tiles.n_documents >= kBlocksFrom ? kDenseOneInLarge : kDenseOneIn;
    for (size_t tile = 0; tile < tile_terms.size(); ++tile) {
        const size_t dense_from = (tiles.last(tile) - tiles.first(tile) + dense_one_in - 1) / dense_one_in;
        for (const TileTerm& entry : tile_terms[tile]) {
            built.runs[next_run[entry.term]++] = {uint32_t(tile), 0, entry.count, entry.count >= dense_from};
        }
    }
    size_t sparse = 0, dense = 0;
    for (size_t at = 0; at < built.n_runs; ++at) {
        Run& run = built.runs[at];
        size_t& end = run.dense ? dense : sparse;
        const size_t unit = run.dense ? kGroup : 8;
        if (end / unit > 0xffffffffu) throw InvalidArgument("lists of more than 32 GiB: split the segment");
        run.offset = uint32_t(end / unit);
        end += run.dense ? tiles.row_bytes(run.tile) : sparse_size_bytes(run.count);
    }
    built.sparse_bytes = sparse + kOverrun;
    built.dense_bytes = dense + kOverrun;
    built.sparse = make_buffer<uint8_t>(built.sparse_bytes);
    built.dense = make_buffer<uint8_t>(built.dense_bytes);
    built.blocks = make_buffer<uint8_t>(built.blocks_bytes);
}

// Where the next posting of a term goes, within the tile being written.
struct Cursor {
    uint8_t* list;        // the dense row, or the next u16 offset
    uint8_t* codes;       // the next code of a sparse list; null: dense
    uint8_t* blocks;      // the tile's part of the block row; null: none
    double codes_a_unit;  // 255 / the term's largest weight
};

void aim_cursors(const BuiltLists& built, const std::vector<uint32_t>& run_of,
                 const std::vector<TileTerm>& terms, const std::vector<uint32_t>& index_of, size_t tile,
                 size_t block_row_bytes, Cursor* cursors) {
    for (size_t at = 0; at < terms.size(); ++at) {
        const Run& run = built.runs[run_of[at]];
        const uint32_t index = index_of[terms[at].term];
        Cursor& cursor = cursors[terms[at].term];
        const size_t offset = run.offset;
        cursor.list = run.dense ? built.dense.get() + offset * kGroup : built.sparse.get() + offset * 8;
        cursor.codes = run.dense ? nullptr : cursor.list + 2 * size_t(run.count);
        const uint32_t row = built.block_rows[index];
        cursor.blocks =
            row == kNoBlocks ? nullptr : built.blocks.get() + row * block_row_bytes + tile * (kTile / kBlock);
        cursor.codes_a_unit = codes_a_unit(built.maxima[index]);
    }
}

void write_tile(const Forward& forward, size_t first, size_t last, Cursor* cursors) {
    for (size_t document = first; document < last; ++document) {
        const Row row = forward.row(document);
        const size_t offset = document - first;
        const size_t slot = shuffled(offset), block_slot = shuffled(offset / kBlock);
        for (size_t at = row.begin; at < row.end; ++at) {
            Cursor& cursor = cursors[forward.term(at)];
            const uint8_t code = code_of(forward.weight(at), cursor.codes_a_unit);
            if (cursor.codes == nullptr) {
                cursor.list[slot] = code;
            } else {
                cursor.list[0] = uint8_t(offset);
                cursor.list[1] = uint8_t(offset >> 8);
                cursor.list += 2;
                *cursor.codes++ = code;
            }
            if (cursor.blocks != nullptr) cursor.blocks[block_slot] = std::max(cursor.blocks[block_slot], code);
        }
    }
}

void write_lists(const Forward& forward, const Tiles& tiles,
                 const std::vector<std::vector<TileTerm>>& tile_terms, std::vector<uint32_t> next_run,
                 uint64_t n_terms, int threads, BuiltLists& built) {
    std::vector<uint32_t> index_of(n_terms);
    for (size_t at = 0; at < built.n_terms; ++at) index_of[built.terms[at]] = uint32_t(at);
    std::vector<std::vector<uint32_t>> run_of(tiles.size());  // by tile, parallel to its terms
    for (size_t tile = 0; tile < tiles.size(); ++tile) {
        for (const TileTerm& entry : tile_terms[tile]) run_of[tile].push_back(next_run[entry.term]++);
    }
    const size_t block_row_bytes = block_row_size_bytes(tiles.n_documents);
    std::vector<Buffer<Cursor>> cursors;
    for (int thread = 0; thread < threads; ++thread) cursors.push_back(make_buffer<Cursor>(n_terms));
    parallel_for(tiles.size(), threads, [&](size_t thread, size_t tile) {
        Cursor* mine = cursors[thread].get();
        aim_cursors(built, run_of[tile], tile_terms[tile], index_of, tile, block_row_bytes, mine);
        write_tile(forward, tiles.first(tile), tiles.last(tile), mine);
    });
}

}  // namespace

BuiltLists build_lists(const Forward& forward, uint64_t n_terms, int threads) {
    const Tiles tiles{forward.n_documents};
    threads = int(std::clamp<size_t>(size_t(std::max(threads, 1)), 1, std::max<size_t>(tiles.size(), 1)));
    std::vector<TileCounter> counters;
    for (int thread = 0; thread < threads; ++thread) counters.emplace_back(n_terms);
    std::vector<std::vector<TileTerm>> tile_terms(tiles.size());
    parallel_for(tiles.size(), threads, [&](size_t thread, size_t tile) {
        counters[thread].count(forward, n_terms, tiles.first(tile), tiles.last(tile));
        tile_terms[tile] = counters[thread].take();
    });
    BuiltLists built;
    const TermFacts facts = gather_facts(counters, tile_terms, n_terms);
    const std::vector<uint32_t> next_run = lay_out_terms(facts, n_terms, forward.n_documents, built);
    lay_out_runs(tile_terms, tiles, next_run, built);
    write_lists(forward, tiles, tile_terms, next_run, n_terms, threads, built);
    return built;
}

}  // namespace lsr
