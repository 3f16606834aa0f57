"""A checkpoint read without torch gives the encoder that transformers gives."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from lsr.encoders.checkpoints import read_checkpoint
from lsr.encoders.loading import load_encoder

TEXTS = ["How do I sort a list?", "Straße, naïve café; 東京 2024!", "", "x" * 300, "a b c " * 200]


def vectors_of(encoder):
    documents, queries = encoder.encode_documents(TEXTS), encoder.encode_queries(TEXTS)
    return [(each.indptr, each.terms, each.weights) for each in (documents, queries)]


def assert_same(found, expected):
    assert found.describe() == expected.describe()
    assert found.vocabulary == expected.vocabulary
    for ours, theirs in zip(vectors_of(found), vectors_of(expected), strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])
        np.testing.assert_allclose(ours[2], theirs[2], atol=1e-6)


@pytest.fixture
def through_transformers(monkeypatch):
    """Loads an encoder as if no checkpoint could be read directly."""

    def load(name):
        with monkeypatch.context() as patch:
            patch.setattr("lsr.encoders.choosing.read_checkpoint", lambda folder: None)
            return load_encoder(name)

    return load


def test_the_built_in_model_is_the_same_either_way(through_transformers):
    assert_same(load_encoder("splade-tiny"), through_transformers("splade-tiny"))


def test_a_random_bert_is_the_same_either_way(tiny_bert, through_transformers):
    assert read_checkpoint(tiny_bert) is not None
    assert_same(load_encoder(tiny_bert), through_transformers(tiny_bert))


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config.json", {"model_type": "roberta"}),
        ("config.json", {"tie_word_embeddings": False}),
        ("tokenizer_config.json", {"do_lower_case": False}),
        ("tokenizer_config.json", {"strip_accents": False}),
        ("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"}),
    ],
)
def test_what_is_not_certain_is_left_to_transformers(tiny_bert, tmp_path, file, change):
    folder = tmp_path / "model"
    shutil.copytree(tiny_bert, folder)
    settings = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(settings | change))
    assert read_checkpoint(folder) is None


def test_missing_files_and_weights_are_left_to_transformers(tiny_bert, tmp_path):
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        folder = tmp_path / name
        shutil.copytree(tiny_bert, folder)
        (folder / name).unlink()
        assert read_checkpoint(folder) is None
    (folder / "model.safetensors").write_bytes(b"not a checkpoint")
    assert read_checkpoint(folder) is None


def test_a_query_of_the_built_in_model_loads_neither_torch_nor_transformers():
    script = (
        "import sys; from lsr.encoders.loading import load_encoder;"
        "load_encoder('splade-tiny').encode_queries(['how to sort a list']);"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_weights_are_attributed_alike_either_way(through_transformers):
    ours, theirs = load_encoder("splade-tiny"), through_transformers("splade-tiny")
    terms = ours.encode_documents([TEXTS[0]]).terms
    assert ours.sources(TEXTS[0], terms) == theirs.sources(TEXTS[0], terms)
