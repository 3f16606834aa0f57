"""The peak of resident memory that forecasts start from."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lsr.resident import STATUS, peak_resident_bytes

LARGE = 200_000_000
CHILD = "from lsr.resident import peak_resident_bytes; print(peak_resident_bytes())"
PARENT = f"""
import subprocess, sys
held = b"x" * {LARGE}
subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
"""


def test_the_peak_covers_what_was_held_and_let_go() -> None:
    held = b"x" * LARGE
    del held
    assert peak_resident_bytes() >= LARGE


@pytest.mark.skipif(not STATUS.exists(), reason="the system tells no process's own peak")
def test_the_program_that_started_this_one_does_not_count() -> None:
    said = subprocess.run([sys.executable, "-c", PARENT], capture_output=True, text=True, check=True).stdout
    assert 0 < int(said) < LARGE
