"""The documentation strings of the running Python's standard library.

Modules written in Python are parsed, never imported. What is written in C is asked for its ``__doc__``, in a
fixed list of modules that every build of CPython has.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Tests, what distributions split off, what not every version from 3.11 on has, and 120 near-identical codecs.
LEFT_OUT = {
    "aifc", "asynchat", "asyncore", "cgi", "cgitb", "chunk", "crypt", "curses", "dbm", "dist-packages",
    "distutils", "encodings", "ensurepip", "idlelib", "imghdr", "imp", "lib-dynload", "lib2to3", "mailcap",
    "msilib", "nntplib", "pipes", "pydoc_data", "site-packages", "smtpd", "sndhdr", "sunau", "telnetlib",
    "test", "tests", "tkinter", "turtledemo", "uu", "xdrlib",
}  # fmt: skip

COMPILED = (
    "array", "binascii", "builtins", "cmath", "collections", "datetime", "decimal", "fcntl", "functools", "gc",
    "hashlib", "io", "itertools", "marshal", "math", "mmap", "operator", "os", "pwd", "re", "resource",
    "select", "signal", "socket", "struct", "sys", "termios", "threading", "time", "unicodedata", "weakref",
    "zlib",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DocString:
    """name: as one would write it after importing the module; built-ins without a module (``str.split``)."""

    name: str
    kind: str
    text: str


def standard_library() -> Iterator[DocString]:
    """Every public name's documentation, in the order of files and lines, then the compiled modules'.

    A name is given once; what is parsed goes before what is asked for.
    """
    seen: set[str] = set()
    for found in (*_parsed_modules(Path(sysconfig.get_path("stdlib"))), *_compiled_modules()):
        if found.name not in seen:
            seen.add(found.name)
            yield found


def _parsed_modules(root: Path) -> Iterator[DocString]:
    for path in _public_files(root):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] in sys.stdlib_module_names:
            yield from _parsed(path, ".".join(parts).removesuffix(".__init__"))


def _public_files(folder: Path) -> Iterator[Path]:
    """Python files below ``folder``, a package's own before its members'; folders left out are not entered."""
    for path in sorted(folder.iterdir()):
        if path.stem == "__init__" or not (path.stem.startswith("_") or path.stem in LEFT_OUT):
            if path.is_dir():
                yield from _public_files(path)
            elif path.suffix == ".py":
                yield path


def _parsed(path: Path, module: str) -> Iterator[DocString]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # a file that a distribution or an add-on put there
        return
    yield from _documented(tree, module, "module")


def _documented(node: ast.AST, name: str, kind: str) -> Iterator[DocString]:
    """The node's own documentation, then that of the public classes and functions in it."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        text = ast.get_docstring(node)
        if text:
            yield DocString(name, kind, text)
    for child, child_kind in _definitions(node, in_class=kind == "class"):
        if not child.name.startswith("_"):
            yield from _documented(child, f"{name}.{child.name}", child_kind)


def _definitions(
    node: ast.AST, *, in_class: bool
) -> Iterator[tuple[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    """Classes and functions in a module or class, also below ``if`` and ``try``; none inside functions."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield child, "class"
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child, "method" if in_class else "function"
        elif isinstance(child, ast.If | ast.Try | ast.ExceptHandler):
            yield from _definitions(child, in_class=in_class)


def _compiled_modules() -> Iterator[DocString]:
    for name in COMPILED:
        try:
            module = importlib.import_module(name)
        except ImportError:  # a platform without it; a test holds that none is missing where we support
            continue
        prefix = "" if name == "builtins" else f"{name}."
        for attribute, value in sorted(vars(module).items()):
            is_hook = f"__{attribute}__" in vars(module)  # sys.excepthook and its like: programs replace them
            if not attribute.startswith("_") and not is_hook:
                yield from _asked(value, f"{prefix}{attribute}", owners={name, f"_{name}"})


def _asked(value: object, name: str, *, owners: set[str]) -> Iterator[DocString]:
    """A compiled function's documentation, or a class's and its compiled members'.

    owners: what a class must give as its module, so that borrowed ones and second names stay out.
    """
    if inspect.isbuiltin(value):
        yield from _doc_of(value, name, "function")
    elif isinstance(value, type) and value.__module__ in owners and name.endswith(value.__name__):
        yield from _doc_of(value, name, "class")
        for attribute, member in sorted(vars(value).items()):
            if not attribute.startswith("_") and not inspect.isfunction(member):
                yield from _doc_of(member, f"{name}.{attribute}", "method")


def _doc_of(value: object, name: str, kind: str) -> Iterator[DocString]:
    text = getattr(value, "__doc__", None)
    if isinstance(text, str) and text.strip() and text != type(value).__doc__:
        yield DocString(name, kind, inspect.cleandoc(text))
