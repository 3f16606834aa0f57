#include "searcher.h"

#include <algorithm>
#include <string>

#include "errors.h"

namespace lsr {

Searcher::Searcher(std::vector<const Segment*> segments, std::vector<const uint64_t*> live, Isa isa)
    : isa_(isa) {
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

std::vector<Part> Searcher::filtered(const SearchOptions& options) const {
    std::vector<Part> parts = parts_;
    for (size_t at = 0; at < options.filters.size(); ++at) parts[at].filter = options.filters[at];
    return parts;
}

std::vector<Hit> Searcher::search(const Query& query, const SearchOptions& options) const {
    return reference(query, options);
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
