#include "head.h"

namespace lsr {

SparseRows Head::encode(const float* hidden, const int64_t* offsets, size_t n_documents, size_t n_threads,
                        bool with_positions) {
    return encode_batches(offsets, n_documents, n_threads, [&](Batch batch, SparseRows& rows) {
        Pool<HeadWorkspace>::Loan workspace(workspaces_);
        encode_documents(packed_, kernels_, hidden, offsets + batch.first, batch.last - batch.first,
                         batch.first, with_positions, *workspace, rows);
    });
}

SparseRows Head::candidates(const float* hidden, const int64_t* offsets, size_t n_documents) {
    return encode_batches(offsets, n_documents, 1, [&](Batch batch, SparseRows& rows) {
        Pool<HeadWorkspace>::Loan loan(workspaces_);
        HeadWorkspace& workspace = *loan;
        find_candidates(packed_, kernels_, hidden, offsets + batch.first, batch.last - batch.first, batch.first,
                        workspace);
        for (size_t d = 0; d < batch.last - batch.first; ++d) {
            const HeadWorkspace::Document& document = workspace.documents[d];
            rows.terms.insert(rows.terms.end(), document.candidates.data(),
                              document.candidates.data() + document.n_candidates);
            rows.ends.push_back(static_cast<int64_t>(rows.terms.size()));
        }
    });
}

}  // namespace lsr
