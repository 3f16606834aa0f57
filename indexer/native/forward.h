// The forward index of one field of one segment: each document's terms and weights, the exact copy of the
// vectors.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include "errors.h"

namespace lsr {

enum class Storage : uint8_t { float32, float16, uint8 };

// IEEE binary16 to binary32; exact, subnormals included.
inline float half_to_float(uint16_t half) {
    const uint32_t sign = uint32_t(half & 0x8000u) << 16;
    const uint32_t exponent = (half >> 10) & 31u;
    const uint32_t fraction = half & 1023u;
    if (exponent == 0) {
        const float magnitude = float(fraction) * 0x1p-24f;
        return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
    }
    const uint32_t wide = exponent == 31 ? 255u : exponent + 112u;
    return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

struct Row {
    size_t begin = 0;
    size_t end = 0;
};

// Arrays as they are mapped: nothing in them is trusted but their lengths.
struct Forward {
    const int64_t* indptr = nullptr;  // n_documents + 1 values
    const uint16_t* terms16 = nullptr;
    const uint32_t* terms32 = nullptr;  // exactly one of the two is set
    const void* weights = nullptr;
    Storage storage = Storage::float32;
    float scale = 1.0f;  // uint8: weight = float32(code * scale)
    size_t n_documents = 0;
    size_t nnz = 0;

    uint32_t term(size_t at) const { return terms16 ? terms16[at] : terms32[at]; }

    // The weight as stored: a float32 value, whatever it is kept in.
    float weight(size_t at) const {
        switch (storage) {
            case Storage::float16: return half_to_float(static_cast<const uint16_t*>(weights)[at]);
            case Storage::uint8: return float(static_cast<const uint8_t*>(weights)[at]) * scale;
            default: return static_cast<const float*>(weights)[at];
        }
    }

    // Where document `at` lies. Throws Corrupt rather than leave the arrays.
    Row row(size_t at) const {
        if (at >= n_documents) [[unlikely]]
            refuse_document(at);
        const int64_t begin = indptr[at], end = indptr[at + 1];
        if (begin < 0 || end < begin || uint64_t(end) > nnz) [[unlikely]]
            refuse_row(at);
        return {size_t(begin), size_t(end)};
    }

  private:
    // Out of line: with their texts inlined, `row` would not be.
    [[noreturn, gnu::noinline]] void refuse_document(size_t at) const {
        throw Corrupt("a list names document " + std::to_string(at) + ", but there are " +
                      std::to_string(n_documents));
    }
    [[noreturn, gnu::noinline]] void refuse_row(size_t at) const {
        throw Corrupt("the vector of document " + std::to_string(at) + " lies at [" +
                      std::to_string(indptr[at]) + ", " + std::to_string(indptr[at + 1]) + ") of " +
                      std::to_string(nnz) + " non-zeros");
    }
};

}  // namespace lsr
