"""JSONL through read_documents: what is taken, what is refused, and how it is said."""

from __future__ import annotations

import io
import json
import os
import sys

import pytest
from lsr.data.documents import Document
from lsr.data.fields import FieldMapping
from lsr.data.readers import read_documents
from lsr.data.report import ReadReport

from lsr.errors import (
    DuplicateIdError,
    EmptySourceError,
    InputError,
    InvalidArgumentError,
    SourceNotFoundError,
)

GOOD = '{"_id": "a", "title": "T", "text": "one"}\n{"_id": "b", "title": "", "text": ""}\n'
TWO = [Document("a", "one", "T"), Document("b", "")]


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_beir_lines_whatever_compresses_them(write, suffix):
    assert list(read_documents(write(f"corpus.jsonl{suffix}", GOOD))) == TWO


def test_compression_is_told_by_content_not_by_name(write, tmp_path):
    path = write("corpus.jsonl.gz", GOOD)
    assert list(read_documents(path.rename(tmp_path / "corpus.jsonl"))) == TWO


def test_an_encoder_sees_title_and_text():
    assert [document.encoder_text() for document in TWO] == ["T one", ""]


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(GOOD.encode()))))
    report = ReadReport()
    assert list(read_documents("-", report=report)) == TWO
    assert report.bytes_total is None


@pytest.mark.parametrize(
    ("record", "expected", "guessed"),
    [
        ({"id": "1", "contents": "x"}, Document("1", "x"), 'ids from "id", text from "contents"'),
        ({"docid": 7, "body": "x", "title": None}, Document("7", "x"), 'ids from "docid", text from "body"'),
        ({"_id": "1", "text": "x", "url": "u"}, Document("1", "x", metadata={"url": "u"}), None),
        (
            {"_id": "1", "text": "x", "metadata": {"a": 1}, "b": 2},
            Document("1", "x", metadata={"a": 1, "b": 2}),
            None,
        ),
        ({"_id": "1", "text": "x", "metadata": "m"}, Document("1", "x", metadata={"metadata": "m"}), None),
    ],
)
def test_guessed_fields_and_metadata(write, json_lines, record, expected, guessed):
    report = ReadReport()
    assert list(read_documents(write("d.jsonl", json_lines([record])), report=report)) == [expected]
    assert report.guessed == (guessed or 'ids from "_id", text from "text"')


def test_named_fields(write, json_lines):
    path = write("d.jsonl", json_lines([{"key": "k", "q": "why?", "a": "so", "head": "H", "x": 1, "y": 2}]))
    mapping = FieldMapping(id="key", text=("q", "a"), title="head", metadata=("y", "absent"))
    report = ReadReport()
    assert list(read_documents(path, mapping=mapping, report=report)) == [
        Document("k", "why?\nso", "H", {"y": 2})
    ]
    assert report.guessed == ""


def test_metadata_fields_that_no_document_has_are_reported(write, json_lines):
    records = [
        {"id": "a", "text": "x", "lang": "en", "metadata": {"year": 1}},
        {"id": "b", "text": "x", "tag": "t"},
    ]
    source, report = write("docs.jsonl", json_lines(records)), ReadReport()
    mapping = FieldMapping(metadata=("tag", "typo", "year", "text"))
    documents = list(read_documents(source, mapping=mapping, report=report))
    assert [document.metadata for document in documents] == [{"year": 1}, {"tag": "t"}]
    assert report.absent == ("typo", "text")
    assert list(report.seen) == ["year", "lang", "tag"]

    for nothing_asked in (None, ()):
        report = ReadReport()
        list(read_documents(source, mapping=FieldMapping(metadata=nothing_asked), report=report))
        assert (report.absent, report.seen) == ((), {})


def test_records_without_ids_are_numbered_on_demand(write, json_lines):
    path = write(
        "pairs.jsonl", json_lines([{"anchor": "q", "positive": "p"}, {"anchor": "r", "positive": "s"}])
    )
    found = list(read_documents(path, mapping=FieldMapping(id="#", metadata=())))
    assert found == [Document("1", "p"), Document("2", "s")]


BROKEN = {
    "invalid JSON": ('{"_id": "x", "text": ', "invalid JSON: Expecting value at column 21"),
    "not an object": ("[1, 2]", "expected a JSON object, not a list; each line must hold one whole object"),
    "a pretty-printed object": ("{", "each line must hold one whole object"),
    "a number": ("3", "expected a JSON object, not the number 3"),
    "NaN": ('{"_id": "x", "text": "t", "n": NaN}', "NaN is not a JSON value"),
    "too deep": ("[" * 100_000, "invalid JSON"),
    "too long a number": ('{"n": ' + "1" * 5000 + "}", "invalid JSON"),
    "no id": ('{"text": "t"}', 'no field "_id"; this record has "text"'),
    "an empty id": ('{"_id": "", "text": "t"}', 'field "_id" is empty'),
    "an id that is a list": (
        '{"_id": [], "text": "t"}',
        'field "_id" must be text or a whole number, not a list',
    ),
    "an id that is true": ('{"_id": true, "text": "t"}', "not true"),
    "an id that is a fraction": ('{"_id": 1.5, "text": "t"}', "not the number 1.5"),
    "no text": ('{"_id": "x"}', 'no field "text"; this record has "_id"'),
    "a null text": ('{"_id": "x", "text": null}', 'field "text" must be text, not null'),
    "a text that is a list": ('{"_id": "x", "text": ["t"]}', 'field "text" must be text, not a list'),
    "a title that is a number": ('{"_id": "x", "text": "t", "title": 5}', 'field "title" must be text'),
    "half a surrogate pair": ('{"_id": "x", "text": "\\ud83d"}', "half of a surrogate pair (\\ud83d)"),
    "half a pair in metadata": ('{"_id": "x", "text": "", "m": ["\\uDE00"]}', "of a surrogate pair (\\ude00)"),
    "an id that was there": ('{"_id": "a", "text": "t"}', 'the id "a" stands a second time'),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_line_names_file_line_and_cause(write, broken):
    line, cause = BROKEN[broken]
    path = write("d.jsonl", GOOD + "\n\n\n\n" + line + "\n")
    with pytest.raises(InputError) as caught:
        list(read_documents(path))
    assert str(caught.value).startswith(f"{path}:7: ")
    assert cause in str(caught.value)
    assert caught.value.line == 7


@pytest.mark.parametrize("broken", BROKEN)
def test_skipping_counts_it_and_goes_on(write, broken):
    line, cause = BROKEN[broken]
    path = write("d.jsonl", GOOD + line + '\n{"_id": "c", "text": "last"}\n')
    report = ReadReport()
    assert list(read_documents(path, on_error="skip", report=report)) == [*TWO, Document("c", "last")]
    assert (report.read, report.skipped) == (3, 1)
    assert cause in str(report.first_errors[0])


def test_a_broken_first_line_is_skipped_like_any_other(write):
    path = write("d.jsonl", '{"name": "no id here"}\n' + GOOD)
    report = ReadReport()
    assert list(read_documents(path, on_error="skip", report=report)) == TWO
    assert 'no field looks like the id: this record has "name"; name one with `--id-field NAME`' in str(
        report.first_errors[0]
    )


def test_invalid_utf8_names_the_byte(write):
    path = write("d.jsonl", GOOD.encode() + b'{"_id": "x", "text": "caf\xe9"}\n')
    with pytest.raises(InputError, match=r"d.jsonl:3: invalid UTF-8: byte 0xe9 at byte 26 of the line"):
        list(read_documents(path))


def test_a_byte_order_mark_and_windows_line_ends(write):
    assert list(read_documents(write("d.jsonl", b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()))) == TWO


def test_no_line_end_at_the_end(write):
    assert list(read_documents(write("d.jsonl", GOOD.rstrip()))) == TWO


def test_the_first_few_errors_are_kept(write):
    report = ReadReport()
    list(read_documents(write("d.jsonl", "{\n" * 20 + GOOD), on_error="skip", report=report))
    assert (report.read, report.skipped, len(report.first_errors)) == (2, 20, 5)


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_source(write, content):
    path = write("d.jsonl", content)
    with pytest.raises(EmptySourceError, match="no documents: the source is empty"):
        list(read_documents(path))


def test_a_source_without_a_usable_record(write):
    with pytest.raises(
        EmptySourceError, match=r"every record was skipped \(2 in all\); the first because .*d.jsonl:1: invalid"
    ):
        list(read_documents(write("d.jsonl", "x\ny\n"), on_error="skip"))


def test_a_missing_source_is_noticed_before_reading(tmp_path):
    with pytest.raises(SourceNotFoundError, match=r"absent.jsonl: no such file or folder"):
        read_documents(tmp_path / "absent.jsonl")


def test_an_unknown_format(write):
    with pytest.raises(
        InvalidArgumentError, match="unknown format 'word'; there are jsonl, tsv, csv, parquet, text"
    ):
        read_documents(write("d.jsonl", GOOD), format="word")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(write):
    path = write("d.jsonl", GOOD)
    path.chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        list(read_documents(path))


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_damaged_compressed_data_ends_the_pass_even_when_skipping(write, suffix):
    lines = "".join(json.dumps({"_id": str(i), "text": os.urandom(500).hex()}) + "\n" for i in range(1000))
    path = write(f"d.jsonl{suffix}", lines)
    path.write_bytes(path.read_bytes()[:200_000])
    with pytest.raises(
        InputError, match=r"d.jsonl\S*:\d+: damaged \w+ data \(.*\); fetch or write the file again"
    ):
        list(read_documents(path, on_error="skip"))


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_progress_ends_at_the_total(write, suffix):
    report = ReadReport()
    documents = read_documents(write(f"d.jsonl{suffix}", GOOD * 1), report=report)
    assert report.bytes_read == 0
    list(documents)
    assert report.bytes_read == report.bytes_total > 0


def test_zstd_frames_one_after_the_other(write, tmp_path):
    first, second = GOOD.splitlines(keepends=True)
    joined = write("a.zst", first).read_bytes() + write("b.zst", second).read_bytes()
    (tmp_path / "c.jsonl").write_bytes(joined)
    assert list(read_documents(tmp_path / "c.jsonl")) == TWO


def test_duplicates_have_their_own_class(write):
    with pytest.raises(DuplicateIdError):
        list(read_documents(write("d.jsonl", GOOD + GOOD)))


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_flipped_bytes_in_compressed_data(write, suffix):
    path = write(f"d.jsonl{suffix}", GOOD * 100)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : -1] = bytes(len(data) - len(data) // 2 - 1)
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="damaged"):
        list(read_documents(path, on_error="skip"))


def test_a_whole_surrogate_pair_is_a_character(write):
    path = write("d.jsonl", '{"_id": "1", "text": "\\ud83d\\ude00"}')
    assert [document.text for document in read_documents(path)] == ["\U0001f600"]
