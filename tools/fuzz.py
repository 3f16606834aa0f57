"""Damages the files of an index in many ways, then opens, searches, reads and merges what is left of it.

    make fuzz SECONDS=300                          under AddressSanitizer and UndefinedBehaviorSanitizer
    python tools/fuzz.py --seconds 60              without them: wrong exceptions and crashes are found
    python tools/fuzz.py --seed 7 --first 123 --cases 1      one case again, as a finding names it

Whatever a file holds, an index answers or raises one of the errors of ``lsr.errors``. Headers, and in half of
the cases the manifest, are made right again after data were changed, so that damage gets past them: the native
code is meant to be reached. A crash ends the process with the case's number as the last line it wrote.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from damage import damage  # found beside this file
from lsr.indexer.approximation import Approximation
from lsr.indexer.collection import Collection
from lsr.indexer.documents import DocumentInput
from lsr.indexer.fields import FieldSpec
from lsr.indexer.verify import verify_index
from lsr.indexer.writer import CollectionWriter

from lsr.errors import LsrError
from lsr.vectors import SparseVectors, TermCounts
from lsr.vocabulary import Vocabulary

N_TERMS = 40
STORAGES = ("float32", "float16", "uint8")
WORDS = [f"w{at}" for at in range(9)]
MERGED_EVERY = 4  # cases; writing is slower than reading
LARGE_EVERY = 20
LARGE_DOCUMENTS = 100_500  # block rows, and mapped files

Step = Callable[[Collection], object]


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        indexes = [Path(folder) / "small"]
        build(indexes[0], 300, staging=True)
        if options.large:
            indexes.append(Path(folder) / "large")
            build(indexes[1], LARGE_DOCUMENTS, staging=False)
        for index in indexes:
            exercise(index, None, writing=True)  # what is sound must pass
        cases = range(options.first, options.first + (options.cases or 10**9))
        return run(indexes, cases, options.seed, options.seconds)


def run(indexes: Sequence[Path], cases: range, seed: int, seconds: float) -> int:
    """Damage, try, mend; returns 1 if something was found."""
    done, findings, refused, started = 0, 0, 0, time.monotonic()
    for case in cases:
        if time.monotonic() - started > seconds:
            break
        rng = random.Random(f"{seed}/{case}")
        index = indexes[-1] if case % LARGE_EVERY == LARGE_EVERY - 1 else indexes[0]
        mend, what = damage(index, rng)
        print(f"\rcase {case}: {what}"[:110].ljust(110), end="", file=sys.stderr, flush=True)
        errors: list[LsrError] = []
        try:
            exercise(index, errors, writing=case % MERGED_EVERY == 0 and index == indexes[0])
        except Exception:
            findings += 1
            print(f"\nFINDING at --seed {seed} --first {case} --cases 1: {what}", file=sys.stderr)
            traceback.print_exc()
        finally:
            mend()
        done, refused = done + 1, refused + bool(errors)
    print(f"\n{done} cases, {refused} with an error of ours, {findings} findings", file=sys.stderr)
    return min(findings, 1)


# An index to damage


def build(index: Path, n: int, *, staging: bool) -> None:
    """Fields of every storage and a counted one, two segments, deletions, metadata, changes that are staged."""
    rng = np.random.default_rng(n)
    vocabulary = Vocabulary([f"t{at}" for at in range(N_TERMS)])
    fields = [FieldSpec(name, "encoded", vocabulary, storage=name) for name in STORAGES]  # type: ignore[arg-type]
    with CollectionWriter.create(index, [*fields, FieldSpec("counted", "counted")]) as writer:
        _add(writer, range(n), rng)
        writer.commit()
        _add(writer, range(n // 2, n // 2 + 40), rng)
        writer.delete([f"d{at}" for at in range(0, n, 11)])
        writer.commit()
        if staging:
            _add(writer, range(n - 10, n + 10), rng)
            writer.stage()


def _add(writer: CollectionWriter, numbers: range, rng: np.random.Generator) -> None:
    n = len(numbers)
    pairs = np.unique(np.repeat(np.arange(n), 6) * N_TERMS + rng.integers(0, N_TERMS, 6 * n))
    indptr = np.searchsorted(pairs, np.arange(n + 1) * N_TERMS).astype(np.int64)
    weights = rng.exponential(1.0, len(pairs)).astype(np.float32) + np.float32(0.01)
    vectors = SparseVectors(indptr, (pairs % N_TERMS).astype(np.uint32), weights, N_TERMS)
    known = writer.vocabulary("counted").ids_adding(WORDS)
    counts = TermCounts.from_bags([rng.choice(known, 4) for _ in range(n)])
    documents = [
        DocumentInput(f"d{at}", "a text", f"title {at}", {"year": at % 90, "lang": "en" if at % 3 else "de"})
        for at in numbers
    ]
    writer.add(documents, {**dict.fromkeys(STORAGES, vectors), "counted": counts})


# What is done with it


def exercise(index: Path, errors: list[LsrError] | None, *, writing: bool) -> None:
    """Everything that reads an index, and what writes to one.

    errors: takes the errors of ours; None if there must be none. Others, and crashes, are findings.
    """
    with _collected(errors):
        verify_index(index, full=True, samples=1)
    with _collected(errors):
        collection = Collection.open(index)
        for step in (*READS, *SEARCHES):
            with _collected(errors):
                step(collection)
    if writing:
        with _collected(errors), tempfile.TemporaryDirectory() as folder:
            shutil.copytree(index, Path(folder) / "copy")
            with CollectionWriter.open(Path(folder) / "copy") as writer:
                writer.delete(["d2", "d3"])
                writer.commit()
                writer.merge(full=True)


@contextmanager
def _collected(errors: list[LsrError] | None) -> Iterator[None]:
    try:
        yield
    except LsrError as error:
        if errors is None:
            raise
        errors.append(error)


def _search(**options: Any) -> Step:
    return lambda collection: collection.search(_queries(), **options)


def _search_merged(**options: Any) -> Step:
    return lambda collection: collection.search_merged(collection.prepare(_queries()), **options)


def _scores(collection: Collection) -> object:
    return collection.scores(collection.search(_queries(), 5)[0].numbers, _queries())


def _queries() -> dict[str, SparseVectors | TermCounts]:
    row = SparseVectors.from_id_dicts([{at: 1.0 + at for at in range(0, N_TERMS, 3)}], N_TERMS)
    return {**dict.fromkeys(STORAGES, row), "counted": TermCounts.from_bags([np.arange(5, dtype=np.uint32)])}


READS: tuple[Step, ...] = (
    lambda collection: sum(len(each.text) for each in islice(collection.all_documents(), 1000)),
    lambda collection: collection.number_of("d1"),
    lambda collection: [sum(rows.nnz for _, rows in collection.numbered_vectors(name)) for name in STORAGES],
    lambda collection: sum(each.nnz for each in collection.counts("counted")),
    lambda collection: (collection.fields, collection.vocabulary("counted"), collection.tuned),
)
FILTERS = (None, "year < 3", 'lang = "en" AND NOT id IN ("d4")')
SEARCHES: tuple[Step, ...] = (
    *(_search(k=k, filter=text) for k in (1, 10, 400) for text in FILTERS),
    _search_merged(k=10, approximation=Approximation(0.5, 0.9), threads=2),
    _search_merged(k=10, reference=True),
    _scores,
)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--cases", type=int, help="stop after so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--large", action="store_true", help="every 20th case on 100,500 documents")
    options = parser.parse_args()
    if options.cases is None and options.seconds == float("inf"):
        parser.error("name --seconds or --cases")
    return options


if __name__ == "__main__":
    sys.exit(main())
