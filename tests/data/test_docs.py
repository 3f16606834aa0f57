"""docs/data.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from lsr.data.fields import ID_NAMES, TEXT_NAMES
from lsr.data.formats import SUFFIXES, Format
from lsr.data.sample.judgements import judged_queries

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text("utf-8")


def test_the_names_that_are_guessed_are_listed_in_order():
    for names in (ID_NAMES, TEXT_NAMES):
        assert ", ".join(f"`{name}`" for name in names) in PAGE


def test_every_suffix_and_format_is_mentioned():
    for suffix in set(SUFFIXES) - {".markdown"}:
        assert f"`*{suffix}`" in PAGE, suffix
    for name in set(Format) - {Format.TEXT, Format.PARQUET}:
        assert name in PAGE


def test_the_samples_counts():
    queries = judged_queries()
    judgements = sum(len(query.grades) for query in queries)
    assert f"{len(queries)} queries and {judgements} judgements" in PAGE


def test_the_example_runs(write, tmp_path, monkeypatch, capsys):
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    write("news.csv.gz", "docno,headline,body\n1,Rain,It rains.\n")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "docs/data.md", "exec"), {})
    assert capsys.readouterr().out == "1 Rain\nIt rains.\n1 0 \n"
