"""The life of an index in figures: build, commit, filters, on real vectors or mixed ones (vectors.py).

    LSR_COLLECTIONS=... python bench/life.py --set msmarco-dl:1000000

``build``:   documents with ids, a number of metadata and vectors in memory; CollectionWriter, on two threads;
             once reordered, then as they come, which is what the rest is measured on.
``filters``: searches with a filter whose bitmap is at hand over those without, by the share that it keeps.
``commit``:  1,000 documents that replace others are added and committed, until a search finds one of them; five
             times.
``merge``:   of the segments that those left; then of the whole index.
``open``:    the merged index, and a look whether there is a newer generation; the medians. Its size on disk.
``load``:    searches of that index mapped and read into memory, in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import numpy as np
from lsr.indexer.arrays import Load
from lsr.indexer.collection import Collection
from lsr.indexer.documents import DocumentInput
from lsr.indexer.fields import FieldSpec
from lsr.indexer.queries import MergedQueries
from lsr.indexer.writer import CollectionWriter
from vectors import Documents, mixed_documents, real_documents, real_queries

from lsr.vectors import SparseVectors
from lsr.vocabulary import Vocabulary

HERE = Path(__file__).resolve().parent
BATCH = 8192
SHARES = (1.0, 0.9, 0.7, 0.5, 0.3, 0.1, 0.03, 0.01, 0.003, 0.002, 0.001, 0.0005, 0.0001)
COMMITTED = 1000
MB = 1e6


def main() -> None:
    options = _options()
    real_name, _, n = options.set.partition(":")
    real = real_documents(options.collections, real_name, options.cache)
    documents = (mixed_documents(real, int(n), options.cache) if n else real).in_memory()
    queries = real_queries(options.collections, real_name, options.cache, extra=options.queries)
    about = {"set": documents.name, "documents": len(documents)}
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        index = Path(scratch) / "index"
        for row in chain(
            build(documents, index, max(options.memory) << 20, reorder=True),
            chain.from_iterable(build(documents, index, memory << 20) for memory in options.memory),
            filters(index, queries, options.k),
            commits(documents, index),
            merges(index),
            opening(index, documents),
            loading(index, queries, options.k),
        ):
            print(json.dumps(about | row), flush=True)


def build(
    documents: Documents, index: Path, memory: int, *, reorder: bool = False
) -> Iterator[dict[str, object]]:
    """Metadata are a number each, drawn at random: the filters keep those below a share."""
    rng = np.random.default_rng(0)
    ranks = rng.random(len(documents))
    rows = [DocumentInput(f"d{at}", metadata={"rank": float(rank)}) for at, rank in enumerate(ranks)]
    vectors = SparseVectors(
        documents.indptr, documents.terms.astype(np.uint32), documents.weights, documents.vocabulary_size
    )
    before = _anonymous_bytes()
    with watched_anonymous() as peak:
        started = time.perf_counter()
        with CollectionWriter.create(
            index, [_field(documents)], overwrite=True, memory=memory, threads=2, reorder=reorder
        ) as writer:
            _add(writer, rows, vectors, range(0, len(rows), BATCH))
            added = time.perf_counter()
            writer.commit()
        seconds = time.perf_counter() - started
    yield {
        "part": "build",
        "reorder": reorder,
        "seconds": round(seconds, 2),
        "adding_seconds": round(added - started, 2),
        "documents_per_minute": round(60 * len(rows) / seconds),
        "nonzeros_per_document": round(documents.nnz / len(rows), 1),
        "segments": Collection.open(index).n_segments,
        "memory_limit_mb": round(memory / MB),
        "anonymous_mb": round((max(peak) - before) / MB),
    }


def filters(index: Path, queries: SparseVectors, depths: Sequence[int]) -> Iterator[dict[str, object]]:
    """Medians over queries of the best of three rounds; the filters take turns."""
    collection = Collection.open(index)
    prepared = collection.prepare({"learned": queries})
    ones = [prepared.only(at) for at in range(len(prepared))]
    texts = {None: None} | {share: f"rank < {share}" for share in SHARES}
    for k in depths:
        best = {share: np.full(len(ones), np.inf) for share in texts}
        for _ in range(3):
            for share, text in texts.items():
                collection.search_merged(ones[0], k, filter=text)  # the bitmap is made here, once
                took = _timed(ones, lambda query, t=text, d=k: collection.search_merged(query, d, filter=t))
                np.minimum(best[share], took, out=best[share])
        plain = float(np.median(best[None]))
        for share in SHARES:
            median = float(np.median(best[share]))
            yield {
                "part": "filters",
                "k": k,
                "kept": share,
                "median_us": round(median, 1),
                "unfiltered_us": round(plain, 1),
                "ratio": round(median / plain, 3),
            }


def commits(documents: Documents, index: Path) -> Iterator[dict[str, object]]:
    """Each replaces documents spread over the whole index; the reader is one that follows."""
    rng = np.random.default_rng(1)
    collection = Collection.open(index)
    for turn in range(5):
        chosen = np.sort(rng.choice(len(documents), COMMITTED, replace=False))
        rows = [DocumentInput(f"d{at}", metadata={"rank": 2.0}) for at in chosen]
        vectors = SparseVectors.concatenate([_row(documents, int(at)) for at in chosen])
        wanted = rows[0].id
        with CollectionWriter.open(index, threads=2) as writer:
            started = time.perf_counter()
            writer.add(rows, {"learned": vectors})
            writer.commit()
            committed = time.perf_counter()
            collection = collection.refresh()
            [hits] = collection.search({"learned": vectors.rows(0, 1)}, 10, filter=f'id IN ("{wanted}")')
            searchable = time.perf_counter()
            assert hits.numbers.tolist() == [collection.number_of(wanted)]
        yield {
            "part": "commit",
            "turn": turn + 1,
            "committed": COMMITTED,
            "seconds": round(committed - started, 3),
            "seconds_until_found": round(searchable - started, 3),
        }


def merges(index: Path) -> Iterator[dict[str, object]]:
    for full in (False, True):
        with CollectionWriter.open(index, threads=2) as writer:
            started = time.perf_counter()
            writer.merge(full=full)
            seconds = time.perf_counter() - started
        yield {
            "part": "merge",
            "full": full,
            "seconds": round(seconds, 2),
            "segments": Collection.open(index).n_segments,
        }


def opening(index: Path, documents: Documents) -> Iterator[dict[str, object]]:
    collection = Collection.open(index)
    size_bytes = sum(file.stat().st_size for file in index.rglob("*") if file.is_file())
    yield {
        "part": "open",
        "seconds": round(_median_seconds(lambda: Collection.open(index)), 5),
        "refresh_seconds": round(_median_seconds(collection.refresh), 6),
        "bytes_per_posting_all_files": round(size_bytes / documents.nnz, 2),
    }


def loading(index: Path, queries: SparseVectors, depths: Sequence[int]) -> Iterator[dict[str, object]]:
    """Medians over queries of the best of three rounds, each after one that is not timed."""
    loads: tuple[Load, ...] = ("map", "memory")
    collections, opened = [], []
    for load in loads:
        started = time.perf_counter()
        collections.append(Collection.open(index, load=load))
        opened.append(time.perf_counter() - started)
    prepared = collections[0].prepare({"learned": queries})
    ones = [prepared.only(at) for at in range(len(prepared))]
    for k in depths:
        best = np.full((len(loads), len(ones)), np.inf)
        for _ in range(3):
            for at, collection in enumerate(collections):
                for _untimed in range(2):
                    took = _timed(ones, lambda query, c=collection, d=k: c.search_merged(query, d))
                np.minimum(best[at], took, out=best[at])
        medians = np.median(best, axis=1)
        for load, seconds, median in zip(loads, opened, medians, strict=True):
            yield {
                "part": "load",
                "load": load,
                "k": k,
                "open_seconds": round(seconds, 3),
                "median_us": round(float(median), 1),
                "ratio": round(float(median / medians[0]), 3),
            }


def _median_seconds(action: Callable[[], object], times: int = 25) -> float:
    took = np.empty(times)
    for at in range(times):
        started = time.perf_counter()
        action()
        took[at] = time.perf_counter() - started
    return float(np.median(took))


def _timed(queries: Sequence[MergedQueries], search: Callable[[MergedQueries], object]) -> np.ndarray:
    took = np.empty(len(queries))
    for at, query in enumerate(queries):
        started = time.perf_counter()
        search(query)
        took[at] = time.perf_counter() - started
    return took * 1e6


def _add(
    writer: CollectionWriter, rows: Sequence[DocumentInput], vectors: SparseVectors, starts: range
) -> None:
    for start in starts:
        stop = min(start + BATCH, len(rows))
        writer.add(rows[start:stop], {"learned": vectors.rows(start, stop)})


def _field(documents: Documents) -> FieldSpec:
    terms = Vocabulary([f"t{at}" for at in range(documents.vocabulary_size)])
    return FieldSpec("learned", "encoded", terms)


def _row(documents: Documents, at: int) -> SparseVectors:
    start, stop = int(documents.indptr[at]), int(documents.indptr[at + 1])
    return SparseVectors(
        np.array([0, stop - start], np.int64),
        documents.terms[start:stop].astype(np.uint32),
        np.array(documents.weights[start:stop]),
        documents.vocabulary_size,
    )


@contextmanager
def watched_anonymous(every_s: float = 0.02) -> Iterator[list[int]]:
    """Samples of this process's anonymous memory, in bytes, until the block ends."""
    samples, done = [_anonymous_bytes()], threading.Event()

    def watch() -> None:
        while not done.wait(every_s):
            samples.append(_anonymous_bytes())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


def _anonymous_bytes() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collections", type=Path, default=os.environ.get("LSR_COLLECTIONS"))
    parser.add_argument("--cache", type=Path, default=HERE / "cache", help="where vectors are kept")
    parser.add_argument("--scratch", type=Path, help="folder for the index (the system's temporary one)")
    parser.add_argument("--set", default="msmarco-dl", help="collection, or collection:n for a mixture")
    parser.add_argument("--queries", type=int, default=1000, help="questions beside the collection's own")
    parser.add_argument("--k", nargs="+", type=int, default=[10, 1000])
    parser.add_argument(
        "--memory", nargs="+", type=int, default=[256, 1024], help="MiB that the writer may hold, by build"
    )
    options = parser.parse_args()
    if options.collections is None:
        parser.error("name the folder of collections with --collections or LSR_COLLECTIONS")
    options.collections = Path(options.collections)
    return options


if __name__ == "__main__":
    main()
