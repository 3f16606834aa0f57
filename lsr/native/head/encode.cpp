#include "encode.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "pack.h"

namespace lsr {
namespace {

constexpr size_t kRefineRows = 24;        // candidates refined together: 24 x 512 logits stay in the L2 cache
constexpr float kSmallestScale = 1e-30f;  // below it a document's codes are zero and its norms alone bound it

// FilterDocument's numbers from the actual codes; the coefficients are those of packed_head.h.
void quantize_document(const PackedHead& head, const Kernels& kernels, const float* hidden, size_t name,
                       HeadWorkspace& workspace, HeadWorkspace::Document& document) {
    const size_t width = head.width();
    const size_t stride = 4 * head.n_groups();
    float* centered = workspace.centered.data() + document.first_token * width;
    float largest = 0.0f;
    for (size_t token = 0; token < document.n_tokens; ++token) {
        const float size =
            kernels.rows.center(hidden + token * width, head.center(), width, centered + token * width);
        if (!(size <= kLargestValue)) {
            throw std::invalid_argument("document " + std::to_string(name) + ": the hidden state of token " +
                                        std::to_string(token) + " is not finite or above 1e16");
        }
        largest = std::max(largest, size);
    }
    const float step = largest / kernels.filter.largest_code;
    const float scale = step < kSmallestScale ? 0.0f : step;
    const float inverse = scale == 0.0f ? 0.0f : 1.0f / scale;
    double norm = 0.0;
    double residual = 0.0;
    const auto d = static_cast<double>(width);
    for (size_t token = 0; token < document.n_tokens; ++token) {
        const size_t at = document.first_token + token;
        const Quantized row = kernels.rows.quantize(centered + token * width, width, inverse,
                                                    workspace.codes.data() + at * stride);
        workspace.offsets[at] = -kTermCodeOffset * row.sum;
        norm = std::max(norm, scale * std::sqrt(static_cast<double>(row.sum_squares)));
        // y differs from x' / scale by at most 127 * 2^-23 (two roundings), in each of d places.
        const double rest = std::sqrt(row.residual * (1.0 + std::ldexp(d, -22))) + std::sqrt(d) * 127 * 0x1p-22;
        residual = std::max(residual, scale * rest);
    }
    // Without codes the residual is the vector itself.
    if (scale == 0.0f) residual = largest * std::sqrt(d);
    const double size = norm + residual + head.center_norm();
    document.scale = scale;
    document.norm = static_cast<float>(norm * (1.0 + 0x1p-20));
    document.residual = static_cast<float>(residual * (1.0 + std::ldexp(d, -22)) + 0x1p-20 * (norm + residual) +
                                           std::ldexp(d + 8.0, -23) * size);
}

void reserve(const PackedHead& head, size_t n_tokens, size_t n_documents, HeadWorkspace& workspace) {
    if (workspace.documents.size() < n_documents) workspace.documents.resize(n_documents);
    workspace.centered.reserve(n_tokens * head.width());
    workspace.codes.reserve(n_tokens * 4 * head.n_groups() + 64);  // a row's kernel writes 16 codes at a time
    workspace.offsets.reserve(n_tokens);
}

void make_room(HeadWorkspace::Document& document) {
    if (document.n_candidates + kTileTerms + 16 <= document.candidates.capacity()) return;
    Aligned<uint32_t> larger(2 * document.n_candidates + 1024);
    std::copy_n(document.candidates.data(), document.n_candidates, larger.data());
    document.candidates = std::move(larger);
}

void append(uint32_t term, float logit, const float* products, size_t n_tokens, bool with_positions,
            SparseRows& rows) {
    rows.terms.push_back(term);
    rows.weights.push_back(std::log1p(logit));
    if (with_positions) {
        rows.positions.push_back(
            static_cast<int32_t>(std::max_element(products, products + n_tokens) - products));
    }
}

void refine(const PackedHead& head, const Kernels& kernels, const float* hidden, const uint32_t* candidates,
            size_t n_candidates, size_t n_tokens, bool with_positions, HeadWorkspace& workspace,
            SparseRows& rows) {
    const size_t width = head.width();
    workspace.token_panels.reserve((n_tokens + kPanelColumns - 1) * width);
    const size_t n_panels = pack_panels(hidden, n_tokens, width, width, workspace.token_panels.data());
    const size_t stride = n_panels * kPanelColumns;
    workspace.logits.reserve(kRefineRows * stride);
    const float* embeddings[kRefineRows];
    for (size_t first = 0; first < n_candidates; first += kRefineRows) {
        const size_t count = std::min(kRefineRows, n_candidates - first);
        for (size_t at = 0; at < count; ++at) embeddings[at] = head.row(candidates[first + at]);
        kernels.multiply({.rows = embeddings,
                          .n_rows = count,
                          .depth = width,
                          .panels = workspace.token_panels.data(),
                          .n_panels = n_panels,
                          .bias = nullptr,
                          .out = workspace.logits.data(),
                          .out_stride = stride});
        for (size_t at = 0; at < count; ++at) {
            const float* products = workspace.logits.data() + at * stride;
            const uint32_t term = candidates[first + at];
            const float logit = kernels.rows.largest(products, n_tokens) + head.bias(term);
            if (logit > 0.0f) append(term, logit, products, n_tokens, with_positions, rows);
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
        refine(head, kernels, hidden + offsets[d] * static_cast<int64_t>(head.width()),
               document.candidates.data(), document.n_candidates, document.n_tokens, with_positions, workspace,
               rows);
        rows.ends.push_back(static_cast<int64_t>(rows.terms.size()));
    }
}

}  // namespace lsr
