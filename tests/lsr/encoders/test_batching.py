"""Batches: order, bounds, and what happens when memory runs out."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsr.encoders import batching
from lsr.encoders.batching import BatchCost, Batcher, is_out_of_memory
from lsr.errors import InvalidArgumentError, ResourceError
from lsr.vectors import SparseVectors

COST = BatchCost(bytes_per_token=10, bytes_per_text=50, best_tokens=64)


def one_hot(positions: np.ndarray) -> SparseVectors:
    """Row i of the result says which text it came from."""
    return SparseVectors.from_id_dicts([{int(at): 1.0 + int(at)} for at in positions], 1000)


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(450, 5000))
def test_rows_come_back_in_order_from_batches_within_the_budget(lengths: list[int], memory: int) -> None:
    batches: list[list[int]] = []

    def encode(positions: np.ndarray) -> SparseVectors:
        batches.append([lengths[at] for at in positions])
        return one_hot(positions)

    batcher = Batcher(COST, memory, longest=40)
    if lengths:
        vectors = batcher.run(np.array(lengths), encode)
        assert vectors.terms.tolist() == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(batch)
        assert len(batch) == 1 or (padded <= 64 and padded * 10 + len(batch) * 50 <= memory)


def test_a_failed_allocation_halves_the_batch_and_the_work_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    lengths = np.full(32, 4)
    sizes: list[int] = []

    def encode(positions: np.ndarray) -> SparseVectors:
        sizes.append(len(positions))
        if len(positions) > 5:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ...")
        return one_hot(positions)

    batcher = Batcher(COST, 10_000, longest=4)
    with caplog.at_level(logging.WARNING):
        assert batcher.run(lengths, encode).terms.tolist() == list(range(32))
    assert sizes == [16, 8, *[4] * 8]
    assert batcher.backoffs == 2
    assert "batches are halved to 16 tokens" in caplog.text
    batcher.run(lengths, encode)
    assert batcher.backoffs == 2  # the smaller budget stays


def test_no_memory_for_a_single_text_is_an_error_with_advice() -> None:
    def encode(positions: np.ndarray) -> SparseVectors:
        raise MemoryError

    with pytest.raises(ResourceError, match=r"single text of 4 tokens.*shorter document length"):
        Batcher(COST, None, longest=4).run(np.array([4, 4]), encode)


def test_other_errors_pass_through() -> None:
    def encode(positions: np.ndarray) -> SparseVectors:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        Batcher(COST, None, longest=4).run(np.array([4]), encode)


def test_a_memory_limit_below_one_text_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"memory: 449 bytes, but one text of 40 tokens needs 450"):
        Batcher(COST, 449, longest=40)


def test_allocation_errors_are_recognised() -> None:
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert not is_out_of_memory(RuntimeError("expected scalar type Float"))


def test_the_heap_is_trimmed_now_and_then_where_batches_fragment_it(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []
    monkeypatch.setattr(batching, "trim_heap", lambda: calls.append(True))
    lengths = np.full(3 * batching.TRIM_TOKENS // 40, 40)
    Batcher(COST, None, longest=40).run(lengths, one_row_each)
    assert calls == []
    Batcher(replace(COST, fragments=True), None, longest=40).run(lengths, one_row_each)
    assert 2 <= len(calls) <= 3


def one_row_each(positions: np.ndarray) -> SparseVectors:
    return SparseVectors.empty(len(positions), 10)


def test_trimming_is_harmless() -> None:
    batching.trim_heap()
