"""lsr encode into a folder of shards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

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
    [(ids, vectors)] = read_shards(tmp_path / "v")
    assert ids == ["d0", "d1", "d2", "d3"]
    assert (np.diff(vectors.indptr) > 0).all()
