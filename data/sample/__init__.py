"""The built-in sample: Python's own documentation strings, with queries and judgements written by hand.

It is a collection that every machine has: no download, a few thousand real passages, real questions. Its text
comes from the running Python, so figures on it name the Python version and ``sample_hash``.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sysconfig
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lsr.data.beir import BeirDataset
from lsr.data.sample.docstrings import standard_library
from lsr.data.sample.judgements import JudgedQuery, judged_queries
from lsr.data.sample.passages import passages

NAME = "sample"
FEWEST_WORDS = 6  # "Return the square root of x." stays, "Helper for repr." does not
FILES = ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")


@dataclass(frozen=True, slots=True)
class Sample:
    """A built sample. absent: judged ids that this Python does not document; their judgements are left out."""

    folder: Path
    n_documents: int
    n_queries: int
    absent: tuple[str, ...]
    python_version: str
    sample_hash: str


def build_sample(folder: Path) -> Sample:
    """Write the sample as a BEIR folder; the same Python writes the same bytes. What was there is replaced."""
    documents = _documents()
    known = {str(document["_id"]) for document in documents}
    queries = judged_queries()
    absent = sorted({name for query in queries for name in query.grades} - known)
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    _write(folder / FILES[0], (json.dumps(document, ensure_ascii=False) for document in documents))
    _write(folder / FILES[1], (json.dumps({"_id": query.id, "text": query.text}) for query in queries))
    _write(folder / FILES[2], _qrels_lines(queries, known))
    version = platform.python_version()
    return Sample(folder, len(documents), len(queries), tuple(absent), version, sample_hash(folder))


def sample_hash(folder: Path) -> str:
    """SHA-256, in hex, over the three files' contents."""
    digest = hashlib.sha256()
    for name in FILES:
        content = (folder / name).read_bytes()
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()


def located(source: Path | str) -> Path | str:
    """The sample's folder if ``source`` is its name and nothing here is called so; else ``source``."""
    if str(source) == NAME and not Path(source).exists():
        return open_sample().corpus_path.parent
    return source


def open_sample() -> BeirDataset:
    """The sample, from the user's cache folder; built there (some seconds) the first time this Python asks."""
    folder = _cache_folder() / _cache_key() / NAME
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
            build_sample(Path(unfinished) / NAME)
            _move_into_place(Path(unfinished) / NAME, folder)
    return BeirDataset.open(folder)


def _documents() -> list[dict[str, object]]:
    """A record for each passage: the first is named as what it documents, the others with ``#2``, ``#3``…"""
    return [
        {
            "_id": found.name if number == 1 else f"{found.name}#{number}",
            "title": found.name,
            "text": passage,
            "metadata": {"kind": found.kind},
        }
        for found in standard_library()
        if len(found.text.split()) >= FEWEST_WORDS
        for number, passage in enumerate(passages(found.text), 1)
    ]


def _qrels_lines(queries: list[JudgedQuery], known: set[str]) -> list[str]:
    return ["query-id\tcorpus-id\tscore"] + [
        f"{query.id}\t{name}\t{grade}"
        for query in queries
        for name, grade in query.grades.items()
        if name in known
    ]


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace"))


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lsr"


def _cache_key() -> str:
    """Another Python, or other judgements or code here, is another sample."""
    digest = hashlib.sha256(sysconfig.get_path("stdlib").encode())
    for file in sorted(Path(__file__).parent.glob("*.*")):
        digest.update(file.read_bytes())
    return f"sample-{platform.python_version()}-{digest.hexdigest()[:12]}"


def _move_into_place(built: Path, folder: Path) -> None:
    """Of two processes that build at once, the later one keeps the earlier one's."""
    try:
        built.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(built)
