// A BERT-like encoder without padding: the tokens of many documents lie end to end, every linear layer runs
// over all of them at once, and only attention looks at where documents begin and end. So there is no mask to
// get wrong, no padded work, and a document's result does not depend on its neighbours.
//
// Follows BERT (https://arxiv.org/abs/1810.04805) as transformers' BertForMaskedLM computes it: embeddings,
// layer norm; in each layer attention, add & norm, gelu feed-forward, add & norm; then the masked-LM transform
// (dense, gelu, norm), whose output is the head's input. DistilBERT and RoBERTa differ in names and first
// position only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "aligned.h"
#include "linear.h"

namespace lsr {

struct NormWeights {
    const float* weight;
    const float* bias;
};

struct LayerWeights {
    LinearWeights query, key, value, attention_output;
    NormWeights attention_norm;
    LinearWeights up, down;
    NormWeights output_norm;
};

struct BodyWeights {
    const float* words;  // [n_words][width], kept by reference
    size_t n_words;
    const float* positions;  // [n_positions][width], the token type's row already added
    size_t n_positions;
    size_t width;
    NormWeights embedding_norm;
    std::vector<LayerWeights> layers;
    LinearWeights transform;
    NormWeights transform_norm;
    size_t n_heads;
    float epsilon;
};

// What one thread needs beside the body. Grows to the largest batch seen and stays.
struct BodyWorkspace {
    Aligned<float> hidden;  // [n_tokens][width]: the head's input, of the whole batch
    // Of the documents that go through the layers together:
    Aligned<float> states;     // [n_tokens][width]: each step's input
    Aligned<float> fused;      // queries, keys and values side by side
    Aligned<float> context;    // attention's output
    Aligned<float> inner;      // feed-forward, between its two layers
    Aligned<float> attention;  // scratch of one head over one document
    std::vector<const float*> row_pointers;
};

class Body {
  public:
    // Copies everything but the word table. Width, head size and feed-forward size must be multiples of 16:
    // throws std::invalid_argument otherwise.
    Body(const BodyWeights& weights, Isa isa);

    size_t width() const { return width_; }
    size_t n_words() const { return n_words_; }
    size_t n_positions() const { return n_positions_; }
    Isa isa() const { return isa_; }
    size_t size_bytes() const;

    // Head inputs of all tokens, [n_tokens][width], in workspace.hidden. ids: those of documents offsets[0] to
    // offsets[n_documents], absolute positions into `ids`. Checked by `check_tokens` before.
    void run(const int32_t* ids, const int64_t* offsets, size_t n_documents, BodyWorkspace& workspace) const;

    // Throws std::invalid_argument, naming the document, for an id outside the table or a document too long.
    void check_tokens(const int32_t* ids, const int64_t* offsets, size_t n_documents) const;

  private:
    struct Norm {
        std::vector<float> weight, bias;
    };
    struct Layer {
        PackedLinear fused, attention_output;
        Norm attention_norm;
        PackedLinear up, down;
        Norm output_norm;
    };

    void run_group(const int32_t* ids, const int64_t* offsets, size_t n_documents, BodyWorkspace& workspace,
                   float* hidden) const;
    void reserve(size_t n_tokens, size_t longest, BodyWorkspace& workspace) const;
    void embed(const int32_t* ids, const int64_t* offsets, size_t n_documents, float* states) const;
    void run_layer(const Layer& layer, const int64_t* offsets, size_t n_documents,
                   BodyWorkspace& workspace) const;
    void attend(size_t first, size_t n_tokens, BodyWorkspace& workspace) const;
    void normalize(const Norm& norm, size_t n_tokens, float* states) const;

    const float* words_;
    size_t n_words_, n_positions_, width_, n_heads_;
    float epsilon_;
    Isa isa_;
    Kernels kernels_;
    std::vector<float> positions_;
    Norm embedding_norm_;
    std::vector<Layer> layers_;
    PackedLinear transform_;
    Norm transform_norm_;
};

}  // namespace lsr
