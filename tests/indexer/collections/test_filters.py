from __future__ import annotations

import math
import operator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsr.indexer.filters import parse_filter

from lsr.errors import InvalidArgumentError

DOCS = [
    {"lang": "en", "year": 2020, "tag": ["a", "b"], "draft": False},
    {"lang": "de", "year": 2021.5, "tag": "b", "author": {"name": "Ö", "id": 7}},
    {"lang": "en", "year": "2020", "draft": True, "id": "other"},
    {},
    {"lang": None, "tag": [], "year": -1, "odd key": "x"},
    {"lang": "true", "draft": "true", "year": 2021},
]


@pytest.fixture
def index(lab, doc):
    lab.create([doc(f"d{at}", {0: 1.0 + at}, "w", metadata) for at, metadata in enumerate(DOCS[:4])])
    with lab.open() as writer:
        lab.add(writer, [doc(f"d{at}", {0: 1.0 + at}, "w", DOCS[at]) for at in (4, 5)])
        writer.commit()
    return lab


def chosen(lab, text, **options):
    return sorted(int(name[1:]) for name, _ in lab.answer(lab.read(), {0: 1.0}, filter=text, **options))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('lang = "en"', [0, 2]),
        ('lang != "en"', [1, 3, 4, 5]),
        ('lang = "en" AND year >= 2020', [0]),
        ("year > 2020", [1, 5]),
        ("year >= 2020 and year < 2021.5", [0, 5]),
        ("year <= -1", [4]),
        ('year = "2020"', [2]),
        ('year < "3"', [2]),
        ('tag IN ("a", "zz")', [0]),
        ('tag in ("b")', [0, 1]),
        ('tag NOT IN ("a", "b")', [2, 3, 4, 5]),
        ("draft = true", [2]),
        ("draft = false", [0]),
        ('draft = "true"', [5]),
        ('lang > "en"', [5]),
        ('lang >= "de" AND lang <= "en"', [0, 1, 2]),
        ('author.name = "\\u00d6"', [1]),
        ("author.id = 7", [1]),
        ('`odd key` = "x"', [4]),
        ('id = "d3"', [3]),
        ('id IN ("d3", "d5", "nobody")', [3, 5]),
        ('id NOT IN ("d3", "d5")', [0, 1, 2, 4]),
        ('id != "d0" AND metadata.id = "other"', [2]),
        ('NOT (lang = "en" OR tag = "b")', [3, 4, 5]),
        ('lang = "en" OR lang = "de" AND year > 2021', [0, 1, 2]),
        ('(lang = "en" OR lang = "de") AND year > 2021', [1]),
        ('nokey = "x"', []),
        ("android = 1 OR year = 2.021e3", [5]),
    ],
)
def test_a_filter_chooses_by_value(index, text, expected):
    assert chosen(index, text) == expected
    assert chosen(index, text, reference=True) == expected


@pytest.mark.parametrize("key", ["not-found", "not.found", "nothing", "and-or", "in", "or.x", "true"])
def test_a_name_may_begin_with_a_keyword(lab, doc, key):
    lab.create([doc("d0", {0: 1.0}, "w", {key: 1}), doc("d1", {0: 1.0}, "w")])
    assert chosen(lab, f"{key} = 1") == [0]
    assert chosen(lab, f"NOT {key} = 1 AND NOT({key} = 2)") == [1]


def test_the_best_within_the_filter_are_found(index):
    assert index.answer(index.read(), {0: 1.0}, k=2, filter='lang != "true"') == [("d4", 5.0), ("d3", 4.0)]


def test_a_filter_holds_after_changes_and_merges(index, doc):
    with index.open() as writer:
        index.add(writer, [doc("d0", {0: 9.0}, "w", {"lang": "fr"})])
        writer.delete(["d2"])
        writer.commit()
        assert chosen(index, 'lang = "en"') == []
        writer.merge(full=True)
    assert chosen(index, 'lang = "fr" OR year = 2021') == [0, 5]


def test_counts_are_within_the_filter(index):
    collection = index.read()
    queries = index.queries(collection, [{0: 1.0}])
    assert collection.count(queries, filter='lang = "en"') == [2]
    parsed = parse_filter('lang = "en"')
    assert collection.count(queries, filter=parsed) == [2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"at its end: expected .*a name"),
        ("lang =", r"at its end: expected .*a number"),
        ("lang = AND", r"at character 8 \('AND'\): expected a number, a text in \"quotes\", true or false"),
        ('lang "en"', r"at character 6"),
        ("year >= 2020 year", r"at character 14 \('year'\)"),
        ("lang = 'en'", r"at character 8"),
        ('lang == "en"', "; equality is one ="),
        ('tag IN ("a"', r"at its end: expected \), ,|at its end: expected"),
        ('lang = "\\x"', "has an escape that JSON does not know"),
        ('lang = "\\ud800"', "has an escape that JSON does not know"),
        ('id > "a"', "ids are texts, compared with"),
        ("id = 3", "ids are texts, compared with"),
        ("(" * 150 + "a = 1" + ")" * 150 + " AND", "at its end"),
        ("NOT " * 150 + "a = 1", "more than 100 levels"),
        ("a" * 1_000_001, "1,000,001 characters"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text, message):
    with pytest.raises(InvalidArgumentError, match=f"filter: .*{message}"):
        parse_filter(text)


values = st.one_of(st.integers(-2, 2), st.sampled_from(["", "a", "b", "ab", "é"]), st.booleans(), st.none())
documents = st.lists(
    st.dictionaries(st.sampled_from(["x", "y"]), st.one_of(values, st.lists(values, max_size=3)), max_size=2),
    min_size=1,
    max_size=8,
)
tests = st.tuples(
    st.sampled_from(["x", "y"]),
    st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
    values.filter(lambda v: v is not None),
)


def holds(metadata, test):
    """The definition, one document at a time."""
    key, comparison, wanted = test
    found = metadata.get(key)
    elements = [value for value in (found if isinstance(found, list) else [found]) if value is not None]
    same_kind = [v for v in elements if kind(v) == kind(wanted)]
    if comparison == "!=":
        return wanted not in same_kind
    compare = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
    return any(compare[comparison](value, wanted) for value in same_kind)


def kind(value):
    return bool if isinstance(value, bool) else str if isinstance(value, str) else float


def written(test):
    key, comparison, value = test
    text = str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else value
    return f"{key} {comparison} {text}"


@given(metadata=documents, first=tests, second=tests)
@settings(max_examples=60, deadline=None)
def test_any_comparison_is_what_its_definition_says(metadata, first, second, doc, make_lab, tmp_path_factory):
    lab = make_lab(tmp_path_factory.mktemp("filter") / "index")
    lab.create([doc(f"d{at}", {0: 1.0}, "", each) for at, each in enumerate(metadata)])
    for joined, rule in (
        (f"{written(first)} AND {written(second)}", lambda m: holds(m, first) and holds(m, second)),
        (f"{written(first)} OR NOT {written(second)}", lambda m: holds(m, first) or not holds(m, second)),
    ):
        assert chosen(lab, joined) == [at for at, each in enumerate(metadata) if rule(each)]


def test_numbers_that_floats_cannot_tell_apart_are_equal(lab, doc):
    lab.create([doc("d0", {0: 1.0}, "", {"n": 2**53}), doc("d1", {0: 1.0}, "", {"n": 2**53 + 1})])
    assert chosen(lab, f"n = {2**53}") == [0, 1]
    assert math.isclose(2**53, 2**53 + 1)
