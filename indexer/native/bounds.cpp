#include "bounds.h"

#include <algorithm>
#include <cmath>

namespace lsr {

Bounds bound_query(const Query& query, const std::vector<Part>& parts) {
    Bounds bounds;
    bounds.parts.resize(parts.size());
    std::vector<double> largest(query.size, 0.0);
    for (size_t at = 0; at < parts.size(); ++at) {
        bounds.parts[at].reserve(query.size);
        for (size_t i = 0; i < query.size; ++i) {
            const Field& field = parts[at].segment->fields[query.fields[i]];
            const TermEntry entry = field.find(query.terms[i]);
            if (entry.largest == 0.0f) continue;
            __builtin_prefetch(field.lists().runs + entry.runs_begin);
            const double here = double(query.weights[i]) * double(entry.largest);
            largest[i] = std::max(largest[i], here);
            bounds.parts[at].push_back({&field.lists(), query.terms[i], entry.runs_begin, entry.runs_end,
                                        field.block_row(entry), 0, here});
        }
    }
    double most = 0.0;
    for (const double here : largest) {
        most += here;
        bounds.n_terms += here > 0.0;
    }
    if (bounds.n_terms == 0) return bounds;
    bounds.scale = kRange / most;
    double width = 4.0;
    for (const double here : largest) {
        if (here > 0.0) width += bounds.scale * here / 255.0 + 2.0;
    }
    bounds.width = uint32_t(std::ceil(width));
    for (auto& terms : bounds.parts) {
        for (PartTerm& term : terms) {
            term.weight = uint32_t(std::min(65535.0, std::ceil(256.0 * bounds.scale * term.largest / 255.0)));
        }
    }
    return bounds;
}

}  // namespace lsr
