#include "rescore.h"

#include <algorithm>

namespace lsr {

namespace {

size_t weight_size_bytes(Storage storage) {
    return storage == Storage::float32 ? 4 : storage == Storage::float16 ? 2 : 1;
}

constexpr size_t kTableTerms = 65536;

// Some of the positions share only a bit of the bitmap with the query: its weight for them is 0, which adds
// nothing, not even a rounding.
template <class Terms, class Weights, class Values>
double add_products(const Terms* terms, const Weights& weights, const Values& values, const uint16_t* positions,
                    size_t n, double score) {
    for (size_t i = 0; i < n; ++i) score += double(weights[terms[positions[i]]]) * double(values(positions[i]));
    return score;
}

}  // namespace

Rescorer::Rescorer() : positions_(kStages * kPositions) {}

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
    for (size_t at = 0; at < std::min(kStartsAhead, n); ++at)
        __builtin_prefetch(forward.indptr + documents[at]);
    for (size_t step = 0; step < n + kAddAfter; ++step) {
        if (step + kStartsAhead < n) __builtin_prefetch(forward.indptr + documents[step + kStartsAhead]);
        if (step < n) load_row(forward, documents[step], stages_[step % kStages]);
        if (step >= kMatchAfter && step - kMatchAfter < n)
            match_row(forward, field, (step - kMatchAfter) % kStages);
        if (step < kAddAfter) continue;
        const size_t slot = (step - kAddAfter) % kStages;
        const Stage& stage = stages_[slot];
        double& score = scores_[step - kAddAfter];
        score = stage.matched ? add_matches(forward, field, stage.row.begin, &positions_[slot * kPositions],
                                            stage.n_matches, score)
                              : add_long_row(forward, field, stage.row, score);
    }
}

void Rescorer::load_row(const Forward& forward, size_t document, Stage& stage) const {
    const size_t term_bytes = forward.terms16 != nullptr ? 2 : 4;
    const char* terms = forward.terms16 != nullptr ? reinterpret_cast<const char*>(forward.terms16)
                                                   : reinterpret_cast<const char*>(forward.terms32);
    const Row row = forward.row(document);
    stage = {row, 0, row.end - row.begin <= kRowTerms};
    // As many lines for every document as most have, some of them twice: a loop of unknown length costs a
    // misprediction.
    const size_t begin = row.begin * term_bytes;
    const size_t last = std::max(std::min(row.end, row.begin + kRowTerms) * term_bytes, begin + 1) - 1;
    for (size_t line = 0; line < kLinesAsked; ++line)
        __builtin_prefetch(terms + std::min(begin + 64 * line, last));
    for (size_t at = begin + 64 * kLinesAsked; at <= last; at += 64) __builtin_prefetch(terms + at);
}

void Rescorer::match_row(const Forward& forward, size_t field, size_t slot) {
    Stage& stage = stages_[slot];
    if (!stage.matched) return;
    const size_t weight_bytes = weight_size_bytes(forward.storage);
    const char* weights = static_cast<const char*>(forward.weights) + stage.row.begin * weight_bytes;
    uint16_t* positions = &positions_[slot * kPositions];
    stage.n_matches = match(forward, field, stage.row.begin, stage.row.end - stage.row.begin, positions);
    for (size_t j = 0; j < stage.n_matches; ++j) __builtin_prefetch(weights + positions[j] * weight_bytes);
}

double Rescorer::add_long_row(const Forward& forward, size_t field, Row row, double score) {
    std::array<uint16_t, kPositions> positions;
    for (size_t begin = row.begin; begin < row.end; begin += kRowTerms) {
        const size_t n = match(forward, field, begin, std::min(kRowTerms, row.end - begin), positions.data());
        score = add_matches(forward, field, begin, positions.data(), n, score);
    }
    return score;
}

size_t Rescorer::match(const Forward& forward, size_t field, size_t begin, size_t size, uint16_t* positions) {
    const uint32_t* bitmap = bitmaps_[field].words.data();
    return forward.terms16 != nullptr
               ? kernels_->match_terms16(forward.terms16 + begin, size, bitmap, positions)
               : kernels_->match_terms32(forward.terms32 + begin, size, bitmap, positions);
}

double Rescorer::add_matches(const Forward& forward, size_t field, size_t begin, const uint16_t* positions,
                             size_t n, double score) const {
    const auto value = [&](size_t position) { return forward.weight(begin + position); };
    if (forward.terms16 == nullptr)
        return add_products(forward.terms32 + begin, (*weights_)[field], value, positions, n, score);
    const uint16_t* terms = forward.terms16 + begin;
    if (forward.storage != Storage::float32)
        return add_products(terms, tables_[field], value, positions, n, score);
    const float* values = static_cast<const float*>(forward.weights) + begin;
    const auto value32 = [values](size_t position) { return values[position]; };
    return add_products(terms, tables_[field], value32, positions, n, score);
}

}  // namespace lsr
