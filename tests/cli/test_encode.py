"""lsr encode into a folder of shards."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsr.encoding import read_shards

RunLsr = Callable[..., Any]


def test_a_second_run_encodes_only_what_is_new(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path
) -> None:
    records = [{"_id": f"d{at}", "text": f"a short text about {at} fishes"} for at in range(3)]
    first = lsr("encode", write_lines(records), "-o", tmp_path / "v", "--shards", "--json")
    assert (first.status, first.json["documents"], first.json["reused"]) == (0, 3, 0)

    records.append({"_id": "d3", "text": "a river"})
    second = lsr("encode", write_lines(records), "-o", tmp_path / "v", "--shards")
    assert second.status == 0
    assert "4 vectors" in second.out
    assert "3 of them from before" in second.out
    parts = list(read_shards(tmp_path / "v"))
    assert [name for ids, _ in parts for name in ids] == ["d0", "d1", "d2", "d3"]
    assert all((np.diff(vectors.indptr) > 0).all() for _, vectors in parts)


def test_processes_an_expansion_and_the_line_before(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path
) -> None:
    docs = write_lines([{"_id": f"d{at}", "text": f"a short text about {at} fishes"} for at in range(9)])
    done = lsr("encode", docs, "-o", tmp_path / "v", "--shards", "--processes", 2, "--document-length", 6)
    assert done.status == 0, done.err
    assert "9 vectors" in done.out
    assert re.search(
        r"about 9 documents with splade-tiny: .* batches of [\d,]+ tokens\), memory up to .*", done.err
    )
    assert "vectors about" in done.err
    assert "9 texts were longer" in done.err


def test_a_long_file_of_vectors_is_forecast(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path
) -> None:
    records = [{"_id": f"d{at}", "text": f"number {at}"} for at in range(1100)]
    long = lsr("encode", write_lines(records), "-o", tmp_path / "long.jsonl")
    assert "1,100 vectors" in long.out
    line = r"about ([\d,]+) documents .* vectors about (\d+) kB"
    said = re.search(line, long.err)
    assert said is not None, long.err
    assert abs(int(said[1].replace(",", "")) - 1100) < 110
    assert int(said[2]) * 1000 == pytest.approx((tmp_path / "long.jsonl").stat().st_size, rel=0.2)


def test_a_line_before_a_file_is_written(lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path) -> None:
    done = lsr("encode", write_lines([{"_id": "a", "text": "a fish"}]), "-o", tmp_path / "v.jsonl")

    assert "about 1 document with splade-tiny: " in done.err
    assert "vectors about" in done.err
    assert done.out == f"1 vector in {tmp_path / 'v.jsonl'}\n"


def test_a_killed_command_goes_on(write_lines: Callable[..., Path], tmp_path: Path, lsr: RunLsr) -> None:
    """A real process, killed once its first shard is on disk."""
    docs = write_lines([{"_id": f"d{at}", "text": f"text {at} " * 120} for at in range(1500)])
    folder = tmp_path / "v"
    command = [
        sys.executable,
        "-m",
        "lsr.cli",
        "encode",
        str(docs),
        "-o",
        str(folder),
        "--shards",
        "--threads",
        "1",
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as running:
        while not list(folder.glob("shard-*.npz")) and running.poll() is None:
            time.sleep(0.01)
        running.kill()
    again = lsr("encode", docs, "-o", folder, "--shards", "--json")
    assert again.status == 0
    assert again.json["documents"] == 1500
    assert again.json["reused"] >= 256
    assert sum(len(ids) for ids, _ in read_shards(folder)) == 1500


@pytest.mark.parametrize("passages", ["merged", "best"])
def test_long_texts_are_split(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path, passages: str
) -> None:
    docs = write_lines(
        [{"_id": "a", "text": "A file is read line by line. " * 40}, {"_id": "b", "text": "zip"}]
    )
    options = ("--split", "sentences", "--passage-length", 64, "--passages", passages, "--json")
    for shards in ((), ("--shards",)):
        out = tmp_path / f"{passages}{len(shards)}"
        done = lsr("encode", docs, "-o", out, *options, *shards)
        assert (done.status, done.json["split"], done.json["truncated"]) == (0, 1, 0)
        assert (done.json["documents"] == 2) == (passages == "merged")
        if not shards:
            ids = [json.loads(line)["id"] for line in out.read_text().splitlines()]
            assert ids[:2] == (["a", "b"] if passages == "merged" else ["a#1", "a#2"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--processes", "2"), "--processes: several processes write shards; add --shards"),
        (("--device", "cuda:0,cuda:1"), "--device: several processes write shards"),
        (("--device", "nowhere"), "device 'nowhere' is none"),
    ],
)
def test_what_does_not_go_together(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    docs = write_lines([{"_id": "a", "text": "zip"}])
    refused = lsr("encode", docs, "-o", tmp_path / "v.jsonl", *options)
    assert refused.status == 2
    assert says in refused.err
