"""What all exchange formats share: vectors on their way in, and a report of what was lost on their way out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lsr.indexer.collection import Collection
from lsr.indexer.documents import DocumentInput
from lsr.indexer.fields import FieldSpec, WeightStorage
from lsr.indexer.limits import DEFAULT_MEMORY
from lsr.indexer.storage import FileStorage, explained
from lsr.indexer.writer import CollectionWriter

from lsr.errors import EmptySourceError, InputError, InvalidArgumentError
from lsr.vectors import Float32Array, SparseVectors
from lsr.vocabulary import Vocabulary

Batch = tuple[Sequence[DocumentInput], SparseVectors]

# Lucene and its relatives keep impacts as term frequencies; 8 bits are what their users choose.
DEFAULT_LEVELS = 255


@dataclass(frozen=True, slots=True)
class ExportReport:
    """scale: an exported integer times this is the weight; None where weights are written as they are."""

    documents: int
    nnz: int
    scale: float | None
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """Vectors from elsewhere. ``batches`` may be called once.

    lost: what the source does not hold, or holds in another form
    """

    name: str
    vocabulary: Vocabulary
    batches: Callable[[], Iterator[Batch]]
    lost: tuple[str, ...]


@contextlib.contextmanager
def appearing_whole(target: Path) -> Iterator[Path]:
    """Where to write an export: the target has its name when the block has ended well, and never a part of it.

    A device or a pipe is written to as it is.
    """
    if target.exists() and not (target.is_file() or target.is_dir()):
        yield target
        return
    files, part = FileStorage(), target.with_name(target.name + ".part")
    with explained(target):
        files.remove(part)
        try:
            yield part
            part.replace(target)
        finally:
            files.remove(part)


def build_from(
    imported: Imported,
    path: Path | str,
    *,
    field: str = "learned",
    encoder: Mapping[str, object] | None = None,
    storage: WeightStorage = "float32",
    overwrite: bool = False,
    reorder: bool = False,
    memory: int = DEFAULT_MEMORY,
    threads: int = 1,
) -> int:
    """Make an index of one encoded field; returns the number of documents.

    encoder: facts about the model that made the vectors, if they are known; queries must come from the same
    reorder: put like documents next to each other (``CollectionWriter.create``)
    """
    facts = dict(encoder or {"name": imported.name})
    spec = FieldSpec(field, "encoded", imported.vocabulary, facts, storage=storage)
    with CollectionWriter.create(
        path, [spec], overwrite=overwrite, reorder=reorder, memory=memory, threads=threads
    ) as writer:
        for documents, rows in imported.batches():
            writer.add(documents, {field: rows})
        n_documents = writer.n_documents
        writer.commit()
    return n_documents


def vocabulary_of(terms: Iterable[str], source: Path) -> Vocabulary:
    """The terms of a source. Raises InputError naming one that no file of ours can hold."""
    vocabulary = Vocabulary(terms)
    for term in vocabulary:
        try:
            term.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"the term {term!r} has half a character (a lone surrogate), which no UTF-8 file can hold;"
                " repair the encoding of the source's terms",
                path=str(source),
            ) from error
    return vocabulary


def check_content(source: Path, n_documents: int, n_terms: int) -> None:
    """Raise EmptySourceError for a source without documents, InputError for vectors that are all empty."""
    if n_documents == 0:
        raise EmptySourceError(
            "no documents: the source is empty; check that it is the right one", path=str(source)
        )
    if n_terms == 0:
        raise InputError(
            "no terms: the vectors of its documents are all empty, so no search could find any of them;"
            " check what wrote it",
            path=str(source),
        )


def quantised(weights: Float32Array, scale: float) -> npt.NDArray[np.int64]:
    """The nearest multiples of ``scale``, at least 1 so that no document stops matching."""
    return np.maximum(np.rint(weights.astype(np.float64) / scale), 1).astype(np.int64)


def export_scale(collection: Collection, field: str, levels: int) -> float:
    """The scale under which the largest weight becomes ``levels``."""
    if not 1 <= levels <= 2**31 - 1:
        raise InvalidArgumentError(f"levels must be 1 to {2**31 - 1}, not {levels}", field="levels")
    largest = max((float(rows.weights.max()) for _, rows in collection.vectors(field) if rows.nnz), default=1.0)
    return largest / levels


def check_scale(scale: float) -> None:
    """Raise InvalidArgumentError unless weights can be multiplied by it."""
    if not 0.0 < scale < float("inf"):
        raise InvalidArgumentError(f"scale must be a number above 0, not {scale}", field="scale")


def loss_of_levels(scale: float, levels: int) -> str:
    return (
        f"weights are rounded to {levels} levels of {scale:.6g} (the scale is recorded);"
        " those below half a level become one level"
    )


def loss_of_fields(collection: Collection, field: str) -> tuple[str, ...]:
    others = [info.name for info in collection.fields if info.name != field]
    return (f"other fields: {', '.join(others)}",) if others else ()
