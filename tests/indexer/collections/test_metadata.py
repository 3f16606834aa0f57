"""Metadata by value: the arrays against plain dictionaries of sets."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsr.indexer.metadata import MetadataBuilder
from lsr.indexer.terms import pack_terms

from lsr.errors import IndexCorruptError

values = st.recursive(
    st.none() | st.booleans() | st.sampled_from([-1, 0, -0.0, 0.0, 1.0, 10**400]) | st.text("sb", max_size=1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=6,
)
documents = st.lists(st.dictionaries(st.sampled_from(["a", "b", "a.b"]), values, max_size=3), max_size=40)


def pairs(value, key=""):
    """Keys with the numbers, or the texts with their kind, under them."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from pairs(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for inner in value:
            yield from pairs(inner, key)
    elif isinstance(value, bool):
        yield key, f"b{str(value).lower()}"
    elif isinstance(value, str):
        yield key, f"s{value}"
    elif value is not None:
        yield key, float("inf") if value == 10**400 else float(value)


def expected(every):
    numbers, texts = defaultdict(set), defaultdict(lambda: defaultdict(set))
    for at, document in enumerate(every):
        for key, value in pairs(document):
            if isinstance(value, str):
                texts[key][value].add(at)
            else:
                numbers[key].add((value, at))
    keys = sorted(numbers.keys() | texts.keys())
    found = [pair for key in keys for pair in sorted(numbers[key])]
    runs = [item for key in keys for item in sorted(texts[key].items())]
    return {
        "metadata.keys": pack_terms(keys).tolist(),
        "metadata.numbers": [value for value, _ in found],
        "metadata.number-positions": [at for _, at in found],
        "metadata.texts": list("".join(text for text, _ in runs).encode()),
        "metadata.text-positions": [at for _, ats in runs for at in sorted(ats)],
    }


@given(every=documents, size=st.integers(1, 41))
def test_the_arrays_are_what_their_definition_says(every, size):
    builder, encoded = MetadataBuilder(), [json.dumps(each) for each in every]
    for start in range(0, len(encoded), size):
        builder.add(encoded[start : start + size])
    arrays, wanted = builder.arrays(), expected(every)
    if not wanted["metadata.keys"]:
        assert arrays == {}
    else:
        assert {name: arrays[name].tolist() for name in wanted} == wanted


def test_equal_numbers_stay_in_the_order_of_positions():
    builder = MetadataBuilder()
    builder.add([json.dumps({"n": at % 3}) for at in range(3000)])
    assert builder.arrays()["metadata.number-positions"].tolist() == sorted(range(3000), key=lambda at: at % 3)


@pytest.mark.parametrize("damaged", ['{"a":1', "[]", "{},{}", "", "1"])
def test_what_is_no_object_is_refused(damaged):
    with pytest.raises(IndexCorruptError, match="the metadata of the documents are damaged"):
        MetadataBuilder().add(["{}", damaged, "{}"])
