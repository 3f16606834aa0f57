"""The built-in sample on the running Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from lsr.data.beir import BeirDataset
from lsr.data.sample import located, open_sample, sample_hash
from lsr.data.sample.docstrings import COMPILED, DocString, _compiled_modules, _parsed
from lsr.data.sample.judgements import judged_queries, parse
from lsr.data.sample.passages import LONGEST, passages


def test_every_judged_name_is_documented_here(sample):
    assert sample.absent == ()


def test_the_sample_is_a_beir_folder_of_a_few_thousand_passages(sample):
    dataset = BeirDataset.open(sample.folder)
    documents = list(dataset.documents())
    assert len(documents) == sample.n_documents
    assert 4000 < len(documents) < 5500
    assert all(document.title and len(document.text) <= LONGEST for document in documents)
    assert len(dataset.queries) == sample.n_queries == len(judged_queries())
    assert {name for grades in dataset.qrels.values() for name in grades} <= {one.id for one in documents}


def test_both_parsed_and_compiled_modules_are_there(sample):
    titles = {document.title for document in BeirDataset.open(sample.folder).documents()}
    assert {"textwrap.wrap", "heapq", "str.split", "math.isclose", "collections.deque.rotate"} <= titles


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(sample, tmp_path):
    script = (
        f"from lsr.data.sample import build_sample as b; from pathlib import Path as P; b(P({str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert sample_hash(tmp_path) == sample.sample_hash


@pytest.fixture
def tiny_builds(tmp_path, monkeypatch):
    """The cache is a folder of the test's own, and what is built there is empty; the builds are listed."""
    built: list[Path] = []

    def tiny_build(folder: Path) -> None:
        built.append(folder)
        (folder / "qrels").mkdir(parents=True)
        for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
            (folder / name).touch()

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("lsr.data.sample.build_sample", tiny_build)
    return built


def test_the_sample_goes_by_its_name(tiny_builds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert BeirDataset.open(located("sample")) == open_sample()
    assert located("other") == "other"
    (tmp_path / "sample").mkdir()
    assert located("sample") == "sample"


def test_the_cached_sample_is_built_once(tiny_builds, tmp_path):
    first = open_sample()
    assert open_sample() == first
    assert len(tiny_builds) == 1
    assert first.name == "sample"
    assert first.corpus_path.is_relative_to(tmp_path)
    assert [path.name for path in first.corpus_path.parents[1].iterdir()] == ["sample"]


def test_judgements_are_well_formed():
    queries = judged_queries()
    assert len({query.id for query in queries}) == len(queries)
    assert len({query.text for query in queries}) == len(queries)
    for query in queries:
        assert 2 in query.grades.values(), query
        assert set(query.grades.values()) <= {1, 2}, query


def test_parsing_judgements():
    found = parse("# a remark\n\nq1 what is it\n  2 a.b\n  1 c\nq2 why\n  2 d\n")
    assert [(one.id, one.text, one.grades) for one in found] == [
        ("q1", "what is it", {"a.b": 2, "c": 1}),
        ("q2", "why", {"d": 2}),
    ]


def test_no_name_is_judged_twice_for_a_query():
    names = [line.split()[1] for line in _judgement_lines() if line.startswith(" ")]
    assert len(names) == sum(len(query.grades) for query in judged_queries())


def _judgement_lines() -> list[str]:
    import lsr.data.sample as package

    return (Path(package.__file__).parent / "judgements.txt").read_text("utf-8").splitlines()


SOURCE = '''
"""The module."""
class Public:
    """A class."""
    def method(self):
        """A method."""
        def inner():
            """Not reachable."""
    def _private(self): "Private."
class _Hidden:
    """Hidden."""
    def method(self): "Hidden too."
try:
    async def conditional():
        """Below try."""
except ImportError:
    if True:
        def fallback(): "Below if."
def bare(): pass
'''


def test_what_is_taken_from_a_parsed_module(tmp_path):
    (tmp_path / "m.py").write_text(SOURCE)
    assert list(_parsed(tmp_path / "m.py", "m")) == [
        DocString("m", "module", "The module."),
        DocString("m.Public", "class", "A class."),
        DocString("m.Public.method", "method", "A method."),
        DocString("m.conditional", "function", "Below try."),
        DocString("m.fallback", "function", "Below if."),
    ]


def test_a_file_that_does_not_parse_is_passed_over(tmp_path):
    (tmp_path / "m.py").write_text("def broken(:")
    assert list(_parsed(tmp_path / "m.py", "m")) == []


def test_compiled_modules_are_all_here_and_give_no_second_names():
    names = [found.name for found in _compiled_modules()]
    modules = {name.split(".")[0] for name in names} | {"builtins"}
    assert set(COMPILED) - modules == set()
    assert not {"os.error", "os.Mapping", "socket.IntEnum", "datetime.timedelta.max"} & set(names)


def test_short_documentation_is_one_passage():
    assert passages("One.\n\nTwo.") == ["One.\n\nTwo."]


def test_cuts_stand_between_paragraphs_then_lines_then_words():
    paragraph = "word " * 120 + "end."
    assert passages(f"{paragraph}\n\n{paragraph}\n\nlast") == [paragraph, f"{paragraph}\n\nlast"]
    lines = "\n".join(["line " * 10] * 40)
    assert all(len(passage) <= LONGEST for passage in passages(lines))
    assert "\n".join(passages(lines)) == lines
    words = "x" * 700 + " " + "y" * 700 + " " + "z" * 2000
    assert [len(passage) for passage in passages(words)] == [700, 700, 1000]


def test_records_are_plain_beir(sample):
    first = json.loads((sample.folder / "corpus.jsonl").read_text("utf-8").splitlines()[0])
    assert list(first) == ["_id", "title", "text", "metadata"]
