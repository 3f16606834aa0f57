"""How good the search is: each field and their sum on several collections, beside Lucene's BM25.

    LSR_COLLECTIONS=... python bench/quality.py              one line of JSON for each collection and system

Vectors are taken from the cache that `lsr eval` keeps, or encoded once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from pathlib import Path

from lsr.data.beir import BeirDataset
from lsr.eval.cache import VectorCache, default_cache_folder
from lsr.eval.lucene import lucene_python
from lsr.eval.running import Settings, evaluate_dataset, plan_evaluation

from lsr.indexing import available_threads

COLLECTIONS = ("scifact", "cranfield", "npl", "msmarco-dl")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collections", nargs="+", default=COLLECTIONS)
    given = parser.parse_args()
    root = os.environ.get("LSR_COLLECTIONS")
    if not root:
        parser.error("LSR_COLLECTIONS must name the folder that holds the collections")
    settings = Settings(
        cache=VectorCache(default_cache_folder()),
        threads=available_threads(),
        lucene=lucene_python() is not None,
    )
    means = defaultdict(list)
    for name in given.collections:
        dataset = BeirDataset.open(Path(root) / name)
        for result in evaluate_dataset(dataset, plan_evaluation("splade-tiny", None), settings).results:
            figures = {measure: round(each.mean, 4) for measure, each in result.measures.items()}
            means[result.system.name].append(result.measures["nDCG@10"].mean)
            print(json.dumps({"collection": name, "system": result.system.name, **figures}), flush=True)
    for system, values in means.items():
        mean = round(sum(values) / len(values), 4)
        print(json.dumps({"collection": "mean", "system": system, "nDCG@10": mean}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
