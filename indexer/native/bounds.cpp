#include "bounds.h"

#include <algorithm>
#include <cmath>

namespace lsr {

Bounds bound_query(const Query& query, const std::vector<Part>& parts) {
    Bounds bounds;
    bounds.parts.resize(parts.size());
    std::vector<double> largest(query.size, 0.0);
    for (size_t at = 0; at < parts.size(); ++at) {
        for (size_t i = 0; i < query.size; ++i) {
            const Field& field = parts[at].segment->fields[query.fields[i]];
            const uint32_t index = field.find(query.terms[i]);
            if (index == kAbsent) continue;
            const double here = double(query.weights[i]) * double(field.lists().maxima[index]);
            largest[i] = std::max(largest[i], here);
            bounds.parts[at].push_back({&field.lists(), index, field.block_row(index), 0, here});
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
