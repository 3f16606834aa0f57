#include "rescore.h"

#include <algorithm>

namespace lsr {

namespace {

constexpr size_t kStartsAhead = 12;  // documents; the starts miss the cache too
constexpr size_t kRowsAhead = 5;

size_t weight_size_bytes(Storage storage) {
    return storage == Storage::float32 ? 4 : storage == Storage::float16 ? 2 : 1;
}

void prefetch_bytes(const void* data, size_t size_bytes) {
    const char* line = static_cast<const char*>(data);
    for (size_t at = 0; at < size_bytes; at += 64) __builtin_prefetch(line + at);
}

// The sum over the matched positions. A position that only shares the bitmap's bit has weight 0 and is skipped.
template <class Term, class Decode>
double add_matches(const Term* terms, const uint16_t* positions, size_t n, const TermWeights& weights,
                   double score, const Decode& decode) {
    for (size_t i = 0; i < n; ++i) {
        const float query_weight = weights[terms[positions[i]]];
        if (query_weight > 0.0f) score += double(query_weight) * double(decode(positions[i]));
    }
    return score;
}

template <class Term>
double add_chunk(const Forward& forward, const Term* terms, size_t begin, const uint16_t* positions, size_t n,
                 const TermWeights& weights, double score) {
    switch (forward.storage) {
        case Storage::float32: {
            const float* values = static_cast<const float*>(forward.weights) + begin;
            return add_matches(terms, positions, n, weights, score, [values](size_t at) { return values[at]; });
        }
        default:
            return add_matches(terms, positions, n, weights, score,
                               [&forward, begin](size_t at) { return forward.weight(begin + at); });
    }
}

}  // namespace

void Rescorer::assign(const Query& query, const QueryWeights& weights, const KernelSet& kernels) {
    weights_ = &weights;
    kernels_ = &kernels;
    bitmaps_.assign(weights.size(), MatchBitmap{});
    for (size_t at = 0; at < query.size; ++at) {
        const uint32_t bit = query.terms[at] % kMatchBits;
        bitmaps_[query.fields[at]].words[bit / 32] |= uint32_t{1} << (bit % 32);
    }
}

double Rescorer::add_field(const Forward& forward, const TermWeights& weights, const MatchBitmap& bitmap,
                           Row row, double score) {
    for (size_t begin = row.begin; begin < row.end; begin += kChunk) {
        const size_t size = std::min(kChunk, row.end - begin);
        uint16_t* positions = positions_.data();
        if (forward.terms16 != nullptr) {
            const uint16_t* terms = forward.terms16 + begin;
            const size_t n = kernels_->match_terms16(terms, size, bitmap.words.data(), positions);
            score = add_chunk(forward, terms, begin, positions, n, weights, score);
        } else {
            const uint32_t* terms = forward.terms32 + begin;
            const size_t n = kernels_->match_terms32(terms, size, bitmap.words.data(), positions);
            score = add_chunk(forward, terms, begin, positions, n, weights, score);
        }
    }
    return score;
}

double Rescorer::score(const Segment& segment, size_t document) {
    double score = 0.0;
    for (size_t field = 0; field < segment.fields.size(); ++field) {
        const TermWeights& weights = (*weights_)[field];
        if (weights.empty()) continue;
        const Forward& forward = segment.fields[field].forward();
        score = add_field(forward, weights, bitmaps_[field], forward.row(document), score);
    }
    return score;
}

void Rescorer::prefetch_start(const Segment& segment, size_t document) const {
    for (size_t field = 0; field < segment.fields.size(); ++field) {
        if (!(*weights_)[field].empty()) __builtin_prefetch(segment.fields[field].forward().indptr + document);
    }
}

void Rescorer::prefetch_row(const Segment& segment, size_t document) const {
    for (size_t field = 0; field < segment.fields.size(); ++field) {
        if ((*weights_)[field].empty()) continue;
        const Forward& forward = segment.fields[field].forward();
        const Row row = forward.row(document);
        const size_t size = std::min<size_t>(row.end - row.begin, 256);
        const size_t term_size = forward.terms16 != nullptr ? 2 : 4,
                     weight_size = weight_size_bytes(forward.storage);
        const char* terms = forward.terms16 != nullptr ? reinterpret_cast<const char*>(forward.terms16)
                                                       : reinterpret_cast<const char*>(forward.terms32);
        prefetch_bytes(terms + row.begin * term_size, size * term_size);
        prefetch_bytes(static_cast<const char*>(forward.weights) + row.begin * weight_size, size * weight_size);
    }
}

void Rescorer::score_all(const Part& part, const uint32_t* documents, size_t n, std::vector<Hit>& hits) {
    const Segment& segment = *part.segment;
    for (size_t at = 0; at < std::min(n, kStartsAhead); ++at) prefetch_start(segment, documents[at]);
    for (size_t at = 0; at < std::min(n, kRowsAhead); ++at) prefetch_row(segment, documents[at]);
    for (size_t at = 0; at < n; ++at) {
        if (at + kStartsAhead < n) prefetch_start(segment, documents[at + kStartsAhead]);
        if (at + kRowsAhead < n) prefetch_row(segment, documents[at + kRowsAhead]);
        const double score = this->score(segment, documents[at]);
        if (score > 0.0) hits.push_back(make_hit(score, part.base + int64_t(documents[at])));
    }
}

}  // namespace lsr
