// bounds[g] = the largest of acc[i] + blocks[i / 8] over the 64 entries i of group g, for n_groups groups.
//
// allowed: one bit an entry, 0 leaves it out (a group without entries has the bound 0); null: all count. Sums
// are the caller's to keep below 65,536.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lsr {

using BoundGroups = void (*)(const uint16_t* acc, const uint16_t* blocks, size_t n_groups,
                             const uint64_t* allowed, uint16_t* bounds);

void bound_groups_scalar(const uint16_t* acc, const uint16_t* blocks, size_t n_groups, const uint64_t* allowed,
                         uint16_t* bounds);
void bound_groups_avx2(const uint16_t* acc, const uint16_t* blocks, size_t n_groups, const uint64_t* allowed,
                       uint16_t* bounds);
void bound_groups_avx512(const uint16_t* acc, const uint16_t* blocks, size_t n_groups, const uint64_t* allowed,
                         uint16_t* bounds);

}  // namespace lsr
