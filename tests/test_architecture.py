"""The arrows between the packages, and what importing them costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIGHT = {"lsr.errors", "lsr.vectors", "lsr.vocabulary"}

# A package of ours, where it lies, and what of ours it may import; only itself besides.
MAY_IMPORT = {
    "lsr.indexer": ("indexer", LIGHT),
    "lsr.data": ("data", {"lsr.errors"}),
    "lsr.eval": ("eval", {"lsr", "lsr.indexer", "lsr.data"}),
    "lsr.server": ("server", {"lsr", "lsr.indexer"}),
    "lsr": ("lsr", {"lsr", "lsr.indexer", "lsr.data"}),
    "lsr.cli": ("lsr/cli", {"lsr", "lsr.indexer", "lsr.data", "lsr.eval", "lsr.server", "lsr.cli"}),
}
PACKAGES = sorted(MAY_IMPORT, key=len, reverse=True)


def package_of(module: str) -> str:
    """The package of the table that a module belongs to: ``lsr.data`` for ``lsr.data.beir``."""
    return next(package for package in PACKAGES if module == package or module.startswith(f"{package}."))


def imports_of(file: Path) -> Iterator[str]:
    """Modules of ours that a file imports when it runs; what only the type checker sees does not count."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in _running(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "lsr")
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "lsr":
            yield node.module
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: imports are written in full here"


def _running(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _running(child)


def sources() -> Iterator[tuple[str, Path]]:
    for package, (folder, _) in MAY_IMPORT.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            inside_another = package == "lsr" and file.is_relative_to(ROOT / "lsr" / "cli")
            if not inside_another:
                yield package, file


@pytest.mark.parametrize(
    ("package", "file"), [pytest.param(*each, id=str(each[1].relative_to(ROOT))) for each in sources()]
)
def test_imports_follow_the_arrows(package: str, file: Path) -> None:
    allowed = MAY_IMPORT[package][1] | {package}
    for module in imports_of(file):
        assert module in allowed or package_of(module) in allowed, f"{file} imports {module}"


# Nothing that the product reads may run code, and nothing it writes may need a reader that does.
PICKLES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "jsonpickle"}
MUST_SAY = {  # calls that may read or write pickles, and the argument with which they do not
    "numpy.load": ("allow_pickle", False),
    "numpy.lib.format.read_array": ("allow_pickle", False),
    "torch.load": ("weights_only", True),
}
MAY_NOT_SAY = {"allow_pickle": True, "weights_only": False, "trust_remote_code": True}
NEVER = {"torch.save", "numpy.memmap.dump", "yaml.load", "yaml.unsafe_load", "pandas.read_pickle"}
NEVER_METHODS = {"to_pickle", "read_pickle", "dump_pickle"}


def _full_names(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for: ``np`` for ``numpy``, ``load`` for ``numpy.load``."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                shown = alias.name if alias.asname else alias.name.split(".")[0]
                names[alias.asname or shown] = shown
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return names


def pickles_of(source: str) -> Iterator[tuple[int, str]]:
    """Line and reason wherever a source may read or write pickles, or runs code that came with a model."""
    tree = ast.parse(source)
    names = _full_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            by_name = isinstance(node, ast.Import)
            modules = [alias.name for alias in node.names] if by_name else [node.module or ""]
            yield from ((node.lineno, f"imports {name}") for name in modules if name.split(".")[0] in PICKLES)
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, reason) for reason in _pickles_of_call(node, names))


def _pickles_of_call(call: ast.Call, names: dict[str, str]) -> Iterator[str]:
    first, *rest = ast.unparse(call.func).split(".")
    called = ".".join([names.get(first, first), *rest])
    said = {each.arg: getattr(each.value, "value", None) for each in call.keywords if each.arg}
    if called in MUST_SAY and said.get(MUST_SAY[called][0]) is not MUST_SAY[called][1]:
        name, value = MUST_SAY[called]
        yield f"{called} without {name}={value}"
    if called in NEVER or called.split(".")[-1] in NEVER_METHODS:
        yield f"{called} reads or writes pickles, or runs code"
    if called in ("importlib.import_module", "__import__") and call.args:
        module = str(getattr(call.args[0], "value", "")).split(".")[0]
        if module in PICKLES:
            yield f"imports {module}"
    for name, value in MAY_NOT_SAY.items():
        if name in said and said[name] is value:
            yield f"{called} with {name}={value}"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os, pickle", "imports pickle"),
        ("from joblib.externals import cloudpickle", "imports joblib.externals"),
        ("import importlib\nimportlib.import_module('dill.source')", "imports dill"),
        ("import numpy as np\nnp.load(path)", "numpy.load without allow_pickle=False"),
        ("import numpy\nnumpy.load(path, allow_pickle=True)", "numpy.load without allow_pickle=False"),
        ("from numpy import load as read\nread(path)", "numpy.load without allow_pickle=False"),
        ("import numpy as np\nnp.save(path, rows, allow_pickle=True)", "numpy.save with allow_pickle=True"),
        ("import torch\ntorch.load(path)", "torch.load without weights_only=True"),
        ("import torch\ntorch.save(model, path)", "torch.save reads or writes pickles, or runs code"),
        ("table.to_pickle(path)", "table.to_pickle reads or writes pickles, or runs code"),
        ("load(name, trust_remote_code=True)", "load with trust_remote_code=True"),
    ],
)
def test_the_search_for_pickles_sees(source: str, reason: str) -> None:
    assert reason in [found for _, found in pickles_of(source)]


def test_nothing_reads_or_writes_pickles() -> None:
    folders = ("lsr", "indexer", "data", "eval", "server", "bench", "tools")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    found = [
        f"{file.relative_to(ROOT)}:{line}: {reason}"
        for file in sorted(files)
        for line, reason in pickles_of(file.read_text(encoding="utf-8"))
    ]

    assert len(files) > 150
    assert found == []


def loaded_by(statement: str, cwd: Path) -> set[str]:
    """Modules loaded by a statement in an interpreter of its own."""
    program = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


HEAVY = {"torch", "transformers", "tokenizers", "fastapi", "uvicorn", "pyarrow", "scipy", "pydantic", "rich"}


@pytest.mark.parametrize("module", ["lsr", "lsr.indexer", "lsr.indexer.collection", "lsr.indexer.writer"])
def test_importing_the_index_stays_light(module: str, tmp_path: Path) -> None:
    assert not loaded_by(f"import {module}", tmp_path) & HEAVY


def test_help_loads_no_model_library(tmp_path: Path) -> None:
    loaded = loaded_by("import lsr.cli.app", tmp_path)

    assert not loaded & (HEAVY - {"rich", "pydantic"} | {"numpy"})


def test_foreign_modules_in_the_working_directory_are_not_picked_up(tmp_path: Path) -> None:
    for name in ("eval.py", "server.py", "data/__init__.py", "indexer.py"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("raise RuntimeError('a foreign module was imported')\n")
    statement = (
        "import lsr.cli.app, lsr.pipeline, lsr.server, lsr.server.app, lsr.data.readers, lsr.eval.measures,"
        " lsr.indexer.collection"
    )

    loaded = loaded_by(statement, tmp_path)
    assert "lsr.server.app" in loaded
    assert not loaded & {"eval", "server", "data", "indexer"}


def test_the_public_names_are_there_and_load_when_used(tmp_path: Path) -> None:
    import lsr

    assert not loaded_by("import lsr; dir(lsr)", tmp_path) & HEAVY
    for name in lsr.__all__:
        assert getattr(lsr, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lsr.nothing


def test_every_path_on_the_map_exists() -> None:
    text = re.sub(r"```.*?```", "", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    named = set(re.findall(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|cpp|h|md|toml|txt)|(?:[\w.-]+/)+)`", text))
    files = {path.name for path in ROOT.glob("[!.]*/**/*.*")}

    assert len(named) > 40
    assert {name for name in named if not (ROOT / name).exists() and name not in files} == set()
