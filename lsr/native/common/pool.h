// Workspaces lent to calls: as many as ever ran at once, kept for the next call.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

namespace lsr {

template <class Workspace>
class Pool {
  public:
    // A workspace for the life of the returned handle.
    class Loan {
      public:
        explicit Loan(Pool& pool) : pool_(pool), workspace_(pool.take()) {}
        Loan(const Loan&) = delete;
        Loan& operator=(const Loan&) = delete;
        ~Loan() { pool_.give(std::move(workspace_)); }
        Workspace& operator*() { return *workspace_; }

      private:
        Pool& pool_;
        std::unique_ptr<Workspace> workspace_;
    };

  private:
    std::unique_ptr<Workspace> take() {
        std::lock_guard lock(mutex_);
        if (free_.empty()) return std::make_unique<Workspace>();
        std::unique_ptr<Workspace> workspace = std::move(free_.back());
        free_.pop_back();
        return workspace;
    }
    void give(std::unique_ptr<Workspace> workspace) {
        std::lock_guard lock(mutex_);
        free_.push_back(std::move(workspace));
    }

    std::mutex mutex_;
    std::vector<std::unique_ptr<Workspace>> free_;
};

}  // namespace lsr
