"""Arrays in, arrays out. Documented where they are re-exported: lsr.indexer.kernels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from lsr.indexer.approximation import Approximation

_Bitmaps = Sequence[npt.NDArray[np.uint64] | None]
_UInt32 = npt.NDArray[np.uint32]
_Float32 = npt.NDArray[np.float32]
_Int64 = npt.NDArray[np.int64]
_Float64 = npt.NDArray[np.float64]

def active_isa() -> str: ...
def supported_isa() -> str: ...
def build_lists(
    indptr: _Int64,
    terms: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    *,
    n_terms: int,
    threads: int = 1,
    scale: float = 1.0,
) -> dict[str, npt.NDArray[Any]]: ...
def check_lists(
    indptr: _Int64,
    terms: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    lists: Mapping[str, npt.NDArray[Any]],
    *,
    threads: int = 1,
    scale: float = 1.0,
) -> dict[str, str]: ...

HEAVIEST: int

def heaviest_terms(
    indptr: _Int64, terms: npt.NDArray[Any], weights: npt.NDArray[Any], *, scale: float = 1.0
) -> _UInt32: ...
def bisected_order(heaviest: _UInt32, *, threads: int = 1) -> _UInt32: ...

class SegmentView:
    def __init__(self, n_documents: int, fields: Sequence[Any]) -> None: ...
    @property
    def n_documents(self) -> int: ...

class Searcher:
    def __init__(
        self, segments: Sequence[SegmentView], live: _Bitmaps | None = None, *, isa: str = ""
    ) -> None: ...
    @property
    def n_documents(self) -> int: ...
    @property
    def isa(self) -> str: ...
    def search(
        self,
        fields: _UInt32,
        terms: _UInt32,
        weights: _Float32,
        k: int,
        *,
        filter: _Bitmaps | None = None,
        threads: int = 1,
        approximation: Approximation | None = None,
    ) -> tuple[_Int64, _Float64]: ...
    def search_batch(
        self,
        query_indptr: _Int64,
        fields: _UInt32,
        terms: _UInt32,
        weights: _Float32,
        k: int,
        *,
        filter: _Bitmaps | None = None,
        threads: int = 1,
        approximation: Approximation | None = None,
    ) -> tuple[_Int64, _Int64, _Float64]: ...
    def reference(
        self, fields: _UInt32, terms: _UInt32, weights: _Float32, k: int, *, filter: _Bitmaps | None = None
    ) -> tuple[_Int64, _Float64]: ...
    def scores(self, rows: _Int64, fields: _UInt32, terms: _UInt32, weights: _Float32) -> _Float64: ...
