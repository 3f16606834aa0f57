"""Resident memory of a long run, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, random, sys
import psutil
from lsr.encoders.loading import load_encoder

rng = random.Random(1)
words = "the a of retrieval index sparse query document term weight model france capital cat mat sits".split()
texts = [" ".join(rng.choices(words, k=rng.randint(5, 150))) for _ in range(int(sys.argv[2]))]
encoder = load_encoder("splade-tiny", threads=1, kernel=sys.argv[1])
process, anonymous = psutil.Process(), []
for start in range(0, len(texts), len(texts) // 20):
    encoder.encode_documents(texts[start : start + len(texts) // 20])
    memory = process.memory_full_info()
    anonymous.append(memory.uss)
print(json.dumps({"resident": process.memory_info().rss, "anonymous": anonymous}))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "n_texts", "growth"), [("torch", 4_000, 1.05), ("native", 32_000, 1.02)])
def test_memory_is_flat_over_a_long_run(kernel: str, n_texts: int, growth: float) -> None:
    """torch's own allocations swing by 3 % between two trims of the heap, and grow by a third without."""
    run = [sys.executable, "-c", SCRIPT, kernel, str(n_texts)]
    found = json.loads(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
    early, late = found["anonymous"][1], max(found["anonymous"][-3:])
    assert found["resident"] < 1.0e9
    assert late <= growth * early, found["anonymous"]
