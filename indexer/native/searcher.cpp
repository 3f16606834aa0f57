#include "searcher.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <string>

#include "bounds.h"
#include "errors.h"
#include "parallel.h"
#include "rescore.h"
#include "scan.h"

namespace lsr {

// What one thread needs for one query, kept for the next.
struct Workspace {
    TileScanner scanner;
    Rescorer rescorer;
    QueryWeights weights;
    std::vector<uint32_t> documents;
};

namespace {

// Where a filter leaves fewer than one document in this many, scoring those costs less than reading lists.
constexpr int64_t kScoreAllowedBelowOneIn = 512;
// Fewer candidates are scored in one go: a second one costs as much as several of them.
constexpr size_t kScoredAtOnce = 64;
// Codes are at most 255, so with weight 1 for each term (g = 256) sums of this many terms fit 16 bits.
constexpr size_t kMaxMarkedTerms = 255;

struct TileAddress {
    size_t part;
    size_t tile;
};

std::vector<TileAddress> all_tiles(const std::vector<Part>& parts) {
    std::vector<TileAddress> tiles;
    for (size_t part = 0; part < parts.size(); ++part) {
        for (size_t tile = 0; tile < parts[part].segment->n_tiles(); ++tile) tiles.push_back({part, tile});
    }
    return tiles;
}

bool filter_leaves_few(const std::vector<Part>& parts, int64_t n_documents) {
    const int64_t few = n_documents / kScoreAllowedBelowOneIn;
    int64_t n = 0;
    for (const Part& part : parts) {
        if (part.filter == nullptr) return false;
        const size_t n_words = (part.segment->n_documents + 63) / 64;
        for (size_t word = 0; word < n_words; ++word) {
            n += std::popcount(part.allowed(word));
            if (n > few) return false;  // soon, unless few are left indeed
        }
    }
    return !parts.empty();
}

std::vector<Hit> score_allowed(const std::vector<Part>& parts, size_t k, Workspace& workspace) {
    std::vector<Hit> hits;
    for (const Part& part : parts) {
        workspace.documents.clear();
        for (size_t word = 0; word < (part.segment->n_documents + 63) / 64; ++word) {
            for (uint64_t left = part.allowed(word); left != 0; left &= left - 1) {
                const size_t document = word * 64 + size_t(std::countr_zero(left));
                if (document < part.segment->n_documents) workspace.documents.push_back(uint32_t(document));
            }
        }
        workspace.rescorer.score_all(part, workspace.documents.data(), workspace.documents.size(), hits);
    }
    keep_best(hits, k);
    return hits;
}

// Exact scores of `rows`, ascending; clears nothing.
void score_rows(const std::vector<Part>& parts, const std::vector<int64_t>& rows, Workspace& workspace,
                std::vector<Hit>& hits) {
    size_t at = 0;
    for (const Part& part : parts) {
        const int64_t end = part.base + int64_t(part.segment->n_documents);
        workspace.documents.clear();
        for (; at < rows.size() && rows[at] < end; ++at)
            workspace.documents.push_back(uint32_t(rows[at] - part.base));
        workspace.rescorer.score_all(part, workspace.documents.data(), workspace.documents.size(), hits);
    }
}

// Scores the candidates that may be among the k best, where `kth` is the k-th largest accumulator. First those
// of at least that much: their worst score says more about the others than their accumulators do (bounds.h).
std::vector<Hit> score_candidates(const std::vector<Part>& parts, const Bounds& bounds, size_t k, uint32_t kth,
                                  bool unordered, Workspace& workspace) {
    Candidates& candidates = workspace.scanner.candidates;
    std::vector<Hit> hits;
    uint16_t least = uint16_t(kth - bounds.width);
    candidates.drop_below(least);
    hits.reserve(candidates.size());
    const auto score_from = [&](uint16_t value) {
        std::vector<int64_t> rows = candidates.take_from(value);
        if (unordered) std::sort(rows.begin(), rows.end());
        score_rows(parts, rows, workspace, hits);
    };
    if (candidates.size() >= kScoredAtOnce) score_from(uint16_t(kth));
    if (hits.size() >= k) {
        const auto worse = [](const Hit& left, const Hit& right) { return left.score_bits < right.score_bits; };
        const double worst = std::min_element(hits.begin(), hits.end(), worse)->score();
        const double reached = bounds.scale * worst - double(bounds.n_terms) - 1.0;
        if (reached > double(least)) least = uint16_t(std::min(reached, 65535.0));
    }
    score_from(least);
    return hits;
}

// The answer where accumulators cannot tell (bounds.h): every document that has a term in common is found in
// the lists, with each posting counted as its code, and scored. Costs a scan and a score for each of them.
std::vector<Hit> search_marked(const std::vector<Part>& parts, Bounds bounds, size_t k,
                               const KernelSet& kernels, Workspace& workspace) {
    for (auto& terms : bounds.parts) {
        for (PartTerm& term : terms) term.weight = 256;
    }
    std::vector<Hit> hits;
    std::atomic<uint32_t> threshold{1};
    for (const TileAddress& address : all_tiles(parts)) {
        // k is past any tile's size, so that nothing is estimated or pruned.
        workspace.scanner.start(parts, bounds, size_t{1} << 40, kernels, workspace.rescorer, &threshold);
        workspace.scanner.scan(address.part, address.tile);
        score_rows(parts, workspace.scanner.candidates.rows(), workspace, hits);
        if (hits.size() >= 2 * k + kTile) keep_best(hits, k);
    }
    keep_best(hits, k);
    return hits;
}

}  // namespace

Searcher::Searcher(std::vector<const Segment*> segments, std::vector<const uint64_t*> live, Isa isa)
    : isa_(isa), kernels_(&kernel_set(isa)) {
    for (size_t at = 0; at < segments.size(); ++at) {
        const size_t n_fields = segments[at]->fields.size();
        if (at > 0 && n_fields != n_fields_) {
            throw InvalidArgument("segment " + std::to_string(at) + " has " + std::to_string(n_fields) +
                                  " fields, the ones before it " + std::to_string(n_fields_));
        }
        n_fields_ = n_fields;
        parts_.push_back({segments[at], n_documents_, live[at], nullptr});
        n_documents_ += int64_t(segments[at]->n_documents);
    }
}

Searcher::~Searcher() = default;

Searcher::Lease::Lease(const Searcher& searcher) : searcher_(searcher) {
    const std::lock_guard lock(searcher.pool_mutex_);
    if (searcher.pool_.empty()) {
        workspace_ = std::make_unique<Workspace>();
    } else {
        workspace_ = std::move(searcher.pool_.back());
        searcher.pool_.pop_back();
    }
}

Searcher::Lease::~Lease() {
    const std::lock_guard lock(searcher_.pool_mutex_);
    searcher_.pool_.push_back(std::move(workspace_));
}

std::vector<Part> Searcher::filtered(const SearchOptions& options) const {
    std::vector<Part> parts = parts_;
    for (size_t at = 0; at < options.filters.size(); ++at) parts[at].filter = options.filters[at];
    return parts;
}

std::vector<Hit> Searcher::search(const Query& query, const SearchOptions& asked) const {
    check_query(query, n_fields_);
    SearchOptions options = asked;
    options.k = std::min(asked.k, size_t(n_documents_) + 1);
    const std::vector<Part> parts = filtered(options);
    const Lease workspace(*this);
    assign_weights(query, n_fields_, workspace->weights);
    workspace->rescorer.assign(query, workspace->weights, *kernels_);
    if (filter_leaves_few(parts, n_documents_)) return score_allowed(parts, options.k, *workspace);
    return scan(query, parts, options, *workspace);
}

std::vector<Hit> Searcher::scan(const Query& query, const std::vector<Part>& parts,
                                const SearchOptions& options, Workspace& workspace) const {
    const Bounds bounds = bound_query(query, parts);
    if (bounds.n_terms == 0) return {};
    if (bounds.n_terms > kMaxScannedTerms) return search_reference(parts, workspace.weights, options.k);

    const std::vector<TileAddress> tiles = all_tiles(parts);
    std::atomic<uint32_t> threshold{1};
    const size_t n_threads = std::min(size_t(options.threads), tiles.size());
    std::vector<std::unique_ptr<Lease>> others;
    std::vector<TileScanner*> scanners;
    for (size_t thread = 0; thread < n_threads; ++thread) {
        if (thread > 0) others.push_back(std::make_unique<Lease>(*this));
        Workspace& own = thread > 0 ? **others.back() : workspace;
        if (thread > 0) own.rescorer.assign(query, workspace.weights, *kernels_);
        own.scanner.start(parts, bounds, options.k, *kernels_, own.rescorer, &threshold, options.approximation);
        scanners.push_back(&own.scanner);
    }
    parallel_for(tiles.size(), int(n_threads),
                 [&](size_t thread, size_t at) { scanners[thread]->scan(tiles[at].part, tiles[at].tile); });

    for (TileScanner* scanner : scanners) scanner->finish();

    Candidates& candidates = workspace.scanner.candidates;
    for (size_t thread = 1; thread < n_threads; ++thread) candidates.take(scanners[thread]->candidates);
    const uint32_t kth = candidates.kth();
    if (kth <= bounds.width) {
        if (bounds.n_terms > kMaxMarkedTerms) return search_reference(parts, workspace.weights, options.k);
        return search_marked(parts, bounds, options.k, *kernels_, workspace);
    }
    std::vector<Hit> hits = score_candidates(parts, bounds, options.k, kth, n_threads > 1, workspace);
    keep_best(hits, options.k);
    return hits;
}

std::vector<Hit> Searcher::reference(const Query& query, const SearchOptions& options) const {
    check_query(query, n_fields_);
    QueryWeights weights;
    assign_weights(query, n_fields_, weights);
    return search_reference(filtered(options), weights, options.k);
}

void Searcher::scores(const Query& query, const int64_t* rows, size_t n, double* scores) const {
    check_query(query, n_fields_);
    QueryWeights weights;
    assign_weights(query, n_fields_, weights);
    for (size_t at = 0; at < n; ++at) {
        if (rows[at] < 0 || rows[at] >= n_documents_) {
            throw InvalidArgument("row " + std::to_string(rows[at]) + " does not exist; there are " +
                                  std::to_string(n_documents_));
        }
        const auto part = std::upper_bound(parts_.begin(), parts_.end(), rows[at],
                                           [](int64_t row, const Part& other) { return row < other.base; }) -
                          1;
        scores[at] = score_document(*part->segment, size_t(rows[at] - part->base), weights);
    }
}

}  // namespace lsr
