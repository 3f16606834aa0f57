"""The real thing: `lsr serve` as a process of its own, over a socket."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from lsr.data.documents import Document
from lsr.indexer.collection import Collection

from lsr.indexing import DocumentEncoder, index_documents, plan_index


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of an index of term counts on a free port, and its address."""
    documents = [Document("a/b c#1%", "read a file", "Files"), Document("z", "compress bytes")]
    index_documents(documents, tmp_path / "index", DocumentEncoder(plan_index("bm25")))
    assert Collection.open(tmp_path / "index").n_documents == 2
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "lsr.cli", "serve", str(tmp_path / "index"), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    match = re.search(r"http://\S+", process.stderr.readline())
    assert match
    yield process, match[0]
    process.kill()
    process.communicate()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_answers_and_a_clean_stop(served: tuple[subprocess.Popen[str], str], stop: signal.Signals) -> None:
    process, address = served
    with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        hits = client.get("/v1/search", params={"q": "read"}).json()["hits"]
        document = client.get("/v1/documents/a%2Fb%20c%231%25").json()
        bad = client.post("/v1/search", json={"query": "read", "kk": 1})

    assert [hit["id"] for hit in hits] == ["a/b c#1%"]
    assert document["title"] == "Files"
    assert bad.json()["code"] == "unknown-field"
    process.send_signal(stop)
    assert process.wait(30) == 0
