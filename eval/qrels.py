"""Judgements out: as BEIR keeps them, or as TREC's tools read them. (They come in through ``lsr.data``.)"""

from __future__ import annotations

from pathlib import Path

from lsr.eval.measures import Qrels

from lsr.errors import InvalidArgumentError


def write_qrels(path: Path, qrels: Qrels) -> None:
    """To a ``.tsv`` BEIR's three columns with their header, to any other name TREC's ``qid 0 docid grade``.

    Raises InvalidArgumentError for an id that the format cannot express; then nothing is written.
    """
    tabular = path.suffix == ".tsv"
    for query_id, judged in qrels.items():
        for each in (query_id, *judged):
            _check(each, path, tabular)
    rows = [(query, document, grade) for query, judged in qrels.items() for document, grade in judged.items()]
    with path.open("w", encoding="utf-8") as file:
        if tabular:
            file.write("query-id\tcorpus-id\tscore\n")
            file.writelines(f"{query}\t{document}\t{grade}\n" for query, document, grade in rows)
        else:
            file.writelines(f"{query} 0 {document} {grade}\n" for query, document, grade in rows)


def _check(identifier: str, path: Path, tabular: bool) -> None:
    parts = identifier.replace("\t", "\n").splitlines() if tabular else identifier.split()
    if parts != [identifier]:
        forbidden = "a tab or line end" if tabular else "white space"
        raise InvalidArgumentError(
            f"{path}: the id {identifier!r} is empty or holds {forbidden}, which this format cannot express"
        )
