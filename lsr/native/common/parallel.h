// Independent pieces of work over a few threads.
#pragma once

#include <cstddef>
#include <functional>

namespace lsr {

// Calls work(worker, piece) for every piece in [0, n_pieces), on at most `n_threads` threads including the
// caller's; `worker` is below n_threads and never runs twice at once, so it may index workspaces. Pieces are
// handed out in order as threads become free. The first exception stops the handing out and is thrown again
// here.
void parallel(size_t n_pieces, size_t n_threads, const std::function<void(size_t worker, size_t piece)>& work);

}  // namespace lsr
