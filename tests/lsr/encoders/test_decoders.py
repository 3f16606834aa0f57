"""Causal language models as encoders, on tiny random models of the real architectures."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lsr.encoders.backbones import load_causal_lm
from lsr.encoders.composition import (
    Backbone,
    Composition,
    NeuralParts,
    Reading,
    VocabularyHead,
    write_composition,
)
from lsr.encoders.loading import load_encoder
from lsr.encoders.methods import METHODS
from lsr.encoders.saving import save_encoder
from lsr.encoders.tokens import TextTokenizer
from lsr.errors import ModelError, ModelNotFoundError, ModelUnsupportedError

ARCHITECTURES = ("llama", "mistral", "qwen2", "gemma2")
WITH_BOS = ("llama", "mistral", "gemma2")


def make_decoder(folder: Path, architecture: str, texts: Sequence[str], **changes: Any) -> Path:
    """A random model with a byte-level BPE tokenizer, which adds BOS where the real family's does."""
    import transformers
    from tokenizers import ByteLevelBPETokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    special = ["<s>", "</s>", "<pad>"]
    trained.train_from_iterator(list(texts) * 4, vocab_size=400, special_tokens=special, show_progress=False)
    backend = trained._tokenizer
    if architecture in WITH_BOS:
        backend.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=backend, **names).save_pretrained(folder)
    family = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "gemma2": "Gemma2"}[architecture]
    settings = {
        "vocab_size": backend.get_vocab_size(),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "max_position_embeddings": 128,
        "initializer_range": 0.3,
        "sliding_window": 8,
        "pad_token_id": 2,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    torch.manual_seed(11)
    config = getattr(transformers, f"{family}Config")(**(settings | changes))
    getattr(transformers, f"{family}ForCausalLM")(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=ARCHITECTURES)
def decoder(
    request: pytest.FixtureRequest, texts: Sequence[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return make_decoder(tmp_path_factory.mktemp("decoders") / request.param, request.param, texts)


@pytest.fixture(scope="module")
def llama(texts: Sequence[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_decoder(tmp_path_factory.mktemp("decoders") / "llama", "llama", texts)


def whole_logits(folder: Path, ids: Sequence[int], *, tied: bool = False, **inputs: Any) -> Tensor:
    """(length, vocabulary), from the library's own model; tied: its input embeddings are the output layer."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    if tied:
        model.lm_head.weight = model.model.embed_tokens.weight
    with torch.inference_mode():
        return model(torch.tensor([list(ids)]), use_cache=False, **inputs).logits[0]


def ids_of(folder: Path, text: str, special: bool) -> list[int]:
    from transformers import AutoTokenizer

    return list(AutoTokenizer.from_pretrained(folder)(text, add_special_tokens=special)["input_ids"])


def pooled(logits: Tensor) -> np.ndarray:
    """The formula: max over positions of log(1 + relu(logit))."""
    if not len(logits):
        return np.zeros(logits.shape[1], np.float32)
    return torch.log(1 + logits.clamp(min=0)).amax(0).numpy()


def dense(vectors: Any) -> np.ndarray:
    return np.asarray(vectors.to_scipy().toarray())


def test_plain_and_echo_equal_the_formula(decoder: Path, texts: Sequence[str]) -> None:
    plain = load_encoder(decoder, method="mistral-splade").encode_documents(texts)
    echo = load_encoder(decoder, method="echo-mistral-splade").encode_documents(texts)
    n_special = 1 if decoder.name in WITH_BOS else 0
    for at, text in enumerate(texts):
        bare, full = ids_of(decoder, text, special=False), ids_of(decoder, text, special=True)
        assert full == [0] * n_special + bare
        first = whole_logits(decoder, full, tied=True)[n_special:] if full else None
        expected = pooled(first) if first is not None else np.zeros(plain.vocabulary_size)
        assert np.abs(dense(plain.rows(at, at + 1))[0] - expected).max() <= 1e-4
        twice = [0] * n_special + bare + bare
        second = whole_logits(decoder, twice, tied=True)[n_special + len(bare) :] if bare else None
        expected = pooled(second) if second is not None else np.zeros(plain.vocabulary_size)
        assert np.abs(dense(echo.rows(at, at + 1))[0] - expected).max() <= 1e-4
    assert plain.nnz > 0
    assert echo.nnz > 0


@torch.inference_mode()
def test_bidirectional_attention_sees_ahead_and_not_into_padding(decoder: Path, texts: Sequence[str]) -> None:
    causal, both = load_causal_lm(decoder), load_causal_lm(decoder, bidirectional=True)
    short, long = ids_of(decoder, texts[0], special=True), ids_of(decoder, texts[-1], special=True)
    changed = [*short[:-1], short[1]]
    for model, sees_ahead in ((causal, False), (both, True)):
        states = [
            model.head_inputs(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.int64))
            for ids in (short, changed)
        ]
        moved = float((states[0][0, 0] - states[1][0, 0]).abs().max())
        assert (moved > 1e-4) == sees_ahead
        ids = torch.zeros(2, len(long), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, each in enumerate((short, long)):
            ids[row, : len(each)], mask[row, : len(each)] = torch.tensor(each), 1
        padded = model.head_inputs(ids, mask)[0, : len(short)]
        torch.testing.assert_close(padded, states[0][0], atol=1e-4, rtol=1e-4)


def test_bidirectional_vectors_equal_the_formula(llama: Path, texts: Sequence[str]) -> None:
    encoder = load_encoder(llama, method="laconic")
    text = texts[0]
    ids = ids_of(llama, "passage: " + text, special=False)
    everything = torch.zeros(1, 1, len(ids), len(ids))
    expected = pooled(whole_logits(llama, ids, attention_mask=everything))
    assert np.abs(dense(encoder.encode_documents([text]))[0] - expected).max() <= 1e-4


def test_the_bos_rule(decoder: Path) -> None:
    """BOS exactly where the tokenizer's own settings put it and the reading keeps it; never twice."""
    tokenizer = load_causal_lm(decoder).tokenizer
    kept = TextTokenizer(tokenizer, Reading(length=16))(["the cat"])
    dropped = TextTokenizer(tokenizer, Reading(length=16, special_tokens=False))(["the cat"])
    echoed = TextTokenizer(tokenizer, Reading(length=16, echo=True))(["the cat"])
    assert (kept.ids == 0).sum() == (echoed.ids == 0).sum() == (1 if decoder.name in WITH_BOS else 0)
    assert (dropped.ids == 0).sum() == 0


def test_echo_shares_the_length_between_the_copies(llama: Path) -> None:
    tokenizer = TextTokenizer(load_causal_lm(llama).tokenizer, Reading(length=12, echo=True, prompt="the "))
    plain = tokenizer(["a"])
    frame = tokenizer.frame
    room = (12 - frame.before - frame.prompt) // 2
    tokens = tokenizer(["cat " * 40])
    assert tokens.truncated.tolist() == [True]
    assert plain.truncated.tolist() == [False]
    row = tokens.row(0).tolist()
    copies = row[frame.before + frame.prompt :]
    assert len(row) <= 12
    assert copies[:room] == copies[room:]


def test_prosper_on_a_decoder(tmp_path: Path, llama: Path, texts: Sequence[str]) -> None:
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    folder = tmp_path / "prosper"
    shutil.copytree(llama, folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    size = model.config.vocab_size
    bonus = torch.randn(size, 32, generator=torch.Generator().manual_seed(2)) * 0.2
    save_file({"bonus.weight": bonus, "bonus.bias": torch.zeros(size)}, folder / "head.safetensors")
    encoder = load_encoder(folder, method="prosper")
    assert encoder.origin.composition.document.kind == "neural"
    ids = ids_of(folder, texts[0], special=True)
    with torch.inference_mode():
        output = model(torch.tensor([ids]), output_hidden_states=True)
    weights = torch.log(1 + output.logits[0, -1].clamp(min=0))
    learned = bonus @ torch.log(1 + output.hidden_states[-1][0, -1].clamp(min=0))
    own = torch.zeros(size)
    own[ids[1:]] = 1
    expected = (weights + own * (learned.max() - learned)).numpy()
    assert np.abs(dense(encoder.encode_documents([texts[0]]))[0] - expected).max() <= 1e-4
    query = encoder.encode_queries([texts[0]])
    assert float((query.weights.astype(np.float64) ** 2).sum()) == pytest.approx(1.0, abs=1e-6)
    assert query.nnz <= 256


def test_adapters_are_merged(tmp_path: Path, llama: Path, texts: Sequence[str]) -> None:
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(llama)
    settings = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    torch.manual_seed(4)
    adapted = peft.get_peft_model(base, settings)
    adapted.save_pretrained(tmp_path / "both" / "adapter")
    merged = adapted.merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "merged" / name).write_bytes((llama / name).read_bytes())
    expected = load_encoder(tmp_path / "merged", method="mistral-splade").encode_documents(texts)
    parts = METHODS["mistral-splade"].document
    assert isinstance(parts, NeuralParts)
    side = replace(parts, backbone=Backbone(str(llama), "causal-lm", adapter="adapter", tied=True))
    write_composition(Composition(side, side, "adapted"), tmp_path / "both")
    encoder = load_encoder(tmp_path / "both")
    assert np.abs(dense(encoder.encode_documents(texts)) - dense(expected)).max() <= 1e-4
    assert (
        np.abs(
            dense(load_encoder(llama, method="mistral-splade").encode_documents(texts)) - dense(expected)
        ).max()
        > 1e-2
    )
    save_encoder(encoder, tmp_path / "saved")
    assert (
        np.abs(dense(load_encoder(tmp_path / "saved").encode_documents(texts)) - dense(expected)).max() <= 1e-4
    )
    with pytest.raises(ModelNotFoundError, match=r"no adapter_config\.json"):
        load_causal_lm(llama, adapter=tmp_path)


@pytest.fixture
def adapter(tmp_path: Path, llama: Path) -> Path:
    """A LoRA adapter alone in its folder, as they are published."""
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    settings = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    torch.manual_seed(4)
    adapted = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(llama), settings)
    adapted.save_pretrained(tmp_path / "adapter")
    adapted.merge_and_unload().save_pretrained(tmp_path / "merged")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "merged" / name).write_bytes((llama / name).read_bytes())
    return tmp_path / "adapter"


def test_the_output_layer_is_the_input_embeddings_also_under_an_adapter(
    tmp_path: Path, llama: Path, texts: Sequence[str]
) -> None:
    """Mistral-SPLADE ties them before it trains an adapter, which may be one of the output layer."""
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(llama)
    assert not torch.equal(model.lm_head.weight, model.model.embed_tokens.weight)
    model.lm_head.weight = torch.nn.Parameter(model.model.embed_tokens.weight.detach().clone())
    settings = peft.LoraConfig(r=4, target_modules=["q_proj", "lm_head"], init_lora_weights=False)
    torch.manual_seed(4)
    adapted = peft.get_peft_model(model, settings)
    adapted.save_pretrained(tmp_path / "adapter")
    set_base(tmp_path / "adapter", str(llama))
    merged = adapted.merge_and_unload().eval()
    encoder = load_encoder(tmp_path / "adapter", method="mistral-splade")
    ids = ids_of(llama, texts[0], special=True)
    with torch.inference_mode():
        expected = pooled(merged(torch.tensor([ids]), use_cache=False).logits[0, 1:])
    assert np.abs(dense(encoder.encode_documents([texts[0]]))[0] - expected).max() <= 1e-4
    save_encoder(encoder, tmp_path / "saved")
    again = load_encoder(tmp_path / "saved").encode_documents([texts[0]])
    assert np.abs(dense(again)[0] - expected).max() <= 1e-4
    tied, own = (load_encoder(llama, method=method) for method in ("mistral-splade", None))
    assert np.abs(dense(tied.encode_documents(texts)) - dense(own.encode_documents(texts))).max() > 0.1


def set_base(adapter: Path, base: str) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": base}))


@pytest.mark.parametrize("method", ["mistral-splade", "echo-mistral-splade", "laconic"])
def test_an_adapters_folder_is_a_model(
    adapter: Path, llama: Path, tmp_path: Path, texts: Sequence[str], method: str
) -> None:
    expected = load_encoder(tmp_path / "merged", method=method)
    encoder = load_encoder(adapter, method=method)
    documents = dense(expected.encode_documents(texts))
    assert np.abs(dense(encoder.encode_documents(texts)) - documents).max() <= 1e-4
    assert np.abs(dense(encoder.encode_queries(texts)) - dense(expected.encode_queries(texts))).max() <= 1e-4
    assert encoder.describe().name == "adapter"
    assert encoder.describe().identity != load_encoder(llama, method=method).describe().identity
    save_encoder(encoder, tmp_path / "saved")
    again = load_encoder(tmp_path / "saved").encode_documents(texts)
    assert np.abs(dense(again) - documents).max() <= 1e-4


def test_an_adapters_model_is_found_beside_it(
    adapter: Path, llama: Path, tmp_path: Path, texts: Sequence[str]
) -> None:
    expected = load_encoder(adapter, method="mistral-splade").encode_documents(texts)
    shutil.copytree(llama, tmp_path / "base")
    set_base(adapter, "../base")
    found = load_encoder(adapter, method="mistral-splade").encode_documents(texts)
    assert dense(found).tolist() == dense(expected).tolist()
    set_base(adapter, "not there at all")
    with pytest.raises(ModelNotFoundError, match=r"adapter_config\.json: .*'not there at all', is neither"):
        load_encoder(adapter)


def test_adapters_that_are_not_whole_or_not_for_this_model_are_refused(
    adapter: Path, tmp_path: Path, texts: Sequence[str], recwarn: pytest.WarningsRecorder
) -> None:
    wide = make_decoder(tmp_path / "wide", "llama", texts, hidden_size=64)
    set_base(adapter, str(wide))
    with pytest.raises(ModelUnsupportedError, match=r"adapter: peft cannot load it: .*for PeftModel"):
        load_encoder(adapter)
    assert not [warning for warning in recwarn if "checkpointing" in str(warning.message)]
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelNotFoundError, match=r"not the adapter's weights \(adapter_model\.safetensors"):
        load_encoder(adapter)


def test_adapters_of_masked_models_are_refused(adapter: Path, tiny_bert: Path) -> None:
    set_base(adapter, str(tiny_bert))
    with pytest.raises(ModelUnsupportedError, match="into causal language models only"):
        load_encoder(adapter)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (left * right).sum(1) / (np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1))


def test_smaller_number_formats(llama: Path, texts: Sequence[str]) -> None:
    some = [text for text in texts if text]
    exact = load_encoder(llama, method="mistral-splade")
    reference = dense(exact.encode_documents(some))
    for precision in ("bfloat16", "int8"):
        encoder = load_encoder(llama, method="mistral-splade", precision=precision)  # type: ignore[arg-type]
        assert encoder.describe().precision == precision
        assert encoder.describe().identity != exact.describe().identity
        assert cosines(dense(encoder.encode_documents(some)), reference).min() > 0.98


def test_8_bit_weights_are_nearest_codes() -> None:
    from lsr.encoders.eight_bits import EightBitLinear

    linear = torch.nn.Linear(7, 5)
    layer = EightBitLinear(linear)
    restored = layer.codes.float() * layer.scale[:, None]
    assert bool(((restored - linear.weight).abs() <= layer.scale[:, None] / 2 + 1e-7).all())
    inputs = torch.randn(3, 7)
    torch.testing.assert_close(layer(inputs), inputs @ restored.T + linear.bias)


class LargestTensor(TorchDispatchMode):
    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else [result]:
            if isinstance(each, torch.Tensor) and each._base is None:
                self.numel = max(self.numel, each.numel())
        return result


def test_large_vocabularies_stay_in_tiles(tmp_path: Path, texts: Sequence[str]) -> None:
    size = 131_072
    changes = {
        "vocab_size": size,
        "hidden_size": 8,
        "head_dim": 4,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
    }
    folder = make_decoder(tmp_path / "wide", "llama", texts, **changes)
    encoder = load_encoder(folder, method="mistral-splade")
    assert len(encoder.vocabulary) == size
    assert encoder.vocabulary[size - 1] == f"<id {size - 1}>"
    with LargestTensor() as seen:
        vectors = encoder.encode_documents([texts[3]] * 4)
    assert vectors.nnz > 0
    assert seen.numel <= 4 * size  # the pooled rows; the logits would be as many again for every token


def test_a_decoder_without_its_head_is_refused(tmp_path: Path, llama: Path) -> None:
    from transformers import LlamaModel

    shutil.copytree(llama, tmp_path / "headless")
    LlamaModel.from_pretrained(llama).save_pretrained(tmp_path / "headless")
    config = (tmp_path / "headless" / "config.json").read_text().replace("LlamaModel", "LlamaForCausalLM")
    (tmp_path / "headless" / "config.json").write_text(config)
    with pytest.raises(ModelUnsupportedError, match=r"LlamaForCausalLM needs: lm_head\.weight"):
        load_encoder(tmp_path / "headless")


def test_methods_that_weigh_by_the_first_position_need_a_model_that_sees_ahead(
    tmp_path: Path, llama: Path
) -> None:
    for method in ("tilde", "epic"):
        with pytest.raises(ModelUnsupportedError, match=r"llama: a causal .* the same of every text"):
            load_encoder(llama, method=method)
    head = VocabularyHead(positions="first")
    side = NeuralParts(backbone=Backbone(str(llama), "causal-lm", bidirectional=True), head=head)
    (tmp_path / "both-ways").mkdir()
    write_composition(Composition(side, side, "both-ways"), tmp_path / "both-ways")
    encoder = load_encoder(tmp_path / "both-ways")
    first, second = dense(encoder.encode_documents(["the cat", "the mat"]))
    assert np.abs(first - second).max() > 1e-4


def test_adapters_need_peft(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModelError, match=r"needs the package peft: run `pip install 'lsr\[lora\]'`"):
        load_encoder(adapter, method="mistral-splade")


def test_plain_decoder_folders_default_to_max_pooling(llama: Path) -> None:
    encoder = load_encoder(llama)
    parts = encoder.origin.composition.document
    assert isinstance(parts, NeuralParts)
    assert (parts.backbone.kind, parts.head, encoder.describe().kernel) == (
        "causal-lm",
        VocabularyHead(),
        "torch",
    )
