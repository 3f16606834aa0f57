"""The process boundary around Lucene; its figures are in the slow suite."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsr.eval import lucene

from lsr.errors import ResourceError


def test_without_pyserini_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lucene, "lucene_python", lambda: None)
    with pytest.raises(ResourceError, match=r"pip install 'lsr\[lucene\]'.*LSR_LUCENE_PYTHON"):
        lucene.bm25_run([("d", "text")], {"q": "text"})


def test_an_interpreter_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(lucene.PYTHON_VARIABLE, str(tmp_path / "no-python"))
    with pytest.raises(ResourceError, match="no-python: cannot be run"):
        lucene.bm25_run([("d", "text")], {"q": "text"})


def test_a_failing_worker_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\necho first >&2\necho 'no Java here' >&2\nexit 3\n")
    failing.chmod(0o755)
    monkeypatch.setenv(lucene.PYTHON_VARIABLE, str(failing))
    with pytest.raises(ResourceError, match=r"Lucene failed under .*: no Java here"):
        lucene.bm25_run([("d", "text")], {"q": "text"})


def test_the_answer_comes_back_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stand-in worker that ranks every document by its line, as the real one would by score."""
    worker = tmp_path / "python"
    worker.write_text(
        "#!/usr/bin/env python3\n"
        "import json, pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[3])\n"
        "documents = [json.loads(line)['id'] for line in (folder / 'documents.jsonl').open()]\n"
        "request = json.loads((folder / 'request.json').read_text())\n"
        "assert request['k1'] == 0.9 and request['b'] == 0.4\n"
        "run = {query: [(each, 9 - at) for at, each in enumerate(documents)] for query in request['queries']}\n"
        "(folder / 'run.json').write_text(json.dumps(run))\n"
    )
    worker.chmod(0o755)
    monkeypatch.setenv(lucene.PYTHON_VARIABLE, str(worker))
    run = lucene.bm25_run([("d é", "text"), ("c", "")], {"q": "x"})
    assert run == {"q": [("d é", 9), ("c", 8)]}
