"""Warn after installation when pip picked a GPU build of PyTorch on a machine that may not want one."""

from __future__ import annotations

import sys
from importlib.metadata import distributions


def main() -> None:
    names = sorted({(dist.metadata["Name"] or "").lower() for dist in distributions()})
    gpu = [name for name in names if name.startswith("nvidia-")]
    if gpu:
        sys.stderr.write(
            f"note: pip installed {len(gpu)} GPU packages ({gpu[0]}, ...), several gigabytes that a machine"
            " without a GPU never uses. To avoid them, remove .venv and run\n"
            '      make setup PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"\n'
        )


if __name__ == "__main__":
    main()
