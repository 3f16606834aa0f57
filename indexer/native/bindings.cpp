// Arrays in, arrays out: no logic lives here.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "array_view.h"
#include "build_lists.h"
#include "check_lists.h"
#include "cpu.h"
#include "errors.h"
#include "parallel.h"
#include "reorder.h"
#include "searcher.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <class T>
using Array = lsr::ArrayView<T>;

template <class T>
using NumpyArray = nb::ndarray<nb::numpy, T, nb::ndim<1>>;

// A numpy array of `size` values of type Value that owns `buffer`.
template <class Value, class T>
nb::object to_numpy(lsr::Buffer<T> buffer, size_t size) {
    auto* owned = new lsr::Buffer<T>(std::move(buffer));
    nb::capsule owner(owned, [](void* data) noexcept { delete static_cast<lsr::Buffer<T>*>(data); });
    return nb::cast(NumpyArray<Value>(reinterpret_cast<Value*>(owned->get()), {size}, owner));
}

template <class T>
std::string type_name() {
    constexpr nb::dlpack::dtype type = nb::dtype<T>();
    const char* kind = type.code == uint8_t(nb::dlpack::dtype_code::Float) ? "float"
                       : type.code == uint8_t(nb::dlpack::dtype_code::Int) ? "int"
                                                                           : "uint";
    return kind + std::to_string(type.bits);
}

// A new numpy array, not filled. Called for every search: numpy.empty takes a fraction of what a cast takes.
template <class T>
nb::object new_numpy(size_t size, T*& data) {
    static PyObject *empty = nullptr, *dtype = nullptr;  // set with the GIL held, never released
    if (dtype == nullptr) {
        const nb::module_ numpy = nb::module_::import_("numpy");
        empty = nb::object(numpy.attr("empty")).release().ptr();
        dtype = nb::object(numpy.attr("dtype")(type_name<T>())).release().ptr();
    }
    nb::object array = nb::handle(empty)(size, nb::handle(dtype));
    Py_buffer view;
    if (PyObject_GetBuffer(array.ptr(), &view, PyBUF_WRITABLE) != 0) throw nb::python_error();
    data = static_cast<T*>(view.buf);
    PyBuffer_Release(&view);
    return array;
}

// Arrays that native objects point into: kept alive with them.
using Owners = std::vector<nb::object>;

template <class T>
const T* borrow(nb::handle source, const char* name, size_t& size, Owners& owners) {
    Array<T> array;
    if (!nb::try_cast(source, array, false)) {
        throw lsr::InvalidArgument(std::string(name) + " must be a contiguous one-dimensional array of " +
                                   type_name<T>());
    }
    size = array.size();
    owners.push_back(nb::borrow(source));
    return array.data();
}

std::string dtype_name(nb::handle array) {
    return nb::cast<std::string>(nb::str(nb::handle(array.attr("dtype"))));
}

lsr::Forward forward_from(nb::handle indptr, nb::handle terms, nb::handle weights, float scale,
                          Owners& owners) {
    lsr::Forward forward;
    size_t n_starts = 0, n_terms = 0, n_weights = 0;
    forward.indptr = borrow<int64_t>(indptr, "indptr", n_starts, owners);
    if (n_starts == 0)
        throw lsr::InvalidArgument("indptr is empty; it must have one entry more than there are documents");
    if (dtype_name(terms) == "uint16") {
        forward.terms16 = borrow<uint16_t>(terms, "terms", n_terms, owners);
    } else {
        forward.terms32 = borrow<uint32_t>(terms, "terms", n_terms, owners);
    }
    const std::string kept_in = dtype_name(weights);
    if (kept_in == "uint8") {
        forward.storage = lsr::Storage::uint8;
        forward.weights = borrow<uint8_t>(weights, "weights", n_weights, owners);
    } else if (kept_in == "float16") {
        forward.storage = lsr::Storage::float16;
        forward.weights = borrow<uint16_t>(weights.attr("view")("uint16"), "weights", n_weights, owners);
    } else {
        forward.weights = borrow<float>(weights, "weights", n_weights, owners);
    }
    if (n_terms != n_weights) throw lsr::Corrupt("terms and weights differ in length");
    forward.scale = scale;
    forward.n_documents = n_starts - 1;
    forward.nnz = n_terms;
    return forward;
}

nb::object in_lists(nb::handle lists, const char* name) {
    const nb::dict arrays = nb::cast<nb::dict>(lists);
    if (!arrays.contains(name)) throw lsr::Corrupt("the lists lack the array '" + std::string(name) + "'");
    return arrays[name];
}

lsr::Lists lists_from(nb::handle source, size_t n_documents, Owners& owners) {
    lsr::Lists lists;
    size_t n_facts = 0, n_maxima = 0, n_starts = 0, n_run_values = 0, n_block_rows = 0;
    const int64_t* facts = borrow<int64_t>(in_lists(source, "layout"), "layout", n_facts, owners);
    if (n_facts != 2 || facts[0] != lsr::kListsLayout || facts[1] != int64_t(n_documents)) {
        throw lsr::Corrupt("the lists were built with another layout or for another number of documents");
    }
    lists.terms = borrow<uint32_t>(in_lists(source, "terms"), "terms", lists.n_terms, owners);
    lists.maxima = borrow<float>(in_lists(source, "maxima"), "maxima", n_maxima, owners);
    lists.run_starts = borrow<uint32_t>(in_lists(source, "run_starts"), "run_starts", n_starts, owners);
    const uint32_t* runs = borrow<uint32_t>(in_lists(source, "runs"), "runs", n_run_values, owners);
    lists.runs = reinterpret_cast<const lsr::Run*>(runs);
    lists.n_runs = n_run_values / lsr::kRunValues;
    lists.sparse = borrow<uint8_t>(in_lists(source, "sparse"), "sparse", lists.sparse_bytes, owners);
    lists.dense = borrow<uint8_t>(in_lists(source, "dense"), "dense", lists.dense_bytes, owners);
    lists.block_rows = borrow<uint32_t>(in_lists(source, "block_rows"), "block_rows", n_block_rows, owners);
    lists.blocks = borrow<uint8_t>(in_lists(source, "blocks"), "blocks", lists.blocks_bytes, owners);
    lists.block_row_bytes = lsr::block_row_size_bytes(n_documents);
    if (n_maxima != lists.n_terms || n_block_rows != lists.n_terms || n_starts != lists.n_terms + 1) {
        throw lsr::Corrupt("the directory's arrays differ in length");
    }
    return lists;
}

// Segment and Searcher with the Python objects whose memory they point into.
struct SegmentView {
    Owners owners;
    lsr::Segment segment;

    SegmentView(size_t n_documents, nb::sequence fields) {
        segment.n_documents = n_documents;
        for (nb::handle field : fields) {
            const lsr::Forward forward =
                forward_from(field.attr("indptr"), field.attr("terms"), field.attr("weights"),
                             nb::cast<float>(field.attr("scale")), owners);
            if (forward.n_documents != n_documents) {
                throw lsr::Corrupt("a field has vectors of " + std::to_string(forward.n_documents) +
                                   " documents, the segment " + std::to_string(n_documents));
            }
            segment.fields.emplace_back(forward, lists_from(field.attr("lists"), n_documents, owners));
        }
    }
};

const uint64_t* borrow_bitmap(nb::handle bitmap, const char* name, const SegmentView& view, Owners& owners) {
    if (bitmap.is_none()) return nullptr;
    size_t n_words = 0;
    const uint64_t* words = borrow<uint64_t>(bitmap, name, n_words, owners);
    if (n_words < (view.segment.n_documents + 63) / 64) {
        throw lsr::InvalidArgument(std::string(name) + ": a bitmap of " + std::to_string(n_words) +
                                   " words is too short for " + std::to_string(view.segment.n_documents) +
                                   " documents");
    }
    return words;
}

std::vector<const uint64_t*> borrow_bitmaps(nb::handle bitmaps, const char* name,
                                            const std::vector<const SegmentView*>& views, Owners& owners) {
    if (nb::len(bitmaps) != views.size()) {
        throw lsr::InvalidArgument(std::string(name) + ": " + std::to_string(nb::len(bitmaps)) +
                                   " bitmaps for " + std::to_string(views.size()) + " segments");
    }
    std::vector<const uint64_t*> result;
    for (nb::handle bitmap : bitmaps)
        result.push_back(borrow_bitmap(bitmap, name, *views[result.size()], owners));
    return result;
}

struct SearcherView {
    Owners owners;
    std::vector<const SegmentView*> views;
    std::unique_ptr<lsr::Searcher> searcher;

    SearcherView(nb::sequence segments, nb::object live, const std::string& isa) {
        std::vector<const lsr::Segment*> pointers;
        for (nb::handle segment : segments) {
            owners.push_back(nb::borrow(segment));
            views.push_back(nb::cast<const SegmentView*>(segment));
            pointers.push_back(&views.back()->segment);
        }
        std::vector<const uint64_t*> bitmaps(views.size(), nullptr);
        if (!live.is_none()) bitmaps = borrow_bitmaps(live, "live", views, owners);
        searcher = std::make_unique<lsr::Searcher>(pointers, bitmaps, lsr::isa_from_name(isa));
    }
};

lsr::Query query_from(const Array<uint32_t>& fields, const Array<uint32_t>& terms,
                      const Array<float>& weights) {
    if (fields.size() != terms.size() || weights.size() != terms.size()) {
        throw lsr::InvalidArgument("the query's fields, terms and weights differ in length");
    }
    return {fields.data(), terms.data(), weights.data(), terms.size()};
}

size_t checked_k(int64_t k) {
    if (k < 1) throw lsr::InvalidArgument("k must be at least 1, not " + std::to_string(k));
    return size_t(k);
}

nb::tuple to_tuple(const std::vector<lsr::Hit>& hits) {
    int64_t* rows;
    double* scores;
    nb::object row_array = new_numpy(hits.size(), rows), score_array = new_numpy(hits.size(), scores);
    for (size_t at = 0; at < hits.size(); ++at) {
        rows[at] = hits[at].row;
        scores[at] = hits[at].score();
    }
    return nb::make_tuple(row_array, score_array);
}

lsr::SearchOptions options_from(const SearcherView& view, int64_t k, int threads, nb::handle filter,
                                nb::handle approximation, Owners& owners) {
    lsr::SearchOptions options;
    if (!approximation.is_none()) {
        options.approximation = {nb::cast<double>(approximation.attr("keep")),
                                 nb::cast<double>(approximation.attr("gamma"))};
    }
    options.k = checked_k(k);
    options.threads = std::max(threads, 1);
    if (!filter.is_none()) options.filters = borrow_bitmaps(filter, "filter", view.views, owners);
    return options;
}

nb::tuple search(const SearcherView& view, const Array<uint32_t>& fields, const Array<uint32_t>& terms,
                 const Array<float>& weights, int64_t k, nb::object filter, int threads,
                 nb::object approximation) {
    Owners owners;
    const lsr::Query query = query_from(fields, terms, weights);
    const lsr::SearchOptions options = options_from(view, k, threads, filter, approximation, owners);
    std::vector<lsr::Hit> hits;
    {
        nb::gil_scoped_release unlocked;
        hits = view.searcher->search(query, options);
    }
    return to_tuple(hits);
}

nb::tuple reference(const SearcherView& view, const Array<uint32_t>& fields, const Array<uint32_t>& terms,
                    const Array<float>& weights, int64_t k, nb::object filter) {
    Owners owners;
    const lsr::Query query = query_from(fields, terms, weights);
    const lsr::SearchOptions options = options_from(view, k, 1, filter, nb::none(), owners);
    std::vector<lsr::Hit> hits;
    {
        nb::gil_scoped_release unlocked;
        hits = view.searcher->reference(query, options);
    }
    return to_tuple(hits);
}

nb::object scores(const SearcherView& view, const Array<int64_t>& rows, const Array<uint32_t>& fields,
                  const Array<uint32_t>& terms, const Array<float>& weights) {
    const lsr::Query query = query_from(fields, terms, weights);
    double* values;
    nb::object result = new_numpy(rows.size(), values);
    nb::gil_scoped_release unlocked;
    view.searcher->scores(query, rows.data(), rows.size(), values);
    return result;
}

lsr::Query row_of(const Array<int64_t>& indptr, const lsr::Query& all, size_t at) {
    const int64_t begin = indptr.data()[at], end = indptr.data()[at + 1];
    if (begin < 0 || end < begin || size_t(end) > all.size) {
        throw lsr::InvalidArgument("query_indptr: row " + std::to_string(at) +
                                   " lies outside the query's terms");
    }
    return {all.fields + begin, all.terms + begin, all.weights + begin, size_t(end - begin)};
}

nb::tuple search_batch(const SearcherView& view, const Array<int64_t>& query_indptr,
                       const Array<uint32_t>& fields, const Array<uint32_t>& terms, const Array<float>& weights,
                       int64_t k, nb::object filter, int threads, nb::object approximation) {
    Owners owners;
    const lsr::Query all = query_from(fields, terms, weights);
    const lsr::SearchOptions options = options_from(view, k, 1, filter, approximation, owners);
    if (query_indptr.size() == 0) throw lsr::InvalidArgument("query_indptr is empty");
    const size_t n_queries = query_indptr.size() - 1;
    std::vector<std::vector<lsr::Hit>> results(n_queries);
    {
        nb::gil_scoped_release unlocked;
        lsr::parallel_for(n_queries, threads, [&](size_t, size_t at) {
            results[at] = view.searcher->search(row_of(query_indptr, all, at), options);
        });
    }
    int64_t* starts;
    int64_t* rows;
    double* values;
    nb::object start_array = new_numpy(n_queries + 1, starts);
    starts[0] = 0;
    for (size_t at = 0; at < n_queries; ++at) starts[at + 1] = starts[at] + int64_t(results[at].size());
    nb::object row_array = new_numpy(size_t(starts[n_queries]), rows);
    nb::object score_array = new_numpy(size_t(starts[n_queries]), values);
    for (const auto& hits : results) {
        for (const lsr::Hit& hit : hits) {
            *rows++ = hit.row;
            *values++ = hit.score();
        }
    }
    return nb::make_tuple(start_array, row_array, score_array);
}

nb::dict build_lists(nb::handle indptr, nb::handle terms, nb::handle weights, uint64_t n_terms, int threads,
                     float scale) {
    if (n_terms > 0xffffffffu)
        throw lsr::InvalidArgument("n_terms must be below 2^32, not " + std::to_string(n_terms));
    Owners owners;
    const lsr::Forward forward = forward_from(indptr, terms, weights, scale, owners);
    lsr::BuiltLists built;
    {
        nb::gil_scoped_release unlocked;
        built = lsr::build_lists(forward, n_terms, threads);
    }
    int64_t* layout;
    nb::dict arrays;
    arrays["layout"] = new_numpy(2, layout);
    layout[0] = lsr::kListsLayout;
    layout[1] = int64_t(forward.n_documents);
    arrays["terms"] = to_numpy<uint32_t>(std::move(built.terms), built.n_terms);
    arrays["maxima"] = to_numpy<float>(std::move(built.maxima), built.n_terms);
    arrays["run_starts"] = to_numpy<uint32_t>(std::move(built.run_starts), built.n_terms + 1);
    arrays["runs"] = to_numpy<uint32_t>(std::move(built.runs), built.n_runs * lsr::kRunValues);
    arrays["sparse"] = to_numpy<uint8_t>(std::move(built.sparse), built.sparse_bytes);
    arrays["dense"] = to_numpy<uint8_t>(std::move(built.dense), built.dense_bytes);
    arrays["block_rows"] = to_numpy<uint32_t>(std::move(built.block_rows), built.n_terms);
    arrays["blocks"] = to_numpy<uint8_t>(std::move(built.blocks), built.blocks_bytes);
    return arrays;
}

nb::dict check_lists(nb::handle indptr, nb::handle terms, nb::handle weights, nb::handle lists, int threads,
                     float scale) {
    Owners owners;
    const lsr::Forward forward = forward_from(indptr, terms, weights, scale, owners);
    const lsr::Field field(forward, lists_from(lists, forward.n_documents, owners));
    std::map<std::string, std::string> faults;
    {
        nb::gil_scoped_release unlocked;
        faults = lsr::check_lists(field, threads);
    }
    nb::dict found;
    for (const auto& [array, what] : faults) found[array.c_str()] = what;
    return found;
}

nb::object heaviest_terms(nb::handle indptr, nb::handle terms, nb::handle weights, float scale) {
    Owners owners;
    const lsr::Forward forward = forward_from(indptr, terms, weights, scale, owners);
    uint32_t* heaviest;
    nb::object result = new_numpy(forward.n_documents * lsr::kHeaviest, heaviest);
    nb::gil_scoped_release unlocked;
    lsr::heaviest_terms(forward, heaviest);
    return result;
}

nb::object bisected_order(const nb::ndarray<uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>& heaviest,
                          int threads) {
    if (heaviest.size() % lsr::kHeaviest != 0) {
        throw lsr::InvalidArgument("heaviest must hold " + std::to_string(lsr::kHeaviest) +
                                   " terms a document, so not " + std::to_string(heaviest.size()) + " in all");
    }
    std::vector<uint32_t> order;
    {
        nb::gil_scoped_release unlocked;
        order = lsr::bisected_order(heaviest.data(), heaviest.size() / lsr::kHeaviest, std::max(threads, 1));
    }
    uint32_t* documents;
    nb::object result = new_numpy(order.size(), documents);
    std::copy(order.begin(), order.end(), documents);
    return result;
}

// Each C++ exception becomes the class of lsr/errors.py that says who must act.
void register_errors() {
    static nb::handle invalid, corrupt;  // never released: the interpreter is gone before statics are
    const nb::module_ errors = nb::module_::import_("lsr.errors");
    invalid = nb::object(errors.attr("InvalidArgumentError")).release();
    corrupt = nb::object(errors.attr("IndexCorruptError")).release();
    nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
        try {
            std::rethrow_exception(thrown);
        } catch (const lsr::InvalidArgument& error) {
            PyErr_SetString(invalid.ptr(), error.what());
        } catch (const lsr::Corrupt& error) {
            PyErr_SetString(corrupt.ptr(), error.what());
        }
    });
}

}  // namespace

NB_MODULE(_native, m) {
    register_errors();
    m.def(
        "active_isa", [] { return std::string(lsr::isa_name(lsr::active_isa())); },
        "The instruction set in use: 'scalar', 'avx2' or 'avx512'.");
    m.def(
        "supported_isa", [] { return std::string(lsr::isa_name(lsr::supported_isa())); },
        "The best instruction set of this processor.");
    m.def("build_lists", &build_lists, "indptr"_a, "terms"_a, "weights"_a, nb::kw_only(), "n_terms"_a,
          "threads"_a = 1, "scale"_a = 1.0f);
    m.def("check_lists", &check_lists, "indptr"_a, "terms"_a, "weights"_a, "lists"_a, nb::kw_only(),
          "threads"_a = 1, "scale"_a = 1.0f);
    m.attr("HEAVIEST") = lsr::kHeaviest;
    m.def("heaviest_terms", &heaviest_terms, "indptr"_a, "terms"_a, "weights"_a, nb::kw_only(),
          "scale"_a = 1.0f);
    m.def("bisected_order", &bisected_order, "heaviest"_a.noconvert(), nb::kw_only(), "threads"_a = 1);
    nb::class_<SegmentView>(m, "SegmentView")
        .def(nb::init<size_t, nb::sequence>(), "n_documents"_a, "fields"_a)
        .def_prop_ro("n_documents", [](const SegmentView& view) { return view.segment.n_documents; });
    nb::class_<SearcherView>(m, "Searcher")
        .def(nb::init<nb::sequence, nb::object, const std::string&>(), "segments"_a, "live"_a = nb::none(),
             nb::kw_only(), "isa"_a = "")
        .def_prop_ro("n_documents", [](const SearcherView& view) { return view.searcher->n_documents(); })
        .def_prop_ro("isa",
                     [](const SearcherView& view) { return std::string(lsr::isa_name(view.searcher->isa())); })
        .def("search", &search, "fields"_a.noconvert(), "terms"_a.noconvert(), "weights"_a.noconvert(), "k"_a,
             nb::kw_only(), "filter"_a = nb::none(), "threads"_a = 1, "approximation"_a = nb::none())
        .def("search_batch", &search_batch, "query_indptr"_a.noconvert(), "fields"_a.noconvert(),
             "terms"_a.noconvert(), "weights"_a.noconvert(), "k"_a, nb::kw_only(), "filter"_a = nb::none(),
             "threads"_a = 1, "approximation"_a = nb::none())
        .def("reference", &reference, "fields"_a.noconvert(), "terms"_a.noconvert(), "weights"_a.noconvert(),
             "k"_a, nb::kw_only(), "filter"_a = nb::none())
        .def("scores", &scores, "rows"_a.noconvert(), "fields"_a.noconvert(), "terms"_a.noconvert(),
             "weights"_a.noconvert());
}
