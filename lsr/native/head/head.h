// A packed head with its kernels and workspaces: what Python holds.
#pragma once

#include <utility>

#include "batches.h"
#include "packed_head.h"
#include "pool.h"

namespace lsr {

class Head {
  public:
    Head(const float* embedding, size_t n_terms, const float* bias, const float* center, Basis basis, Isa isa)
        : isa_(isa),
          kernels_(kernels_for(isa)),
          packed_(embedding, n_terms, bias, center, std::move(basis), kernels_) {}

    const PackedHead& packed() const { return packed_; }
    const Kernels& kernels() const { return kernels_; }
    Isa isa() const { return isa_; }

    // The vectors of all documents. hidden: rows offsets[0] to offsets[n_documents], checked by the caller.
    SparseRows encode(const float* hidden, const int64_t* offsets, size_t n_documents, size_t n_threads,
                      bool with_positions);

    // The filter's candidates as rows without weights: for tests of the bound.
    SparseRows candidates(const float* hidden, const int64_t* offsets, size_t n_documents);

  private:
    Isa isa_;
    Kernels kernels_;
    PackedHead packed_;
    Pool<HeadWorkspace> workspaces_;
};

}  // namespace lsr
