// Searches a fixed list of segments: exactly, whatever the path taken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "cpu.h"
#include "hits.h"
#include "kernel_set.h"
#include "query.h"
#include "reference.h"
#include "scan.h"
#include "segment.h"

namespace lsr {

struct SearchOptions {
    size_t k = 10;
    int threads = 1;
    // One bitmap a segment, or null where all its documents may be returned; empty: no filter.
    std::vector<const uint64_t*> filters;
    Approximation approximation;
};

struct Workspace;

class Searcher {
  public:
    // live: one bitmap a segment, or null. All segments must have the same number of fields.
    Searcher(std::vector<const Segment*> segments, std::vector<const uint64_t*> live, Isa isa);
    ~Searcher();

    // Thread-safe. The k best; all there are if fewer match.
    std::vector<Hit> search(const Query& query, const SearchOptions& options) const;
    std::vector<Hit> reference(const Query& query, const SearchOptions& options) const;
    // scores[i] = score of rows[i]. Throws InvalidArgument on a row that does not exist; liveness is not asked.
    void scores(const Query& query, const int64_t* rows, size_t n, double* scores) const;

    size_t n_fields() const { return n_fields_; }
    int64_t n_documents() const { return n_documents_; }
    Isa isa() const { return isa_; }

  private:
    // A workspace on loan; goes back to the pool with it.
    class Lease {
      public:
        explicit Lease(const Searcher& searcher);
        ~Lease();
        Workspace* operator->() const { return workspace_.get(); }
        Workspace& operator*() const { return *workspace_; }

      private:
        const Searcher& searcher_;
        std::unique_ptr<Workspace> workspace_;
    };

    std::vector<Part> filtered(const SearchOptions& options) const;
    std::vector<Hit> scan(const Query& query, const std::vector<Part>& parts, const SearchOptions& options,
                          Workspace& workspace) const;

    std::vector<Part> parts_;
    size_t n_fields_ = 0;
    int64_t n_documents_ = 0;
    Isa isa_;
    const KernelSet* kernels_;
    mutable std::mutex pool_mutex_;
    mutable std::vector<std::unique_ptr<Workspace>> pool_;
};

}  // namespace lsr
