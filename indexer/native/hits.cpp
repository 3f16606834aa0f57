#include "hits.h"

#include <algorithm>

namespace lsr {

void keep_best(std::vector<Hit>& hits, size_t k) {
    if (hits.size() > k) {
        std::nth_element(hits.begin(), hits.begin() + ptrdiff_t(k), hits.end(), better);
        hits.resize(k);
    }
    std::sort(hits.begin(), hits.end(), better);
}

}  // namespace lsr
