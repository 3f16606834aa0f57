"""Writes the golden index of the current format: an archive, and what searches of it must answer.

Run by hand, once for each format version, when its layout is final; the files are never changed afterwards:

    python tests/compat/make_golden.py

It holds all that the format knows: fields of every storage, a counted field, two segments, deletions, replaced
documents, metadata of every type, an empty document, and a vocabulary that grew. Vectors and queries stand in
``content.json``, so that nothing depends on how a library draws random numbers.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lsr.indexer.collection import Collection
from lsr.indexer.documents import DocumentInput
from lsr.indexer.fields import FieldSpec
from lsr.indexer.manifest import FORMAT
from lsr.indexer.writer import CollectionWriter

from lsr.vectors import SparseVectors, TermCounts
from lsr.vocabulary import Vocabulary

HERE = Path(__file__).parent
TERMS = Vocabulary([f"t{at}" for at in range(40)] + ["ü", "two words"])
CONTENT = json.loads((HERE / "content.json").read_text())
STORAGES = ("float32", "float16", "uint8")
FILTERS = (None, 'lang = "en"', 'year >= 2020 AND NOT tag IN ("a")', 'id IN ("d1", "d30")')


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        index = Path(scratch) / "index"
        write(index)
        with zipfile.ZipFile(HERE / f"index-{FORMAT}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(index.rglob("*")):
                if path.is_file() and path.name != "lock":
                    archive.write(path, path.relative_to(index).as_posix())
        expected = json.dumps(answers(Collection.open(index)), indent=1)
        (HERE / f"index-{FORMAT}.json").write_text(expected + "\n")


def write(index: Path) -> None:
    fields = [FieldSpec(name, "encoded", TERMS, {"name": "golden"}, storage=name) for name in STORAGES]
    fields.append(FieldSpec("counted", "counted", encoder={"name": "words"}, weight=0.5))
    with CollectionWriter.create(index, fields, settings={"note": "golden"}) as writer:
        add(writer, CONTENT["first"], "new1")
        writer.commit()
        add(writer, CONTENT["second"], "new2")
        writer.delete(["d5", "d6"])
        writer.commit()


def add(writer: CollectionWriter, content: Sequence[dict[str, Any]], new_word: str) -> None:
    documents, rows, bags = [], [], []
    vocabulary = writer.vocabulary("counted")
    for item in content:
        at = item["number"]
        rows.append(by_term(item["vector"]))
        words = [f"w{term % 9}" for term in rows[-1]] + [new_word] * (at % 3)
        bags.append(vocabulary.ids_adding(words))
        metadata = {
            "lang": "en" if at % 2 else "de",
            "year": 2010 + at,
            "tag": ["a", "b"][: at % 3],
            "ok": at > 9,
        }
        documents.append(DocumentInput(f"d{at}", " ".join(words), f"Title {at} ü", metadata))
    vectors = SparseVectors.from_id_dicts(rows, len(TERMS))
    writer.add(documents, {**dict.fromkeys(STORAGES, vectors), "counted": TermCounts.from_bags(bags)})


def by_term(vector: dict[str, float]) -> dict[int, float]:
    return {int(term): weight for term, weight in vector.items()}


def answers(collection: Collection) -> list[dict[str, object]]:
    """Hits of every field alone and of their sum, with and without filters; scores as hexadecimal floats."""
    vectors = SparseVectors.from_id_dicts([by_term(query) for query in CONTENT["queries"]], len(TERMS))
    bags = [collection.counting_vocabulary("counted").ids_adding(["w1", f"w{at}", "new1"]) for at in range(4)]
    queries = {**dict.fromkeys(STORAGES, vectors), "counted": TermCounts.from_bags(bags)}
    result = []
    for names in (*((name,) for name in queries), tuple(queries)):
        for text in FILTERS:
            found = collection.search({name: queries[name] for name in names}, 20, filter=text)
            for row, hits in enumerate(found):
                scored = [score.hex() for score in hits.scores.tolist()]
                pairs = list(zip(collection.ids(hits.numbers), scored, strict=True))
                result.append({"fields": names, "filter": text, "query": row, "hits": pairs})
    return result


if __name__ == "__main__":
    main()
