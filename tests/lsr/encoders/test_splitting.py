"""Passages of long texts."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsr.encoders.base import TermSpan
from lsr.encoders.splitting import Splitting, definitions, merge_passages, sentences, split
from lsr.errors import InvalidArgumentError
from lsr.vectors import SparseVectors


def words(text: str) -> list[TermSpan]:
    return [TermSpan(found.start(), found.end(), 0) for found in re.finditer(r"\S+", text)]


def test_passages_end_with_sentences_and_overlap_by_whole_ones() -> None:
    text = "One two. Three four five! Six? Seven eight nine. Ten."
    assert split(text, Splitting(6), words) == ["One two. Three four five! Six?", "Seven eight nine. Ten."]
    assert split(text, Splitting(6, overlap=2), words) == [
        "One two. Three four five! Six?",
        "Six? Seven eight nine. Ten.",
    ]


def test_a_short_text_is_its_own_passage() -> None:
    assert split("  One two.  ", Splitting(2), words) == ["  One two.  "]
    assert split("", Splitting(2), words) == [""]


def test_a_long_sentence_is_cut_between_tokens() -> None:
    assert split("a b c d e f g", Splitting(3), words) == ["a b c", "d e f", "g"]


sentence_lists = st.lists(
    st.lists(st.sampled_from(["a", "bb", "ccc"]), min_size=1, max_size=9), min_size=1, max_size=12
)


@given(sentence_lists, st.integers(1, 12), st.data())
def test_passages_cover_the_text_within_the_length(
    parts: list[list[str]], length: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, length - 1))
    numbered, at = [], 0
    for part in parts:
        numbered.append(" ".join(f"{word}{at + place}" for place, word in enumerate(part)) + ".")
        at += len(part)
    text = " ".join(numbered)
    passages = split(text, Splitting(length, overlap), words)
    held = [passage.split() for passage in passages]
    assert all(1 <= len(each) <= length for each in held)
    tokens = text.split()
    position = 0
    for each in held:  # every passage is a run of the text that begins at or before the end of the last
        begin = tokens.index(each[0])
        assert position - overlap <= begin <= position
        assert tokens[begin : begin + len(each)] == each
        assert begin + len(each) > position
        position = begin + len(each)
    assert position == len(tokens)


def test_sentences_of_several_scripts() -> None:
    text = 'He said "Stop." Then left…  本を読む。東京！ 3.14 is pi.\n\nNew'
    assert [text[start:end].strip() for start, end in sentences(text)] == [
        'He said "Stop."',
        "Then left…",
        "本を読む。",
        "東京！",
        "3.14 is pi.",
        "New",
    ]


SOURCE = '''"""A module."""
import os


@decorated
def first(a):
    b = a
    return b


class Thing:
    """Docs."""

    def short(self): return 1

    def method(self):
        x = 1
        return x
'''


def test_python_is_cut_at_definitions() -> None:
    ranges = definitions(SOURCE)
    assert ranges is not None
    starts = [SOURCE[start:end].strip().splitlines()[0] for start, end in ranges]
    assert starts == ['"""A module."""', "@decorated", "class Thing:", "def method(self):"]
    assert "".join(SOURCE[start:end] for start, end in ranges) == SOURCE
    assert definitions("this is no python at all") is None
    passages = split(SOURCE, Splitting(8, at="definitions"), words)
    assert passages[1].startswith("@decorated")
    assert split("No code. At all here.", Splitting(2, at="definitions"), words) == [
        "No code.",
        "At all",
        "here.",
    ]


@pytest.mark.parametrize(
    ("length", "overlap", "says"), [(0, 0, "length must be at least 1"), (4, 4, "below the length 4, not 4")]
)
def test_settings_out_of_range(length: int, overlap: int, says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        Splitting(length, overlap)


rows = st.dictionaries(st.integers(0, 7), st.sampled_from([0.5, 1.0, 2.0]), max_size=5)


@given(st.lists(st.lists(rows, min_size=1, max_size=3), max_size=4))
def test_merging_takes_the_largest_weight(documents: list[list[dict[int, float]]]) -> None:
    passages = SparseVectors.from_id_dicts([row for document in documents for row in document], 8)
    document_of = [number for number, document in enumerate(documents) for _ in document]
    merged = merge_passages(passages, document_of, len(documents))
    expected: Sequence[dict[int, float]] = [
        {term: max(row.get(term, 0.0) for row in document) for row in document for term in row}
        for document in documents
    ]
    assert [
        dict(zip(*(part.tolist() for part in merged.row(at)), strict=True)) for at in range(len(merged))
    ] == [dict(sorted(row.items())) for row in expected]
