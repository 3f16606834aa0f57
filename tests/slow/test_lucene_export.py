"""Lucene's impact index, built by pyserini from our export, finds what we find in the same integers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from lsr.eval import lucene
from lsr.indexer.collection import Collection
from lsr.indexer.documents import DocumentInput
from lsr.indexer.fields import FieldSpec
from lsr.indexer.formats.anserini import export_anserini, import_anserini
from lsr.indexer.formats.exchange import build_from
from lsr.indexer.writer import CollectionWriter

from lsr.vectors import SparseVectors
from lsr.vocabulary import Vocabulary

TERMS = Vocabulary([f"term{at}" for at in range(500)] + ["##ing", "ü", "it's", "42"])
N_DOCUMENTS, N_QUERIES, K = 3000, 100, 10

# The worker's arguments: its own helper module, the folder that was exported, a scratch folder, the queries.
WORKER = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("worker", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module._prepare_java()
from pyserini.pyclass import autoclass
from pyserini.search.lucene import LuceneImpactSearcher
autoclass("io.anserini.index.IndexCollection").main([
    "-collection", "JsonVectorCollection", "-input", sys.argv[2], "-index", sys.argv[3], "-threads", "1",
    "-generator", "DefaultLuceneDocumentGenerator", "-impact", "-pretokenized"])

class Encoded:
    def encode(self, text):
        return json.loads(text)

searcher = LuceneImpactSearcher(sys.argv[3], Encoded())
queries = json.load(open(sys.argv[4]))
print(json.dumps([[(hit.docid, hit.score) for hit in searcher.search(json.dumps(q), k=10)] for q in queries]))
"""


def random_rows(rng: np.random.Generator, n: int, size: int) -> list[dict[int, float]]:
    return [
        {int(t): float(rng.uniform(0.05, 3)) for t in rng.choice(len(TERMS), size, replace=False)}
        for _ in range(n)
    ]


@pytest.mark.slow
def test_lucene_finds_the_same_in_our_export(tmp_path: Path) -> None:
    python = lucene.lucene_python()
    if python is None:
        pytest.skip("no pyserini: pip install 'lsr[lucene]', or name its interpreter in LSR_LUCENE_PYTHON")
    rng = np.random.default_rng(5)
    with CollectionWriter.create(tmp_path / "index", [FieldSpec("learned", "encoded", TERMS)]) as writer:
        documents = [DocumentInput(f"d{at}", "text") for at in range(N_DOCUMENTS)]
        rows = SparseVectors.from_id_dicts(random_rows(rng, N_DOCUMENTS, 30), len(TERMS))
        writer.add(documents, {"learned": rows})
        writer.commit()
    export_anserini(Collection.open(tmp_path / "index"), "learned", tmp_path / "out")
    build_from(import_anserini(tmp_path / "out", scale=1.0), tmp_path / "integers")
    collection = Collection.open(tmp_path / "integers")
    queries = [
        {TERMS[term]: int(np.ceil(weight * 30)) for term, weight in row.items()}
        for row in random_rows(rng, N_QUERIES, 8)
    ]
    (tmp_path / "queries.json").write_text(json.dumps(queries))
    arguments = [lucene.__file__, tmp_path / "out", tmp_path / "lucene", tmp_path / "queries.json"]
    done = subprocess.run(
        [python, "-P", "-c", WORKER, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = json.loads(done.stdout.splitlines()[-1])
    rows = SparseVectors.from_dicts(queries, collection.vocabulary("learned"))
    for found, expected in zip(collection.search({"learned": rows}, K), theirs, strict=True):
        ours = list(zip(collection.ids(found.numbers), found.scores.tolist(), strict=True))
        assert [score for _, score in ours] == [score for _, score in expected]
        last = ours[-1][1]  # of documents with one score, either may be the last
        assert {name for name, score in ours if score > last} == {n for n, score in expected if score > last}
