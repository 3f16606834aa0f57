#include "batches.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "parallel.h"

namespace lsr {
namespace {

constexpr int64_t kBatchTokens = 1024;

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
    to.insert(to.end(), from.begin(), from.end());
}

SparseRows join(std::vector<SparseRows>& parts) {
    if (parts.size() == 1) return std::move(parts[0]);
    SparseRows all;
    size_t n_terms = 0;
    for (const SparseRows& part : parts) n_terms += part.terms.size();
    all.terms.reserve(n_terms);
    all.weights.reserve(n_terms);
    for (SparseRows& part : parts) {
        for (int64_t end : part.ends) all.ends.push_back(static_cast<int64_t>(all.terms.size()) + end);
        append(all.terms, part.terms);
        append(all.weights, part.weights);
        append(all.positions, part.positions);
        part = SparseRows{};
    }
    return all;
}

}  // namespace

std::vector<Batch> split_batches(const int64_t* offsets, size_t n_documents, size_t n_threads) {
    const int64_t n_tokens = offsets[n_documents] - offsets[0];
    const auto workers = static_cast<int64_t>(std::max<size_t>(n_threads, 1));
    const int64_t rounds = (n_tokens + kBatchTokens * workers - 1) / (kBatchTokens * workers);
    const int64_t limit = n_tokens / std::max<int64_t>(rounds * workers, 1) + 1;
    std::vector<Batch> batches;
    for (size_t first = 0; first < n_documents;) {
        size_t last = first + 1;
        while (last < n_documents && offsets[last] - offsets[first] < limit) ++last;
        batches.push_back({first, last});
        first = last;
    }
    return batches;
}

void check_offsets(const int64_t* offsets, size_t n_documents, size_t n_tokens) {
    bool rising = offsets[0] == 0 && offsets[n_documents] == static_cast<int64_t>(n_tokens);
    for (size_t d = 0; d < n_documents; ++d) rising = rising && offsets[d] <= offsets[d + 1];
    if (!rising) {
        throw std::invalid_argument("offsets must rise from 0 to the number of tokens, " +
                                    std::to_string(n_tokens));
    }
}

SparseRows encode_batches(const int64_t* offsets, size_t n_documents, size_t n_threads,
                          const std::function<void(Batch, SparseRows&)>& encode) {
    const std::vector<Batch> batches = split_batches(offsets, n_documents, n_threads);
    std::vector<SparseRows> parts(batches.size());
    parallel_for(batches.size(), static_cast<int>(n_threads),
                 [&](size_t, size_t piece) { encode(batches[piece], parts[piece]); });
    return join(parts);
}

}  // namespace lsr
