#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace lsr {

void parallel(size_t n_pieces, size_t n_threads, const std::function<void(size_t, size_t)>& work) {
    n_threads = std::min(n_threads, n_pieces);
    std::atomic<size_t> next{0};
    std::exception_ptr failure;
    std::mutex failing;
    auto run = [&](size_t worker) {
        try {
            for (size_t piece = next++; piece < n_pieces; piece = next++) work(worker, piece);
        } catch (...) {
            next = n_pieces;
            std::lock_guard lock(failing);
            if (!failure) failure = std::current_exception();
        }
    };
    {
        std::vector<std::jthread> helpers;
        for (size_t worker = 1; worker < n_threads; ++worker) helpers.emplace_back(run, worker);
        if (n_threads > 0) run(0);
    }
    if (failure) std::rethrow_exception(failure);
}

}  // namespace lsr
