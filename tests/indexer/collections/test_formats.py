from __future__ import annotations

import errno
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from lsr.indexer.collection import Collection
from lsr.indexer.formats.anserini import export_anserini, import_anserini
from lsr.indexer.formats.ciff import export_ciff, import_ciff
from lsr.indexer.formats.exchange import build_from
from lsr.indexer.formats.jsonl import export_jsonl, import_jsonl
from lsr.indexer.formats.npz import export_npz, import_npz

from lsr.errors import (
    EmptySourceError,
    IndexExistsError,
    InputError,
    InvalidArgumentError,
    ResourceError,
    SourceNotFoundError,
)


@pytest.fixture
def index(lab, doc):
    lab.create(
        [
            doc(f"d{at}", {at % 12: 0.1 + at / 7, (at + 5) % 12: 0.3}, f"w{at % 4} w w", {"n": at})
            for at in range(30)
        ]
    )
    with lab.open() as writer:
        writer.delete(["d4"])
        lab.add(writer, [doc('new "ü"', {}, "w9")])
        writer.commit()
    return lab


def vectors_of(collection, field="learned"):
    vocabulary = collection.vocabulary(field)
    return {
        name: weights
        for ids, rows in collection.vectors(field)
        for name, weights in zip(ids, rows.to_dicts(vocabulary), strict=True)
    }


def rebuilt(imported, tmp_path) -> Collection:
    build_from(imported, tmp_path / "rebuilt")
    return Collection.open(tmp_path / "rebuilt")


def test_json_lines_lose_nothing_of_a_field(index, tmp_path):
    collection = index.read()
    report = export_jsonl(collection, "learned", tmp_path / "out.jsonl")
    assert (report.documents, report.scale, report.lost) == (30, None, ("other fields: bm25",))
    back = rebuilt(import_jsonl(tmp_path / "out.jsonl"), tmp_path)
    assert vectors_of(back) == vectors_of(collection)
    assert [(d.id, d.title, d.text, d.metadata) for d in back.all_documents()] == [
        (d.id, d.title, d.text, d.metadata) for d in collection.all_documents()
    ]


def test_scipy_keeps_the_vectors(index, tmp_path):
    collection = index.read()
    report = export_npz(collection, "learned", tmp_path / "out")
    assert report.lost == ("titles, texts and metadata", "other fields: bm25")
    back = rebuilt(import_npz(tmp_path / "out"), tmp_path)
    assert vectors_of(back) == vectors_of(collection)
    assert back.vocabulary("learned") == collection.vocabulary("learned")
    matrix = np.load(tmp_path / "out/vectors.npz", allow_pickle=False)
    assert matrix["data"].dtype == np.float32


def test_anserini_gets_integers_with_a_recorded_scale(index, tmp_path):
    collection = index.read()
    report = export_anserini(collection, "learned", tmp_path / "out", levels=100)
    lines = [json.loads(line) for line in (tmp_path / "out/part-00000.jsonl").read_text().splitlines()]
    assert all(
        isinstance(level, int) and 1 <= level <= 100 for line in lines for level in line["vector"].values()
    )
    assert lines[0]["contents"] == "title d0 w0 w w"
    assert "weights are rounded to 100 levels" in report.lost[0]
    back = vectors_of(rebuilt(import_anserini(tmp_path / "out"), tmp_path))
    for name, weights in vectors_of(collection).items():
        assert back[name].keys() == weights.keys()
        assert all(abs(back[name][term] - weight) <= report.scale for term, weight in weights.items())


def test_anserini_without_a_scale_says_so(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/docs.jsonl").write_text('{"id": 7, "contents": "x", "vector": {"a": 3, "b": 0}}\n')
    imported = import_anserini(tmp_path / "in")
    assert imported.lost == ("the scale of integer weights, unless it is given",)
    assert vectors_of(rebuilt(imported, tmp_path)) == {"7": {"a": 3.0}}
    assert import_anserini(tmp_path / "in", scale=0.5).lost == ()


def test_ciff_of_an_encoded_field(index, tmp_path):
    collection = index.read()
    report = export_ciff(collection, "learned", tmp_path / "out.ciff")
    imported = import_ciff(tmp_path / "out.ciff")
    assert imported.lost == ("titles, texts and metadata", "document lengths")
    back = vectors_of(rebuilt(imported, tmp_path))
    for name, weights in vectors_of(collection).items():
        assert back[name].keys() == weights.keys()
        assert all(abs(back[name][term] - weight) <= report.scale for term, weight in weights.items())


def test_ciff_of_a_counted_field_holds_counts(index, tmp_path):
    report = export_ciff(index.read(), "bm25", tmp_path / "out.ciff")
    assert report.scale is None
    back = vectors_of(rebuilt(import_ciff(tmp_path / "out.ciff"), tmp_path))
    assert back["d1"] == {"w": 2.0, "w1": 1.0}
    assert back['new "ü"'] == {"w9": 1.0}


def test_ciff_bytes_are_those_of_the_specification(tmp_path, lab, doc):
    """Written out by hand after the .proto file of CIFF."""
    lab.create([doc("a", {}, "x"), doc("b", {}, "x x")])
    export_ciff(lab.read(), "bm25", tmp_path / "out.ciff")
    raw = (tmp_path / "out.ciff").read_bytes()
    description = b"lsr field=bm25"
    header = (
        bytes([0x08, 1, 0x10, 1, 0x18, 2, 0x20, 1, 0x28, 2, 0x30, 3, 0x39])
        + np.float64(1.5).tobytes()
        + bytes([0x42, len(description)])
        + description
    )
    postings = (
        bytes([0x0A, 1])
        + b"x"
        + bytes([0x10, 2, 0x18, 3, 0x22, 4, 0x08, 0, 0x10, 1, 0x22, 4, 0x08, 1, 0x10, 2])
    )
    documents = [
        bytes([0x08, 0, 0x12, 1]) + b"a" + bytes([0x18, 1]),
        bytes([0x08, 1, 0x12, 1]) + b"b" + bytes([0x18, 2]),
    ]
    assert raw == b"".join(bytes([len(message)]) + message for message in (header, postings, *documents))


@pytest.mark.parametrize("cut", [1, 5, 40, -1])
def test_a_damaged_ciff_file_is_an_error(index, tmp_path, cut):
    export_ciff(index.read(), "learned", tmp_path / "out.ciff")
    raw = (tmp_path / "out.ciff").read_bytes()
    (tmp_path / "out.ciff").write_bytes(raw[:cut])
    with pytest.raises(InputError, match=r"out.ciff: not a CIFF file"):
        import_ciff(tmp_path / "out.ciff")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "it ends before a header"),
        (b"\x02\x18\x01\x02\x08\x00", "a document record without an id"),
        (b"\x02\x10\x01\x02\x10\x00", "a postings list without a term"),
        (b"\x02\x10\x01\x02\x08\x07", "a postings list without a term"),
        (b"\x02\x10\x01\x05\x0a\x01a\x20\x05", "a posting that is no message"),
    ],
)
def test_a_ciff_file_of_other_messages_is_an_error(tmp_path, raw, message):
    (tmp_path / "in.ciff").write_bytes(raw)
    with pytest.raises(InputError, match=rf"in.ciff: not a CIFF file \({message}\)"):
        import_ciff(tmp_path / "in.ciff")


@pytest.mark.parametrize("record", [b"{", b"\xff", b"[]", b"{}", b'{"scale": "x"}', b'{"scale": 0}'])
def test_a_scale_that_cannot_be_read_is_asked_for(tmp_path, record):
    (tmp_path / "docs.jsonl").write_text('{"id": "a", "vector": {"x": 3}}\n')
    (tmp_path / "lsr-export").write_bytes(record)
    with pytest.raises(InputError, match=r"lsr-export: does not record a scale .* name it with `--scale`"):
        import_anserini(tmp_path)
    assert vectors_of(rebuilt(import_anserini(tmp_path, scale=0.5), tmp_path)) == {"a": {"x": 1.5}}


def test_a_line_that_is_not_utf_8_names_its_place(tmp_path):
    (tmp_path / "in.jsonl").write_bytes(b'{"id": "a", "vector": {}}\n{"id": "\xff", "vector": {}}\n')
    with pytest.raises(InputError, match=r"in.jsonl:2: not valid JSON \('utf-8' codec"):
        import_jsonl(tmp_path / "in.jsonl")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not valid JSON"),
        ('{"id": "a"}', 'needs an object "vector"'),
        ('{"vector": {}}', 'needs an "id"'),
        ('{"id": "a", "vector": {"x": -1}}', "weights must be numbers of 0 or more"),
        ('{"id": "a", "vector": {"x": "1"}}', "weights must be numbers of 0 or more"),
        ('{"id": "a", "text": 3, "vector": {}}', "title, text and contents must be texts"),
        ('{"id": "a", "metadata": 3, "vector": {}}', "metadata must be an object"),
    ],
)
def test_a_broken_line_names_its_place(tmp_path, line, message):
    (tmp_path / "in.jsonl").write_text('{"id": "ok", "vector": {"x": 1.5}}\n' + line + "\n")
    with pytest.raises(InputError, match=f"in.jsonl:2: {message}"):
        import_jsonl(tmp_path / "in.jsonl")


@pytest.mark.parametrize("form", ["jsonl", "npz"])
def test_a_term_with_half_a_character_is_refused(index, tmp_path, form):
    """An index of it could not be exported again: no UTF-8 file holds it."""
    if form == "jsonl":
        (tmp_path / "in").write_text('{"id": "a", "vector": {"\\ud800": 1.5}}\n')
    else:
        export_npz(index.read(), "learned", tmp_path / "in")
        terms = json.loads((tmp_path / "in/vocabulary.json").read_text())
        (tmp_path / "in/vocabulary.json").write_text(json.dumps(["\ud800", *terms[1:]]))
    with pytest.raises(InputError, match=r"in: the term '\\ud800' has half a character"):
        {"jsonl": import_jsonl, "npz": import_npz}[form](tmp_path / "in")


@pytest.mark.parametrize("read", [import_jsonl, import_npz, import_ciff])
def test_a_missing_source_is_named(tmp_path, read):
    with pytest.raises(SourceNotFoundError, match="nowhere"):
        read(tmp_path / "nowhere")


def written(folder: Path, form: str, vectors: list[dict[str, float]]) -> Path:
    """A source of these vectors, as each tool leaves one that found nothing."""
    records = [json.dumps({"id": f"d{at}", "vector": vector}) + "\n" for at, vector in enumerate(vectors)]
    if form == "jsonl":
        (folder / "in").write_text("".join(records))
    elif form == "anserini":
        (folder / "in").mkdir()
        (folder / "in/docs.jsonl").write_text("".join(records))
    elif form == "npz":
        (folder / "in").mkdir()
        scipy.sparse.save_npz(folder / "in/vectors.npz", scipy.sparse.csr_matrix((len(vectors), 0)))
        (folder / "in/ids.json").write_text(json.dumps([f"d{at}" for at in range(len(vectors))]))
        (folder / "in/vocabulary.json").write_text("[]")
    else:
        names = [bytes([0x08, at, 0x12, 2]) + f"d{at}".encode() for at in range(len(vectors))]
        messages = [bytes([0x18, len(vectors)]), *names]
        (folder / "in").write_bytes(b"".join(bytes([len(message)]) + message for message in messages))
    return folder / "in"


READERS = {"jsonl": import_jsonl, "anserini": import_anserini, "npz": import_npz, "ciff": import_ciff}


@pytest.mark.parametrize("form", READERS)
def test_a_source_without_documents_is_refused(tmp_path, form):
    with pytest.raises(EmptySourceError, match=r"in(/vectors.npz)?: no documents: the source is empty"):
        READERS[form](written(tmp_path, form, []))


@pytest.mark.parametrize("form", READERS)
def test_vectors_that_are_all_empty_are_refused(tmp_path, form):
    with pytest.raises(InputError, match=r"in(/vectors.npz)?: no terms: .* are all empty"):
        READERS[form](written(tmp_path, form, [{}, {}]))


def test_npz_that_does_not_fit(index, tmp_path):
    export_npz(index.read(), "learned", tmp_path / "out")
    (tmp_path / "out/ids.json").write_text('["a"]')
    with pytest.raises(InputError, match="30 rows over 12 columns, but 1 ids"):
        import_npz(tmp_path / "out")
    (tmp_path / "out/ids.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match="must be a list of texts"):
        import_npz(tmp_path / "out")


SOUND = {
    "data": np.ones(2, np.float32),
    "indices": np.array([1, 2], np.int32),
    "indptr": np.array([0, 1, 2], np.int32),
    "shape": (2, 3),
    "format": b"csr",
}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"data": np.array([1.0, {}], dtype=object)}, r"pickled objects, which are never read"),
        ({"indices": np.array([1, 2_000_000_000], np.int32)}, "term id 2000000000 is outside the vocabulary"),
        ({"indices": np.array([-5, 1], np.int32)}, "term id -5 is outside the vocabulary"),
        ({"indptr": np.array([0, 2_000_000_000, 2], np.int32)}, "indptr must .* never fall"),
        ({"indptr": np.array([0, 1, 2_000_000_000], np.int32)}, "Last value of index pointer"),
        ({"data": np.array([1.0, -1.0], np.float32)}, "weights must be finite, above zero"),
        ({"data": np.array(["a", "b"])}, "does not support dtype"),
        ({"shape": 3}, "iteration over a 0-d array"),
        ({"format": b"csc", "shape": (3, 2)}, r"a CSC matrix; save it by rows"),
        ({"format": b"odd"}, "Unknown format"),
    ],
)
def test_a_matrix_from_a_file_is_checked_before_it_is_used(tmp_path, arrays, message):
    """scipy's own loops would read and write wherever these say."""
    np.savez(tmp_path / "vectors.npz", **{**SOUND, **arrays})
    (tmp_path / "ids.json").write_text('["a", "b"]')
    (tmp_path / "vocabulary.json").write_text('["x", "y", "z"]')
    with pytest.raises(InputError, match=f"vectors.npz: .*{message}"):
        import_npz(tmp_path)


def test_an_archive_that_cannot_be_unpacked_is_named(tmp_path):
    np.savez(tmp_path / "vectors.npz", **SOUND)
    raw = bytearray((tmp_path / "vectors.npz").read_bytes())
    raw[raw.rindex(b"PK\x01\x02") + 10] = 99  # a compression method that nobody knows
    (tmp_path / "vectors.npz").write_bytes(raw)
    with pytest.raises(InputError, match=r"vectors.npz: not a scipy sparse matrix"):
        import_npz(tmp_path)


@pytest.mark.parametrize("content", [b"", b"nothing", pickle.dumps({"data": [1]}), b"PK\x03\x04"])
def test_a_file_that_is_no_matrix(tmp_path, content):
    (tmp_path / "vectors.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"vectors.npz: not a scipy sparse matrix"):
        import_npz(tmp_path)


EXPORTS = [export_jsonl, export_npz, export_anserini, export_ciff]


@pytest.mark.parametrize("export", EXPORTS)
def test_an_export_appears_whole_or_not_at_all(index, tmp_path, export, monkeypatch):
    """Here the disk is full when all but the end is written."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "out").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(ResourceError, match=r"out/x: No space left on device.*free some space"):
            export(index.read(), "learned", tmp_path / "out/x")
    assert list((tmp_path / "out").iterdir()) == []
    export(index.read(), "learned", tmp_path / "out/x")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x"]


def test_an_export_may_go_to_a_device(index):
    assert export_jsonl(index.read(), "learned", Path("/dev/null")).documents == 30
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_leaves_nothing_is_refused(index, tmp_path, scale):
    collection = index.read()
    export_anserini(collection, "learned", tmp_path / "lines")
    export_ciff(collection, "learned", tmp_path / "out.ciff")
    for read, name in ((import_jsonl, "lines"), (import_anserini, "lines"), (import_ciff, "out.ciff")):
        with pytest.raises(InvalidArgumentError, match="scale must be a number above 0, not"):
            read(tmp_path / name, scale=scale)


@pytest.mark.parametrize(
    ("weight", "scale"), [("1e39", 1.0), ("1", 1e-60), ("1" + "0" * 400, 1.0), ("Infinity", 1.0)]
)
def test_weights_beyond_float32_name_their_place(tmp_path, weight, scale):
    (tmp_path / "in.jsonl").write_text(
        f'{{"id": "a", "vector": {{}}}}\n{{"id": "b", "vector": {{"x": {weight}}}}}\n'
    )
    with pytest.raises(InputError, match=r"in.jsonl:2: the weight of 'x', .* is beyond float32"):
        rebuilt(import_jsonl(tmp_path / "in.jsonl", scale=scale), tmp_path)


def test_exports_do_not_overwrite(index, tmp_path):
    (tmp_path / "out").mkdir()
    for export in (export_npz, export_anserini):
        with pytest.raises(IndexExistsError, match="exists already; export into a new folder"):
            export(index.read(), "learned", tmp_path / "out")
    with pytest.raises(InvalidArgumentError, match="levels must be 1 to"):
        export_ciff(index.read(), "learned", Path(tmp_path / "x"), levels=0)
