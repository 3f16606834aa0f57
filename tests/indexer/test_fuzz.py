"""A few of the fuzz target's cases, the same ones each time; `make fuzz` runs many, under the sanitizers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).parents[2] / "tools/fuzz.py"


def test_damaged_files_answer_or_raise_an_error_of_ours():
    command = [sys.executable, str(FUZZ), "--cases", "60"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "60 cases" in run.stderr
    assert " 0 findings" in run.stderr
