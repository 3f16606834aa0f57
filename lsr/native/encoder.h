// Token ids to sparse vectors: a body and a head with one workspace a thread.
#pragma once

#include "body.h"
#include "head.h"

namespace lsr {

// The head inputs of all documents, [n_tokens][width], on up to n_threads threads. Tokens as Body::run takes
// them.
void hidden_states(const Body& body, const int32_t* ids, const int64_t* offsets, size_t n_documents,
                   size_t n_threads, float* hidden);

class Encoder {
  public:
    // Both are used by reference. Throws std::invalid_argument if their widths differ.
    Encoder(const Body& body, const Head& head);

    // The vectors of documents ids[offsets[d]] to ids[offsets[d + 1]]. Throws std::invalid_argument, naming the
    // document, for token ids or lengths the model does not know.
    SparseRows encode(const int32_t* ids, const int64_t* offsets, size_t n_documents, size_t n_threads,
                      bool with_positions);

  private:
    struct Workspace {
        BodyWorkspace body;
        HeadWorkspace head;
        std::vector<int64_t> offsets;
    };

    const Body& body_;
    const Head& head_;
    Pool<Workspace> workspaces_;
};

}  // namespace lsr
