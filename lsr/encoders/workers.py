"""Where a long encoding is computed: in this process, or in several with a model each."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from lsr.encoders.base import Batching, EncoderInfo, EncodeStatistics
from lsr.errors import InvalidArgumentError, ResourceError
from lsr.models import ModelOptions
from lsr.resident import peak_resident_bytes
from lsr.vectors import SparseVectors

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

    from lsr.encoders.base import SparseEncoder

Side = Literal["document", "query"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a process made of some texts. peak_bytes: the most resident memory that it has had."""

    vectors: SparseVectors
    statistics: EncodeStatistics
    process: int
    peak_bytes: int
    batch_tokens: int


class Work(Protocol):
    """Takes texts and gives their vectors later. count: how many submissions are computed at a time."""

    @property
    def count(self) -> int: ...

    def describe(self) -> EncoderInfo: ...

    def submit(self, side: Side, texts: Sequence[str]) -> Future[Encoded]: ...


class OneProcess:
    """This process: what is submitted is computed at once."""

    count = 1

    def __init__(self, encoder: SparseEncoder) -> None:
        self._encoder = encoder

    def describe(self) -> EncoderInfo:
        return self._encoder.describe()

    def submit(self, side: Side, texts: Sequence[str]) -> Future[Encoded]:
        done: Future[Encoded] = Future()
        done.set_result(_encoded(self._encoder, side, texts))
        return done


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """devices: one a process. threads, memory: of each."""

    model: str
    options: ModelOptions
    devices: Sequence[str]
    threads: int | None = None
    memory: int | None = None


def plan_workers(
    model: str,
    options: ModelOptions,
    *,
    devices: Sequence[str],
    processes: int | None,
    threads: int,
    memory: int | None,
) -> WorkerPlan:
    """Share devices, threads and memory between processes; by default one process for each device."""
    count = processes if processes is not None else len(devices)
    if count < len(devices):
        raise InvalidArgumentError(
            f"processes: {count} for {len(devices)} devices; give one for each at least", field="processes"
        )
    shared = memory // count if memory is not None else None
    placed = [devices[at % len(devices)] for at in range(count)]
    return WorkerPlan(model, options, placed, max(1, threads // count), shared)


class Workers:
    """Processes with a model each. Made by ``workers``."""

    def __init__(self, pool: ProcessPoolExecutor, count: int) -> None:
        self._pool = pool
        self.count = count

    def describe(self) -> EncoderInfo:
        return self._pool.submit(_describe).result()

    def submit(self, side: Side, texts: Sequence[str]) -> Future[Encoded]:
        return self._pool.submit(_encode, side, list(texts))


@contextmanager
def workers(plan: WorkerPlan) -> Iterator[Workers]:
    """Start the processes and end them with the block.

    Raises what loading the model raises, and ResourceError if a process is killed, most likely for its memory.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads in an unknown state
    devices: Queue[str] = context.Queue()
    for device in plan.devices:
        devices.put(device)
    count = len(plan.devices)
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start, initargs=(plan, devices))
    try:
        yield Workers(pool, count)
    except BrokenProcessPool as error:
        raise ResourceError(
            f"one of {count} encoding processes was ended from outside, most likely because memory ran out."
            " What is encoded is kept: start the same command again, with fewer --processes or less --memory."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Process:
    """What a worker process holds: its encoder, or the error that loading it raised."""

    plan: WorkerPlan
    device: str
    encoder: SparseEncoder | None = None


def _start(plan: WorkerPlan, devices: Queue[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends the block
    _Process.plan, _Process.device = plan, devices.get()


def _loaded() -> SparseEncoder:
    """Loaded with the first work, not while the process starts: there an error would only break the pool."""
    if _Process.encoder is None:
        plan = _Process.plan
        _Process.encoder = plan.options.load(
            plan.model, device=_Process.device, threads=plan.threads, memory=plan.memory
        )
    return _Process.encoder


def _describe() -> EncoderInfo:
    return _loaded().describe()


def _encode(side: Side, texts: list[str]) -> Encoded:
    return _encoded(_loaded(), side, texts)


def _encoded(encoder: SparseEncoder, side: Side, texts: Sequence[str]) -> Encoded:
    before = encoder.statistics
    vectors = encoder.encode_queries(texts) if side == "query" else encoder.encode_documents(texts)
    batch = encoder.batch_tokens if isinstance(encoder, Batching) else 0
    return Encoded(vectors, encoder.statistics - before, os.getpid(), peak_resident_bytes(), batch)
