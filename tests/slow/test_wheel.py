"""The built wheel, away from the repository: it must not lean on the checkout or on what the folder holds."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
CORPUS = [
    {"_id": "1", "title": "Sorting", "text": "The sorted function returns a new list in ascending order."},
    {"_id": "2", "title": "Files", "text": "Use open to read or write a file on disk."},
]


@pytest.fixture(scope="module")
def installed_lsr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `lsr` command of an environment that holds the wheel and, by reference, the dependencies alone.

    The dependencies come from the environment that runs this test, through a path file: such a folder's own
    path files are not read, so the editable install of the checkout does not reach in.
    """
    work = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            work,
            REPOSITORY,
        ],
        check=True,
    )
    wheel = next(work.glob("lsr-*.whl"))
    venv.create(work / "venv", with_pip=False)
    python = work / "venv" / "bin" / "python"
    own_site = next((work / "venv" / "lib").glob("python*/site-packages"))
    dependencies = [path for path in (*site.getsitepackages(), *_borrowed(sys.path)) if Path(path).is_dir()]
    (own_site / "dependencies.pth").write_text("\n".join(dict.fromkeys(dependencies)) + "\n")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel], check=True
    )
    return work / "venv" / "bin" / "lsr"


def _borrowed(paths: list[str]) -> list[str]:
    return [path for path in paths if path.endswith("site-packages")]


def _run(command: Path, *arguments: str, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [command, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("foreign", [False, True], ids=["empty folder", "folder with foreign modules"])
def test_the_wheel_answers_help_and_a_search(installed_lsr: Path, tmp_path: Path, foreign: bool) -> None:
    if foreign:
        (tmp_path / "data").mkdir()
        for name in ("eval.py", "data/__init__.py", "server.py", "indexer.py"):
            (tmp_path / name).write_text("raise ImportError('the foreign module was imported')\n")
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in CORPUS))
    assert "index" in _run(installed_lsr, "--help", cwd=tmp_path)
    _run(installed_lsr, "index", "corpus.jsonl", "--output", "my index", cwd=tmp_path)
    answer = json.loads(
        _run(installed_lsr, "search", "my index", "how do I sort a list", "--json", cwd=tmp_path)
    )
    assert answer["hits"][0]["id"] == "1"


def test_the_wheel_holds_one_top_level_name(tmp_path: Path, installed_lsr: Path) -> None:
    own_site = next((installed_lsr.parents[1] / "lib").glob("python*/site-packages"))
    names = {path.name for path in own_site.iterdir() if not path.name.endswith((".dist-info", ".pth"))}
    assert names - {"__pycache__", "pip", "setuptools", "_distutils_hack"} == {"lsr"}
