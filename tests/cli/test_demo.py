"""The demonstration, as `make demo` runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_demonstration_runs_twice_in_a_path_with_a_space(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "lsr.cli.demo"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "nDCG@10" in done.stdout
        assert "because of" in done.stdout
        assert "the server has stopped" in done.stdout
