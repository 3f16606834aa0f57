"""A model in several processes gives what it gives in one."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from lsr.data.documents import Document

from lsr.encoders.loading import load_encoder
from lsr.encoders.workers import WorkerPlan, plan_workers, workers
from lsr.encoding import encode_to_shards, read_shards
from lsr.errors import InvalidArgumentError, ModelNotFoundError, ResourceError
from lsr.forecast import Forecast
from lsr.models import ModelOptions
from lsr.vectors import SparseVectors


def test_two_processes_give_what_one_gives(tmp_path: Path, texts: Sequence[str]) -> None:
    documents = [Document(f"d{at}", f"{texts[at % len(texts)]} {at}") for at in range(60)]
    plan = plan_workers(
        "splade-tiny", ModelOptions(document_length=16), devices=["cpu"], processes=2, threads=2, memory=10**9
    )
    assert (plan.devices, plan.threads, plan.memory) == (["cpu", "cpu"], 1, 5 * 10**8)
    said: list[Forecast] = []
    with workers(plan) as work:
        summary = encode_to_shards(
            documents, tmp_path, work, expected=60, on_forecast=said.append, shard_documents=8
        )
        again = encode_to_shards(documents, tmp_path, work, shard_documents=8)
    parts = list(read_shards(tmp_path))
    assert [name for ids, _ in parts for name in ids] == [document.id for document in documents]
    encoder = load_encoder("splade-tiny", document_length=16)
    expected = encoder.encode_documents([document.text for document in documents])
    found = SparseVectors.concatenate([vectors for _, vectors in parts])
    np.testing.assert_array_equal(found.terms, expected.terms)
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-5)
    assert (summary.encoded, again.encoded, again.reused) == (60, 0, 60)
    assert summary.truncated == encoder.statistics.truncated > 0
    [forecast] = said
    assert forecast.documents == 60
    assert forecast.batch_tokens > 0
    assert forecast.output_bytes is not None
    assert forecast.output_bytes == pytest.approx(
        sum(each.stat().st_size for each in tmp_path.glob("shard*")), rel=0.5
    )


def test_a_killed_process_is_reported_and_what_is_done_is_kept(tmp_path: Path) -> None:
    documents = [Document(f"d{at}", f"text {at}") for at in range(30)]
    plan = WorkerPlan("splade-tiny", ModelOptions(), ["cpu"], threads=1)

    def killing(victim: int) -> list[Document]:
        def stream():  # type: ignore[no-untyped-def]
            yield from documents[:20]
            os.kill(victim, signal.SIGKILL)
            yield from documents[20:]

        return stream()  # type: ignore[no-any-return,no-untyped-call]

    with pytest.raises(ResourceError, match=r"ended from outside.*fewer --processes"), workers(plan) as work:
        victim = work.submit("document", ["a"]).result().process
        encode_to_shards(killing(victim), tmp_path, work, shard_documents=5)
    with workers(plan) as work:
        summary = encode_to_shards(documents, tmp_path, work, shard_documents=5)
    assert summary.reused >= 5
    assert summary.documents == 30


def test_what_a_model_raises_arrives(tmp_path: Path) -> None:
    plan = WorkerPlan(str(tmp_path / "absent"), ModelOptions(), ["cpu"])
    with pytest.raises(ModelNotFoundError, match="no such folder"), workers(plan) as work:
        work.describe()


def test_devices_are_shared_out() -> None:
    def devices(names: list[str], processes: int | None) -> Sequence[str]:
        plan = plan_workers("m", ModelOptions(), devices=names, processes=processes, threads=4, memory=None)
        return plan.devices

    assert devices(["cuda:0", "cuda:1"], None) == ["cuda:0", "cuda:1"]
    assert devices(["cuda:0", "cuda:1"], 3) == ["cuda:0", "cuda:1", "cuda:0"]
    with pytest.raises(InvalidArgumentError, match="1 for 2 devices"):
        devices(["cuda:0", "cuda:1"], 1)


def test_devices_that_are_not_there() -> None:
    import torch

    with pytest.raises(InvalidArgumentError, match="device 'gpu' is none; write cpu, cuda or cuda:1"):
        load_encoder("splade-tiny", device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ResourceError, match="finds no CUDA GPU here"):
            load_encoder("splade-tiny", device="cuda:1")
