"""A collection with queries and judgements, in BEIR's layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lsr.data.documents import Document, Qrels, Query
from lsr.data.estimate import estimate_documents
from lsr.data.formats import corpus_file, find_file
from lsr.data.queries import read_qrels, read_queries
from lsr.data.readers import OnError, read_documents
from lsr.data.report import ReadReport

from lsr.errors import InputError, SourceNotFoundError


@dataclass(frozen=True)
class BeirDataset:
    """A BEIR folder: ``corpus.jsonl``, ``queries.jsonl``, ``qrels/<split>.tsv``, each compressed or not.

    Files are found when the dataset is opened and read when asked for; queries and judgements once.
    """

    name: str
    split: str
    corpus_path: Path
    queries_path: Path
    qrels_path: Path

    @classmethod
    def open(cls, folder: Path | str, *, split: str = "test", corpus: Path | str | None = None) -> BeirDataset:
        """corpus: a corpus file that lies elsewhere, for collections that share one.

        Raises SourceNotFoundError or InputError that names the file that is missing.
        """
        root = Path(folder)
        if not root.is_dir():
            if root.exists():
                raise SourceNotFoundError("a file; name the BEIR folder that it lies in", path=str(root))
            raise SourceNotFoundError("no such folder; check the path", path=str(root))
        return cls(
            root.resolve().name,
            split,
            _existing(Path(corpus)) if corpus is not None else corpus_file(root),
            _found(root, "queries.jsonl"),
            _qrels_file(root, split),
        )

    def documents(self, *, on_error: OnError = "stop", report: ReadReport | None = None) -> Iterator[Document]:
        return read_documents(self.corpus_path, on_error=on_error, report=report)

    def estimated_documents(self) -> int | None:
        """How many documents there are, told from the size of the file."""
        return estimate_documents(self.corpus_path)

    @cached_property
    def all_queries(self) -> list[Query]:
        """Every query of the file, judged in this split or not."""
        return read_queries(self.queries_path)

    @cached_property
    def queries(self) -> list[Query]:
        """The queries that this split judges, in file order."""
        return [query for query in self.all_queries if query.id in self.qrels]

    @cached_property
    def qrels(self) -> Qrels:
        return read_qrels(self.qrels_path)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise SourceNotFoundError("no such corpus file; check the path", path=str(path))
    return path


def _found(folder: Path, name: str) -> Path:
    path = find_file(folder, name)
    if path is None:
        raise InputError(f"no {name} (or .gz, .xz, .zst) in this folder", path=str(folder))
    return path


def _qrels_file(folder: Path, split: str) -> Path:
    path = find_file(folder / "qrels", f"{split}.tsv")
    if path is None:
        splits = sorted({file.name.split(".")[0] for file in (folder / "qrels").glob("*.tsv*")})
        there = f"there are {', '.join(splits)}" if splits else "there are none"
        raise InputError(f'no judgements for the split "{split}" in qrels/; {there}', path=str(folder))
    return path
