"""Queries and judgements from files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from lsr.data.documents import Qrels, Query
from lsr.data.fields import identifier_of, missing_field, text_of
from lsr.data.jsonlines import read_json_lines
from lsr.data.records import Record
from lsr.data.streams import Stream, decode_line, numbered_lines, open_stream

from lsr.errors import DuplicateIdError, EmptySourceError, InputError

ID_NAMES = ("_id", "id", "qid", "query_id", "query-id")
TEXT_NAMES = ("text", "query", "question", "title", "contents")
TSV_NAMES = (".tsv", ".txt")


def read_queries(path: Path) -> list[Query]:
    """Queries in file order: JSONL (``_id``, ``text``), or TSV (id, text) where the name says so.

    Raises InputError with path and line, DuplicateIdError, EmptySourceError.
    """
    with open_stream(path) as stream:
        is_tsv = any(suffix in TSV_NAMES for suffix in path.suffixes)
        queries = list(_from_tsv(stream) if is_tsv else _from_json_lines(stream))
    if not queries:
        raise EmptySourceError("no queries: the file is empty", path=str(path))
    return queries


def read_query_log(path: Path) -> list[str]:
    """Texts of searches in file order, repeats included: a line each, plain or a JSON object with ``query``.

    Raises InputError with path and line, EmptySourceError.
    """
    with open_stream(path) as stream:
        texts = [_logged(stream.name, number, line) for number, line in _text_lines(stream)]
    if not texts:
        raise EmptySourceError("no queries: the file is empty", path=str(path))
    return texts


def read_qrels(path: Path) -> Qrels:
    """Judgements: BEIR's three columns with a header, or TREC's four (query, iteration, document, grade).

    Raises InputError with path and line; EmptySourceError if there is none.
    """
    qrels: Qrels = {}
    with open_stream(path) as stream:
        for number, line in _text_lines(stream):
            cells = line.split("\t") if "\t" in line else line.split()
            if number == 1 and not _is_whole(cells[-1]):
                continue
            query_id, document_id, grade = _judgement(cells, stream.name, number)
            if document_id in qrels.setdefault(query_id, {}):
                raise DuplicateIdError(
                    f'query "{query_id}" judges document "{document_id}" a second time; keep one of them',
                    path=stream.name,
                    line=number,
                )
            qrels[query_id][document_id] = grade
    if not qrels:
        raise EmptySourceError("no judgements: the file is empty", path=str(path))
    return qrels


def _from_json_lines(stream: Stream) -> Iterator[Query]:
    seen: set[str] = set()
    for record in read_json_lines(stream):
        if isinstance(record, InputError):
            raise record
        try:
            yield _new(_query(record), seen)
        except InputError as error:
            raise record.placed(error) from error.__cause__


def _from_tsv(stream: Stream) -> Iterator[Query]:
    seen: set[str] = set()
    for number, line in _text_lines(stream):
        query_id, tab, text = line.partition("\t")
        if not tab or not query_id:
            raise InputError("expected `id<TAB>text`", path=stream.name, line=number)
        if number == 1 and query_id in ID_NAMES:
            continue
        record = Record(stream.name, number, {})
        try:
            yield _new(Query(query_id, text), seen)
        except InputError as error:
            raise record.placed(error) from None


def _query(record: Record) -> Query:
    id_name = _name_of(record, ID_NAMES)
    text_name = _name_of(record, TEXT_NAMES)
    return Query(identifier_of(record.values[id_name], id_name), text_of(record.values[text_name], text_name))


def _name_of(record: Record, candidates: tuple[str, ...]) -> str:
    for name in candidates:
        if name in record.values:
            return name
    raise missing_field(candidates[0], record.values)


def _new(query: Query, seen: set[str]) -> Query:
    if query.id in seen:
        raise DuplicateIdError(f'the query id "{query.id}" stands a second time; ids must be unique')
    seen.add(query.id)
    return query


def _logged(name: str, number: int, line: str) -> str:
    if not line.lstrip().startswith("{"):
        return line.strip()
    try:
        query = json.loads(line)["query"]
    except ValueError as error:
        raise InputError(f"not JSON ({error})", path=name, line=number) from error
    except KeyError as error:
        raise InputError('no "query" in this object', path=name, line=number, field="query") from error
    if not isinstance(query, str) or not query.strip():
        raise InputError('"query" must be a text', path=name, line=number, field="query")
    return query.strip()


def _judgement(cells: list[str], name: str, number: int) -> tuple[str, str, int]:
    if len(cells) not in {3, 4}:
        raise InputError(
            f"expected query, document and grade (BEIR) or query, iteration, document and grade (TREC),"
            f" not {len(cells)} columns",
            path=name,
            line=number,
        )
    if not _is_whole(cells[-1]):
        raise InputError(f"the grade must be a whole number, not {cells[-1]!r}", path=name, line=number)
    return cells[0], cells[-2], int(cells[-1])


def _is_whole(cell: str) -> bool:
    return cell.strip().removeprefix("-").isdecimal()


def _text_lines(stream: Stream) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, decoded, without their ends."""
    for number, line in numbered_lines(stream):
        if not line.isspace():
            yield number, decode_line(line, stream.name, number).rstrip("\r\n")
