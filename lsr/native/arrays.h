// What the bindings share: the types of arrays taken, and vectors given away as NumPy arrays.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <utility>
#include <vector>

#include "encode.h"

namespace lsr {

namespace nb = nanobind;

template <class T, size_t kDimensions>
using Input = nb::ndarray<const T, nb::ndim<kDimensions>, nb::c_contig, nb::device::cpu>;
template <class T>
using Output = nb::ndarray<nb::numpy, T, nb::ndim<1>>;

// The vector's memory itself, owned by the array.
template <class T>
Output<T> as_array(std::vector<T>&& values) {
    auto* owned = new std::vector<T>(std::move(values));
    nb::capsule owner(owned, [](void* memory) noexcept { delete static_cast<std::vector<T>*>(memory); });
    return Output<T>(owned->data(), {owned->size()}, owner);
}

// (indptr, terms, weights)
using Rows = nb::typed<nb::tuple, Output<int64_t>, Output<uint32_t>, Output<float>>;
// (indptr, terms, weights, positions)
using RowsWithPositions =
    nb::typed<nb::tuple, Output<int64_t>, Output<uint32_t>, Output<float>, Output<int32_t>>;

inline Rows as_rows(SparseRows&& rows) {
    rows.ends.insert(rows.ends.begin(), 0);
    return Rows(nb::make_tuple(as_array(std::move(rows.ends)), as_array(std::move(rows.terms)),
                               as_array(std::move(rows.weights))));
}

inline RowsWithPositions as_rows_with_positions(SparseRows&& rows) {
    rows.ends.insert(rows.ends.begin(), 0);
    return RowsWithPositions(nb::make_tuple(as_array(std::move(rows.ends)), as_array(std::move(rows.terms)),
                                            as_array(std::move(rows.weights)),
                                            as_array(std::move(rows.positions))));
}

void bind_head(nb::module_& m);
void bind_body(nb::module_& m);  // after bind_head

}  // namespace lsr
