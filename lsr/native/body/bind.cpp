#include <nanobind/stl/string.h>

#include <stdexcept>
#include <string>

#include "arrays.h"
#include "encoder.h"

namespace lsr {
namespace {

// Parameters by name, as Python passes them; every look-up checks the shape.
class Parameters {
  public:
    explicit Parameters(const nb::dict& arrays) : arrays_(arrays) {}

    bool has(const std::string& name) const { return arrays_.contains(name.c_str()); }

    size_t rows(const std::string& name) const { return matrix(name).shape(0); }

    const float* table(const std::string& name, size_t columns) const {
        const auto array = matrix(name);
        if (array.shape(1) != columns) refuse(name, "(any, " + std::to_string(columns) + ")");
        return array.data();
    }

    const float* vector(const std::string& name, size_t n) const {
        Input<float, 1> array;
        if (!has(name) || !nb::try_cast(arrays_[name.c_str()], array, false) || array.shape(0) != n) {
            refuse(name, "(" + std::to_string(n) + ",)");
        }
        return array.data();
    }

    LinearWeights linear(const std::string& name, size_t n_outputs, size_t n_inputs) const {
        const float* weight = table(name + ".weight", n_inputs);
        if (rows(name + ".weight") != n_outputs) {
            refuse(name + ".weight", "(" + std::to_string(n_outputs) + ", " + std::to_string(n_inputs) + ")");
        }
        return {weight, vector(name + ".bias", n_outputs), n_outputs, n_inputs};
    }

    NormWeights norm(const std::string& name, size_t width) const {
        return {vector(name + ".weight", width), vector(name + ".bias", width)};
    }

  private:
    Input<float, 2> matrix(const std::string& name) const {
        Input<float, 2> array;
        if (!has(name) || !nb::try_cast(arrays_[name.c_str()], array, false)) refuse(name, "two-dimensional");
        return array;
    }

    [[noreturn]] static void refuse(const std::string& name, const std::string& shape) {
        throw std::invalid_argument("parameters must hold '" + name + "' as a C-contiguous float32 array, " +
                                    shape);
    }

    const nb::dict& arrays_;
};

BodyWeights read_weights(const Input<float, 2>& words, const Parameters& parameters, size_t n_heads,
                         float epsilon) {
    const size_t width = words.shape(1);
    BodyWeights weights{.words = words.data(),
                        .n_words = words.shape(0),
                        .positions = parameters.table("positions", width),
                        .n_positions = parameters.rows("positions"),
                        .width = width,
                        .embedding_norm = parameters.norm("embedding_norm", width),
                        .layers = {},
                        .transform = parameters.linear("transform", width, width),
                        .transform_norm = parameters.norm("transform_norm", width),
                        .n_heads = n_heads,
                        .epsilon = epsilon};
    for (size_t at = 0; parameters.has("layers." + std::to_string(at) + ".query.weight"); ++at) {
        const std::string layer = "layers." + std::to_string(at) + ".";
        const size_t inner = parameters.rows(layer + "up.weight");
        weights.layers.push_back(
            {.query = parameters.linear(layer + "query", width, width),
             .key = parameters.linear(layer + "key", width, width),
             .value = parameters.linear(layer + "value", width, width),
             .attention_output = parameters.linear(layer + "attention_output", width, width),
             .attention_norm = parameters.norm(layer + "attention_norm", width),
             .up = parameters.linear(layer + "up", inner, width),
             .down = parameters.linear(layer + "down", width, inner),
             .output_norm = parameters.norm(layer + "output_norm", width)});
    }
    return weights;
}

void check_ids(const Input<int32_t, 1>& ids, const Input<int64_t, 1>& offsets) {
    if (offsets.shape(0) == 0) throw std::invalid_argument("offsets must hold at least one number, 0");
    check_offsets(offsets.data(), offsets.shape(0) - 1, ids.shape(0));
}

SparseRows encode(Encoder& encoder, const Input<int32_t, 1>& ids, const Input<int64_t, 1>& offsets,
                  size_t threads, bool with_positions) {
    check_ids(ids, offsets);
    nb::gil_scoped_release release;
    return encoder.encode(ids.data(), offsets.data(), offsets.shape(0) - 1, threads, with_positions);
}

using Matrix = nb::ndarray<nb::numpy, float, nb::ndim<2>>;

Matrix hidden(const Body& body, const Input<int32_t, 1>& ids, const Input<int64_t, 1>& offsets,
              size_t threads) {
    check_ids(ids, offsets);
    auto* states = new Aligned<float>;
    nb::capsule owner(states, [](void* memory) noexcept { delete static_cast<Aligned<float>*>(memory); });
    {
        nb::gil_scoped_release release;
        body.check_tokens(ids.data(), offsets.data(), offsets.shape(0) - 1);
        states->reserve(ids.shape(0) * body.width());
        hidden_states(body, ids.data(), offsets.data(), offsets.shape(0) - 1, threads, states->data());
    }
    return Matrix(states->data(), {ids.shape(0), body.width()}, owner);
}

}  // namespace

void bind_body(nb::module_& m) {
    nb::class_<Body>(m, "Body", "A BERT-like encoder in float32 that needs no padding.")
        .def(
            "__init__",
            [](Body* self, const Input<float, 2>& words, const nb::dict& parameters, size_t heads,
               float epsilon, const std::string& isa) {
                new (self)
                    Body(read_weights(words, Parameters(parameters), heads, epsilon), isa_from_name(isa));
            },
            nb::arg("words").noconvert(), nb::arg("parameters"), nb::arg("heads"), nb::arg("epsilon"),
            nb::arg("isa") = "", nb::keep_alive<1, 2>(),
            "words: float32 (ids, width), kept by reference. parameters: float32 arrays, copied: positions "
            "(with the token\n"
            "type added), embedding_norm, layers.N.{query, key, value, attention_output, attention_norm, up, "
            "down,\n"
            "output_norm}, transform, transform_norm, each but the first with .weight and .bias. Raises "
            "ValueError,\n"
            "naming the parameter, for one that is missing or of another shape.")
        .def_prop_ro("width", [](const Body& body) { return body.width(); })
        .def_prop_ro("isa", [](const Body& body) { return std::string(isa_name(body.isa())); })
        .def_prop_ro(
            "size_bytes", [](const Body& body) { return body.size_bytes(); },
            "Bytes of the packed parameters, without the word table it refers to.")
        .def("hidden", &hidden, nb::arg("ids").noconvert(), nb::arg("offsets").noconvert(),
             nb::arg("threads") = 1,
             "The head's inputs, float32 (tokens, width). ids: int32 (tokens,); offsets: int64 (documents + "
             "1,).");

    nb::class_<Encoder>(m, "Encoder",
                        "A body and a head: token ids to sparse vectors, safe to call from threads.")
        .def(nb::init<const Body&, const Head&>(), nb::arg("body"), nb::arg("head"), nb::keep_alive<1, 2>(),
             nb::keep_alive<1, 3>())
        .def(
            "encode",
            [](Encoder& encoder, const Input<int32_t, 1>& ids, const Input<int64_t, 1>& offsets,
               size_t threads) { return as_rows(encode(encoder, ids, offsets, threads, false)); },
            nb::arg("ids").noconvert(), nb::arg("offsets").noconvert(), nb::arg("threads") = 1,
            "ids: int32 (tokens,); offsets: int64 (documents + 1,), document d is ids[offsets[d]:offsets[d + "
            "1]]. Returns\n"
            "(indptr int64, terms uint32 ascending in each row, weights float32 > 0).")
        .def(
            "encode_with_positions",
            [](Encoder& encoder, const Input<int32_t, 1>& ids, const Input<int64_t, 1>& offsets,
               size_t threads) { return as_rows_with_positions(encode(encoder, ids, offsets, threads, true)); },
            nb::arg("ids").noconvert(), nb::arg("offsets").noconvert(), nb::arg("threads") = 1,
            "As `encode`, and int32 positions: the token, counted within its document, that gave each term its "
            "weight.");
}

}  // namespace lsr
