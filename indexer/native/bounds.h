// From a query to 16-bit accumulators that bound its scores: the scaling, and what can be concluded from them.
//
// Terms i = 1..m of the query have weight q_i and, over all segments, the largest document weight M_i. With
// U = sum q_i M_i, every score is at most U; F = 64,500 / U scales scores to 16 bits. In a segment where the
// term's largest weight is M (<= M_i) codes stand for multiples of s = M / 255, and the term is added as
//
//     p = floor(code * g / 256),   g = min(65535, ceil(256 f)),   f = F q_i s <= 64,500 / 255 < 253
//
// (g < 256 f + 1 <= 64,753, so the minimum never bites.)
//
// One posting of weight w. code is ceil(w / s) but for a relative error below 2e-6 (build_lists), so
//     w (1 - 2e-6) <= code s < w + s,
//     p >  code g / 256 - 1      >= code f - 1          >= F q_i w (1 - 2e-6) - 1
//     p <= code g / 256          <  code f + code / 256 <  F q_i w + f + 1
// (code = 1 for the least weights: then code s = s < w + s as well.)
//
// One document of true score S, accumulator A = sum of its p:
//     F S - m - 0.2  <  A  <  F S + sum (f_i + 1)                                    (1)
// since F S <= 64,500 and 64,500 * 2e-6 < 0.2. f_i taken with M_i covers every segment.
// A is at most sum (255 f_i + 1) <= 64,500 + m: no sum of up to 1,000 terms overflows 16 bits.
//
// Let T be the k-th largest of any set of accumulators of distinct documents. Those k documents have
// F S > T - sum (f_i + 1), so the k-th best score S_k has it as well, and every document with S >= S_k has
//     A > F S_k - m - 0.2 > T - sum (f_i + 2) - 0.2  >=  T - width,     width = 4 + ceil(sum (f_i + 2)).
// The rest of the 4 covers float64 rounding: of F and f_i, and of the scores themselves, which are sums of at
// most 500 products and so off by a relative 500 * 2^-53 (F S: below 1e-8). Ties are within S >= S_k.
// Therefore:
//
//     every document of the answer has A >= T - width,                               (2)
//
// And once k documents are scored, the worst of them S_w: the k-th best has S_k >= S_w, so by (1) every
// document of the answer has
//
//     A > F S_w - m - 0.2,                                                           (3)
//
// which is closer, for the k documents of largest A are rarely all at their largest error.
//
// Block rows: a block's largest code is at least each of its documents' codes, so with block rows for some of
// the terms a document's sum B >= A. B >= T - width is (2) weakened, and B <= 64,500 + m as A. Exactly scored
// documents: floor(F S) lies in (F S - 1, F S] and so obeys (1); it may stand for A wherever T is found.
//
// All this provided that the document has been looked at. A document whose accumulator is 0 never is, so the
// answer is complete only if T - width >= 1 and k documents were found. Otherwise the query is answered another
// way (scan.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "query.h"
#include "reference.h"

namespace lsr {

inline constexpr size_t kMaxScannedTerms = 500;
inline constexpr double kRange = 64500.0;

// One query term in one segment.
struct PartTerm {
    const Lists* lists;
    uint32_t term;
    uint32_t runs_begin;  // its lists in the directory
    uint32_t runs_end;
    const uint8_t* blocks;  // the term's block row; null: none
    uint32_t weight;        // g
    double largest;         // q_i M, for choosing which terms matter
};

struct Bounds {
    double scale = 0.0;  // F
    uint32_t width = 0;
    size_t n_terms = 0;                        // present in any segment
    std::vector<std::vector<PartTerm>> parts;  // by segment: the terms present in it
};

Bounds bound_query(const Query& query, const std::vector<Part>& parts);

}  // namespace lsr
