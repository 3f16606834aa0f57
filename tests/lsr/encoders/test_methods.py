"""Every named method against its formula, written out in plain torch and float64 over the full logits."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lsr.encoders.loading import load_encoder
from lsr.encoders.methods import METHODS, method_named
from lsr.encoders.saving import save_encoder
from lsr.encoders.tables import idf_table, write_idf
from lsr.errors import InvalidArgumentError, ModelError, ModelNotFoundError, ModelUnsupportedError
from lsr.stopwords import NLTK_ENGLISH
from lsr.vectors import SparseVectors

WIDTH = 32
Row = dict[int, float]


@pytest.fixture(scope="module")
def folder(shop: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with every extra head there is, random but fixed."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("heads") / "all-heads"
    shutil.copytree(shop.bert("tiny-bert-for-methods"), folder)
    generator = torch.Generator().manual_seed(5)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * 0.3

    tensors = {
        "token.weight": draw(1, WIDTH),
        "token.bias": draw(1),
        "importance.weight": draw(1, WIDTH),
        "importance.bias": draw(1),
        "quality.weight": draw(1, WIDTH),
        "quality.bias": draw(1),
        "bonus.weight": draw(len(shop.words), WIDTH),
        "bonus.bias": draw(len(shop.words)),
        "common_bias": torch.tensor([-2.0]),
    }
    save_file(tensors, folder / "head.safetensors")
    return folder


@dataclass(frozen=True)
class Formula:
    """One text in float64: hidden states (length, width), logits (length, vocabulary), ids."""

    folder: Path
    text: str

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.folder)

    @cached_property
    def ids(self) -> list[int]:
        return list(self.tokenizer(self.text, truncation=True, max_length=64)["input_ids"])

    @cached_property
    def inner(self) -> list[int]:
        return list(range(1, len(self.ids) - 1))

    @cached_property
    def states(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.states_of(self.ids)

    def states_of(self, ids: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        from transformers import AutoModelForMaskedLM

        model = AutoModelForMaskedLM.from_pretrained(self.folder).double().eval()
        with torch.inference_mode():
            output = model(torch.tensor([list(ids)]), output_hidden_states=True)
        return output.hidden_states[-1][0], output.logits[0], model.get_input_embeddings().weight.detach()

    def head(self, name: str, hidden: Tensor) -> Tensor:
        from safetensors.torch import load_file

        tensors = load_file(self.folder / "head.safetensors")
        return hidden @ tensors[f"{name}.weight"].double().T + tensors[f"{name}.bias"].double()

    def token_scores(self, activate: Callable[[Tensor], Tensor]) -> list[tuple[int, float]]:
        scores = activate(self.head("token", self.states[0]).squeeze(-1))
        return [(self.ids[at], float(scores[at])) for at in self.inner]


def relu(x: Tensor) -> Tensor:
    return x.clamp(min=0)


def saturate(x: Tensor) -> Tensor:
    return torch.log(1 + relu(x))


def softplus2(x: Tensor) -> Tensor:
    return torch.log(1 + torch.log(1 + torch.exp(x)))


def positive(weights: Tensor) -> Row:
    return {term: float(weight) for term, weight in enumerate(weights) if weight > 0}


def combine(pairs: Sequence[tuple[int, float]], how: Callable[[Sequence[float]], float]) -> Row:
    terms = {term for term, _ in pairs}
    combined = {term: how([weight for at, weight in pairs if at == term]) for term in terms}
    return {term: weight for term, weight in combined.items() if weight > 0}


def top(row: Row, k: int) -> Row:
    return dict(sorted(row.items(), key=lambda item: (-item[1], item[0]))[:k])


def splade(text: Formula) -> Row:
    return positive(saturate(text.states[1]).sum(0))


def splade_max(text: Formula) -> Row:
    return positive(saturate(text.states[1]).amax(0))


def own_terms(text: Formula) -> Row:
    own = {text.ids[at] for at in text.inner}
    return {term: weight for term, weight in splade_max(text).items() if term in own}


def as_set(text: Formula) -> Row:
    return {text.ids[at]: 1.0 for at in text.inner}


def as_bag(text: Formula) -> Row:
    return combine([(text.ids[at], 1.0) for at in text.inner], sum)


def largest_of_tokens(text: Formula) -> Row:
    return combine(text.token_scores(relu), max)


def sum_of_tokens(text: Formula) -> Row:
    return combine(text.token_scores(relu), sum)


def sparta(text: Formula) -> Row:
    hidden, _, embeddings = text.states
    return positive(torch.log(1 + relu((hidden @ embeddings.T).amax(0) - 2.0)))


def epic_document(text: Formula) -> Row:
    hidden, logits, _ = text.states
    importance = softplus2(text.head("importance", hidden))
    quality = torch.sigmoid(text.head("quality", hidden[0]))
    return top(positive(quality * (softplus2(logits) * importance).amax(0)), 100)


def epic_query(text: Formula) -> Row:
    return combine(text.token_scores(softplus2), sum)


QUESTION_WORDS = {"where", "how", "what", "when", "which", "why", "who"}
STOP = {*NLTK_ENGLISH.split(), "##s"} - QUESTION_WORDS


def without_stop_terms(text: Formula, row: Row) -> Row:
    """TILDE's rule: without stop words, signs and special tokens."""

    def kept(term: str) -> bool:
        return term not in STOP and all(c.isascii() and (c.isalnum() or c == "#") for c in term)

    terms = text.tokenizer.convert_ids_to_tokens(list(row))
    return {at: row[at] for at, term in zip(row, terms, strict=True) if kept(term)}


def tilde(text: Formula) -> Row:
    """Passages are marked by token 1 in [CLS]'s place."""
    logits = text.states_of([1, *text.ids[1:]])[1]
    return without_stop_terms(text, positive(relu(torch.log(torch.sigmoid(logits[0])) + math.log(1e4))))


def without_special_tokens(text: Formula, row: Row) -> Row:
    return {term: weight for term, weight in row.items() if term not in text.tokenizer.all_special_ids}


def mlp_query(text: Formula) -> Row:
    return combine(text.token_scores(saturate), sum)


def prosper(text: Formula) -> Row:
    hidden, logits, _ = text.states
    weights = saturate(logits[-1])
    learned = text.head("bonus", saturate(hidden[-1]))
    own = torch.zeros(len(weights), dtype=torch.float64)
    own[[text.ids[at] for at in text.inner]] = 1
    return positive(weights + own * (learned.max() - learned))


def prosper_query(text: Formula) -> Row:
    row = top(prosper(text), 256)
    length = math.sqrt(sum(weight * weight for weight in row.values()))
    return {term: weight / length for term, weight in row.items()}


FORMULAS: dict[str, tuple[Callable[[Formula], Row], Callable[[Formula], Row]]] = {
    "splade": (splade, splade),
    "splade-max": (splade_max, splade_max),
    "splade-doc": (splade_max, as_set),
    "splade-lexical": (splade_max, own_terms),
    "efficient-splade": (splade_max, splade_max),
    "unicoil": (largest_of_tokens, sum_of_tokens),
    "deepct": (largest_of_tokens, as_bag),
    "sparta": (lambda text: top(sparta(text), 2000), as_bag),
    "epic": (epic_document, epic_query),
    "tilde": (tilde, lambda text: without_stop_terms(text, as_bag(text))),
    "tilde-v2": (
        lambda text: without_stop_terms(text, largest_of_tokens(text)),
        lambda text: without_stop_terms(text, as_bag(text)),
    ),
    "qmlp-dmlm": (splade_max, mlp_query),
    "bge-m3-lexical": (
        lambda text: without_special_tokens(text, largest_of_tokens(text)),
        lambda text: without_special_tokens(text, largest_of_tokens(text)),
    ),
    "mistral-splade": (
        lambda text: positive(saturate(text.states[1][text.inner]).amax(0)) if text.inner else {},
        lambda text: positive(saturate(text.states[1][text.inner]).amax(0)) if text.inner else {},
    ),
    "prosper": (lambda text: top(prosper(text), 512), prosper_query),
}
ELSEWHERE = {"deepimpact", "inference-free", "li-lsr", "echo-mistral-splade", "laconic"}


def assert_rows(vectors: SparseVectors, expected: Sequence[Row]) -> None:
    dense = np.zeros((len(expected), vectors.vocabulary_size))
    for at, row in enumerate(expected):
        dense[at, list(row)] = list(row.values())
    assert np.abs(vectors.to_scipy().toarray() - dense).max() <= 1e-4
    assert vectors.nnz > 0


def test_every_method_has_a_formula_or_a_test_of_its_own() -> None:
    assert FORMULAS.keys() | ELSEWHERE == METHODS.keys()


@pytest.mark.parametrize("name", FORMULAS)
def test_vectors_equal_the_formula(folder: Path, texts: Sequence[str], name: str) -> None:
    encoder = load_encoder(folder, method=name)
    assert encoder.describe().method == name
    formulas = [Formula(folder, text) for text in texts]
    document, query = FORMULAS[name]
    assert_rows(encoder.encode_documents(texts), [document(each) for each in formulas])
    assert_rows(encoder.encode_queries(texts), [query(each) for each in formulas])


@pytest.mark.parametrize("name", ["epic", "unicoil", "prosper", "splade-lexical", "tilde"])
def test_saved_methods_load_alike(tmp_path: Path, folder: Path, texts: Sequence[str], name: str) -> None:
    encoder = load_encoder(folder, method=name)
    save_encoder(encoder, tmp_path / "saved")
    assert not (tmp_path / "saved" / "modules.json").exists()
    again = load_encoder(tmp_path / "saved")
    for side in ("encode_documents", "encode_queries"):
        ours, theirs = getattr(encoder, side)(texts), getattr(again, side)(texts)
        assert ours.terms.tolist() == theirs.terms.tolist()
        assert ours.weights.tolist() == theirs.weights.tolist()


def test_deepimpact_weighs_whole_words_by_their_first_token(tmp_path: Path, folder: Path) -> None:
    """Words, not pieces; first occurrence; two layers with a ReLU between; queries are sets of words."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, tmp_path / "words")
    generator = torch.Generator().manual_seed(9)
    tensors = load_file(folder / "head.safetensors")
    del tensors["token.weight"], tensors["token.bias"]
    layers = {
        "token.0.weight": torch.randn(WIDTH, WIDTH, generator=generator),
        "token.0.bias": torch.randn(WIDTH, generator=generator),
        "token.1.weight": torch.randn(1, WIDTH, generator=generator),
        "token.1.bias": torch.tensor(
            [200.0]
        ),  # so that every word has weight, however the tokenizer was trained
    }
    save_file(tensors | layers, tmp_path / "words" / "head.safetensors")
    words = ["cat", "inverted", "the", "zebra", "terminology", "term"]
    (tmp_path / "words" / "words.txt").write_text("\n".join(words))
    encoder = load_encoder(tmp_path / "words", method="deepimpact")
    assert encoder.vocabulary.terms == tuple(words)

    text = "The cat, the Inverted terminology: dog"
    plain = Formula(tmp_path / "words", text)
    hidden = plain.states[0]
    scores = relu(
        relu(hidden @ layers["token.0.weight"].double().T + layers["token.0.bias"].double())
        @ layers["token.1.weight"].double().T
        + layers["token.1.bias"].double()
    ).squeeze(-1)
    encoding = plain.tokenizer(text)
    starts = {word: encoding.char_to_token(text.lower().index(word)) for word in words if word in text.lower()}
    starts.pop("term")  # begins "terminology" as characters, but is another word
    expected = {words.index(word): float(scores[at]) for word, at in starts.items() if scores[at] > 0}
    assert set(expected) == {0, 1, 2, 4}
    assert_rows(encoder.encode_documents([text]), [expected])
    queries = encoder.encode_queries(["the CAT the unlisted zebra", "nothing listed"])
    assert_rows(queries, [{0: 1.0, 2: 1.0, 3: 1.0}, {}])


def test_published_heads_are_found_where_they_lie(tmp_path: Path, folder: Path, texts: Sequence[str]) -> None:
    """BGE-M3 keeps sparse_linear.pt beside the model; uniCOIL and TILDEv2 keep tok_proj inside it."""
    from safetensors.torch import load_file, save_file

    head = load_file(folder / "head.safetensors")
    for name in ("bge", "tok-proj"):
        shutil.copytree(folder, tmp_path / name)
        (tmp_path / name / "head.safetensors").unlink()
    torch.save(
        {"weight": head["token.weight"], "bias": head["token.bias"]}, tmp_path / "bge" / "sparse_linear.pt"
    )
    tensors = load_file(tmp_path / "tok-proj" / "model.safetensors")
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("cls.")}
    tensors |= {"tok_proj.weight": head["token.weight"], "tok_proj.bias": head["token.bias"]}
    save_file(tensors, tmp_path / "tok-proj" / "model.safetensors", metadata={"format": "pt"})
    shutil.copytree(tmp_path / "tok-proj", tmp_path / "tok-proj-in-a-bin")
    (tmp_path / "tok-proj-in-a-bin" / "model.safetensors").unlink()
    torch.save(tensors, tmp_path / "tok-proj-in-a-bin" / "pytorch_model.bin")
    expected = load_encoder(folder, method="unicoil").encode_documents(texts).weights.tolist()
    for name, method in (
        ("bge", "bge-m3-lexical"),
        ("tok-proj", "unicoil"),
        ("tok-proj-in-a-bin", "unicoil"),
    ):
        encoder = load_encoder(tmp_path / name, method=method)
        assert encoder.encode_documents(texts).weights.tolist() == expected
        save_encoder(encoder, tmp_path / f"{name}-saved")
        assert load_encoder(tmp_path / f"{name}-saved").encode_documents(texts).weights.tolist() == expected


def test_a_missing_head_is_refused_by_name(tmp_path: Path, tiny_bert: Path) -> None:
    with pytest.raises(ModelUnsupportedError, match=r"the method needs the weights token\.weight"):
        load_encoder(tiny_bert, method="unicoil")
    with pytest.raises(ModelUnsupportedError, match="needs the weights common_bias"):
        load_encoder(tiny_bert, method="sparta")
    with pytest.raises(ModelError, match=r"words\.txt: the list of the words"):
        load_encoder(tiny_bert, method="deepimpact")
    for method, table in (("inference-free", "idf.json"), ("li-lsr", "table.safetensors")):
        with pytest.raises(ModelNotFoundError, match=rf"{table}: no such table.*Make one .* `lsr idf`"):
            load_encoder(tiny_bert, method=method)


def test_inference_free_and_learned_tables(tmp_path: Path, folder: Path, texts: Sequence[str]) -> None:
    from safetensors.torch import save_file

    shutil.copytree(folder, tmp_path / "tables")
    plain = load_encoder(folder)
    write_idf(
        tmp_path / "tables" / "idf.json",
        idf_table(texts, plain.plain_tokenizer, len(plain.vocabulary)),
        plain.vocabulary.terms,
    )
    idf = load_encoder(tmp_path / "tables", method="inference-free")
    assert idf.encode_documents(texts).weights.tolist() == plain.encode_documents(texts).weights.tolist()
    assert idf.encode_queries(["the cat"]).nnz == 2

    embeddings = Formula(folder, "a").states[2].float()
    scorer = torch.randn(1, WIDTH, generator=torch.Generator().manual_seed(1))
    parts = {"embeddings": embeddings, "scorer.weight": scorer, "scorer.bias": torch.tensor([0.1])}
    save_file(parts, tmp_path / "tables" / "table.safetensors")
    learned = load_encoder(tmp_path / "tables", method="li-lsr")
    weights = relu(embeddings.double() @ scorer.double().T + 0.1).squeeze(-1)
    expected = [
        {term: float(weights[term]) for term in as_set(Formula(folder, text)) if weights[term] > 0}
        for text in texts
    ]
    assert_rows(learned.encode_queries(texts), expected)


def test_special_tokens_that_a_text_spells_out_weigh_nothing(tmp_path: Path, folder: Path) -> None:
    """BGE-M3 drops them and unknown words from both sides, OpenSearch from the table."""
    text = "the ☃ [SEP] cat"
    spelled = {"[UNK]", "[SEP]"}
    plain = load_encoder(folder, method="unicoil")
    assert spelled <= {plain.vocabulary[span.term] for span in plain.spans(text)}
    lexical = load_encoder(folder, method="bge-m3-lexical")
    assert not spelled & lexical.encode_documents([text] * 2).to_dicts(lexical.vocabulary)[1].keys()
    write_idf(tmp_path / "idf.json", np.ones(len(plain.vocabulary), np.float32), plain.vocabulary.terms)
    free = load_encoder(folder, queries=tmp_path / "idf.json")
    assert free.encode_queries([text]).to_dicts(free.vocabulary) == [{"the": 1.0, "cat": 1.0}]
    save_encoder(free, tmp_path / "saved")
    assert (tmp_path / "saved" / "modules.json").exists()
    again = load_encoder(tmp_path / "saved").encode_queries([text, "☃"])
    assert again.to_dicts(free.vocabulary) == [{"the": 1.0, "cat": 1.0}, {}]


def test_parts_that_say_nothing_are_not_written(folder: Path, tmp_path: Path) -> None:
    """So encoders that were saved before these parts came keep their identity."""
    save_encoder(load_encoder(folder), tmp_path / "plain")
    written = (tmp_path / "plain" / "lsr.json").read_text()
    assert not any(name in written for name in ("left_out", "first", "tied"))
    save_encoder(load_encoder(folder, method="tilde"), tmp_path / "tilde")
    written = (tmp_path / "tilde" / "lsr.json").read_text()
    assert '"first": 1' in written
    assert '"left_out": "stop"' in written


def test_wrong_method_names(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"no method is called 'spladee'; known: splade, splade-max"):
        load_encoder(folder, method="spladee")
    with pytest.raises(ModelUnsupportedError, match="bm25 is no encoder"):
        load_encoder("bm25")
    with pytest.raises(ModelUnsupportedError, match="bm25 is no encoder"):
        method_named("bm25")
    save_encoder(load_encoder(folder), tmp_path / "described")
    with pytest.raises(InvalidArgumentError, match="says splade-max, not epic"):
        load_encoder(tmp_path / "described", method="epic")
