// Whether a field's inverted lists are those of its vectors: what they hold, in whatever form they hold it, so
// that a release which chooses other forms finds those of an older one right.
#pragma once

#include <map>
#include <string>

#include "segment.h"

namespace lsr {

// By name of the array ("terms", "maxima", "runs", "sparse", "dense", "blocks"), the first thing that is wrong
// in it; empty: nothing is. The vectors must be sound: terms that do not ascend are found missing. Throws
// Corrupt on weights that are none.
std::map<std::string, std::string> check_lists(const Field& field, int threads);

}  // namespace lsr
