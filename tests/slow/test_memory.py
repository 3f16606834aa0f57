"""Memory over a long run, measured in processes of their own by bench/memory.py."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
logger = logging.getLogger(__name__)

SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "memory.py"


def measured(part: str, collection: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--part", part, "--collection", collection.name],
        env={"LSR_COLLECTIONS": str(collection.parent), "PATH": "/usr/bin:/bin"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    logger.info("%s", result)
    return result


def test_encoding_many_passages_stays_small_and_flat(collection_folder: Callable[[str], Path]) -> None:
    found = measured("encode", collection_folder("msmarco-dl"))
    assert found["documents"] == 35_697
    assert found["peak_mb"] < 1200
    tenths = found["anonymous_mb"]
    assert max(tenths) - min(tenths) <= 0.01 * (max(tenths) + min(tenths))  # within ± 1 % of their middle


def test_indexing_keeps_to_its_forecast(collection_folder: Callable[[str], Path]) -> None:
    found = measured("index", collection_folder("msmarco-dl"))
    assert found["peak_over_forecast"] == pytest.approx(1, abs=0.1)
    assert found["index_over_forecast"] == pytest.approx(1, abs=0.1)
