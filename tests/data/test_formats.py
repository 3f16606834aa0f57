"""Every format beside JSONL: round trips, and what is refused."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import random
import string
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsr.data.documents import Document
from lsr.data.estimate import estimate_documents
from lsr.data.fields import FieldMapping
from lsr.data.readers import read_documents
from lsr.data.report import ReadReport

from lsr.errors import InputError, InvalidArgumentError, SourceNotFoundError

COMPRESSIONS = ["", ".gz", ".xz", ".zst"]
BY_NUMBER = FieldMapping(id="1", text=("2",))


def documents_of(path, **options):
    return list(read_documents(path, **options))


# --- tsv and csv ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_two_columns_without_names_are_id_and_text(write, suffix):
    report = ReadReport()
    path = write(f"collection.tsv{suffix}", '1\tone "quoted, \n\n2\t\n')
    assert documents_of(path, report=report) == [Document("1", 'one "quoted, '), Document("2", "")]
    assert report.guessed == "no line of names: ids from column 1, text from column 2"


@pytest.mark.parametrize(("name", "tab"), [("d.tsv", "\t"), ("d.csv", ",")])
def test_a_line_of_names(write, name, tab):
    path = write(name, "docid,lang,title,body\na,en,T,one\nb,de,,zwei\n".replace(",", tab))
    report = ReadReport()
    assert documents_of(path, report=report) == [
        Document("a", "one", "T", {"lang": "en"}),
        Document("b", "zwei", "", {"lang": "de"}),
    ]
    assert report.guessed == 'ids from "docid", text from "body"'


def test_columns_by_number_and_by_the_callers_names(write):
    by_number = FieldMapping(id="1", text=("4",), title="3", metadata=())
    path = write("docs.tsv", "D1\turl\tT\tone\nD2\turl\tU\ttwo\n")
    assert documents_of(path, mapping=by_number) == [Document("D1", "one", "T"), Document("D2", "two", "U")]
    by_name = FieldMapping(id="key", text=("words",))
    path = write("named.tsv", "key\twords\nk\tw\n")
    assert documents_of(path, mapping=by_name) == [Document("k", "w")]


def test_rows_can_be_numbered(write):
    path = write("texts.csv", "text\none\ntwo\n")
    assert documents_of(path, mapping=FieldMapping(id="#", text=("text",))) == [
        Document("1", "one"),
        Document("2", "two"),
    ]


def test_a_quoted_cell_holds_commas_quotes_and_line_breaks(write):
    path = write("d.csv", 'id,text\r\n1,"a, ""b""\r\nc"\r\n\r\n2,plain\r\n')
    assert documents_of(path) == [Document("1", 'a, "b"\r\nc'), Document("2", "plain")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.tsv", "1\ta\n2\tb\tc\n", r"d.tsv:2: 3 columns, but the first line has 2"),
        ("d.tsv", "1\ta\tb\n", r"d.tsv:1: the first line does not name the columns, and there are 3"),
        ("d.tsv", b"1\ta\n2\t\xff\n", r"d.tsv:2: invalid UTF-8: byte 0xff at byte 3"),
        ("d.csv", b"1,a\n2,\xff\n", r"d.csv:2: invalid UTF-8"),
        ("d.csv", '1,a\n2,"never closed\n\n\n', r"d.csv:2: invalid CSV: .*a quote opened here is never closed"),
        ("d.csv", '1,a\n2,"x"y\n', r"d.csv:2: invalid CSV: ',' expected after"),
        ("d.csv", "1,a\n2," + "x" * 200_000, r"d.csv:2: invalid CSV: .*131,072 characters is the most"),
        ("d.csv", "id,text\n,a\n", r'd.csv:2: field "id" is empty'),
    ],
)  # fmt: skip
def test_broken_tables(write, name, content, message):
    with pytest.raises(InputError, match=message):
        documents_of(write(name, content))


def test_a_named_column_that_is_not_there(write):
    with pytest.raises(InputError, match=r'd.csv:2: no field "docno"; this record has "id", "text"'):
        documents_of(write("d.csv", "id,text\n1,a\n"), mapping=FieldMapping(id="docno"))


def test_skipping_goes_on_after_each_kind_of_broken_row(write):
    broken = b'1,a\n2,\xff\n3,"x"y\n4,a,b\n1,twice\n5,last\n'
    report = ReadReport()
    found = documents_of(write("d.csv", broken), on_error="skip", report=report)
    assert [document.id for document in found] == ["1", "5"]
    assert report.skipped == 4
    assert [error.line for error in report.first_errors] == [2, 3, 4, 5]


# --- parquet --------------------------------------------------------------------------------------


def test_parquet_with_metadata_of_all_kinds(tmp_path):
    table = pa.table(
        {
            "id": [1, 2],
            "text": ["one", ""],
            "day": [datetime.date(2026, 1, 2), None],
            "price": [decimal.Decimal("1.50"), None],
            "score": [0.5, float("nan")],
            "tags": [["a", "b"], []],
            "inner": [{"x": 1}, {"x": None}],
        }
    )
    pq.write_table(table, tmp_path / "d.parquet")
    report = ReadReport()
    first, second = documents_of(tmp_path / "d.parquet", report=report)
    assert (first.id, first.text, second.id, second.text) == ("1", "one", "2", "")
    assert first.metadata == {
        "day": "2026-01-02",
        "price": "1.50",
        "score": 0.5,
        "tags": ["a", "b"],
        "inner": {"x": 1},
    }
    assert second.metadata["score"] is None
    assert json.dumps(dict(second.metadata))
    assert report.bytes_read == report.bytes_total


def test_parquet_in_more_than_one_batch_keeps_its_order_and_tells_progress(tmp_path):
    n_rows = 2500
    pq.write_table(
        pa.table({"_id": [str(i) for i in range(n_rows)], "text": ["x"] * n_rows}), tmp_path / "d.parquet"
    )
    report = ReadReport()
    documents = read_documents(tmp_path / "d.parquet", report=report)
    first = [next(documents).id for _ in range(n_rows // 2)]
    assert 0.4 < report.bytes_read / report.bytes_total < 0.6
    assert first + [document.id for document in documents] == [str(i) for i in range(n_rows)]
    assert estimate_documents(tmp_path / "d.parquet") == n_rows


def test_a_file_that_is_no_parquet(write):
    path = write("d.parquet", "id,text\n")
    with pytest.raises(InputError, match=r"d.parquet: cannot be read as Parquet: "):
        documents_of(path, on_error="skip")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        estimate_documents(path)


def test_damage_within_parquet_data(tmp_path):
    texts = ["".join(random.Random(row).choices(string.ascii_letters, k=300)) for row in range(3000)]
    table = pa.table({"_id": [str(i) for i in range(3000)], "text": texts})
    pq.write_table(table, tmp_path / "d.parquet", write_page_checksum=False, compression="zstd")
    data = bytearray((tmp_path / "d.parquet").read_bytes())
    data[1000 : len(data) // 2] = bytes(len(data) // 2 - 1000)
    (tmp_path / "d.parquet").write_bytes(bytes(data))
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        documents_of(tmp_path / "d.parquet")


def test_wrong_types_in_parquet_name_the_row(tmp_path):
    pq.write_table(pa.table({"_id": ["a", None], "text": ["x", "y"], "b": [b"", b""]}), tmp_path / "d.parquet")
    with pytest.raises(InputError, match=r'd.parquet:1: field "b" holds bytes, not text; leave it out'):
        documents_of(tmp_path / "d.parquet")
    pq.write_table(pa.table({"_id": ["a", None], "text": ["x", "y"]}), tmp_path / "d.parquet")
    with pytest.raises(InputError, match=r'd.parquet:2: field "_id" must be text or a whole number, not null'):
        documents_of(tmp_path / "d.parquet")


# --- texts and Markdown ---------------------------------------------------------------------------


def test_a_folder_of_texts(write, tmp_path):
    write("docs/b.txt", "plain\ntext\n")
    write("docs/a/deep.md", "intro\n\n# The title #\n\nbody\n")
    write("docs/empty.txt", "")
    write("docs/.hidden/x.md", "no")
    write("docs/.x.md", "no")
    write("docs/picture.png", "no")
    report = ReadReport()
    assert documents_of(tmp_path / "docs", report=report) == [
        Document("a/deep.md", "intro\n\n\nbody", "The title"),
        Document("b.txt", "plain\ntext"),
        Document("empty.txt", ""),
    ]
    assert report.bytes_read == report.bytes_total
    assert estimate_documents(tmp_path / "docs") == 3


@pytest.mark.parametrize(
    ("content", "title", "text"),
    [
        ("# One\ntext", "One", "text"),
        ("## Two ##  \ntext", "Two", "text"),
        ("Three\n=====\ntext", "Three", "text"),
        ("```sh\n# no heading\n```\n# Four", "Four", "```sh\n# no heading\n```"),
        ("#no space", "", "#no space"),
        ("---\ntitle: 'Five'\ntags: x\n---\n# Six\ntext", "Five", "# Six\ntext"),
        ("---\ntags: x\n---\n# Six\ntext", "Six", "text"),
        ("a\n\n---\n\nb", "", "a\n\n---\n\nb"),
        ("---\nnever closed", "", "---\nnever closed"),
        ("", "", ""),
    ],
)
def test_titles_of_markdown(write, content, title, text):
    assert documents_of(write("d.md", content)) == [Document("d.md", text, title)]


def test_a_text_that_is_not_utf8_is_skipped_alone(write, tmp_path):
    write("docs/a.txt", b"ok\n\xff\n")
    write("docs/b.txt", "fine")
    with pytest.raises(InputError, match=r"a.txt:2: invalid UTF-8"):
        documents_of(tmp_path / "docs")
    assert documents_of(tmp_path / "docs", on_error="skip") == [Document("b.txt", "fine")]


# --- folders and names ----------------------------------------------------------------------------


def test_a_folder_of_shards_is_read_in_order(write, tmp_path, json_lines):
    write("shards/part-1.jsonl.gz", json_lines([{"id": "b", "contents": "two"}]))
    write("shards/part-0.jsonl", json_lines([{"id": "a", "contents": "one"}]))
    write("shards/README.md", "about")
    report = ReadReport()
    assert [document.id for document in documents_of(tmp_path / "shards", report=report)] == ["a", "b"]
    assert report.bytes_read == report.bytes_total
    assert [document.id for document in documents_of(tmp_path / "shards", format="text")] == ["README.md"]


def test_a_folder_of_several_formats(write, tmp_path):
    write("mixed/a.jsonl", '{"_id": "1", "text": "x"}')
    write("mixed/b.tsv", "2\ty")
    with pytest.raises(InputError, match=r"mixed: files of several formats \(1 jsonl, 1 tsv\); say which"):
        read_documents(tmp_path / "mixed")
    assert documents_of(tmp_path / "mixed", format="tsv") == [Document("2", "y")]
    with pytest.raises(InputError, match="mixed: no parquet files in this folder"):
        read_documents(tmp_path / "mixed", format="parquet")


def test_a_folder_without_documents(tmp_path):
    with pytest.raises(InputError, match="no file here has documents"):
        read_documents(tmp_path)


def test_a_name_that_does_not_tell_the_format(write):
    path = write("collection", '{"_id": "1", "text": "x"}')
    with pytest.raises(
        InputError, match=r"collection: the name does not tell the format; say it with `--format`"
    ):
        read_documents(path)
    assert documents_of(path, format="jsonl") == [Document("1", "x")]


@pytest.mark.parametrize("name", ["scifact.zip", "collection.tar.gz", "dump.tgz"])
def test_an_archive(write, name):
    with pytest.raises(InputError, match=rf"{name}: an archive; unpack it first"):
        read_documents(write(name, "PK"))


def test_standard_input_takes_what_comes_line_by_line(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"1\tone\n"))))
    assert documents_of("-", format="tsv") == [Document("1", "one")]
    with pytest.raises(
        InvalidArgumentError, match="parquet cannot be read from standard input; give a path, or use"
    ):
        read_documents("-", format="parquet")


# --- how many -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_small_files_are_counted(write, suffix):
    assert estimate_documents(write(f"d.jsonl{suffix}", "{}\n\n{}\n{}")) == 3


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_large_files_are_estimated(write, monkeypatch, suffix):
    monkeypatch.setattr("lsr.data.estimate.SAMPLED_BYTES", 1_000_000)
    rng = random.Random(1)
    lines = ["".join(rng.choices(string.ascii_letters, k=rng.randint(50, 150))) + "\n" for _ in range(60_000)]
    assert estimate_documents(write(f"d.jsonl{suffix}", "".join(lines))) == pytest.approx(60_000, rel=0.2)


def test_an_estimate_of_what_is_not_there(tmp_path):
    assert estimate_documents("-") is None
    with pytest.raises(SourceNotFoundError):
        estimate_documents(tmp_path / "absent.jsonl")


# --- round trips ----------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
documents = st.lists(
    st.builds(Document, id=texts.filter(bool), text=texts, title=texts),
    max_size=5,
    min_size=1,
    unique_by=lambda d: d.id,
)
no_breaks = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r"), max_size=30)
pairs = st.lists(
    st.builds(Document, id=no_breaks.filter(bool), text=no_breaks),
    min_size=1,
    max_size=5,
    unique_by=lambda d: d.id,
)


@given(documents, st.sampled_from(COMPRESSIONS), st.booleans())
def test_json_lines_there_and_back(tmp_path_factory, found, suffix, escaped):
    lines = [json.dumps({"_id": d.id, "title": d.title, "text": d.text}, ensure_ascii=escaped) for d in found]
    assert documents_of(_written(tmp_path_factory, f"d.jsonl{suffix}", "\n".join(lines))) == found


@given(documents, st.sampled_from(COMPRESSIONS))
def test_csv_there_and_back(tmp_path_factory, found, suffix):
    content = io.StringIO(newline="")
    writer = csv.writer(content, quoting=csv.QUOTE_ALL)
    writer.writerow(["_id", "title", "text"])
    writer.writerows([d.id, d.title, d.text] for d in found)
    assert documents_of(_written(tmp_path_factory, f"d.csv{suffix}", content.getvalue())) == found


@given(pairs, st.sampled_from(COMPRESSIONS))
def test_tsv_there_and_back(tmp_path_factory, found, suffix):
    lines = [f"{d.id}\t{d.text}" for d in found]
    path = _written(tmp_path_factory, f"d.tsv{suffix}", "\n".join(lines))
    assert documents_of(path, mapping=BY_NUMBER) == found


@given(documents)
def test_parquet_there_and_back(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("parquet") / "d.parquet"
    columns = {"_id": [d.id for d in found], "title": [d.title for d in found], "text": [d.text for d in found]}
    pq.write_table(pa.table(columns), path)
    assert documents_of(path) == found


def _written(factory, name, content):
    import gzip
    import lzma
    from pathlib import Path

    import zstandard

    compress = {".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstandard.ZstdCompressor().compress}
    path = factory.mktemp("round") / name
    path.write_bytes(compress.get(Path(name).suffix, bytes)(content.encode()))
    return path
