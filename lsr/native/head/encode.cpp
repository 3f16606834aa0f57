#include "encode.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include "coding.h"

namespace lsr {
namespace {

constexpr size_t kContestRows = 24;  // candidates decided together: their codes and sums stay in the L1 cache
constexpr size_t kRowsAhead = 24;

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
                                        std::to_string(token) + " is not finite or above 1e12");
        }
        largest = std::max(largest, size);
    }
    return largest;
}

// Brings the centred tokens into the head's basis. Returns the largest coordinate or norm.
float change_basis(const PackedHead& head, const Kernels& kernels, size_t n_tokens, const float* centered,
                   float* coordinates, float* norms, HeadWorkspace& workspace) {
    const Basis& basis = head.basis();
    basis.forward().apply(kernels, centered, n_tokens, Epilogue::none, nullptr, coordinates,
                          workspace.row_pointers);
    float largest = 0.0f;
    for (size_t token = 0; token < n_tokens; ++token) {
        float* own = norms + token * basis.n_norms();
        rest_norms(kernels.rows, basis, coordinates + token * basis.width(), own);
        largest =
            std::max(largest, largest_size(kernels.rows, basis, coordinates + token * basis.width(), own));
    }
    return largest;
}

// What bounds a token's logits, by the formulas of packed_head.h.
struct TokenBounds {
    float norm, residual, screened_norm, screened_residual, rounding;

    // length: at least the norm of the centred hidden state, where its coordinates are in another basis.
    TokenBounds(const PackedHead& head, const CodedRow& row, double length) {
        const Basis& basis = head.basis();
        const double size = row.whole.norm + row.whole.residual;
        const double n = basis.is_identity() ? size : length;
        const double moved = basis.forward_error() * n;
        const auto residual_of = [&](const Coded& part) {
            return static_cast<float>((part.residual + 0x1p-20 * (part.norm + part.residual) + moved) *
                                      (1.0 + 0x1p-22)) +
                   kLostBelowRange;
        };
        norm = static_cast<float>(row.whole.norm * (1.0 + 0x1p-20));
        residual = residual_of(row.whole);
        screened_norm = static_cast<float>(row.screened.norm * (1.0 + 0x1p-20));
        screened_residual = residual_of(row.screened);
        const double of_product = std::ldexp(static_cast<double>(head.width()) + 8.0, -23);
        rounding =
            static_cast<float>((1.0 + 0x1p-20) * (of_product * (n + head.center_norm()) + basis.mismatch() * n +
                                                  basis.backward_error() * (size + moved)));
    }
};

// The codes of a document's tokens and FilterDocument's and Contest's numbers for them.
void quantize_document(const PackedHead& head, const Kernels& kernels, const float* hidden, size_t name,
                       HeadWorkspace& workspace, HeadWorkspace::Document& document) {
    const Basis& basis = head.basis();
    const size_t width = head.width();
    const float* centered = workspace.centered.data() + document.first_token * width;
    const float* coordinates = centered;
    float* norms = workspace.rest_norms.data() + document.first_token * basis.n_norms();
    float largest = center_document(head, kernels, hidden, document.n_tokens, name,
                                    workspace.centered.data() + document.first_token * width);
    if (!basis.is_identity()) {
        float* changed = workspace.coordinates.data() + document.first_token * width;
        largest = change_basis(head, kernels, document.n_tokens, centered, changed, norms, workspace);
        coordinates = changed;
    }
    document.scale = scale_for(largest, head.largest_code());
    document.norm = document.residual = document.rounding = 0.0f;
    for (size_t token = 0; token < document.n_tokens; ++token) {
        const size_t at = document.first_token + token;
        const CodedRow row =
            code_row(kernels.rows, basis, coordinates + token * width, norms + token * basis.n_norms(),
                     document.scale, largest, workspace.codes.data() + at * basis.row_codes());
        const float length =
            basis.is_identity() ? 0.0f : norm_above(kernels.rows, centered + token * width, width);
        const TokenBounds bounds(head, row, length);
        workspace.offsets[at] = -head.code_offset() * row.screened.sum;
        workspace.norms[at] = bounds.norm;
        workspace.residuals[at] = bounds.residual;
        document.norm = std::max(document.norm, bounds.screened_norm);
        document.residual = std::max(document.residual, bounds.screened_residual);
        document.rounding = std::max(document.rounding, bounds.rounding);
    }
}

void reserve(const PackedHead& head, size_t n_tokens, size_t n_documents, HeadWorkspace& workspace) {
    if (workspace.documents.size() < n_documents) workspace.documents.resize(n_documents);
    const Basis& basis = head.basis();
    workspace.centered.reserve(n_tokens * head.width());
    if (!basis.is_identity()) workspace.coordinates.reserve(n_tokens * head.width());
    workspace.rest_norms.reserve(n_tokens * basis.n_norms());
    workspace.codes.reserve(n_tokens * basis.row_codes() + 64);  // a row's kernel writes 16 codes at a time
    workspace.offsets.reserve(n_tokens);
    for (Aligned<float>* numbers : {&workspace.norms, &workspace.residuals}) {
        numbers->reserve(n_tokens + 16);  // read by whole vectors
    }
}

// Room for another tile's candidates of a document.
void make_room(HeadWorkspace::Document& document, HeadWorkspace& workspace) {
    const size_t needed = document.n_candidates + kTileTerms + 16;
    if (needed <= document.candidates.capacity()) return;
    if (needed > workspace.room) workspace.room = needed + needed / 2;
    Aligned<uint32_t> larger(workspace.room);
    std::copy_n(document.candidates.data(), document.n_candidates, larger.data());
    document.candidates = std::move(larger);
}

// The codes of a document's tokens as panels of CodeProduct, every code raised by head.code_offset(). Returns
// the number of panels.
size_t pack_tokens(const PackedHead& head, const HeadWorkspace::Document& document, HeadWorkspace& workspace) {
    const size_t n_panels = (document.n_tokens + kPanelCodes - 1) / kPanelCodes;
    const size_t n_groups = head.basis().n_coordinates() / 4;
    workspace.token_panels.reserve(n_panels * n_groups * kPanelCodes * 4);
    auto* panels = reinterpret_cast<uint32_t*>(workspace.token_panels.data());
    if (document.n_tokens % kPanelCodes != 0) {
        std::fill_n(panels + (n_panels - 1) * n_groups * kPanelCodes, n_groups * kPanelCodes, 0u);
    }
    // Flipping the sign's bit adds 128 to a byte; what is too much is taken from four bytes at once, none of
    // them below it.
    const uint32_t excess = static_cast<uint32_t>(128 - head.code_offset()) * 0x01010101u;
    for (size_t token = 0; token < document.n_tokens; ++token) {
        const int8_t* codes =
            workspace.codes.data() + (document.first_token + token) * head.basis().row_codes();
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
void fetch(const void* row, size_t n_bytes) {
    for (size_t at = 0; at < n_bytes; at += 64) __builtin_prefetch(static_cast<const char*>(row) + at);
}

// Sums of the codes' products, of candidates terms[0] to terms[count], of n_left that follow, and a document's
// tokens; they are left in the workspace.
void multiply_terms(const PackedHead& head, const Kernels& kernels, const uint32_t* terms, size_t count,
                    size_t n_left, size_t n_panels, HeadWorkspace& workspace) {
    const size_t n_codes = head.basis().n_coordinates();
    int32_t starts[kContestRows];
    for (size_t at = 0; at < count; ++at) {
        if (at + kRowsAhead < n_left) fetch(head.codes(terms[at + kRowsAhead]), n_codes);
        std::copy_n(head.codes(terms[at]), n_codes, workspace.term_codes.data() + at * n_codes);
        starts[at] = -head.code_offset() * head.code_sum(terms[at]);
    }
    kernels.multiply_codes({.rows = workspace.term_codes.data(),
                            .starts = starts,
                            .n_rows = count,
                            .panels = workspace.token_panels.data(),
                            .n_panels = n_panels,
                            .n_groups = n_codes / 4,
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
    const size_t room = document.n_tokens + 16;
    workspace.term_codes.reserve(kContestRows * head.basis().n_coordinates());
    workspace.sums.reserve(kContestRows * stride);
    workspace.contenders.reserve(kContestRows * room);
    size_t n_contenders[kContestRows];
    for (size_t first = 0; first < document.n_candidates; first += kContestRows) {
        const uint32_t* terms = document.candidates.data() + first;
        const size_t count = std::min(kContestRows, document.n_candidates - first);
        multiply_terms(head, kernels, terms, count, document.n_candidates - first, n_panels, workspace);
        for (size_t at = 0; at < count; ++at) {
            const uint32_t term = terms[at];
            n_contenders[at] =
                kernels.rows.find_contenders({.sums = workspace.sums.data() + at * stride,
                                              .norms = workspace.norms.data() + document.first_token,
                                              .residuals = workspace.residuals.data() + document.first_token,
                                              .n_tokens = document.n_tokens,
                                              .scale = document.scale * head.scale(term),
                                              .term_residual = head.row_residual(term),
                                              .term_norm = head.norm(term),
                                              .rounding = document.rounding * head.length(term),
                                              .floor = -head.bound_bias(term)},
                                             workspace.contenders.data() + at * room);
            if (n_contenders[at] != 0) fetch(head.row(term), head.width() * sizeof(float));
        }
        for (size_t at = 0; at < count; ++at) {
            const uint32_t term = terms[at];
            const Winner winner = winner_of(kernels, hidden, head.row(term), head.width(),
                                            workspace.contenders.data() + at * room, n_contenders[at]);
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
    const size_t stride = head.basis().row_codes();
    for (size_t at = 0; at < head.n_tiles(); ++at) {
        FilterTile tile = head.tile(at);
        for (size_t d = 0; d < n_documents; ++d) {
            HeadWorkspace::Document& document = workspace.documents[d];
            if (document.n_tokens == 0) continue;
            make_room(document, workspace);
            document.n_candidates += kernels.filter.run(
                tile,
                {.codes = workspace.codes.data() + document.first_token * stride + head.basis().n_rest(),
                 .stride = stride,
                 .offsets = workspace.offsets.data() + document.first_token,
                 .n_tokens = document.n_tokens,
                 .scale = document.scale,
                 .norm = document.norm,
                 .residual = document.residual,
                 .rounding = document.rounding},
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
