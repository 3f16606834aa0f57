"""Resident memory while a collection is encoded and indexed; each part in a process of its own.

    LSR_COLLECTIONS=... python bench/memory.py                one line of JSON for each part
    LSR_COLLECTIONS=... python bench/memory.py --part encode

``encode``: passages go through the encoder in batches whose vectors are dropped, as a long run writes them out.
``index``: the whole build of an index of both fields, beside what it forecast for itself when it began.
The vector cache is not used.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

PARTS = ("encode", "index")
BATCH = 1024  # as `lsr index` has it
MB = 1e6


@dataclass
class Resident:
    """This process's resident memory, in bytes: the peak of all of it, and its anonymous part as last seen.

    Nothing else is kept, or what watches for growth would grow.
    """

    peak: int = 0
    anonymous: int = 0

    def sample(self) -> None:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        facts = dict(line.split(":", 1) for line in lines)
        values = {name: int(facts[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon")}
        self.peak = max(self.peak, values["VmRSS"])
        self.anonymous = values["RssAnon"]


@contextmanager
def watched(every_s: float = 0.05) -> Iterator[Resident]:
    """Samples from a thread until the block ends."""
    resident, done = Resident(), threading.Event()

    def watch() -> None:
        while not done.wait(every_s):
            resident.sample()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield resident
    finally:
        done.set()
        thread.join()
        resident.sample()


def encode(dataset_folder: Path, limit: int | None) -> dict[str, object]:
    """The anonymous part at the end of each tenth shows whether anything grows."""
    from lsr.data.beir import BeirDataset

    from lsr.encoders.loading import load_encoder

    documents = islice(BeirDataset.open(dataset_folder).documents(), limit)
    # As bytes: a str that was encoded keeps its UTF-8 form for as long as it lives, and would look like growth.
    texts = [document.encoder_text().encode() for document in documents]
    encoder = load_encoder("splade-tiny")
    tenths: list[int] = []
    started = time.perf_counter()
    with watched() as resident:
        for start in range(0, len(texts), BATCH):
            encoder.encode_documents([text.decode() for text in texts[start : start + BATCH]])
            resident.sample()
            while len(tenths) < 10 * min(start + BATCH, len(texts)) // len(texts):
                tenths.append(resident.anonymous)
    return {
        "part": "encode",
        "documents": len(texts),
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mb": resident.peak / MB,
        "anonymous_mb": [round(each / MB, 2) for each in tenths],
        "growth": tenths[-1] / tenths[0] - 1,
    }


def index(dataset_folder: Path, limit: int | None) -> dict[str, object]:
    """Peak and size of a build, each over its forecast."""
    from lsr.data.beir import BeirDataset

    from lsr.forecast import Forecast
    from lsr.indexing import DocumentEncoder, index_documents, plan_index

    dataset = BeirDataset.open(dataset_folder)
    n_documents = sum(1 for _ in islice(dataset.documents(), limit))
    forecasts: list[Forecast] = []
    with tempfile.TemporaryDirectory() as folder, watched() as resident:
        summary = index_documents(
            islice(dataset.documents(), limit),
            Path(folder) / "index",
            DocumentEncoder(plan_index("splade-tiny")),
            expected=n_documents,
            on_forecast=forecasts.append,
        )
    forecast = forecasts[0]
    assert forecast.output_bytes is not None
    return {
        "part": "index",
        "documents": summary.documents,
        "seconds": summary.seconds,
        "forecast_seconds": forecast.seconds,
        "peak_mb": resident.peak / MB,
        "forecast_mb": forecast.memory_bytes / MB,
        "peak_over_forecast": resident.peak / forecast.memory_bytes,
        "index_mb": summary.size_bytes / MB,
        "index_over_forecast": summary.size_bytes / forecast.output_bytes,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, help="one part, in this process (both, each in its own)")
    parser.add_argument("--collection", default="msmarco-dl")
    parser.add_argument("--documents", type=int, help="no more than this many (all)")
    given = parser.parse_args()
    root = os.environ.get("LSR_COLLECTIONS")
    if not root:
        parser.error("LSR_COLLECTIONS must name the folder that holds the collection")
    if given.part is None:
        for part in PARTS:
            subprocess.run([sys.executable, __file__, "--part", part, *sys.argv[1:]], check=True)
        return 0
    measure = encode if given.part == "encode" else index
    print(json.dumps(measure(Path(root) / given.collection, given.documents)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
