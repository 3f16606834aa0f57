"""The native encoder: BERT-like masked language models, max-pooled, computed by ``lsr._native`` on the CPU.

It is taken wherever it computes the same vectors (``lsr.encoders.choosing``), and torch's tiled float32 path
elsewhere. Which one runs is what ``EncoderInfo.kernel`` says. Nothing here imports torch.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from lsr import _native
from lsr.encoders.basis import SAMPLE_PER_COLUMN, HeadArrays, find_basis
from lsr.encoders.batching import BatchCost
from lsr.vectors import SparseVectors, UInt32Array

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from lsr.encoders.backbones import LanguageModel
    from lsr.encoders.composition import ActivationName, PoolingName
    from lsr.encoders.tokens import Tokens

logger = logging.getLogger(__name__)

Parameters = dict[str, npt.NDArray[np.float32]]

# The native code packs batches of 1,024 tokens of its own, so a call costs its tokens' ids and its vectors.
CALL_TOKENS = 65_536
BYTES_PER_TOKEN = 64
BYTES_PER_TEXT = 8_192

# The filter is sharper around the mean hidden state, whose larger part any text shows. It decides no result.
CALIBRATION = (
    "The committee published its annual report on Tuesday, and shares of the company fell by four percent.",
    "def parse(path: str) -> dict: return the settings of a file, or raise ValueError if it is empty",
    "Patients treated with the drug had lower blood pressure after twelve weeks than those given a placebo.",
    "how long does it take to boil an egg",
    "Born in Vienna in 1874, she studied physics and mathematics before she turned to the theory of music.",
    "This charger is lightweight and works with most phones, but the cable is rather short. Would buy again!",
)


@dataclass(frozen=True, slots=True)
class Names:
    """Where a checkpoint of one family keeps what ``lsr._native.Body`` takes; ``{}`` is the layer's number."""

    embeddings: str
    embedding_norm: str
    type_rows: str | None
    layer: str
    parts: Mapping[str, str]
    transform: str
    transform_norm: str
    gelu_setting: str = "hidden_act"


BERT_PARTS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "output_norm": "output.LayerNorm",
}
BERT = Names(
    embeddings="bert.embeddings.",
    embedding_norm="bert.embeddings.LayerNorm",
    type_rows="bert.embeddings.token_type_embeddings.weight",
    layer="bert.encoder.layer.{}.",
    parts=BERT_PARTS,
    transform="cls.predictions.transform.dense",
    transform_norm="cls.predictions.transform.LayerNorm",
)
ROBERTA = Names(
    embeddings="roberta.embeddings.",
    embedding_norm="roberta.embeddings.LayerNorm",
    type_rows="roberta.embeddings.token_type_embeddings.weight",
    layer="roberta.encoder.layer.{}.",
    parts=BERT_PARTS,
    transform="lm_head.dense",
    transform_norm="lm_head.layer_norm",
)
DISTILBERT = Names(
    embeddings="distilbert.embeddings.",
    embedding_norm="distilbert.embeddings.LayerNorm",
    type_rows=None,
    layer="distilbert.transformer.layer.{}.",
    parts={
        "query": "attention.q_lin",
        "key": "attention.k_lin",
        "value": "attention.v_lin",
        "attention_output": "attention.out_lin",
        "attention_norm": "sa_layer_norm",
        "up": "ffn.lin1",
        "down": "ffn.lin2",
        "output_norm": "output_layer_norm",
    },
    transform="vocab_transform",
    transform_norm="vocab_layer_norm",
    gelu_setting="activation",
)
FAMILIES = {"bert": BERT, "roberta": ROBERTA, "xlm-roberta": ROBERTA, "distilbert": DISTILBERT}


def why_not_native(model: LanguageModel, activation: ActivationName, pooling: PoolingName) -> str | None:
    """What of this composition ``NativeKernel`` cannot compute; None if it can."""
    unlike = {
        f"the device {model.device}": model.device.type != "cpu",
        f"the precision {model.dtype}": str(model.dtype) != "torch.float32",
        "a soft cap on logits": model.projection.cap is not None,
    }
    found = next((what for what, is_so in unlike.items() if is_so), None)
    return found or why_not_native_config(model.config, activation, pooling)


def why_not_native_config(config: Any, activation: ActivationName, pooling: PoolingName) -> str | None:
    """The same, by the model's configuration alone."""
    if config.model_type not in FAMILIES:
        return f"the architecture {config.model_type}"
    names = FAMILIES[config.model_type]
    unlike = {
        f"{pooling} pooling": pooling != "max",
        f"the activation {activation}": activation not in ("log1p-relu", "log1p-log1p-relu"),
        f"the inner activation {getattr(config, names.gelu_setting)}": getattr(config, names.gelu_setting)
        != "gelu",
        "relative positions": getattr(config, "position_embedding_type", "absolute") != "absolute",
        "a decoder": bool(getattr(config, "is_decoder", False)),
        f"attention heads of {config.hidden_size // config.num_attention_heads} values": bool(
            config.hidden_size // config.num_attention_heads % 16
        ),
        f"a feed-forward width of {inner_width(config)}": bool(inner_width(config) % 16),
    }
    return next((what for what, found in unlike.items() if found), None)


class NativeSource(Protocol):
    """A model as arrays: a ``Checkpoint`` read from its file, or a ``LanguageModel`` that torch has loaded."""

    @property
    def config(self) -> Any: ...

    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def terms(self) -> tuple[str, ...]: ...

    @property
    def longest(self) -> int: ...

    def body_arrays(self) -> Mapping[str, npt.NDArray[np.float32]]: ...

    def head_arrays(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]: ...


class NativeKernel:
    """Body and head in native code, without padding. Safe to call from several threads."""

    def __init__(
        self, model: NativeSource, activation: ActivationName, threads: int | None, isa: str = ""
    ) -> None:
        """threads: None takes the processors this process may use; isa: "" for the active one, or its name."""
        self._activation = activation
        self._threads = threads
        self._vocabulary_size = len(model.terms)
        words, parameters = read_parameters(model)
        config = model.config
        epsilon = float(getattr(config, "layer_norm_eps", 1e-12))
        self._body = _native.Body(words, parameters, config.num_attention_heads, epsilon, isa)
        embedding, bias = model.head_arrays()
        head_bias = bias if bias is not None else np.zeros(len(embedding), np.float32)
        self._arrays = HeadArrays(embedding, head_bias, self._mean_hidden_state(model))
        self._isa = isa
        self._head = _native.Head(embedding, head_bias, self._arrays.center, isa)
        self._encoder = _native.Encoder(self._body, self._head)
        self._untuned = threading.Semaphore()

    @property
    def name(self) -> str:
        return f"native-{self._head.isa}"

    @property
    def cost(self) -> BatchCost:
        return BatchCost(BYTES_PER_TOKEN, BYTES_PER_TEXT, best_tokens=CALL_TOKENS, fragments=True)

    def __call__(self, tokens: Tokens) -> SparseVectors:
        # The first call that is large enough to gain by it looks for a better basis, once.
        if len(tokens.ids) >= self._sample_tokens and self._untuned.acquire(blocking=False):
            return self._encode_and_tune(tokens)
        return self._vectors(self._encoder.encode(tokens.ids, tokens.offsets, self._n_threads))

    def attribute(self, tokens: Tokens) -> tuple[SparseVectors, npt.NDArray[np.int32]]:
        """The vectors, and for each non-zero the token, counted within its text, that gave it its weight."""
        indptr, terms, weights, positions = self._encoder.encode_with_positions(tokens.ids, tokens.offsets)
        vectors = SparseVectors(indptr, terms, self._activated(weights), self._vocabulary_size)
        return vectors, positions

    @property
    def _n_threads(self) -> int:
        return self._threads if self._threads is not None else len(os.sched_getaffinity(0))

    @property
    def _sample_tokens(self) -> int:
        return SAMPLE_PER_COLUMN * self._body.width

    def _vectors(
        self, rows: tuple[npt.NDArray[np.int64], UInt32Array, npt.NDArray[np.float32]]
    ) -> SparseVectors:
        indptr, terms, weights = rows
        return SparseVectors(indptr, terms, self._activated(weights), self._vocabulary_size)

    def _encode_and_tune(self, tokens: Tokens) -> SparseVectors:
        """The vectors; from here on the filter works in a basis that suits evenly spaced texts of the call."""
        share = min(1.0, self._sample_tokens / len(tokens.ids))
        chosen = np.linspace(0, len(tokens) - 1, max(1, round(share * len(tokens)))).astype(np.int64)
        others = np.setdiff1d(np.arange(len(tokens)), chosen)
        sample, remaining = tokens.take(chosen), tokens.take(others)
        hidden = self._body.hidden(sample.ids, sample.offsets, self._n_threads)
        self._tune(hidden, sample.offsets)
        parts = [
            self._vectors(self._head.encode(hidden, sample.offsets, self._n_threads)),
            self._vectors(self._encoder.encode(remaining.ids, remaining.offsets, self._n_threads)),
        ]
        return SparseVectors.concatenate(parts).take(np.argsort(np.concatenate([chosen, others])))

    def _tune(self, hidden: npt.NDArray[np.float32], offsets: npt.NDArray[np.int64]) -> None:
        arrays = replace(self._arrays, center=hidden.mean(axis=0))
        basis = find_basis(arrays, hidden, offsets, self._isa)
        if basis is None:
            return
        self._head = _native.Head(arrays.embedding, arrays.bias, arrays.center, self._isa, basis)
        self._encoder = _native.Encoder(self._body, self._head)
        rest = basis[2][-1]
        logger.info("the filter multiplies %d of %d coordinates", self._body.width - rest, self._body.width)

    def _activated(self, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.log1p(weights) if self._activation == "log1p-log1p-relu" else weights

    def _mean_hidden_state(self, model: NativeSource) -> npt.NDArray[np.float32]:
        rows = [each.ids[: model.longest] for each in model.tokenizer.encode_batch(list(CALIBRATION))]
        offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
        ids = np.array([token for row in rows for token in row], np.int32)
        return (
            self._body.hidden(ids, offsets).mean(axis=0) if len(ids) else np.zeros(self._body.width, np.float32)
        )


class NativeAttributor:
    """Which token gave a term its weight, asked of the code that computed it."""

    def __init__(self, kernel: NativeKernel) -> None:
        self._kernel = kernel

    def attribute(self, tokens: Tokens, terms: UInt32Array) -> npt.NDArray[np.int64]:
        """The position of each term's largest logit in one text, int64; −1 where there is no weight."""
        vectors, positions = self._kernel.attribute(tokens)
        places = np.full(len(terms), -1, np.int64)
        present = np.isin(terms, vectors.terms)
        places[present] = positions[np.searchsorted(vectors.terms, terms[present])]
        return places


def read_parameters(model: NativeSource) -> tuple[npt.NDArray[np.float32], Parameters]:
    """The word table, as the model holds it, and everything else by the names ``lsr._native.Body`` knows."""
    names = FAMILIES[model.config.model_type]
    state = model.body_arrays()
    positions = state[names.embeddings + "position_embeddings.weight"]
    if names is ROBERTA:  # numbers start behind the padding id
        positions = positions[model.config.pad_token_id + 1 :]
    if names.type_rows is not None:
        positions = positions + state[names.type_rows][0]
    parameters = {"positions": np.ascontiguousarray(positions)}

    def copy(to: str, origin: str) -> None:
        for part in (".weight", ".bias"):
            parameters[to + part] = state[origin + part]

    copy("embedding_norm", names.embedding_norm)
    copy("transform", names.transform)
    copy("transform_norm", names.transform_norm)
    for layer in range(model.config.num_hidden_layers):
        for part, origin in names.parts.items():
            copy(f"layers.{layer}.{part}", names.layer.format(layer) + origin)
    return state[names.embeddings + "word_embeddings.weight"], parameters


def inner_width(config: Any) -> int:
    return int(getattr(config, "intermediate_size", None) or config.hidden_dim)
