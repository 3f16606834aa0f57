"""Other engines over the same vectors, behind the same four names. All are optional: what is not installed is
reported as absent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from vectors import Documents

QueryVector = tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]  # terms ascending, weights


class Engine(Protocol):
    """A built index. Queries are converted outside the clock: each engine starts from its own kind."""

    name: str
    size_bytes: int

    def prepare(self, query: QueryVector) -> Any: ...
    def search(self, prepared: Any, k: int) -> Sequence[int]: ...


@runtime_checkable
class TimesItself(Protocol):
    """An engine in a process of its own, which would else be timed with the way there and back."""

    def time_all(self, prepared: Sequence[Any], k: int) -> npt.NDArray[np.float64]:
        """Microseconds of each query, one after the other."""


Build = Callable[[Documents, Path], Engine]


def builders() -> dict[str, Build]:
    """Every engine by name, ours first. Their libraries are imported when they are built."""
    return {
        "lsr": _imported("ours", "build"),
        "lsr reordered": _imported("ours", "build_reordered"),
        "lsr shuffled": _imported("ours", "build_shuffled"),
        "numba TAAT": _imported("taat", "build"),
        "splade-index": _imported("splade_index", "build"),
        "scipy": _imported("scipy_product", "build"),
        "seismic": _imported("seismic", "build"),
        "PISA MaxScore": _imported("pisa", "build_maxscore"),
        "PISA BM-WAND": _imported("pisa", "build_block_max_wand"),
        "qdrant-edge": _imported("qdrant", "build"),
        "Lucene impact": _imported("lucene", "build"),
    }


def _imported(module: str, function: str) -> Build:
    def build(documents: Documents, folder: Path) -> Engine:
        return getattr(import_module(f"peers.{module}"), function)(documents, folder)

    return build
