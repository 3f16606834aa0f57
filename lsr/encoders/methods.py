"""The published methods, each a composition of the parts, with its source and how far that was verified.

``verified`` says where the formula was read: "code" in the authors' or a reference implementation, "paper" in
the paper, "recall" in neither: from memory, so treat its defaults as a hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from lsr.encoders.composition import (
    Backbone,
    Head,
    ModelKind,
    NeuralParts,
    Reading,
    SideParts,
    TableParts,
    TokenHead,
    VocabularyHead,
)
from lsr.encoders.shaping import Shaping
from lsr.errors import InvalidArgumentError, ModelUnsupportedError


@dataclass(frozen=True, slots=True)
class Method:
    """needs: files or layers a folder must hold besides the transformer"""

    name: str
    document: SideParts
    query: SideParts
    source: str
    verified: Literal["code", "paper", "recall"]
    needs: str = ""
    note: str = field(default="")


def _tokens(head: TokenHead | None = None, reading: Reading | None = None) -> NeuralParts:
    """A token head needs no language model's head, and its published checkpoints have none."""
    return NeuralParts(
        backbone=Backbone(kind="encoder"), reading=reading or Reading(), head=head or TokenHead()
    )


def _neural(
    head: Head | None = None, *, shaping: Shaping | None = None, own_terms: bool = False
) -> NeuralParts:
    return NeuralParts(head=head or VocabularyHead(), shaping=shaping or Shaping(), own_terms=own_terms)


def _decoder(
    head: VocabularyHead, reading: Reading, *, top: int | None = None, unit: bool = False
) -> NeuralParts:
    return NeuralParts(
        backbone=Backbone(kind="causal-lm"),
        reading=reading,
        head=head,
        shaping=Shaping(top=top, unit_length=unit),
    )


def _tied(head: VocabularyHead, reading: Reading) -> NeuralParts:
    return replace(_decoder(head, reading), backbone=Backbone(kind="causal-lm", tied=True))


_MAX = _neural()
_EXPANDED = Reading(expansion="expansion")
_SET = TableParts()
_BAG = TableParts(repeats="counted")
_CLEAN_BAG = TableParts(repeats="counted", left_out="stop")
_WORDS = Reading(length=0, special_tokens=False, words="words.txt")
_PROSPER_HEAD = VocabularyHead(positions="last", literal_bonus=True)
_UNIFIED = "unified framework, https://github.com/thongnt99/learned-sparse-retrieval"

_ALL = (
    Method(
        "splade",
        _neural(VocabularyHead(pooling="sum")),
        _neural(VocabularyHead(pooling="sum")),
        "https://arxiv.org/abs/2107.05720",
        "code",
    ),
    Method(
        "splade-max", _MAX, _MAX, "https://arxiv.org/abs/2109.10086", "code", note="v2 to v3, distilled or not"
    ),
    Method(
        "splade-doc",
        _MAX,
        _SET,
        "https://arxiv.org/abs/2109.10086",
        "code",
        note="queries are sets of tokens of weight 1",
    ),
    Method(
        "splade-lexical",
        _MAX,
        _neural(own_terms=True),
        "https://github.com/naver/splade",
        "code",
        note="no query expansion",
    ),
    Method(
        "efficient-splade",
        _MAX,
        _MAX,
        "https://arxiv.org/abs/2207.03834",
        "code",
        note="give the small query encoder with queries=",
    ),
    Method(
        "unicoil",
        _tokens(reading=_EXPANDED),
        _tokens(TokenHead(occurrences="sum")),
        "https://arxiv.org/abs/2106.14807",
        "code",
        needs="token head",
        note="reads the expansion field",
    ),
    Method(
        "deepct",
        _tokens(),
        _BAG,
        "https://arxiv.org/abs/1910.10687",
        "recall",
        needs="token head",
        note="weights below 0 count as 0; multiply by 100 and round for use as term frequencies",
    ),
    Method(
        "deepimpact",
        _tokens(TokenHead(occurrences="first"), replace(_EXPANDED, words="words.txt")),
        TableParts(reading=_WORDS),
        "https://github.com/DI4IR/SIGIR2021",
        "code",
        needs="token head of two layers, words.txt",
        note="terms are words, represented by their first token; reads the expansion field",
    ),
    Method(
        "sparta",
        NeuralParts(
            backbone=Backbone(kind="encoder"), head=VocabularyHead(common_bias=True), shaping=Shaping(top=2000)
        ),
        _BAG,
        "https://arxiv.org/abs/2009.13013",
        "recall",
        needs="common_bias",
    ),
    Method(
        "epic",
        _neural(
            VocabularyHead(activation="log1p-softplus", importance=True, quality=True), shaping=Shaping(top=100)
        ),
        _neural(TokenHead(activation="log1p-softplus", occurrences="sum")),
        "OpenNIR, https://arxiv.org/abs/2004.14245",
        "code",
        needs="importance, quality and token heads",
    ),
    Method(
        "tilde",
        NeuralParts(
            reading=Reading(first=1),
            head=VocabularyHead(activation="shifted-log-sigmoid", positions="first"),
            left_out="stop",
        ),
        _CLEAN_BAG,
        "https://github.com/ielab/TILDE",
        "code",
        note="token 1 marks passages instead of [CLS]; scores shift by a constant for each query token, so that"
        " weights are not negative; no stop words",
    ),
    Method(
        "tilde-v2",
        replace(_tokens(reading=_EXPANDED), left_out="stop"),
        _CLEAN_BAG,
        "https://github.com/ielab/TILDE",
        "code",
        needs="token head",
        note="reads the expansion field; no stop words",
    ),
    Method(
        "qmlp-dmlm",
        _MAX,
        _tokens(TokenHead(activation="log1p-relu", occurrences="sum")),
        _UNIFIED,
        "code",
        needs="token head of the query",
    ),
    Method(
        "bge-m3-lexical",
        replace(_tokens(), left_out="special"),
        replace(_tokens(), left_out="special"),
        "https://github.com/FlagOpen/FlagEmbedding",
        "code",
        needs="sparse_linear.pt",
    ),
    Method(
        "inference-free",
        _MAX,
        TableParts(table="idf.json", left_out="special"),
        "https://arxiv.org/abs/2411.04403",
        "code",
        needs="idf.json",
        note="a learned table is a .safetensors with `weight`; queries= names another; special tokens weigh 0",
    ),
    Method(
        "li-lsr",
        _MAX,
        TableParts(table="table.safetensors"),
        "Li-LSR, abstract only",
        "recall",
        needs="table.safetensors with embeddings, scorer.weight, scorer.bias, or the table itself",
    ),
    Method(
        "mistral-splade",
        _tied(VocabularyHead(positions="inner"), Reading()),
        _tied(VocabularyHead(positions="inner"), Reading()),
        "https://arxiv.org/abs/2408.11119",
        "recall",
        note="the input embeddings are the output layer",
    ),
    Method(
        "echo-mistral-splade",
        _tied(VocabularyHead(positions="second-copy"), Reading(echo=True)),
        _tied(VocabularyHead(positions="second-copy"), Reading(echo=True)),
        "https://arxiv.org/abs/2408.11119",
        "recall",
        note="the input embeddings are the output layer; the paper's prompts could not be read: none is set",
    ),
    Method(
        "laconic",
        replace(
            _decoder(VocabularyHead(), Reading(prompt="passage: ", special_tokens=False), top=512),
            backbone=Backbone(kind="causal-lm", bidirectional=True),
        ),
        replace(
            _decoder(VocabularyHead(), Reading(prompt="query: ", special_tokens=False), top=512),
            backbone=Backbone(kind="causal-lm", bidirectional=True),
        ),
        "https://github.com/zhichaoxu-shufe/laconic-sparse-retrieval",
        "code",
    ),
    Method(
        "prosper",
        _decoder(_PROSPER_HEAD, Reading(), top=512),
        _decoder(_PROSPER_HEAD, Reading(), top=256, unit=True),
        "PROSPER, read in translation",
        "paper",
        needs="bonus layer",
    ),
)

METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _ALL})


def method_named(name: str) -> Method:
    """Raises InvalidArgumentError that lists the methods there are."""
    if name == "bm25":
        raise ModelUnsupportedError(
            "bm25 is no encoder: it is a counted field of an index, with an analyzer instead of a model."
            " Name it as a field when indexing, alone or beside an encoder's."
        )
    if name not in METHODS:
        raise InvalidArgumentError(
            f"no method is called {name!r}; known: {', '.join(METHODS)}.", field="method"
        )
    return METHODS[name]


def for_backbone(parts: SideParts, *, causal: bool) -> SideParts:
    """The same side on the kind of transformer that a folder holds: most methods work on either."""
    if not isinstance(parts, NeuralParts) or causal == (parts.backbone.kind == "causal-lm"):
        return parts
    kind: ModelKind = "causal-lm" if causal else "masked-lm"
    return replace(parts, backbone=replace(parts.backbone, kind=kind, tied=causal and parts.backbone.tied))
