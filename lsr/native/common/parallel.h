// Work handed out by a shared counter: pieces differ too much in cost for fixed shares.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace lsr {

// Calls work(thread, item) for each item in [0, n_items), on up to `threads` threads, this one among them;
// `thread` is below `threads` and never runs twice at once, so it may index workspaces. Items are taken in
// ascending order. The first exception stops the rest and is thrown here.
template <class Work>
void parallel_for(size_t n_items, int threads, const Work& work) {
    std::atomic<size_t> next{0};
    std::exception_ptr failure;
    std::mutex failure_mutex;
    const auto run = [&](size_t thread) {
        try {
            for (size_t item; (item = next.fetch_add(1, std::memory_order_relaxed)) < n_items;)
                work(thread, item);
        } catch (...) {
            const std::lock_guard lock(failure_mutex);
            if (!failure) failure = std::current_exception();
            next.store(n_items, std::memory_order_relaxed);
        }
    };
    {
        std::vector<std::jthread> others;
        for (size_t thread = 1; thread < size_t(threads) && thread < n_items; ++thread)
            others.emplace_back(run, thread);
        run(0);
    }
    if (failure) std::rethrow_exception(failure);
}

}  // namespace lsr
