"""Documents in columns: what is stored is what each document alone would give, whatever stands beside it."""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsr.indexer.columns import DocumentColumns
from lsr.indexer.documents import DocumentInput, DocumentRow

from lsr.errors import InvalidArgumentError

signs = st.text('aé{}[],:"\\\n\x1f\x00', max_size=4)  # all that could be taken for the end of an object
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | signs,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(signs, inner, max_size=3),
    max_leaves=5,
)
metadata = st.dictionaries(signs, values, max_size=3)


@given(st.lists(metadata, max_size=8))
@settings(deadline=None)
def test_metadata_encoded_together_are_those_encoded_alone(every):
    documents = [DocumentInput(f"d{at}", "text", "title", each) for at, each in enumerate(every)]
    alone = [json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in every]
    assert list(DocumentColumns.of(documents).rows()) == [
        DocumentRow(document.id, "title", "text", encoded)
        for document, encoded in zip(documents, alone, strict=True)
    ]


def test_a_list_of_objects_within_one_document_does_not_shift_the_others():
    every = [{"x": [{"y": 1}, {"y": 2}]}, {"z": 3}]
    documents = [DocumentInput(f"d{at}", metadata=each) for at, each in enumerate(every)]
    assert DocumentColumns.of(documents).metadata == ['{"x":[{"y":1},{"y":2}]}', '{"z":3}']


def test_more_documents_than_are_encoded_at_once(monkeypatch):
    monkeypatch.setattr("lsr.indexer.columns._ENCODED_AT_ONCE", 3)
    documents = [DocumentInput(f"d{at}", metadata={"n": at} if at % 4 else {}) for at in range(10)]
    encoded = DocumentColumns.of(documents).metadata
    assert [json.loads(each) for each in encoded] == [document.metadata for document in documents]
    with pytest.raises(InvalidArgumentError, match=r"document 'd7': its metadata cannot be written as JSON"):
        DocumentColumns.of([*documents[:7], DocumentInput("d7", metadata={"n": object()}), *documents[8:]])


def test_any_mapping_is_metadata():
    [encoded] = DocumentColumns.of([DocumentInput("a", metadata=MappingProxyType({"n": 1}))]).metadata
    assert encoded == '{"n":1}'


@pytest.mark.parametrize("part", ["id", "title", "text", "metadata"])
def test_half_a_character_is_refused_with_its_document_and_part(part):
    half = {"metadata": {"k": "x\udc00"}} if part == "metadata" else {part: "x\udc00"}
    broken = DocumentInput(**{"id": "broken", **half})
    with pytest.raises(InvalidArgumentError, match=rf"'\\udc00' in its {part} is half a character") as refused:
        DocumentColumns.of([DocumentInput("fine", "é"), broken])
    assert refused.value.field == part
    assert repr(broken.id) in str(refused.value)


def test_columns_keep_some_documents():
    columns = DocumentColumns.of([DocumentInput(f"d{at}", f"text {at}") for at in range(4)])
    kept = columns.where([False, True, False, True])
    assert [(row.id, row.text) for row in kept.rows()] == [("d1", "text 1"), ("d3", "text 3")]
    assert DocumentColumns.of_rows(list(columns.rows())).row(2) == columns.row(2)
    assert len(DocumentColumns.of_rows([])) == 0
