#include <algorithm>
#include <limits>

#include "filter.h"

namespace lsr {

size_t filter_scalar(const FilterTile& tile, const FilterDocument& document, uint32_t* out) {
    size_t count = 0;
    for (size_t panel = 0; panel < kTilePanels; ++panel) {
        int32_t best[kPanelTerms];
        std::fill_n(best, kPanelTerms, std::numeric_limits<int32_t>::min());
        for (size_t token = 0; token < document.n_tokens; ++token) {
            int32_t sum[kPanelTerms];
            std::fill_n(sum, kPanelTerms, document.offsets[token]);
            const uint8_t* term_codes = tile.codes + panel * tile.n_groups * kPanelTerms * 4;
            const int8_t* token_codes = document.codes + token * document.stride;
            for (size_t group = 0; group < tile.n_groups;
                 ++group, term_codes += kPanelTerms * 4, token_codes += 4) {
                for (size_t lane = 0; lane < kPanelTerms; ++lane) {
                    for (size_t at = 0; at < 4; ++at) sum[lane] += term_codes[4 * lane + at] * token_codes[at];
                }
            }
            for (size_t lane = 0; lane < kPanelTerms; ++lane) best[lane] = std::max(best[lane], sum[lane]);
        }
        for (size_t lane = 0; lane < kPanelTerms; ++lane) {
            const size_t term = panel * kPanelTerms + lane;
            const float bound = document.scale * tile.scale[term] * static_cast<float>(best[lane]) +
                                document.norm * tile.residual[term] + document.residual * tile.norm[term] +
                                document.rounding * tile.length[term] + tile.bias[term];
            if (term < tile.n_terms && !(bound <= 0.0f))
                out[count++] = tile.first_term + static_cast<uint32_t>(term);
        }
    }
    return count;
}

}  // namespace lsr
