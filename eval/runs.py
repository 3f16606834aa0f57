"""Runs: the ranked lists of one system, in and out of files.

Written as TREC does, ``qid Q0 docid rank score tag``, with ranks from 1 and scores that fall strictly even in
float32. trec_eval sorts by score (read as float32) and breaks ties by document id; with no tie left, it and
every other tool see exactly our order.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TextIO

import numpy as np

from lsr.errors import InputError, InvalidArgumentError, SourceNotFoundError

Ranking = Sequence[tuple[str, float]]  # (document id, score), best first
Run = Mapping[str, Ranking]  # by query id


def write_run(path: Path, run: Run, *, tag: str = "lsr") -> None:
    """Write ``run`` in TREC's format; ``.gz`` compresses.

    Raises InvalidArgumentError if an id or the tag holds white space: the format has no quotes.
    """
    _check_word(tag, "run tag")
    with _open(path, "wt") as file:
        for query_id, ranking in run.items():
            _check_word(query_id, "query id")
            scores = strictly_falling([score for _, score in ranking])
            for rank, ((document, _), score) in enumerate(zip(ranking, scores, strict=True), start=1):
                _check_word(document, "document id")
                file.write(f"{query_id} Q0 {document} {rank} {score:.9g} {tag}\n")


def strictly_falling(scores: Sequence[float]) -> list[float]:
    """``scores``, best first, as float32 values of which each is below the one before it.

    A score that ties with (or, by rounding, exceeds) its predecessor becomes the next float32 below it.
    """
    falling: list[float] = []
    for score in scores:
        rounded = np.float32(score)
        if falling and rounded >= falling[-1]:
            rounded = np.nextafter(np.float32(falling[-1]), np.float32(-np.inf))
        falling.append(float(rounded))
    return falling


def read_run(path: Path) -> dict[str, list[tuple[str, float]]]:
    """Read a run in TREC's format or as ``qid<tab>docid<tab>rank`` (MS MARCO's), best first.

    TREC's: by score, descending; equal scores by the rank column. MS MARCO's: by rank; the score is 1 / rank.
    Raises InputError, with path and line, on a line of another shape or a document ranked twice for a query.
    """
    rows: dict[str, dict[str, tuple[float, int]]] = {}
    for line, text in _lines(path):
        query_id, document, score, rank = _parse(text, path, line)
        ranking = rows.setdefault(query_id, {})
        if document in ranking:
            raise InputError(
                f"query {query_id!r} ranks document {document!r} a second time; remove one of the lines",
                path=str(path),
                line=line,
            )
        ranking[document] = (score, rank)
    return {query_id: _ordered(ranking) for query_id, ranking in rows.items()}


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank."""
    line = 0
    try:
        with _open(path, "rt") as file:
            for line, text in enumerate(file, start=1):
                if text.strip():
                    yield line, text
    except UnicodeDecodeError:
        raise InputError("not UTF-8 text, so not a run", path=str(path), line=line + 1) from None


def _ordered(ranking: Mapping[str, tuple[float, int]]) -> list[tuple[str, float]]:
    ordered = sorted(ranking.items(), key=lambda item: (-item[1][0], item[1][1]))
    return [(document, score) for document, (score, _) in ordered]


def _parse(text: str, path: Path, line: int) -> tuple[str, str, float, int]:
    """Query id, document id, score and rank of one line."""
    parts = text.split()
    try:
        match parts:
            case [query_id, _, document, rank, score, _]:
                number = float(score)
                if not np.isfinite(number):
                    raise ValueError(f"the score {score} is not finite")
                return query_id, document, number, int(rank)
            case [query_id, document, rank]:
                position = int(rank)
                if position < 1:
                    raise ValueError(f"the rank {rank} is below 1")
                return query_id, document, 1.0 / position, position
        raise ValueError(f"{len(parts)} columns")
    except ValueError as error:
        raise InputError(
            f"not a line of a run ({error}); expected `qid Q0 docid rank score tag` or `qid docid rank`",
            path=str(path),
            line=line,
        ) from None


def _check_word(word: str, what: str) -> None:
    if not word or word.split() != [word]:
        raise InvalidArgumentError(
            f"the {what} {word!r} is empty or holds white space, which a TREC run cannot express;"
            " rename it, or use `--json` for results"
        )


def _open(path: Path, mode: Literal["rt", "wt"]) -> TextIO:
    try:
        if path.suffix == ".gz":
            return gzip.open(path, mode, encoding="utf-8")
        return path.open(mode, encoding="utf-8")
    except FileNotFoundError:
        raise SourceNotFoundError("no such file or folder; check the path", path=str(path)) from None
