"""``make demo``: everything once, on text that every machine has.

Index, evaluate, serve, ask. Runs the very commands a user would type and shows them; what it makes lies in one
folder, which a second run replaces.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from lsr.errors import ResourceError

FOLDER = Path("demo-data")
QUESTION = "how can I go through a text file one line at a time"
_LSR = (sys.executable, "-P", "-m", "lsr.cli")


def main() -> None:
    """Run the demonstration in the working directory."""
    from lsr.cli.errors import guarded

    sys.exit(guarded(demonstrate))


def demonstrate() -> None:
    from lsr.data.sample import build_sample

    out = Console(highlight=False, markup=False, soft_wrap=True)
    started = time.perf_counter()
    _title(out, "1. A collection that every machine has")
    sample = build_sample(FOLDER / "sample")
    out.print(
        f"{sample.n_documents:,} documentation strings of Python {sample.python_version}'s standard library and"
        f" {sample.n_queries} judged questions, in {sample.folder} (hash {sample.sample_hash[:12]})"
    )
    index = FOLDER / "index"
    _title(out, "2. Index it: a learned sparse vector and term counts for every document")
    _lsr(out, "index", str(sample.folder), "-o", str(index), "--overwrite")
    _title(out, "3. Measure the search, each field alone and their sum")
    _lsr(out, "eval", str(sample.folder), "--index", str(index))
    _title(out, "4. Serve it and ask one question over HTTP")
    with _server(out, index) as address:
        _ask(out, address)
    _title(out, f"Done in {time.perf_counter() - started:.0f} s. What to try next")
    _next_steps(out, index)


def _lsr(out: Console, *arguments: str) -> None:
    """Run a command the way a user would, and show it."""
    out.print(f"$ lsr {shlex.join(arguments)}", style="bold")
    status = subprocess.run([*_LSR, *arguments], check=False).returncode  # noqa: S603 - our own commands
    if status:
        raise ResourceError(f"the demonstration stopped: `lsr {arguments[0]}` left with status {status}")


@contextmanager
def _server(out: Console, index: Path) -> Iterator[str]:
    """A server on a free port; yields its address once it answers, and stops it in the end."""
    arguments = ("serve", str(index), "--port", "0")
    out.print(f"$ lsr {shlex.join(arguments)}", style="bold")
    process = subprocess.Popen([*_LSR, *arguments], stderr=subprocess.PIPE, text=True)  # noqa: S603
    try:
        yield _address(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        out.print("the server has stopped", style="dim")


def _address(process: subprocess.Popen[str]) -> str:
    """What the server says when it is ready."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise ResourceError(f"the demonstration stopped: the server did not start; it said {''.join(said)!r}")


def _ask(out: Console, address: str) -> None:
    question = urllib.parse.urlencode({"q": QUESTION, "k": 3, "explain": "true"})
    out.print(f"$ curl '{address}/v1/search?{question}'", style="bold")
    with urllib.request.urlopen(f"{address}/v1/search?{question}", timeout=30) as response:  # noqa: S310 - ours
        answer = json.load(response)
    for hit in answer["hits"]:
        shares = " + ".join(f"{name} {score:.2f}" for name, score in hit["scores"].items())
        out.print(f"{hit['rank']:>3}  {hit['score']:8.3f}  {hit['id']}  ({shares})")
        out.print(f"       {_first_line(hit['document']['text'])}", style="dim")
        terms = ", ".join(_shown(each) for each in hit["explanation"][:6])
        out.print(f"       because of {terms}", style="dim")
    out.print(f"answered in {answer['took_ms']['total']:.1f} ms; + marks terms that the model added")


def _shown(term: dict[str, Any]) -> str:
    added = "expansion" in (term["query_kind"], term["document_kind"])
    return f"{term['shown']}{'+' if added else ''} {term['contribution']:.1f}"


def _first_line(text: str) -> str:
    line = text.strip().split("\n")[0]
    return line if len(line) <= 100 else line[:99] + "…"


def _near(path: Path) -> str:
    """A path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _title(out: Console, text: str) -> None:
    out.print()
    out.rule(text, align="left", style="cyan")


def _next_steps(out: Console, index: Path) -> None:
    lsr = shlex.quote(_near(Path(sys.executable).with_name("lsr")))
    quoted = shlex.quote(str(index))
    out.print(f"  {lsr} search {quoted} 'parse a date' --explain")
    out.print(f"  {lsr} serve {quoted}            # then open http://127.0.0.1:8080 in a browser")
    out.print(f"  {lsr} index your-documents.jsonl -o your.index")
    out.print(f"  {lsr} --help")


if __name__ == "__main__":
    main()
