"""The same folder gives the same vectors here and in sentence-transformers, whoever wrote it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsr.encoders.loading import load_encoder
from lsr.encoders.saving import save_encoder
from lsr.errors import InvalidArgumentError, ModelError, ModelMismatchError, ModelUnsupportedError

sentence_transformers = pytest.importorskip("sentence_transformers")


def theirs(folder: Path) -> Any:
    return sentence_transformers.SparseEncoder(str(folder), device="cpu")


def check_same(folder: Path, texts: Sequence[str]) -> None:
    """Both sides, both libraries: |a − b| ≤ 1e-4 over the union of supports."""
    ours, reference = load_encoder(folder), theirs(folder)
    for encode, method in (
        (ours.encode_documents, reference.encode_document),
        (ours.encode_queries, reference.encode_query),
    ):
        expected = method(list(texts), convert_to_sparse_tensor=False).numpy()
        vectors = encode(texts).to_scipy().toarray()
        assert np.abs(vectors - expected).max() <= 1e-4
        assert np.count_nonzero(vectors) > 0


def written_by_them(
    folder: Path, model: Path, pooling: str = "max", activation: str = "relu", **settings: Any
) -> Path:
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    body = Transformer(str(model), transformer_task="fill-mask", max_seq_length=24)
    modules = [body, SpladePooling(pooling, activation_function=activation)]
    sentence_transformers.SparseEncoder(modules=modules, device="cpu", **settings).save_pretrained(str(folder))
    return folder


def with_router(folder: Path, model: Path) -> Path:
    import torch
    from sentence_transformers.base.modules import Router, Transformer
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding, SpladePooling

    body = Transformer(str(model), transformer_task="fill-mask", max_seq_length=24)
    weights = torch.rand(len(body.tokenizer), generator=torch.Generator().manual_seed(3))
    weights[::3] = 0.0
    router = Router.for_query_document(
        query_modules=[SparseStaticEmbedding(tokenizer=body.tokenizer, weight=weights)],
        document_modules=[body, SpladePooling("max")],
    )
    sentence_transformers.SparseEncoder(modules=[router], device="cpu").save_pretrained(str(folder))
    return folder


@pytest.mark.parametrize("pooling", ["max", "sum"])
@pytest.mark.parametrize("activation", ["relu", "log1p_relu"])
def test_their_folder_loads_here_and_ours_there(
    tmp_path: Path, tiny_bert: Path, texts: Sequence[str], pooling: str, activation: str
) -> None:
    check_same(written_by_them(tmp_path / "theirs", tiny_bert, pooling, activation), texts)
    save_encoder(load_encoder(tmp_path / "theirs"), tmp_path / "ours")
    check_same(tmp_path / "ours", texts)


def test_a_plain_hugging_face_folder(tmp_path: Path, tiny_bert: Path, texts: Sequence[str]) -> None:
    check_same(tiny_bert, texts)
    save_encoder(load_encoder(tiny_bert, document_length=12, query_length=12), tmp_path / "saved")
    check_same(tmp_path / "saved", texts)


def test_prompts_and_active_dimensions(tmp_path: Path, tiny_bert: Path, texts: Sequence[str]) -> None:
    prompts = {"query": "query: ", "document": "cat "}
    folder = written_by_them(tmp_path / "theirs", tiny_bert, prompts=prompts, max_active_dims=8)
    check_same(folder, texts)
    save_encoder(load_encoder(folder), tmp_path / "ours")
    check_same(tmp_path / "ours", texts)


def test_inference_free_queries(tmp_path: Path, tiny_bert: Path, texts: Sequence[str]) -> None:
    folder = with_router(tmp_path / "theirs", tiny_bert)
    check_same(folder, texts)
    encoder = load_encoder(folder)
    assert (encoder.describe().method, encoder.describe().query_length) == ("inference-free", 24)
    save_encoder(encoder, tmp_path / "ours")
    check_same(tmp_path / "ours", texts)


def test_two_different_models(tmp_path: Path, shop: Any, tiny_bert: Path, texts: Sequence[str]) -> None:
    small = shop.bert("smaller-query-bert", seed=8, num_hidden_layers=1)
    encoder = load_encoder(tiny_bert, queries=small)
    assert (
        encoder.encode_queries(texts).weights.tolist()
        == load_encoder(small).encode_queries(texts).weights.tolist()
    )
    save_encoder(encoder, tmp_path / "ours")
    check_same(tmp_path / "ours", texts)


OLD_PATHS = {
    "sentence_transformers.base.modules.transformer.Transformer": (
        "sentence_transformers.sparse_encoder.models.MLMTransformer"
    ),
    "sentence_transformers.base.modules.router.Router": "sentence_transformers.models.Router",
    "sentence_transformers.sparse_encoder.modules.splade_pooling.SpladePooling": (
        "sentence_transformers.sparse_encoder.models.SpladePooling"
    ),
    "sentence_transformers.sparse_encoder.modules.sparse_static_embedding.SparseStaticEmbedding": (
        "sentence_transformers.sparse_encoder.models.SparseStaticEmbedding"
    ),
}


@pytest.mark.parametrize("router", [False, True])
def test_the_old_module_paths(tmp_path: Path, tiny_bert: Path, texts: Sequence[str], router: bool) -> None:
    folder = (with_router if router else written_by_them)(tmp_path / "old", tiny_bert)
    for path in (folder / "modules.json", folder / "router_config.json"):
        if path.is_file():
            text = path.read_text()
            for new, old in OLD_PATHS.items():
                text = text.replace(new, old)
            path.write_text(text)
    for path in folder.rglob("sentence_bert_config.json"):
        path.write_text('{"max_seq_length": 24, "do_lower_case": false}')
    for path in folder.rglob("1_SpladePooling/config.json"):
        path.write_text(
            '{"pooling_strategy": "max", "activation_function": "relu", "word_embedding_dimension": 300}'
        )
    check_same(folder, texts)


def test_a_dense_model_is_refused_by_name(tmp_path: Path, tiny_bert: Path) -> None:
    folder = written_by_them(tmp_path / "dense", tiny_bert)
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "sentence_transformers.models.Pooling"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelUnsupportedError, match=r"\['Transformer', 'Pooling'\].*no sparse vectors"):
        load_encoder(folder)


def test_a_body_without_its_head_is_refused(tmp_path: Path, tiny_bert: Path) -> None:
    folder = written_by_them(tmp_path / "features", tiny_bert)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 24}')
    with pytest.raises(ModelUnsupportedError, match="'feature-extraction', so it has no masked-LM head"):
        load_encoder(folder)


def test_an_unfinished_folder_names_the_file(tmp_path: Path, tiny_bert: Path) -> None:
    folder = written_by_them(tmp_path / "torn", tiny_bert)
    (folder / "1_SpladePooling" / "config.json").unlink()
    with pytest.raises(ModelError, match=r"1_SpladePooling/config\.json: this file belongs"):
        load_encoder(folder)
    (folder / "modules.json").write_text("[")
    with pytest.raises(ModelError, match=r"modules\.json: not valid JSON"):
        load_encoder(folder)
    for content in ("null", "7", "[7]", "[{}]"):
        (folder / "modules.json").write_text(content)
        with pytest.raises(ModelError, match=r"modules\.json: must be a list of modules, each with its type"):
            load_encoder(folder)


def test_what_they_cannot_express_is_saved_for_us_alone(
    tmp_path: Path, tiny_bert: Path, texts: Sequence[str]
) -> None:
    encoder = load_encoder(tiny_bert, document_length=12, query_length=6)
    save_encoder(encoder, tmp_path / "ours")
    assert not (tmp_path / "ours" / "modules.json").exists()
    again = load_encoder(tmp_path / "ours")
    assert again.encode_queries(texts).weights.tolist() == encoder.encode_queries(texts).weights.tolist()
    assert (again.describe().document_length, again.describe().query_length) == (12, 6)


def test_saving_never_overwrites(tmp_path: Path, tiny_bert: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="exists already"):
        save_encoder(load_encoder(tiny_bert), tmp_path)


def test_sides_of_different_vocabularies_are_refused(tiny_bert: Path) -> None:
    with pytest.raises(ModelMismatchError, match="different vocabularies"):
        load_encoder(tiny_bert, queries="splade-tiny")
