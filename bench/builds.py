"""Builds of the engine beside each other: what a change to it makes faster.

    python bench/builds.py HEAD~1 . --sets msmarco-dl:1000000 --load memory

Each revision (`.`: the files as they stand) is built as the package is, and searched by a process of its own
with its own Python, over the same vectors. They take turns every few queries, in either order, so that a slow
minute of the machine is everybody's; of each query the best round counts, one thread, a query a call. For each
the median, mean and 99th percentile are printed, their ratios to the first build's, and whether its hits and
scores are the first one's to the bit.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
from command_line import parsed, sets_parser

if TYPE_CHECKING:
    from peers.ours import Ours

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILDS = ROOT / "build" / "compared"

logger = logging.getLogger(__name__)

T = TypeVar("T")


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = _options()
    if options.serve:
        _serve(options)
        return
    packages = [_built(revision) for revision in options.revisions]
    for name in options.sets:
        workers = [Worker(package, name) for package in packages]
        try:
            for k in options.k:
                for row in _compared(workers, options, k):
                    print(json.dumps({"set": name, "k": k} | row), flush=True)
        finally:
            for worker in workers:
                worker.stop()


def _options() -> argparse.Namespace:
    parser = sets_parser(__doc__)
    parser.add_argument("revisions", nargs="+", help="of git; a dot stands for the files as they are")
    parser.add_argument("--k", nargs="+", type=int, default=[10, 100, 1000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turn", type=int, default=40, help="queries a build, before the next one")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)  # what a worker does
    return parsed(parser)


# Building


def _built(revision: str) -> Path:
    """A folder with a revision's package in it. Builds are kept, so the files as they are build quickly."""
    tree, folder = ROOT, BUILDS / "here"
    if revision != ".":
        commit = _output("git", "rev-parse", "--short", f"{revision}^{{commit}}")
        tree, folder = BUILDS / f"{commit}-tree", BUILDS / commit
        if not tree.exists():
            _run("git", "worktree", "prune")
            _run("git", "worktree", "add", "--quiet", "--detach", str(tree), commit)
    logger.info("building %s", revision)
    _run(
        *("cmake", "-S", str(tree), "-B", str(folder), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"),
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-Dnanobind_DIR={_output(sys.executable, '-m', 'nanobind', '--cmake_dir')}",
    )
    _run("cmake", "--build", str(folder), "--target", "indexer_native")
    return _package(tree, next((folder / "indexer" / "native").glob("_native*.so")), folder / "package")


def _package(tree: Path, native: Path, folder: Path) -> Path:
    """Links in the shape of the installed package; the encoder's native module is the installed one."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "lsr" / "indexer").mkdir(parents=True)
    encoder = importlib.util.find_spec("lsr._native")
    links = [native, *(tree / "indexer").glob("*.py*")]
    for source in links:
        (folder / "lsr" / "indexer" / source.name).symlink_to(source)
    parts = [part for part in (tree / "lsr").iterdir() if part.suffix != ".so"]
    parts += [tree / name for name in ("data", "eval", "server")]
    if encoder is not None and encoder.origin is not None:
        parts.append(Path(encoder.origin))
    for source in parts:
        (folder / "lsr" / source.name).symlink_to(source)
    return folder


def _run(*command: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # cmake and ninja lie there
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)}\n{done.stdout}{done.stderr}")


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


# Comparing


class Worker:
    """A process that has searched a set with one build, and answers in lines of JSON."""

    def __init__(self, package: Path, name: str) -> None:
        # Without site (-S) there are no hooks that would bring the installed package.
        command = [sys.executable, "-S", __file__, *sys.argv[1:], "--serve", "--sets", name]
        path = os.pathsep.join([str(package), sysconfig.get_path("purelib")])
        self._process = subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.n_queries = int(self._answer())

    def ask(self, what: str, *numbers: int) -> Any:
        assert self._process.stdin is not None
        print(what, *numbers, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit("error: a build could not be searched; what it said stands above")
        return json.loads(line)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def _compared(workers: Sequence[Worker], options: argparse.Namespace, k: int) -> Iterator[dict[str, Any]]:
    hashes = [worker.ask("hash", k) for worker in workers]
    best = np.full((len(workers), workers[0].n_queries), np.inf)
    for round_ in range(options.rounds):
        for turn, begin in enumerate(range(0, best.shape[1], options.turn)):
            for at in _in_turn(range(len(workers)), backwards=(round_ + turn) % 2 == 1):
                here = best[at, begin : begin + options.turn]
                np.minimum(here, workers[at].ask("time", k, begin, begin + len(here)), out=here)
    first = _figures(best[0])
    for revision, us, digest in zip(options.revisions, best, hashes, strict=True):
        mine = _figures(us)
        ratios = {f"{name}_ratio": round(mine[name] / first[name], 3) for name in mine}
        yield {"build": revision} | mine | ratios | {"same_hits": digest == hashes[0]}


def _in_turn(items: Sequence[T], *, backwards: bool) -> Sequence[T]:
    return items[::-1] if backwards else items


def _figures(us: npt.NDArray[np.float64]) -> dict[str, float]:
    figures = {"median_us": np.median(us), "mean_us": us.mean(), "p99_us": np.percentile(us, 99)}
    return {name: round(float(value), 1) for name, value in figures.items()}


# A worker


def _serve(options: argparse.Namespace) -> None:
    """Answer `hash k` and `time k begin end` from standard input."""
    ours, queries = _opened(options)
    print(len(queries), flush=True)
    for line in sys.stdin:
        what, k, *range_ = line.split()
        if what == "hash":
            print(json.dumps(_hash(ours, queries, int(k))), flush=True)
        else:
            print(json.dumps(_times(ours, queries[slice(*map(int, range_))], int(k))), flush=True)


def _opened(options: argparse.Namespace) -> tuple[Ours, Sequence[Any]]:
    from peers.ours import build
    from vectors import documents_of, queries_of

    documents = documents_of(options.sets[0], options.collections, options.cache)
    if options.load == "memory":
        documents = documents.in_memory()
    queries = queries_of(options.sets[0], options.collections, options.cache, extra=options.queries)
    order = np.random.default_rng(0).permutation(len(queries))[: options.most]
    ours = build(documents, options.cache)
    return ours, [ours.prepare(queries[at]) for at in order]


def _hash(ours: Ours, queries: Sequence[Any], k: int) -> str:
    digest = hashlib.sha256()
    for query in queries:
        for array in ours.searcher.search(*query, k):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _times(ours: Ours, queries: Sequence[Any], k: int) -> list[float]:
    us = []
    for query in queries:
        begin = time.perf_counter()
        ours.searcher.search(*query, k)
        us.append((time.perf_counter() - begin) * 1e6)
    return us


if __name__ == "__main__":
    main()
