#include "reference.h"

#include <algorithm>

namespace lsr {

void assign_weights(const Query& query, size_t n_fields, QueryWeights& weights) {
    weights.resize(n_fields);
    size_t begin = 0;
    for (size_t field = 0; field < n_fields; ++field) {
        size_t end = begin;
        while (end < query.size && query.fields[end] == field) ++end;
        weights[field].assign(query.terms + begin, query.weights + begin, end - begin);
        begin = end;
    }
}

double score_document(const Segment& segment, size_t document, const QueryWeights& weights) {
    double score = 0.0;
    for (size_t field = 0; field < segment.fields.size(); ++field) {
        if (weights[field].empty()) continue;
        const Forward& forward = segment.fields[field].forward();
        const Row row = forward.row(document);
        for (size_t at = row.begin; at < row.end; ++at) {
            const float query_weight = weights[field][forward.term(at)];
            if (query_weight > 0.0f) score += double(query_weight) * double(forward.weight(at));
        }
    }
    return score;
}

std::vector<Hit> search_reference(const std::vector<Part>& parts, const QueryWeights& weights, size_t k) {
    std::vector<Hit> hits;
    const size_t crowded = 2 * std::min(k, size_t{1} << 40) + 65536;
    for (const Part& part : parts) {
        for (size_t document = 0; document < part.segment->n_documents; ++document) {
            if (!part.allows(document)) continue;
            const double score = score_document(*part.segment, document, weights);
            if (score > 0.0) hits.push_back(make_hit(score, part.base + int64_t(document)));
            if (hits.size() >= crowded) keep_best(hits, k);
        }
    }
    keep_best(hits, k);
    return hits;
}

}  // namespace lsr
