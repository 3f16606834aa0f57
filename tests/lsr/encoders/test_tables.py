"""Inference-free queries and the idf table behind them, against counting by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from lsr.indexer.fields import QueryTable

from lsr import _native
from lsr.encoders.encoder import ComposedEncoder
from lsr.encoders.loading import load_encoder
from lsr.encoders.saving import save_encoder
from lsr.encoders.tables import UNSEEN_WEIGHT, idf_table, read_table, table_weights, write_idf
from lsr.errors import ModelError, ModelNotFoundError


@pytest.fixture(scope="module")
def documents(tiny_bert: Path) -> ComposedEncoder:
    return load_encoder(tiny_bert)


def test_idf_counts_each_token_once_a_text(documents: ComposedEncoder, texts: Sequence[str]) -> None:
    tokenizer, terms = documents.plain_tokenizer, documents.vocabulary.terms
    table = idf_table(iter(texts), tokenizer, len(terms))
    bags = [{terms[at] for at in tokenizer([text]).ids} for text in texts]
    for term, weight in zip(terms, table, strict=True):
        df = sum(term in bag for bag in bags)
        expected = math.log(1 + (len(texts) - df + 0.5) / (df + 0.5)) if df else UNSEEN_WEIGHT
        assert weight == pytest.approx(expected, rel=1e-6)
    assert table[documents.vocabulary.id_of("[CLS]")] == UNSEEN_WEIGHT


def test_the_published_extremes_follow_from_the_formula() -> None:
    """Weights 15.5895 and 15.0787 of the MS MARCO table are df = 1 and 2 among 8,841,823 passages."""
    for df, weight in ((1, 15.5895), (2, 15.0787)):
        assert math.log1p((8_841_823 - df + 0.5) / (df + 0.5)) == pytest.approx(weight, abs=5e-5)


def test_queries_are_sets_weighted_by_the_table(
    tmp_path: Path, tiny_bert: Path, documents: ComposedEncoder, texts: Sequence[str]
) -> None:
    table = idf_table(texts, documents.plain_tokenizer, len(documents.vocabulary))
    write_idf(tmp_path / "idf.json", table, documents.vocabulary.terms)
    encoder = load_encoder(tiny_bert, queries=tmp_path / "idf.json")
    info = encoder.describe()
    assert (info.method, info.query_length, info.kernel) == (
        "inference-free",
        0,
        f"native-{_native.active_isa()}",
    )
    the = encoder.vocabulary.id_of("the")
    assert the is not None
    rows = encoder.encode_queries(["the the the", "", "The"])
    assert [dict(zip(*map(np.ndarray.tolist, rows.row(at)), strict=True)) for at in range(3)] == [
        {the: pytest.approx(float(table[the]))},
        {},
        {the: pytest.approx(float(table[the]))},
    ]
    assert info.identity != documents.describe().identity
    assert encoder.encode_documents(texts).nnz == documents.encode_documents(texts).nnz


def test_a_lone_query_equals_its_row_of_many(tmp_path: Path, tiny_bert: Path, texts: Sequence[str]) -> None:
    (tmp_path / "idf.json").write_text(json.dumps({"the": 3.0, "cat": 2.0, "a": -1.0, "sat": 0.0}))
    encoder = load_encoder(tiny_bert, queries=tmp_path / "idf.json")
    together = encoder.encode_queries(texts)
    for at, text in enumerate(texts):
        alone = encoder.encode_queries([text])
        np.testing.assert_array_equal(alone.indptr, [0, len(together.row(at)[0])])
        np.testing.assert_array_equal(alone.terms, together.row(at)[0])
        np.testing.assert_array_equal(alone.weights, together.row(at)[1])


def test_a_table_given_as_content_is_saved_with_its_encoder(
    tmp_path: Path, tiny_bert: Path, texts: Sequence[str]
) -> None:
    table = QueryTable("idf.json", json.dumps({"the": 3.0, "cat": 2.0}).encode())
    encoder = load_encoder(tiny_bert, queries=table)
    save_encoder(encoder, tmp_path / "saved")
    saved = load_encoder(tmp_path / "saved")
    assert (encoder.query_table, saved.query_table) == (table, None)
    ours, theirs = (each.encode_queries(texts).to_dicts(each.vocabulary) for each in (encoder, saved))
    assert theirs == ours


def test_negative_weights_count_as_zero(tmp_path: Path, tiny_bert: Path) -> None:
    (tmp_path / "idf.json").write_text(json.dumps({"the": -1.0, "cat": 2.0}))
    encoder = load_encoder(tiny_bert, queries=tmp_path / "idf.json")
    assert encoder.encode_queries(["the cat sat"]).to_dicts(encoder.vocabulary) == [{"cat": 2.0}]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "no readable JSON"),
        ("[1, 2]", "found a list"),
        ('{"nonsense-token": 1.0}', "no token 'nonsense-token'"),
        ('{"a": "heavy"}', "the weight of 'a' is 'heavy'"),
        ('{"a": NaN}', "the weight of 'a' is nan"),
    ],
)
def test_broken_tables_are_refused(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "idf.json"
    path.write_text(content)
    with pytest.raises(ModelError, match=says):
        table_weights(read_table(path), ("a", "b"))


def test_tables_of_tensors(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "table.safetensors"
    save_file({"weight": np.array([0.5, 2.0], np.float32)}, path)
    assert table_weights(read_table(path), ("a", "b")).tolist() == [0.5, 2.0]
    with pytest.raises(ModelError, match="vocabulary of 3 terms"):
        table_weights(read_table(path), ("a", "b", "c"))
    save_file({"other": np.zeros(2, np.float32)}, path)
    with pytest.raises(ModelError, match=r"holds \['other'\]"):
        table_weights(read_table(path), ("a", "b"))
    save_file({"weight": np.array([0.5, np.inf], np.float32)}, path)
    with pytest.raises(ModelError, match="weight of 'b' is not finite"):
        table_weights(read_table(path), ("a", "b"))
    path.write_bytes(b"torn")
    with pytest.raises(ModelError, match="no readable safetensors"):
        table_weights(read_table(path), ("a", "b"))


def test_a_table_that_is_not_there(tmp_path: Path, tiny_bert: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"idf\.json: no such table"):
        load_encoder(tiny_bert, queries=tmp_path / "idf.json")
