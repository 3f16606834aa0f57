"""A folder with a scipy matrix: vectors.npz (CSR, float32, ``scipy.sparse.save_npz``), ids.json,
vocabulary.json.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from lsr.indexer.collection import Collection
from lsr.indexer.documents import DocumentInput
from lsr.indexer.formats.exchange import (
    Batch,
    ExportReport,
    Imported,
    appearing_whole,
    check_content,
    loss_of_fields,
    vocabulary_of,
)

from lsr.errors import IndexExistsError, InputError, SourceNotFoundError
from lsr.vectors import SparseVectors

BATCH_ROWS = 4096

# zipfile raises RuntimeError, too: for encrypted members, and as NotImplementedError for what it cannot unpack.
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error)


def export_npz(collection: Collection, field: str, target: Path) -> ExportReport:
    """Write the vectors of all live documents, held in memory once, into a new folder."""
    from scipy.sparse import save_npz

    if target.exists():
        raise IndexExistsError(f"{target}: exists already; export into a new folder.")
    vocabulary = collection.vocabulary(field)
    ids: list[str] = []
    batches = [SparseVectors.empty(0, len(vocabulary))]
    for names, rows in collection.vectors(field):
        ids += names
        batches.append(rows)
    vectors = SparseVectors.concatenate(batches)
    with appearing_whole(target) as part:
        part.mkdir(parents=True)
        save_npz(part / "vectors.npz", vectors.to_scipy(), compressed=False)
        for name, values in (("ids", ids), ("vocabulary", list(vocabulary))):
            (part / f"{name}.json").write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
    lost = ("titles, texts and metadata", *loss_of_fields(collection, field))
    return ExportReport(len(ids), vectors.nnz, None, lost)


def import_npz(source: Path) -> Imported:
    """Read such a folder. Raises SourceNotFoundError, InputError naming the file and what does not fit,
    EmptySourceError.
    """
    vectors = _matrix(source / "vectors.npz")
    ids, terms = (_texts(source / f"{name}.json") for name in ("ids", "vocabulary"))
    if len(ids) != len(vectors) or len(terms) != vectors.vocabulary_size:
        raise InputError(
            f"{len(vectors)} rows over {vectors.vocabulary_size} columns, but {len(ids)} ids and {len(terms)}"
            " terms",
            path=str(source),
        )

    vocabulary = vocabulary_of(terms, source)

    def batches() -> Iterator[Batch]:
        for start in range(0, len(ids), BATCH_ROWS):
            stop = min(start + BATCH_ROWS, len(ids))
            yield [DocumentInput(name) for name in ids[start:stop]], vectors.rows(start, stop)

    return Imported(source.name, vocabulary, batches, ("titles, texts and metadata",))


def _matrix(path: Path) -> SparseVectors:
    """Objects in the file are refused (scipy reads without pickles); what the arrays hold is checked."""
    from scipy.sparse import csr_matrix, load_npz

    try:
        matrix = load_npz(path)
        if matrix.format != "csr":
            raise InputError(
                f"a {matrix.format.upper()} matrix; save it by rows, as save_npz(path, matrix.tocsr())",
                path=str(path),
            )
        check_content(path, *matrix.shape)
        return SparseVectors.from_scipy(csr_matrix(matrix))
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{path}: no such file; check the path") from error
    except (ValueError, TypeError, KeyError, OSError, EOFError, RuntimeError, *_ZIP_ERRORS) as error:
        pickled = "pickle" in str(error)
        reason = "pickled objects, which are never read, for they could run code" if pickled else error
        raise InputError(f"not a scipy sparse matrix of weights above 0 ({reason})", path=str(path)) from error


def _texts(path: Path) -> list[str]:
    try:
        texts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{path}: no such file; check the path") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"not valid JSON ({error})", path=str(path)) from error
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InputError("must be a list of texts", path=str(path))
    return texts
