#include "encode.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

namespace lsr {
namespace {

constexpr size_t kContestRows = 24;  // candidates decided together: their codes and sums stay in the L1 cache
constexpr size_t kRowsAhead = 4;
constexpr float kSmallestScale = 1e-30f;  // below it a document's codes are zero and its norms alone bound it

// The norm of what the codes left out, in units of the scale. y differs from x' / scale by at most 127 * 2^-23
// (two roundings), in each of d places.
double residual_norm(const Quantized& row, double d) {
    return std::sqrt(row.residual * (1.0 + std::ldexp(d, -22))) + std::sqrt(d) * 127 * 0x1p-22;
}

// Moves the tokens' hidden states to the head's centre and returns the largest value.
float center_document(const PackedHead& head, const Kernels& kernels, const float* hidden, size_t n_tokens,
                      size_t name, float* centered) {
    const size_t width = head.width();
    float largest = 0.0f;
    for (size_t token = 0; token < n_tokens; ++token) {
        const float size =
            kernels.rows.center(hidden + token * width, head.center(), width, centered + token * width);
        if (!(size <= kLargestValue)) {
            throw std::invalid_argument("document " + std::to_string(name) + ": the hidden state of token " +
                                        std::to_string(token) + " is not finite or above 1e16");
        }
        largest = std::max(largest, size);
    }
    return largest;
}

// FilterDocument's and Contest's numbers from the actual codes; the coefficients are those of packed_head.h.
void quantize_document(const PackedHead& head, const Kernels& kernels, const float* hidden, size_t name,
                       HeadWorkspace& workspace, HeadWorkspace::Document& document) {
    const size_t width = head.width();
    const auto d = static_cast<double>(width);
    float* centered = workspace.centered.data() + document.first_token * width;
    const float largest = center_document(head, kernels, hidden, document.n_tokens, name, centered);
    const float step = largest / static_cast<float>(head.largest_code());
    document.scale = step < kSmallestScale ? 0.0f : step;
    document.norm = 0.0f;
    document.residual = 0.0f;
    const float inverse = document.scale == 0.0f ? 0.0f : 1.0f / document.scale;
    for (size_t token = 0; token < document.n_tokens; ++token) {
        const size_t at = document.first_token + token;
        const Quantized row = kernels.rows.quantize(centered + token * width, width, inverse,
                                                    workspace.codes.data() + at * 4 * head.n_groups());
        workspace.offsets[at] = -head.code_offset() * row.sum;
        const double norm = document.scale * std::sqrt(static_cast<double>(row.sum_squares));
        // Without codes the residual is the vector itself.
        const double residual =
            document.scale == 0.0f ? largest * std::sqrt(d) : document.scale * residual_norm(row, d);
        workspace.norms[at] = static_cast<float>(norm * (1.0 + 0x1p-20));
        workspace.residuals[at] =
            static_cast<float>(residual * (1.0 + std::ldexp(d, -22)) + 0x1p-20 * (norm + residual) +
                               std::ldexp(d + 8.0, -23) * (norm + residual + head.center_norm()));
        document.norm = std::max(document.norm, workspace.norms[at]);
        document.residual = std::max(document.residual, workspace.residuals[at]);
    }
}

void reserve(const PackedHead& head, size_t n_tokens, size_t n_documents, HeadWorkspace& workspace) {
    if (workspace.documents.size() < n_documents) workspace.documents.resize(n_documents);
    workspace.centered.reserve(n_tokens * head.width());
    workspace.codes.reserve(n_tokens * 4 * head.n_groups() + 64);  // a row's kernel writes 16 codes at a time
    workspace.offsets.reserve(n_tokens);
    for (Aligned<float>* numbers : {&workspace.norms, &workspace.residuals}) {
        numbers->reserve(n_tokens + 16);  // read by whole vectors
    }
}

void make_room(HeadWorkspace::Document& document) {
    if (document.n_candidates + kTileTerms + 16 <= document.candidates.capacity()) return;
    Aligned<uint32_t> larger(2 * document.n_candidates + 1024);
    std::copy_n(document.candidates.data(), document.n_candidates, larger.data());
    document.candidates = std::move(larger);
}

// The codes of a document's tokens as panels of CodeProduct, every code raised by head.code_offset(). Returns
// the number of panels.
size_t pack_tokens(const PackedHead& head, const HeadWorkspace::Document& document, HeadWorkspace& workspace) {
    const size_t n_panels = (document.n_tokens + kPanelCodes - 1) / kPanelCodes;
    const size_t n_groups = head.n_groups();
    workspace.token_panels.reserve(n_panels * n_groups * kPanelCodes * 4);
    auto* panels = reinterpret_cast<uint32_t*>(workspace.token_panels.data());
    if (document.n_tokens % kPanelCodes != 0) {
        std::fill_n(panels + (n_panels - 1) * n_groups * kPanelCodes, n_groups * kPanelCodes, 0u);
    }
    // Flipping the sign's bit adds 128 to a byte; what is too much is taken from four bytes at once, none of
    // them below it.
    const uint32_t excess = static_cast<uint32_t>(128 - head.code_offset()) * 0x01010101u;
    const int8_t* codes = workspace.codes.data() + document.first_token * 4 * n_groups;
    for (size_t token = 0; token < document.n_tokens; ++token) {
        uint32_t* out = panels + token / kPanelCodes * n_groups * kPanelCodes + token % kPanelCodes;
        for (size_t group = 0; group < n_groups; ++group, codes += 4, out += kPanelCodes) {
            uint32_t four;
            std::memcpy(&four, codes, 4);
            *out = (four ^ 0x80808080u) - excess;
        }
    }
    return n_panels;
}

// Starts to fetch a row from memory: candidates are too few for the hardware to see a pattern.
void fetch(const float* row, size_t width) {
    for (size_t at = 0; at < width; at += 16) __builtin_prefetch(row + at);
}

// Candidates terms[0] to terms[count], of n_left that follow, against a document's tokens: Contest's numbers,
// but for `sums`, which are left in the workspace.
void quantize_terms(const PackedHead& head, const Kernels& kernels, const uint32_t* terms, size_t count,
                    size_t n_left, size_t n_panels, HeadWorkspace& workspace, float* term_residuals) {
    const size_t stride = 4 * head.n_groups();
    const auto d = static_cast<double>(head.width());
    int32_t starts[kContestRows];
    for (size_t at = 0; at < count; ++at) {
        if (at + kRowsAhead < n_left) fetch(head.row(terms[at + kRowsAhead]), head.width());
        const float scale = head.scale(terms[at]);
        const Quantized row =
            kernels.rows.quantize(head.row(terms[at]), head.width(), scale == 0.0f ? 0.0f : 1.0f / scale,
                                  workspace.term_codes.data() + at * stride);
        starts[at] = -head.code_offset() * row.sum;
        term_residuals[at] = scale == 0.0f
                                 ? head.norm(terms[at])
                                 : static_cast<float>(scale * residual_norm(row, d) * (1.0 + 0x1p-20));
    }
    kernels.multiply_codes({.rows = workspace.term_codes.data(),
                            .starts = starts,
                            .n_rows = count,
                            .panels = workspace.token_panels.data(),
                            .n_panels = n_panels,
                            .n_groups = head.n_groups(),
                            .out = workspace.sums.data()});
}

struct Winner {
    float product;
    uint32_t token;
};

// The largest product, the first of equals, of a term with the tokens that may have it.
Winner winner_of(const Kernels& kernels, const float* hidden, const float* embedding, size_t width,
                 const uint32_t* tokens, size_t count) {
    Winner best{-std::numeric_limits<float>::infinity(), 0};
    for (size_t at = 0; at < count; ++at) {
        const float product = kernels.rows.dot(hidden + tokens[at] * width, embedding, width);
        if (product > best.product) best = {product, tokens[at]};
    }
    return best;
}

// Appends the document's non-zeros to `rows`.
void refine(const PackedHead& head, const Kernels& kernels, const float* hidden,
            const HeadWorkspace::Document& document, bool with_positions, HeadWorkspace& workspace,
            SparseRows& rows) {
    const size_t n_panels = pack_tokens(head, document, workspace);
    const size_t stride = n_panels * kPanelCodes;
    workspace.term_codes.reserve(kContestRows * 4 * head.n_groups() + 64);
    workspace.sums.reserve(kContestRows * stride);
    workspace.contenders.reserve(document.n_tokens + 16);
    float term_residuals[kContestRows];
    for (size_t first = 0; first < document.n_candidates; first += kContestRows) {
        const uint32_t* terms = document.candidates.data() + first;
        const size_t count = std::min(kContestRows, document.n_candidates - first);
        quantize_terms(head, kernels, terms, count, document.n_candidates - first, n_panels, workspace,
                       term_residuals);
        for (size_t at = 0; at < count; ++at) {
            const uint32_t term = terms[at];
            const size_t n_contenders =
                kernels.rows.find_contenders({.sums = workspace.sums.data() + at * stride,
                                              .norms = workspace.norms.data() + document.first_token,
                                              .residuals = workspace.residuals.data() + document.first_token,
                                              .n_tokens = document.n_tokens,
                                              .scale = document.scale * head.scale(term),
                                              .term_residual = term_residuals[at],
                                              .term_norm = head.norm(term),
                                              .floor = -head.bound_bias(term)},
                                             workspace.contenders.data());
            const Winner winner = winner_of(kernels, hidden, head.row(term), head.width(),
                                            workspace.contenders.data(), n_contenders);
            const float logit = winner.product + head.bias(term);
            if (!(logit > 0.0f)) continue;
            rows.terms.push_back(term);
            rows.weights.push_back(std::log1p(logit));
            if (with_positions) rows.positions.push_back(static_cast<int32_t>(winner.token));
        }
    }
}

}  // namespace

void find_candidates(const PackedHead& head, const Kernels& kernels, const float* hidden,
                     const int64_t* offsets, size_t n_documents, size_t first_document,
                     HeadWorkspace& workspace) {
    const int64_t start = offsets[0];
    reserve(head, static_cast<size_t>(offsets[n_documents] - start), n_documents, workspace);
    for (size_t d = 0; d < n_documents; ++d) {
        HeadWorkspace::Document& document = workspace.documents[d];
        document.first_token = static_cast<size_t>(offsets[d] - start);
        document.n_tokens = static_cast<size_t>(offsets[d + 1] - offsets[d]);
        document.n_candidates = 0;
        quantize_document(head, kernels, hidden + offsets[d] * static_cast<int64_t>(head.width()),
                          first_document + d, workspace, document);
    }
    const size_t stride = 4 * head.n_groups();
    for (size_t at = 0; at < head.n_tiles(); ++at) {
        FilterTile tile = head.tile(at);
        for (size_t d = 0; d < n_documents; ++d) {
            HeadWorkspace::Document& document = workspace.documents[d];
            if (document.n_tokens == 0) continue;
            make_room(document);
            document.n_candidates +=
                kernels.filter.run(tile,
                                   {.codes = workspace.codes.data() + document.first_token * stride,
                                    .offsets = workspace.offsets.data() + document.first_token,
                                    .n_tokens = document.n_tokens,
                                    .scale = document.scale,
                                    .norm = document.norm,
                                    .residual = document.residual},
                                   document.candidates.data() + document.n_candidates);
            tile.next_codes = nullptr;  // the first document has fetched them
        }
    }
}

void encode_documents(const PackedHead& head, const Kernels& kernels, const float* hidden,
                      const int64_t* offsets, size_t n_documents, size_t first_document, bool with_positions,
                      HeadWorkspace& workspace, SparseRows& rows) {
    find_candidates(head, kernels, hidden, offsets, n_documents, first_document, workspace);
    for (size_t d = 0; d < n_documents; ++d) {
        const HeadWorkspace::Document& document = workspace.documents[d];
        refine(head, kernels, hidden + offsets[d] * static_cast<int64_t>(head.width()), document,
               with_positions, workspace, rows);
        rows.ends.push_back(static_cast<int64_t>(rows.terms.size()));
    }
}

}  // namespace lsr
