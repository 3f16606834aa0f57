"""Checking an index: are its files what the manifest says, and does it answer what brute force answers?

    report = verify_index(path)                 # checksums of all files, then sampled queries
    report = verify_index(path, full=True)      # also what the arrays hold, and whether it fits the documents
    report.sound, report.problems

Damage is an entry of the report, never an exception: every bad file is named, not only the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from lsr.indexer.aliases import followed
from lsr.indexer.arrays import SUFFIX, Array, check_array
from lsr.indexer.bruteforce import best_by_brute_force
from lsr.indexer.checksums import check_file
from lsr.indexer.collection import Collection
from lsr.indexer.derived import CHUNK_ROWS, impact_problems, list_problems, metadata_problems
from lsr.indexer.ids import hash_ids
from lsr.indexer.manifest import MANIFEST_NAME, FieldEntry, Manifest, read_manifest
from lsr.indexer.queries import MergedQueries
from lsr.indexer.rows import ascending
from lsr.indexer.segments import Segment
from lsr.indexer.snapshots import MOST_GENERATIONS

from lsr.errors import IndexFormatError, IndexLockedError, LsrError

SAMPLES = 20
QUERY_TERMS = 12
DEPTHS = (10, 1000)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong, and the file it is wrong in (relative to the index's folder)."""

    file: str
    message: str


@dataclass(slots=True)
class VerifyReport:
    """What was checked and what was found.

    queries_checked: sampled queries whose answers were compared with brute force; 0 if files are damaged
    """

    path: str
    full: bool
    generation: int | None = None
    files_checked: int = 0
    bytes_checked: int = 0
    queries_checked: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.problems

    @property
    def bad_files(self) -> list[str]:
        return sorted({problem.file for problem in self.problems})


@dataclass(frozen=True, slots=True)
class _Asked:
    """How to check; the names are those of ``verify_index``."""

    samples: int
    rng: np.random.Generator
    threads: int
    progress: Callable[[int], None]


def verify_index(
    path: Path | str,
    *,
    full: bool = False,
    samples: int = SAMPLES,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> VerifyReport:
    """Check the newest generation.

    full:     read and check the content of every array too, let SQLite check its files, and hold what follows
              from the documents against them: inverted lists, metadata by value, impacts (derived.py)
    samples:  how many queries to draw from the documents' own vectors
    threads:  for ``full``
    progress: called with the bytes checked since the last call: each file's, and with ``full`` those of
              segments once more
    The index may be written to: files of a generation that was replaced meanwhile are missing for that reason.
    Raises IndexNotFoundError if there is no index at all, IndexLockedError where writers are always faster, and
    nothing else.
    """
    folder = followed(path)
    for _ in range(MOST_GENERATIONS):
        report = VerifyReport(str(folder), full)
        manifest = _checked(folder, report, _Asked(samples, np.random.default_rng(seed), threads, progress))
        if report.sound or not _replaced(folder, manifest):
            return report
    raise IndexLockedError(
        f"{folder}: is written to faster than its files can be read: {MOST_GENERATIONS} generations were"
        " replaced before they were. Try again when fewer commits are made, or take a snapshot and verify that."
    )


def _checked(folder: Path, report: VerifyReport, asked: _Asked) -> Manifest | None:
    """Report on the generation that is the newest now; returns its manifest, None if that cannot be read."""
    try:
        manifest = read_manifest(folder)
    except IndexFormatError as error:
        report.problems.append(Problem(MANIFEST_NAME, str(error)))
        _check_unnamed_arrays(folder, report)
        return None
    report.generation = manifest.generation
    _check_files(folder, manifest, report, asked.progress)
    if report.sound:
        _check_content(folder, report, asked)
    return manifest


def _replaced(folder: Path, manifest: Manifest | None) -> bool:
    try:
        return read_manifest(folder) != manifest
    except LsrError:
        return False


def _check_files(
    folder: Path, manifest: Manifest, report: VerifyReport, progress: Callable[[int], None]
) -> None:
    for entry in manifest.files():
        report.files_checked += 1
        report.bytes_checked += entry.bytes
        try:
            check_file(folder, entry)
        except (LsrError, OSError) as error:
            report.problems.append(Problem(entry.path, str(error)))
        progress(entry.bytes)


def _check_unnamed_arrays(folder: Path, report: VerifyReport) -> None:
    """Without a manifest only contradictions within a file can be found."""
    for file in sorted(folder.glob(f"*/*/*{SUFFIX}")):
        if file.relative_to(folder).parts[0] in ("segments", "commits"):
            report.files_checked += 1
            try:
                check_array(file)
            except (LsrError, OSError) as error:
                report.problems.append(Problem(file.relative_to(folder).as_posix(), str(error)))


def _check_content(folder: Path, report: VerifyReport, asked: _Asked) -> None:
    """Every file is what was written: is it also what an index must hold?"""
    try:
        collection = Collection.open(folder)
        for entry in collection.manifest.fields:
            collection.vocabulary(entry.name)
            collection.query_table(entry.name)
        if report.full:
            for segment in collection.segments:
                report.problems += _segment_problems(folder, segment, collection.manifest, asked)
        if report.sound:
            report.problems += _search_problems(collection, report, asked)
    except LsrError as error:
        report.problems.append(Problem(_file_in(str(error), folder), str(error)))


def _segment_problems(folder: Path, segment: Segment, manifest: Manifest, asked: _Asked) -> Iterator[Problem]:
    place = segment.folder.relative_to(folder).as_posix()
    numbers = segment.numbers
    if np.any(np.diff(numbers) <= 0) or (int(numbers[0]), int(numbers[-1])) != (
        segment.entry.first_number,
        segment.entry.last_number,
    ):
        yield Problem(f"{place}/numbers{SUFFIX}", "document numbers do not ascend as the manifest says")
    for text in segment.documents.check():
        yield Problem(f"{place}/documents.sqlite", text)
    if not _hashes_match(segment):
        yield Problem(f"{place}/id-hashes{SUFFIX}", "hashes are not those of the ids")
    for name, text in metadata_problems(segment):
        yield Problem(f"{place}/{name}{SUFFIX}", text)
    sizes = {Path(file.path).name: file.bytes for file in segment.entry.files}
    asked.progress(sum(sizes.values()) - sum(_bytes_of(entry, sizes) for entry in manifest.fields))
    for entry in manifest.fields:
        problems = [(f"{entry.name}.{part}", text) for part, text in _field_problems(segment, entry)]
        if not problems and entry.kind == "counted":
            problems += impact_problems(segment, entry)
        if not problems:
            problems += list_problems(segment, entry, threads=asked.threads)
        for name, text in problems:
            yield Problem(f"{place}/{name}{SUFFIX}", text)
        asked.progress(_bytes_of(entry, sizes))


def _bytes_of(entry: FieldEntry, sizes: Mapping[str, int]) -> int:
    return sum(size for name, size in sizes.items() if name.startswith(f"{entry.name}."))


def _hashes_match(segment: Segment) -> bool:
    hashes = segment.id_hashes()
    for start in range(0, segment.n_documents, CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, segment.n_documents)
        if not np.array_equal(hash_ids(segment.documents.ids(range(start, stop))), hashes[start:stop]):
            return False
    return True


def _field_problems(segment: Segment, entry: FieldEntry) -> Iterator[tuple[str, str]]:
    indptr = segment.column(f"{entry.name}.indptr").astype(np.int64)
    nnz = segment.entry.fields[entry.name].nnz
    if indptr[0] != 0 or indptr[-1] != nnz or np.any(np.diff(indptr) < 0):
        yield "indptr", f"rows do not run from 0 to {nnz} in order"
        return
    frequencies = np.zeros(entry.n_terms, np.int64)
    for start in range(0, segment.n_documents, CHUNK_ROWS):
        rows = segment.weights(entry.name, start, min(start + CHUNK_ROWS, segment.n_documents))
        if rows.nnz and int(rows.terms.max()) >= entry.n_terms:
            yield "terms", f"a term id lies outside the vocabulary of {entry.n_terms}"
            return
        if not ascending(rows):
            yield "terms", "terms do not ascend within a document"
        if not _all_positive(rows.values):
            yield "weights", "a weight is not a number above zero"
        frequencies += np.bincount(rows.terms, minlength=entry.n_terms)
    if entry.kind == "counted":
        present = np.flatnonzero(frequencies)
        stored = segment.document_frequencies(entry.name)
        if not (np.array_equal(stored.terms, present) and np.array_equal(stored.counts, frequencies[present])):
            yield "df-counts", "document frequencies are not those of the documents"


def _all_positive(weights: Array) -> bool:
    values = weights.astype(np.float64)
    return bool(np.all(np.isfinite(values) & (values > 0)))


def _search_problems(collection: Collection, report: VerifyReport, asked: _Asked) -> Iterator[Problem]:
    """Queries of sampled documents' own terms, over all fields at once: three scorers must agree to the bit."""
    queries = _sampled_queries(collection, asked.samples, asked.rng)
    if not len(queries):
        return
    expected = best_by_brute_force(collection, queries, max(DEPTHS))
    for at, truth in enumerate(expected):
        report.queries_checked += 1
        for k in DEPTHS:
            for name, found in (
                ("the search", collection.search_merged(queries.only(at), k)[0]),
                ("the reference scorer", collection.search_merged(queries.only(at), k, reference=True)[0]),
            ):
                same = np.array_equal(found.numbers, truth.numbers[:k]) and np.array_equal(
                    found.scores, truth.scores[:k]
                )
                if not same:
                    yield Problem("segments", f"query {at} (k = {k}): {name} differs from brute force")


def _sampled_queries(collection: Collection, samples: int, rng: np.random.Generator) -> MergedQueries:
    """Terms of random documents in every field, with random weights."""
    numbers = collection.sample(samples, rng)
    indptr, fields, terms = [0], [], []
    for number in numbers:
        for at, entry in enumerate(collection.manifest.fields):
            own, _ = collection.vector(int(number), entry.name)
            chosen = np.sort(rng.choice(own, min(len(own), QUERY_TERMS), replace=False)) if len(own) else own
            terms += chosen.tolist()
            fields += [at] * len(chosen)
        indptr.append(len(terms))
    weights = rng.uniform(0.1, 3.0, len(terms)).astype(np.float32)
    return MergedQueries(
        np.array(indptr, np.int64), np.array(fields, np.uint32), np.array(terms, np.uint32), weights
    )


def _file_in(message: str, folder: Path) -> str:
    """The file that an error's message begins with, relative to the index."""
    place = message.split(": ", 1)[0]
    prefix = f"{folder}/"
    return place.removeprefix(prefix) if place.startswith(prefix) else "segments"
