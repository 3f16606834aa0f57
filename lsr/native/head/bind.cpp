#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "arrays.h"
#include "head.h"

namespace lsr {
namespace {

void check_hidden(const Head& head, const Input<float, 2>& hidden, const Input<int64_t, 1>& offsets) {
    if (hidden.shape(1) != head.packed().width()) {
        throw std::invalid_argument("hidden states have " + std::to_string(hidden.shape(1)) +
                                    " columns, but the head's width is " +
                                    std::to_string(head.packed().width()));
    }
    if (offsets.shape(0) == 0) throw std::invalid_argument("offsets must hold at least one number, 0");
    check_offsets(offsets.data(), offsets.shape(0) - 1, hidden.shape(0));
}

// (forward, backward, edges)
using GivenBasis = std::tuple<Input<float, 2>, Input<float, 2>, std::vector<size_t>>;

Basis basis_from(const std::optional<GivenBasis>& given, size_t width) {
    if (!given) return Basis(width);
    const auto& [forward, backward, edges] = *given;
    for (const Input<float, 2>& matrix : {forward, backward}) {
        if (matrix.shape(0) != width || matrix.shape(1) != width) {
            throw std::invalid_argument("the basis's matrices must be " + std::to_string(width) + " x " +
                                        std::to_string(width) + ", as wide as the embedding");
        }
    }
    return Basis(width, {.forward = forward.data(), .backward = backward.data(), .edges = edges});
}

SparseRows encode(Head& head, const Input<float, 2>& hidden, const Input<int64_t, 1>& offsets, size_t threads,
                  bool with_positions) {
    check_hidden(head, hidden, offsets);
    nb::gil_scoped_release release;
    return head.encode(hidden.data(), offsets.data(), offsets.shape(0) - 1, threads, with_positions);
}

}  // namespace

void bind_head(nb::module_& m) {
    nb::class_<Head>(m, "Head",
                     "A masked-LM head packed for exact encoding: max over tokens, then log(1 + relu).")
        .def(
            "__init__",
            [](Head* self, const Input<float, 2>& embedding, const Input<float, 1>& bias,
               std::optional<Input<float, 1>> center, const std::string& isa,
               const std::optional<GivenBasis>& basis) {
                if (bias.shape(0) != embedding.shape(0)) {
                    throw std::invalid_argument("the embedding has " + std::to_string(embedding.shape(0)) +
                                                " terms, but the bias " + std::to_string(bias.shape(0)));
                }
                if (center && center->shape(0) != embedding.shape(1)) {
                    throw std::invalid_argument("the embedding has " + std::to_string(embedding.shape(1)) +
                                                " columns, but the center " + std::to_string(center->shape(0)));
                }
                new (self)
                    Head(embedding.data(), embedding.shape(0), bias.data(), center ? center->data() : nullptr,
                         basis_from(basis, embedding.shape(1)), isa_from_name(isa));
            },
            nb::arg("embedding").noconvert(), nb::arg("bias").noconvert(),
            nb::arg("center").noconvert() = nb::none(), nb::arg("isa") = "",
            nb::arg("basis").noconvert() = nb::none(), nb::keep_alive<1, 2>(),
            "embedding: float32 (terms, width), kept by reference; bias: float32 (terms,); center: float32 "
            "(width,), the\n"
            "mean hidden state, which makes the filter sharper and changes no result; basis: (forward, "
            "backward, "
            "edges),\n"
            "coordinates in which the filter has less to multiply (head/basis.h), which change none either. "
            "Raises\n"
            "ValueError on a value that is not finite or above 1e12.")
        .def_prop_ro("n_terms", [](const Head& head) { return head.packed().n_terms(); })
        .def_prop_ro("width", [](const Head& head) { return head.packed().width(); })
        .def_prop_ro("isa", [](const Head& head) { return std::string(isa_name(head.isa())); })
        .def_prop_ro(
            "size_bytes", [](const Head& head) { return head.packed().size_bytes(); },
            "Bytes of the packed table, without the embedding it refers to.")
        .def(
            "encode",
            [](Head& head, const Input<float, 2>& hidden, const Input<int64_t, 1>& offsets, size_t threads) {
                return as_rows(encode(head, hidden, offsets, threads, false));
            },
            nb::arg("hidden").noconvert(), nb::arg("offsets").noconvert(), nb::arg("threads") = 1,
            "hidden: float32 (tokens, width); offsets: int64 (documents + 1,), document d's tokens are rows "
            "offsets[d] to\n"
            "offsets[d + 1]. Returns (indptr int64, terms uint32 ascending in each row, weights float32 > 0).")
        .def(
            "encode_with_positions",
            [](Head& head, const Input<float, 2>& hidden, const Input<int64_t, 1>& offsets, size_t threads) {
                return as_rows_with_positions(encode(head, hidden, offsets, threads, true));
            },
            nb::arg("hidden").noconvert(), nb::arg("offsets").noconvert(), nb::arg("threads") = 1,
            "As `encode`, and int32 positions: the token, counted within its document, that gave each term its "
            "weight.")
        .def(
            "candidates",
            [](Head& head, const Input<float, 2>& hidden, const Input<int64_t, 1>& offsets) {
                check_hidden(head, hidden, offsets);
                SparseRows rows;
                {
                    nb::gil_scoped_release release;
                    rows = head.candidates(hidden.data(), offsets.data(), offsets.shape(0) - 1);
                }
                rows.ends.insert(rows.ends.begin(), 0);
                return nb::typed<nb::tuple, Output<int64_t>, Output<uint32_t>>(
                    nb::make_tuple(as_array(std::move(rows.ends)), as_array(std::move(rows.terms))));
            },
            nb::arg("hidden").noconvert(), nb::arg("offsets").noconvert(),
            "(indptr, terms) that pass the filter: a superset of every row that `encode` returns, for tests.");
}

}  // namespace lsr
