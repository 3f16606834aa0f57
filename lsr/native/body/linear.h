// A linear layer packed for the product kernel: y = x W^T + b.
#pragma once

#include <cstddef>
#include <vector>

#include "aligned.h"
#include "dispatch.h"

namespace lsr {

// A layer's parameters as the checkpoint has them: weight (outputs, inputs) row-major, bias (outputs).
struct LinearWeights {
    const float* weight;
    const float* bias;
    size_t n_outputs;
    size_t n_inputs;
};

class PackedLinear {
  public:
    PackedLinear() = default;
    // Several layers over one input become one product, with their outputs side by side. n_outputs must be
    // multiples of 16. `first_scale` multiplies the first layer (queries / sqrt(head size)).
    explicit PackedLinear(const std::vector<LinearWeights>& layers, float first_scale = 1.0f);

    size_t n_outputs() const { return bias_.size(); }

    // out: [n_rows][n_outputs], rows out_stride apart; x: [n_rows][n_inputs]. `addend` as in Product.
    void apply(const Kernels& kernels, const float* x, size_t n_rows, Epilogue epilogue, const float* addend,
               float* out, std::vector<const float*>& row_pointers) const;

    size_t size_bytes() const { return 4 * (panels_.capacity() + bias_.size()); }

  private:
    size_t n_inputs_ = 0;
    Aligned<float> panels_;
    std::vector<float> bias_;
};

// Pointers to n_rows rows, `stride` apart.
const float* const* point_to_rows(const float* first, size_t n_rows, size_t stride,
                                  std::vector<const float*>& row_pointers);

}  // namespace lsr
