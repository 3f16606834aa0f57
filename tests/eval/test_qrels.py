from __future__ import annotations

from pathlib import Path

import pytest
from lsr.data.queries import read_qrels
from lsr.eval.qrels import write_qrels

from lsr.errors import InvalidArgumentError

QRELS = {"q1": {"d1": 2, "d 2": 0}, "q2": {"d1": -1}}


def test_beir_judgements_come_back(tmp_path: Path) -> None:
    path = tmp_path / "test.tsv"
    write_qrels(path, QRELS)
    assert path.read_text().splitlines()[:2] == ["query-id\tcorpus-id\tscore", "q1\td1\t2"]
    assert read_qrels(path) == QRELS


def test_trec_judgements_come_back(tmp_path: Path) -> None:
    path = tmp_path / "qrels.txt"
    write_qrels(path, {"q1": {"d1": 2, "d2": 0}})
    assert path.read_text() == "q1 0 d1 2\nq1 0 d2 0\n"
    assert read_qrels(path) == {"q1": {"d1": 2, "d2": 0}}


@pytest.mark.parametrize("name", ["test.tsv", "qrels.txt"])
@pytest.mark.parametrize("identifier", ["", "a\tb", "a\nb"])
def test_ids_that_a_format_cannot_express_are_refused(tmp_path: Path, name: str, identifier: str) -> None:
    with pytest.raises(InvalidArgumentError, match="cannot express"):
        write_qrels(tmp_path / name, {"q": {identifier: 1}})
    with pytest.raises(InvalidArgumentError, match="white space"):
        write_qrels(tmp_path / "qrels.txt", QRELS)
    assert not list(tmp_path.iterdir())
