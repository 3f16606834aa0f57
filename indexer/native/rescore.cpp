#include "rescore.h"

#include <algorithm>

namespace lsr {

namespace {

size_t weight_size_bytes(Storage storage) {
    return storage == Storage::float32 ? 4 : storage == Storage::float16 ? 2 : 1;
}

constexpr size_t kTableTerms = 65536;

// Some matches share only a bit of the bitmap with the query: its weight for them is 0, which adds nothing, not
// even a rounding. So do those that make n a multiple of `together`: steps of one would cost a misprediction a
// document.
template <size_t together, class Values>
double add_products(const uint16_t* terms, const float* weights, const Values& values,
                    const uint16_t* positions, size_t n, double score) {
    for (size_t begin = 0; begin < n; begin += together) {
#pragma GCC unroll 8
        for (size_t i = begin; i < begin + together; ++i)
            score += double(weights[terms[i]]) * double(values(positions[i]));
    }
    return score;
}

}  // namespace

Rescorer::Rescorer() : stages_(kStages) {}

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
    const auto is_set = [this](const Buffer<float>& table) { return table[absent_] != 0.0f; };
    absent_ = 0;
    while (absent_ < kTableTerms && std::any_of(tables_.begin(), tables_.end(), is_set)) ++absent_;
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
            match_row(forward, field, stages_[(step - kMatchAfter) % kStages]);
        if (step < kAddAfter) continue;
        const Stage& stage = stages_[(step - kAddAfter) % kStages];
        double& score = scores_[step - kAddAfter];
        score = stage.matched ? add_matches(forward, field, stage.row.begin, stage.matches, score)
                              : add_long_row(forward, field, stage.row, score);
    }
}

void Rescorer::load_row(const Forward& forward, size_t document, Stage& stage) const {
    const size_t term_bytes = forward.terms16 != nullptr ? 2 : 4;
    const char* terms = forward.terms16 != nullptr ? reinterpret_cast<const char*>(forward.terms16)
                                                   : reinterpret_cast<const char*>(forward.terms32);
    const Row row = forward.row(document);
    stage.row = row;
    stage.matched = row.end - row.begin <= kRowTerms;
    // As many lines for every document as most have, some of them twice: a loop of unknown length costs a
    // misprediction.
    const size_t begin = row.begin * term_bytes;
    const size_t last = std::max(std::min(row.end, row.begin + kRowTerms) * term_bytes, begin + 1) - 1;
    for (size_t line = 0; line < kLinesAsked; ++line)
        __builtin_prefetch(terms + std::min(begin + 64 * line, last));
    for (size_t at = begin + 64 * kLinesAsked; at <= last; at += 64) __builtin_prefetch(terms + at);
}

void Rescorer::match_row(const Forward& forward, size_t field, Stage& stage) const {
    if (!stage.matched) return;
    const size_t weight_bytes = weight_size_bytes(forward.storage);
    const char* weights = static_cast<const char*>(forward.weights) + stage.row.begin * weight_bytes;
    Matches& matches = stage.matches;
    match(forward, field, stage.row.begin, stage.row.end - stage.row.begin, matches);
    for (size_t begin = 0; begin < matches.n; begin += kAskedTogether) {
#pragma GCC unroll 16
        for (size_t j = begin; j < begin + kAskedTogether; ++j)
            __builtin_prefetch(weights + matches.positions[j] * weight_bytes);
    }
}

double Rescorer::add_long_row(const Forward& forward, size_t field, Row row, double score) const {
    Matches matches;
    for (size_t begin = row.begin; begin < row.end; begin += kRowTerms) {
        match(forward, field, begin, std::min(kRowTerms, row.end - begin), matches);
        score = add_matches(forward, field, begin, matches, score);
    }
    return score;
}

void Rescorer::match(const Forward& forward, size_t field, size_t begin, size_t size, Matches& matches) const {
    const uint32_t* bitmap = bitmaps_[field].words.data();
    uint16_t* positions = matches.positions.data();
    uint16_t* terms = matches.terms.data();
    matches.n = forward.terms16 != nullptr
                    ? kernels_->match_terms16(forward.terms16 + begin, size, bitmap, positions, terms)
                    : kernels_->match_terms32(forward.terms32 + begin, size, bitmap, positions);
    std::fill_n(positions + matches.n, kPadding, uint16_t{0});
    std::fill_n(terms + matches.n, kPadding, uint16_t(absent_));
}

double Rescorer::add_matches(const Forward& forward, size_t field, size_t begin, const Matches& matches,
                             double score) const {
    const uint16_t* positions = matches.positions.data();
    const auto value = [&](size_t position) { return forward.weight(begin + position); };
    if (forward.terms16 == nullptr || absent_ == kTableTerms) {
        for (size_t i = 0; i < matches.n; ++i)
            score +=
                double((*weights_)[field][forward.term(begin + positions[i])]) * double(value(positions[i]));
        return score;
    }
    const uint16_t* terms = matches.terms.data();
    const float* table = tables_[field].get();
    if (forward.storage != Storage::float32)
        return add_products<kAddedTogether>(terms, table, value, positions, matches.n, score);
    const float* values = static_cast<const float*>(forward.weights) + begin;
    const auto value32 = [values](size_t position) { return values[position]; };
    return add_products<kAddedTogether>(terms, table, value32, positions, matches.n, score);
}

}  // namespace lsr
