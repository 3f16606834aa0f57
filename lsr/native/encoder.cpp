#include "encoder.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "parallel.h"

namespace lsr {

void hidden_states(const Body& body, const int32_t* ids, const int64_t* offsets, size_t n_documents,
                   size_t n_threads, float* hidden) {
    Pool<BodyWorkspace> workspaces;
    const std::vector<Batch> batches = split_batches(offsets, n_documents, n_threads);
    parallel_for(batches.size(), static_cast<int>(n_threads), [&](size_t, size_t piece) {
        const Batch batch = batches[piece];
        Pool<BodyWorkspace>::Loan workspace(workspaces);
        body.run(ids, offsets + batch.first, batch.last - batch.first, *workspace);
        const auto n_tokens = static_cast<size_t>(offsets[batch.last] - offsets[batch.first]);
        std::copy_n((*workspace).hidden.data(), n_tokens * body.width(),
                    hidden + static_cast<size_t>(offsets[batch.first]) * body.width());
    });
}

Encoder::Encoder(const Body& body, const Head& head) : body_(body), head_(head) {
    if (body.width() != head.packed().width()) {
        throw std::invalid_argument("the body gives " + std::to_string(body.width()) +
                                    " columns, but the head's width is " +
                                    std::to_string(head.packed().width()));
    }
}

SparseRows Encoder::encode(const int32_t* ids, const int64_t* offsets, size_t n_documents, size_t n_threads,
                           bool with_positions) {
    body_.check_tokens(ids, offsets, n_documents);
    return encode_batches(offsets, n_documents, n_threads, [&](Batch batch, SparseRows& rows) {
        Pool<Workspace>::Loan loan(workspaces_);
        Workspace& workspace = *loan;
        const size_t count = batch.last - batch.first;
        body_.run(ids, offsets + batch.first, count, workspace.body);
        // The head's rows start with this batch's first token.
        workspace.offsets.resize(count + 1);
        for (size_t d = 0; d <= count; ++d) {
            workspace.offsets[d] = offsets[batch.first + d] - offsets[batch.first];
        }
        encode_documents(head_.packed(), head_.kernels(), workspace.body.hidden.data(),
                         workspace.offsets.data(), count, batch.first, with_positions, workspace.head, rows);
    });
}

}  // namespace lsr
