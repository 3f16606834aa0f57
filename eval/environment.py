"""The machine and the code that figures come from."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

from lsr.eval.results import Environment


def environment(threads: int) -> Environment:
    """threads: what searching was allowed to use."""
    return Environment(
        commit=commit(),
        version=importlib.metadata.version("lsr"),
        cpu=cpu_name(),
        threads=threads,
        python=platform.python_version(),
    )


def cpu_name() -> str:
    """The processor as it calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str | None:
    """The commit these sources are at, with ``+`` where they were changed since; None outside a checkout."""
    folder = Path(__file__).resolve().parent
    if not (folder.parent / "CMakeLists.txt").is_file():
        return None  # an installed wheel: a repository further up would be somebody else's
    try:
        found = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(folder), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip() or None
