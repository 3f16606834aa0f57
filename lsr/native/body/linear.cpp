#include "linear.h"

#include "pack.h"

namespace lsr {

PackedLinear::PackedLinear(const std::vector<LinearWeights>& layers, float first_scale)
    : n_inputs_(layers.front().n_inputs) {
    size_t n_outputs = 0;
    for (const LinearWeights& layer : layers) n_outputs += layer.n_outputs;
    panels_.reserve(n_outputs * n_inputs_);
    float* out = panels_.data();
    float scale = first_scale;
    for (const LinearWeights& layer : layers) {
        const size_t n_values = layer.n_outputs * n_inputs_;
        pack_panels(layer.weight, layer.n_outputs, n_inputs_, n_inputs_, out);
        for (size_t at = 0; at < n_values; ++at) out[at] *= scale;
        for (size_t at = 0; at < layer.n_outputs; ++at) bias_.push_back(layer.bias[at] * scale);
        out += n_values;
        scale = 1.0f;
    }
}

void PackedLinear::apply(const Kernels& kernels, const float* x, size_t n_rows, Epilogue epilogue,
                         const float* addend, float* out, std::vector<const float*>& row_pointers) const {
    kernels.multiply({.rows = point_to_rows(x, n_rows, n_inputs_, row_pointers),
                      .n_rows = n_rows,
                      .depth = n_inputs_,
                      .panels = panels_.data(),
                      .n_panels = n_outputs() / kPanelColumns,
                      .bias = bias_.data(),
                      .epilogue = epilogue,
                      .addend = addend,
                      .out = out,
                      .out_stride = n_outputs()});
}

const float* const* point_to_rows(const float* first, size_t n_rows, size_t stride,
                                  std::vector<const float*>& row_pointers) {
    if (row_pointers.size() < n_rows) row_pointers.resize(n_rows);
    for (size_t row = 0; row < n_rows; ++row) row_pointers[row] = first + row * stride;
    return row_pointers.data();
}

}  // namespace lsr
