"""The native body and head against torch, on tiny random models of each family and on the built-in one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lsr import _native
from lsr.encoders import basis, native
from lsr.encoders.backbones import LanguageModel, load_masked_lm
from lsr.encoders.kernels import TorchKernel
from lsr.encoders.loading import load_encoder
from lsr.encoders.native import NativeKernel, read_parameters, why_not_native
from lsr.encoders.tokens import Tokens
from lsr.errors import ModelUnsupportedError
from lsr.vectors import SparseVectors

LEVELS = ["scalar", "avx2", "avx512"]
ISAS = LEVELS[: LEVELS.index(_native.supported_isa()) + 1]
FAMILIES = ["bert", "distilbert", "roberta"]


def save_random_model(family: str, words: dict[str, int], folder: Path, **changes: Any) -> Path:
    """A 2 x 32 masked LM with weights wide enough that vectors have non-zeros."""
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        BertTokenizer,
        DistilBertConfig,
        DistilBertForMaskedLM,
        RobertaConfig,
        RobertaForMaskedLM,
    )

    sizes = {"vocab_size": len(words), "max_position_embeddings": 66, "initializer_range": 0.4}
    wide = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
    }
    narrow = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48}
    torch.manual_seed(3)
    model: Any
    if family == "bert":
        model = BertForMaskedLM(BertConfig(**(sizes | wide | changes)))
    elif family == "roberta":
        model = RobertaForMaskedLM(RobertaConfig(pad_token_id=0, type_vocab_size=1, **(sizes | wide | changes)))
    else:
        model = DistilBertForMaskedLM(DistilBertConfig(**(sizes | narrow | changes)))
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.5)
    model.save_pretrained(folder)
    BertTokenizer(vocab=words, model_max_length=64).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def models(shop: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, LanguageModel]:
    folder = tmp_path_factory.mktemp("families")
    return {name: load_masked_lm(save_random_model(name, shop.words, folder / name)) for name in FAMILIES}


def random_tokens(n_terms: int, lengths: list[int], seed: int = 0) -> Tokens:
    rng = np.random.default_rng(seed)
    return Tokens.of([rng.integers(1, n_terms, length).tolist() for length in lengths], [False] * len(lengths))


def assert_close(found: SparseVectors, expected: SparseVectors, tolerance: float) -> None:
    """Largest difference over the union of supports, absent = 0."""
    assert len(found) == len(expected)
    difference = found.to_scipy() - expected.to_scipy()
    assert abs(difference).max() <= tolerance
    assert found.nnz > 0


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_equal_torch(models: dict[str, LanguageModel], family: str, isa: str) -> None:
    model = models[family]
    assert why_not_native(model, "log1p-relu", "max") is None
    tokens = random_tokens(len(model.terms), [1, 7, 64, 2, 33, 16, 17, 48])
    native = NativeKernel(model, "log1p-relu", 1, isa)
    assert native.name == f"native-{isa}"
    assert_close(native(tokens), TorchKernel(model)(tokens), 2e-5)


@pytest.mark.parametrize("isa", ISAS)
def test_the_built_in_models_vectors_equal_torch(splade_tiny: LanguageModel, isa: str) -> None:
    tokens = random_tokens(len(splade_tiny.terms), [12, 100, 1, 256])
    assert_close(
        NativeKernel(splade_tiny, "log1p-relu", 1, isa)(tokens), TorchKernel(splade_tiny)(tokens), 1e-4
    )


@pytest.fixture(scope="module")
def splade_tiny() -> LanguageModel:
    from lsr.encoders.loading import SPLADE_TINY

    return load_masked_lm(SPLADE_TINY.locate())


def test_twice_log1p(models: dict[str, LanguageModel]) -> None:
    tokens = random_tokens(len(models["bert"].terms), [5, 9])
    found = NativeKernel(models["bert"], "log1p-log1p-relu", 1)(tokens)
    assert_close(found, TorchKernel(models["bert"], "log1p-log1p-relu")(tokens), 2e-5)


@pytest.mark.parametrize("isa", ISAS)
def test_a_text_does_not_depend_on_its_neighbours(models: dict[str, LanguageModel], isa: str) -> None:
    """Bit for bit: in one batch, alone, or over threads."""
    model = models["bert"]
    lengths = [3, 60, 1, 22, 64, 64, 9] * 12
    tokens = random_tokens(len(model.terms), lengths)
    kernel = NativeKernel(model, "log1p-relu", 2, isa)
    together = kernel(tokens)
    for at in range(7):
        alone = kernel(tokens.take([at]))
        np.testing.assert_array_equal(alone.terms, together.row(at)[0])
        np.testing.assert_array_equal(alone.weights, together.row(at)[1])


@pytest.mark.parametrize("isa", ISAS)
def test_the_basis_found_on_the_way_changes_no_bit(
    models: dict[str, LanguageModel], isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call in which it is looked for, the calls after it and a kernel that never looked agree."""
    found = []

    def find(*given: Any) -> Any:
        found.append(basis.find_basis(*given))
        return found[-1]

    monkeypatch.setattr(native, "find_basis", find)
    model = models["bert"]
    kernel, untuned = (NativeKernel(model, "log1p-relu", 2, isa) for _ in range(2))
    batches = [random_tokens(len(model.terms), [3, 60, 1, 22, 64, 64, 9] * 12, seed) for seed in range(3)]
    for batch in batches:
        vectors = kernel(batch)
        for at in range(0, len(batch), 9):
            terms, weights = vectors.row(at)
            alone = untuned(batch.take([at]))
            np.testing.assert_array_equal(alone.terms, terms)
            np.testing.assert_array_equal(alone.weights, weights)
    assert len(found) == 1


def test_one_kernel_serves_many_threads(models: dict[str, LanguageModel]) -> None:
    model = models["bert"]
    kernel = NativeKernel(model, "log1p-relu", 1)
    batches = [random_tokens(len(model.terms), [5, 40, 12], seed) for seed in range(16)]
    with ThreadPoolExecutor(4) as pool:
        for found, batch in zip(pool.map(kernel, batches), batches, strict=True):
            np.testing.assert_array_equal(found.weights, kernel(batch).weights)


def test_attribution_names_the_position_that_won(models: dict[str, LanguageModel]) -> None:
    model = models["bert"]
    tokens = random_tokens(len(model.terms), [11, 4])
    vectors, positions = NativeKernel(model, "log1p-relu", 1).attribute(tokens)
    with torch.inference_mode():
        for at in range(2):
            ids = torch.from_numpy(tokens.row(at).astype(np.int64)).unsqueeze(0)
            hidden = model.head_inputs(ids, torch.ones_like(ids))[0]
            logits = hidden @ model.projection.weight.T
            terms, _ = vectors.row(at)
            won = positions[vectors.indptr[at] : vectors.indptr[at + 1]]
            best = logits.max(dim=0).values.numpy()[terms]
            np.testing.assert_allclose(logits.numpy()[won, terms], best, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "activation", "pooling", "reason"),
    [
        ({}, "log1p-relu", "sum", "sum pooling"),
        ({}, "relu", "max", "the activation relu"),
        ({"hidden_act": "gelu_new"}, "log1p-relu", "max", "the inner activation gelu_new"),
        ({"num_attention_heads": 4}, "log1p-relu", "max", "attention heads of 8 values"),
        ({"intermediate_size": 40}, "log1p-relu", "max", "a feed-forward width of 40"),
    ],
)
def test_what_is_not_native_is_told(
    shop: Any, tmp_path: Path, changes: Any, activation: Any, pooling: Any, reason: str
) -> None:
    model = load_masked_lm(save_random_model("bert", shop.words, tmp_path, **changes))
    assert why_not_native(model, activation, pooling) == reason


def test_reduced_precision_runs_in_torch(tiny_bert: Path) -> None:
    model = load_masked_lm(tiny_bert, precision="bfloat16")
    assert why_not_native(model, "log1p-relu", "max") == "the precision torch.bfloat16"


def test_the_native_kernel_is_the_default(tiny_bert: Path) -> None:
    assert load_encoder(tiny_bert).describe().kernel == f"native-{_native.active_isa()}"
    assert load_encoder(tiny_bert, kernel="torch").describe().kernel == "torch"
    assert load_encoder(tiny_bert, precision="bfloat16").describe().kernel == "torch"
    with pytest.raises(ModelUnsupportedError, match="'native' does not compute weights of 16 bits"):
        load_encoder(tiny_bert, precision="bfloat16", kernel="native")


def test_tokens_the_model_does_not_know_are_refused(models: dict[str, LanguageModel]) -> None:
    kernel = NativeKernel(models["bert"], "log1p-relu", 1)
    with pytest.raises(ValueError, match="document 1 holds the token id 99999, outside the model's"):
        kernel(Tokens.of([[1, 2], [3, 99999]], [False, False]))
    with pytest.raises(ValueError, match="document 0 has 67 tokens, but the model has positions for 66"):
        kernel(random_tokens(10, [67]))


def test_parameters_that_do_not_fit_are_refused_by_name(models: dict[str, LanguageModel]) -> None:
    words, parameters = read_parameters(models["bert"])
    with pytest.raises(ValueError, match=r"32 columns cannot be shared by 5"):
        _native.Body(words, parameters, 5, 1e-12)
    del parameters["layers.1.up.bias"]
    with pytest.raises(ValueError, match=r"must hold 'layers.1.up.bias' .* \(48,\)"):
        _native.Body(words, parameters, 2, 1e-12)
    parameters["layers.1.up.bias"] = np.zeros(48, np.float64)  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"layers.1.up.bias"):
        _native.Body(words, parameters, 2, 1e-12)
    narrow = _native.Head(np.zeros((5, 16), np.float32), np.zeros(5, np.float32))
    with pytest.raises(ValueError, match="the body gives 32 columns, but the head's width is 16"):
        _native.Encoder(_native.Body(*read_parameters(models["bert"]), 2, 1e-12), narrow)
