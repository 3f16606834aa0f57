#include "rescore.h"

#include <algorithm>

namespace lsr {

namespace {

size_t weight_size_bytes(Storage storage) {
    return storage == Storage::float32 ? 4 : storage == Storage::float16 ? 2 : 1;
}

constexpr size_t kTableTerms = 65536;

// Keeps of n positions those whose term the query has: what only shares a bit of the bitmap goes.
template <class Match, class Weights, class Term>
size_t keep_matches(const Term* terms, const uint16_t* positions, size_t n, const Weights& weights,
                    Match* matches) {
    size_t kept = 0;
    for (size_t i = 0; i < n; ++i) {
        const float weight = weights[terms[positions[i]]];
        matches[kept] = {positions[i], weight};
        kept += weight != 0.0f;
    }
    return kept;
}

template <class Match>
double add_matches(const Forward& forward, size_t begin, const Match* matches, size_t n, double score) {
    if (forward.storage == Storage::float32) {
        const float* values = static_cast<const float*>(forward.weights) + begin;
        for (size_t i = 0; i < n; ++i) score += double(matches[i].weight) * double(values[matches[i].position]);
        return score;
    }
    for (size_t i = 0; i < n; ++i) {
        score += double(matches[i].weight) * double(forward.weight(begin + matches[i].position));
    }
    return score;
}

}  // namespace

Rescorer::Rescorer() : matches_(kStages * kRowTerms), positions_(kPositions) {}

void Rescorer::assign(const Query& query, const QueryWeights& weights, const KernelSet& kernels) {
    weights_ = &weights;
    kernels_ = &kernels;
    bitmaps_.assign(weights.size(), MatchBitmap{});
    for (const auto& [field, term] : set_) tables_[field][term] = 0.0f;
    set_.clear();
    while (tables_.size() < weights.size()) tables_.push_back(make_buffer<float>(kTableTerms));
    for (size_t at = 0; at < query.size; ++at) {
        const uint32_t bit = query.terms[at] % kMatchBits;
        bitmaps_[query.fields[at]].words[bit / 32] |= uint32_t{1} << (bit % 32);
        if (query.terms[at] >= kTableTerms) continue;
        tables_[query.fields[at]][query.terms[at]] = query.weights[at];
        set_.emplace_back(query.fields[at], query.terms[at]);
    }
}

void Rescorer::score_all(const Part& part, const uint32_t* documents, size_t n, std::vector<Hit>& hits) {
    scores_.assign(n, 0.0);
    for (size_t field = 0; field < part.segment->fields.size(); ++field) {
        if (!(*weights_)[field].empty()) add_field(part.segment->fields[field].forward(), field, documents, n);
    }
    for (size_t at = 0; at < n; ++at) {
        if (scores_[at] > 0.0) hits.push_back(make_hit(scores_[at], part.base + int64_t(documents[at])));
    }
}

// Most of the time goes to cache misses, so documents follow each other through a pipeline and each stage asks
// for the lines the next one reads: the starts, then the terms, then only those weights whose terms match. One
// document a step keeps the requests even; batches ask for more lines at once than the processor can wait for.
void Rescorer::add_field(const Forward& forward, size_t field, const uint32_t* documents, size_t n) {
    for (size_t step = 0; step < n + kAddAfter; ++step) {
        if (step + kStartsAhead < n) __builtin_prefetch(forward.indptr + documents[step + kStartsAhead]);
        if (step < n) load_row(forward, documents[step], stages_[step % kStages]);
        if (step >= kMatchAfter && step - kMatchAfter < n)
            match_row(forward, field, (step - kMatchAfter) % kStages);
        if (step < kAddAfter) continue;
        const size_t slot = (step - kAddAfter) % kStages;
        const Stage& stage = stages_[slot];
        double& score = scores_[step - kAddAfter];
        score = stage.matched
                    ? add_matches(forward, stage.row.begin, &matches_[slot * kRowTerms], stage.n_matches, score)
                    : add_long_row(forward, field, stage.row, score);
    }
}

void Rescorer::load_row(const Forward& forward, size_t document, Stage& stage) const {
    const size_t term_bytes = forward.terms16 != nullptr ? 2 : 4;
    const char* terms = forward.terms16 != nullptr ? reinterpret_cast<const char*>(forward.terms16)
                                                   : reinterpret_cast<const char*>(forward.terms32);
    const Row row = forward.row(document);
    stage = {row, 0, row.end - row.begin <= kRowTerms};
    const size_t end = std::min(row.end, row.begin + kRowTerms) * term_bytes;
    for (size_t at = row.begin * term_bytes; at < end; at += 64) __builtin_prefetch(terms + at);
}

void Rescorer::match_row(const Forward& forward, size_t field, size_t slot) {
    Stage& stage = stages_[slot];
    if (!stage.matched) return;
    const size_t weight_bytes = weight_size_bytes(forward.storage);
    const char* weights = static_cast<const char*>(forward.weights) + stage.row.begin * weight_bytes;
    Match* matches = &matches_[slot * kRowTerms];
    stage.n_matches = match(forward, field, stage.row.begin, stage.row.end - stage.row.begin, matches);
    for (size_t j = 0; j < stage.n_matches; ++j)
        __builtin_prefetch(weights + matches[j].position * weight_bytes);
}

double Rescorer::add_long_row(const Forward& forward, size_t field, Row row, double score) {
    std::array<Match, kRowTerms> matches;
    for (size_t begin = row.begin; begin < row.end; begin += kRowTerms) {
        const size_t n = match(forward, field, begin, std::min(kRowTerms, row.end - begin), matches.data());
        score = add_matches(forward, begin, matches.data(), n, score);
    }
    return score;
}

size_t Rescorer::match(const Forward& forward, size_t field, size_t begin, size_t size, Match* matches) {
    const uint32_t* bitmap = bitmaps_[field].words.data();
    uint16_t* positions = positions_.data();
    if (forward.terms16 != nullptr) {
        const uint16_t* terms = forward.terms16 + begin;
        const size_t n = kernels_->match_terms16(terms, size, bitmap, positions);
        return keep_matches(terms, positions, n, tables_[field], matches);
    }
    const uint32_t* terms = forward.terms32 + begin;
    const size_t n = kernels_->match_terms32(terms, size, bitmap, positions);
    return keep_matches(terms, positions, n, (*weights_)[field], matches);
}

}  // namespace lsr
