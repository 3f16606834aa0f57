// An order of documents in which neighbours share terms, so that a block of them has a bound near each one's.
//
// Recursive bisection: documents are cut into halves such that few terms are frequent in both, then each half
// again (Dhulipala et al., "Compressing Graphs and Indexes with Recursive Graph Bisection", KDD 2016). A term
// that n documents of one half have and m of the other pulls its documents to the first by log2(n + 1) - log2(m
// + 1), the derivative of that paper's cost; each round sums that for every document and cuts at the median.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "forward.h"

namespace lsr {

// A document is known by so many of its terms: with all of 128 searches are no faster, and it takes twice as
// long.
inline constexpr size_t kHeaviest = 32;
inline constexpr uint32_t kNoTerm = 0xffffffff;

// The terms of largest weight of each document, ascending, of equal ones those that come first; filled up with
// kNoTerm. `terms` has kHeaviest entries a document.
void heaviest_terms(const Forward& forward, uint32_t* terms);

// The documents, which are numbered as they stand in `terms` (of heaviest_terms; overwritten), in their new
// order. The same for any number of threads.
std::vector<uint32_t> bisected_order(uint32_t* terms, size_t n_documents, int threads);

}  // namespace lsr
