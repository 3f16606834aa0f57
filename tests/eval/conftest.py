"""A dataset small enough to work out by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from lsr.data.beir import BeirDataset
from lsr.eval.qrels import write_qrels

CORPUS = {
    "d1": "wing flutter",
    "d2": "wing lift and drag",
    "d3": "heat transfer",
    "d4": "heat shield",
    "d5": "",
}
QUERIES = {"q1": "wing drag", "q2": "heat", "q3": "nothing of the kind", "unjudged": "wing"}
QRELS = {"q1": {"d2": 2, "d1": 1}, "q2": {"d4": 1}, "q3": {"d1": 1}, "untold": {"d1": 1}}


def write_dataset(
    folder: Path, corpus: Mapping[str, str], queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]]
) -> BeirDataset:
    (folder / "qrels").mkdir(parents=True)
    for name, texts in (("corpus", corpus), ("queries", queries)):
        lines = (json.dumps({"_id": each, "text": text}) + "\n" for each, text in texts.items())
        (folder / f"{name}.jsonl").write_text("".join(lines))
    write_qrels(folder / "qrels" / "test.tsv", qrels)
    return BeirDataset.open(folder)


@pytest.fixture
def wings(tmp_path: Path) -> BeirDataset:
    """Five documents, three judged queries of which one finds nothing, one judged query without a text."""
    return write_dataset(tmp_path / "wings", CORPUS, QUERIES, QRELS)
