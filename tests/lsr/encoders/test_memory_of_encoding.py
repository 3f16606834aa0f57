"""Memory of reading many texts; resident memory of a long run, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from lsr.encoders.composition import Reading
from lsr.encoders.tokens import TextTokenizer
from lsr.resident import STATUS

SCRIPT = """
import json, random, sys
from lsr.encoders.loading import load_encoder

rng = random.Random(1)
words = "the a of retrieval index sparse query document term weight model france capital cat mat sits".split()
texts = [" ".join(rng.choices(words, k=rng.randint(5, 150))) for _ in range(int(sys.argv[2]))]
encoder = load_encoder("splade-tiny", threads=1, kernel=sys.argv[1])

def status(name):
    [line] = [line for line in open("/proc/self/status") if line.startswith(name)]
    return int(line.split()[1]) * 1024

anonymous = []
for start in range(0, len(texts), len(texts) // 20):
    encoder.encode_documents(texts[start : start + len(texts) // 20])
    anonymous.append(status("RssAnon"))
print(json.dumps({"resident": status("VmHWM"), "anonymous": anonymous}))
"""


WORDS = {f"w{at}": at for at in range(5000)}


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (Reading(length=256), None),
        (Reading(length=256), WORDS),
        (Reading(length=256, echo=True), None),
    ],
    ids=["plain", "whole words", "echo"],
)
def test_reading_many_texts_holds_little_more_than_their_ids(
    reading: Reading, words: dict[str, int] | None
) -> None:
    """Lists of Python's integers held ten times as much, in memory that was not given back to the system."""
    model = Tokenizer(WordLevel(WORDS, unk_token="w0"))
    model.pre_tokenizer = WhitespaceSplit()
    tokenizer = TextTokenizer(model, reading, words)
    texts = [" ".join(f"w{300 + (7 * text + at) % 4700}" for at in range(200)) for text in range(500)]
    tokenizer(texts)
    tracemalloc.start()
    try:
        tokens = tokenizer(texts)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    result = tokens.ids.nbytes + (tokens.terms.nbytes if tokens.terms is not None else 0)
    assert peak < 3 * result  # rows, then rows joined; the rest is what each text costs besides


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="the system does not tell a process's anonymous memory")
@pytest.mark.parametrize(("kernel", "n_texts", "spread"), [("torch", 4_000, 0.03), ("native", 32_000, 0.01)])
def test_memory_is_flat_over_a_long_run(kernel: str, n_texts: int, spread: float) -> None:
    """From a fifth on, when each buffer has met its longest texts: within ± ``spread`` of the middle.

    torch's own allocations swing by 3 % between two trims of the heap, and grow by a third without.
    """
    run = [sys.executable, "-c", SCRIPT, kernel, str(n_texts)]
    found = json.loads(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
    settled = found["anonymous"][3:]
    assert found["resident"] < 1.0e9
    assert max(settled) - min(settled) <= spread * (max(settled) + min(settled)), found["anonymous"]
