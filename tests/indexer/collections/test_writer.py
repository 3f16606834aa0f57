from __future__ import annotations

import errno
import fcntl
import json
import threading

import pytest
from lsr.indexer.collection import Collection
from lsr.indexer.documents import DocumentInput
from lsr.indexer.writer import CollectionWriter

from lsr.errors import (
    DuplicateIdError,
    IndexCorruptError,
    IndexExistsError,
    IndexLockedError,
    IndexNotFoundError,
    IndexTooNewError,
    IndexTooOldError,
    InputError,
    InvalidArgumentError,
    ModelMismatchError,
    ResourceError,
    UnfinishedBuildError,
)
from lsr.vectors import SparseVectors

SOURCE = {"path": "corpus.jsonl", "sha256": "1234"}


def bytes_of(path):
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file() and p.name != "lock"}


def test_replacing_and_deleting(lab, doc):
    lab.create([doc("a", {0: 1.0}, "x y"), doc("b", {0: 2.0}, "x"), doc("c", {0: 3.0}, "z")])
    with lab.open() as writer:
        lab.add(writer, [doc("a", {0: 9.0}, "new words"), doc("d", {0: 0.5}, "x")])
        assert writer.delete(["b", "nobody"]) == 1
        assert writer.n_documents == 3
        assert writer.commit() == 2
    collection = lab.read()
    assert lab.answer(collection, {0: 1.0}) == [("a", 9.0), ("c", 3.0), ("d", 0.5)]
    assert collection.number_of("a") == 3
    assert collection.number_of("b") is None
    assert collection.n_deleted == 2
    assert collection.vocabulary("bm25").terms == ("x", "y", "z", "new", "words")


def test_frequencies_are_those_of_the_live_documents(lab, doc, make_lab, tmp_path):
    lab.create([doc("a", {}, "x y"), doc("b", {}, "x z"), doc("c", {}, "y z")])
    with lab.open() as writer:
        writer.delete(["a"])
        writer.commit()
    fresh = make_lab(tmp_path / "fresh")
    fresh.create([doc("b", {}, "x z"), doc("c", {}, "y z")])
    for words in ("x", "y", "z", "x y z"):
        assert lab.answer(lab.read(), {}, words) == fresh.answer(fresh.read(), {}, words)


def test_a_writer_goes_on_after_a_commit(lab, doc):
    with CollectionWriter.create(lab.path, lab.fields()) as writer:
        lab.add(writer, [doc("a", {0: 1.0}, "x")])
        assert writer.commit() == 1
        lab.add(writer, [doc("a", {0: 2.0}, "x"), doc("b", {1: 1.0}, "y")])
        assert writer.commit() == 2
        assert writer.commit() == 2
    assert lab.answer(lab.read(), {0: 1.0, 1: 1.0}) == [("a", 2.0), ("b", 1.0)]


def test_a_reader_keeps_its_generation_and_refreshes(lab, doc):
    lab.create([doc("a", {0: 1.0}, "x")])
    before = lab.read()
    assert before.refresh() is before
    with lab.open() as writer:
        lab.add(writer, [doc("a", {0: 2.0}, "x")])
        writer.commit()
    assert lab.answer(before, {0: 1.0}, "x")[0][0] == "a"
    assert before.get("a").text == "x"
    assert lab.answer(before.refresh(), {0: 1.0}) == [("a", 2.0)]


def test_a_replaced_index_stays_readable_and_its_files_go(lab, doc):
    lab.create([doc("a", {0: 1.0}, "x")])
    before = lab.read()
    lab.create([doc("b", {0: 2.0}, "y")], overwrite=True)
    assert before.get("a").title == "title a"
    assert before.vocabulary("bm25").terms == ("x",)
    after = before.refresh()
    assert (after.generation, lab.answer(after, {0: 1.0})) == (2, [("b", 2.0)])
    assert len(list((lab.path / "segments").iterdir())) == 1


def test_an_existing_index_is_not_replaced_unasked(lab, doc):
    lab.create([doc("a", {0: 1.0}, "x")])
    before = bytes_of(lab.path)
    with pytest.raises(IndexExistsError, match=r"an index is here already.*--overwrite"):
        lab.create([doc("b", {0: 1.0}, "x")])
    with pytest.raises(IndexExistsError, match="complete: there is nothing to resume"):
        lab.create([], resume=True)
    assert bytes_of(lab.path) == before


def test_a_folder_of_other_things_is_left_alone(lab):
    lab.path.mkdir()
    (lab.path / "thesis.tex").write_text("precious")
    with pytest.raises(IndexExistsError, match=r"holds 'thesis.tex', which does not belong to an index"):
        lab.create(overwrite=True)
    assert [path.name for path in lab.path.iterdir()] == ["thesis.tex"]
    with pytest.raises(IndexExistsError, match="a file of this name is in the way"):
        CollectionWriter.create(lab.path / "thesis.tex", lab.fields())


@pytest.mark.parametrize("earlier_batch", [False, True])
def test_duplicate_ids_are_refused_and_leave_nothing(lab, doc, earlier_batch):
    with (
        pytest.raises(DuplicateIdError, match="document id 'a' occurs twice"),
        CollectionWriter.create(lab.path, lab.fields(), source=SOURCE) as writer,
    ):
        if earlier_batch:
            lab.add(writer, [doc("a", {}, "x")])
            writer.checkpoint()
            lab.add(writer, [doc("a", {}, "x")])
        lab.add(writer, [doc("a", {}, "x"), doc("a", {}, "x")])
    assert not lab.path.exists()


def test_a_broken_input_keeps_the_committed_index(lab, doc):
    lab.create([doc("a", {0: 1.0}, "x")])
    before = bytes_of(lab.path)
    with (
        pytest.raises(InputError),
        CollectionWriter.create(lab.path, lab.fields(), source=SOURCE, overwrite=True) as writer,
    ):
        lab.add(writer, [doc("b", {0: 1.0}, "x")])
        writer.checkpoint()
        raise InputError("not JSON", path="corpus.jsonl", line=7)
    assert bytes_of(lab.path) == before


def interrupt(lab, docs, *, source=SOURCE, **options):
    with (
        pytest.raises(KeyboardInterrupt),
        CollectionWriter.create(lab.path, lab.fields(), source=source, **options) as writer,
    ):
        lab.add(writer, docs)
        raise KeyboardInterrupt


def test_an_interrupted_build_resumes(lab, doc, make_lab, tmp_path):
    docs = [doc(f"d{at}", {at % 12: 1.0 + at}, f"word{at} word") for at in range(10)]
    interrupt(lab, docs[:4])
    interrupt(lab, docs[4:7], resume=True)
    with CollectionWriter.create(lab.path, lab.fields(), source=SOURCE, resume=True) as writer:
        assert writer.records_done == 7
        lab.add(writer, docs[7:])
        writer.commit()
    fresh = make_lab(tmp_path / "fresh")
    fresh.create(docs)
    query = dict.fromkeys(range(12), 1.0)
    words = "word word1 word5 word9"
    assert lab.answer(lab.read(), query, words) == fresh.answer(fresh.read(), query, words)
    assert not (lab.path / "building").exists()


def test_an_unfinished_build_names_the_two_choices(lab, doc):
    interrupt(lab, [doc("a", {}, "x")])
    with pytest.raises(UnfinishedBuildError, match=r"1 records done.*--resume.*--overwrite"):
        lab.create([], source=SOURCE)
    with pytest.raises(IndexNotFoundError, match=r"an unfinished index.*--resume"):
        lab.read()
    lab.create([doc("b", {0: 1.0}, "y")], source=SOURCE, overwrite=True)
    assert lab.answer(lab.read(), {0: 1.0}) == [("b", 1.0)]


def test_a_build_is_not_resumed_with_other_input_or_fields(lab, doc):
    interrupt(lab, [doc("a", {}, "x")])
    with pytest.raises(UnfinishedBuildError, match=r"another input \(sha256: '1234' then, '99' now\)"):
        CollectionWriter.create(lab.path, lab.fields(), source={**SOURCE, "sha256": "99"}, resume=True)
    other = r"other fields \(learned: storage: 'float32' then, 'uint8' now\)"
    with pytest.raises(UnfinishedBuildError, match=other):
        CollectionWriter.create(lab.path, lab.fields(storage="uint8"), source=SOURCE, resume=True)
    with pytest.raises(UnfinishedBuildError, match=r"other fields \(learned, bm25 then, learned now\)"):
        CollectionWriter.create(lab.path, lab.fields()[:1], source=SOURCE, resume=True)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([["a.jsonl", 5, 9], ["b.jsonl", 7, 2]], "files: b.jsonl has changed"),
        ([["c.jsonl", 5, 9]], "files: a.jsonl, b.jsonl then, c.jsonl now"),
    ],
)
def test_another_input_is_told_by_its_files(lab, doc, files, says):
    interrupt(lab, [doc("a", {}, "x")], source={"files": [["a.jsonl", 5, 9], ["b.jsonl", 7, 1]]})
    with pytest.raises(UnfinishedBuildError, match=rf"another input \({says}\)"):
        CollectionWriter.create(lab.path, lab.fields(), source={"files": files}, resume=True)


def test_a_damaged_shard_is_done_again(lab, doc):
    docs = [doc(f"d{at}", {0: 1.0 + at}, "x") for at in range(4)]
    interrupt(lab, docs[:2])
    interrupt(lab, docs[2:], resume=True)
    values = lab.path / "building/000001/learned.values.arr"
    raw = bytearray(values.read_bytes())
    raw[70] ^= 1
    values.write_bytes(raw)
    with CollectionWriter.create(lab.path, lab.fields(), source=SOURCE, resume=True) as writer:
        assert writer.records_done == 2
        lab.add(writer, docs[2:])
        writer.commit()
    assert len(lab.answer(lab.read(), {0: 1.0})) == 4


@pytest.mark.parametrize(("good", "bad"), [("}", ""), ('"records_done": 1', '"records_done": 2')])
def test_a_damaged_ledger_says_what_to_do(lab, doc, good, bad):
    interrupt(lab, [doc("a", {}, "x")])
    ledger = lab.path / "building/ledger.json"
    assert good in ledger.read_text()
    ledger.write_text(ledger.read_text().replace(good, bad))
    with pytest.raises(IndexCorruptError, match=r"ledger.json: the unfinished build's ledger.*--overwrite"):
        lab.create([], source=SOURCE, resume=True)


def test_without_a_source_nothing_is_kept(lab, doc):
    with (
        pytest.raises(KeyboardInterrupt),
        CollectionWriter.create(lab.path, lab.fields()) as writer,
    ):
        lab.add(writer, [doc("a", {}, "x")])
        writer.checkpoint()
        raise KeyboardInterrupt
    assert not lab.path.exists()


def test_memory_bounds_what_is_held_and_the_segments(lab, doc):
    docs = [doc(f"d{at}", {at % 12: 1.0 + at}, f"w{at % 5}") for at in range(200)]
    with CollectionWriter.create(lab.path, lab.fields(), memory=2000) as writer:
        for at in range(0, 200, 10):
            lab.add(writer, docs[at : at + 10])
            assert writer._uncommitted.n_waiting <= 10
        writer.commit()
    collection = lab.read()
    assert collection.n_segments > 1
    assert len(lab.answer(collection, {3: 1.0}, k=500)) == len([d for d in docs if 3 in d.vector])
    assert lab.answer(collection, {3: 1.0}, "w1", k=7) == lab.answer(
        collection, {3: 1.0}, "w1", k=7, reference=True
    )


def test_the_second_writer_is_told_who_is_first(lab, doc):
    lab.create([doc("a", {}, "x")])
    with lab.open(), pytest.raises(IndexLockedError, match=r"another process is writing.*process \d+ on "):
        lab.open()
    lab.open().close()


def test_who_has_just_taken_the_lock_is_named_too(lab, doc):
    """Two commands at the same moment: the second one comes before the first has signed."""
    lab.create([doc("a", {}, "x")])
    lab.open().close()
    assert (lab.path / "lock").read_text() == ""  # not the one before
    with lab.open():
        signature = (lab.path / "lock").read_text()
        (lab.path / "lock").write_text("")
        signing = threading.Timer(0.1, (lab.path / "lock").write_text, [signature])
        signing.start()
        with pytest.raises(IndexLockedError, match=r"process \d+ on "):
            lab.open()
        signing.join()


def test_an_index_that_was_moved_meanwhile_is_not_made_anew_where_it_lay(lab, doc, tmp_path):
    """A server goes on when somebody moves the folder; and when it is put back."""
    lab.create([doc("a", {}, "x")])
    with lab.open() as writer:
        lab.path.rename(tmp_path / "moved")
        for change in (
            lambda: writer.delete(["a"]),
            writer.commit,
            writer.stage,
            lambda: writer.merge(full=True),
        ):
            with pytest.raises(IndexNotFoundError, match="was moved or removed while it was open"):
                change()
        assert not lab.path.exists()
        (tmp_path / "moved").rename(lab.path)
        assert writer.delete(["a"]) == 1
        writer.commit()
    assert lab.read().n_documents == 0
    with lab.open() as writer:
        lab.add(writer, [doc("b", {}, "x")])
        lab.path.rename(tmp_path / "moved")
    assert not lab.path.exists()
    (tmp_path / "moved").rename(lab.path)
    assert lab.read().n_documents == 0


def test_a_lock_that_cannot_be_signed_is_let_go_of(lab, doc, monkeypatch):
    """On a full disk: a server goes on, and must not keep others out until it ends."""
    lab.create([doc("a", {}, "x")])

    def refused(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lsr.indexer.locking.os.pwrite", refused)
        with pytest.raises(ResourceError, match=r"lock: No space left"):
            lab.open()
    with lab.open():
        pass


def test_a_lock_file_that_was_removed_meanwhile_keeps_nobody_out(lab, doc, monkeypatch):
    """Between opening and locking it: by another one whose build never became an index."""
    lab.create([doc("a", {}, "x")])
    flock, paths = fcntl.flock, [lab.path / "lock"]

    def late(descriptor, how):
        while paths:
            paths.pop().unlink()
        flock(descriptor, how)

    monkeypatch.setattr("lsr.indexer.locking.fcntl.flock", late)
    with lab.open(), pytest.raises(IndexLockedError):
        lab.open()


def test_a_missing_index_is_told_from_a_wrong_path(lab, tmp_path):
    with pytest.raises(IndexNotFoundError, match="no index here"):
        lab.read()
    with pytest.raises(IndexNotFoundError, match="no index here"):
        lab.open()
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(IndexNotFoundError, match=r"no manifest.json in this folder"):
        Collection.open(tmp_path)


def edited_manifest(lab, edit):
    path = lab.path / "manifest.json"
    body = json.loads(path.read_text())
    edit(body)
    path.write_text(json.dumps(body))


def test_another_format_is_told_apart(lab, doc):
    lab.create([doc("a", {}, "x")])
    edited_manifest(lab, lambda body: body.update(format=99))
    with pytest.raises(IndexTooNewError, match="index format 99, but this release reads"):
        lab.read()
    edited_manifest(lab, lambda body: body.update(format=0))
    with pytest.raises(IndexTooOldError, match=r"index format 0, but .*lsr upgrade"):
        lab.read()


@pytest.mark.parametrize(("version", "error"), [(0, IndexTooOldError), (2, IndexTooNewError)])
def test_another_format_of_arrays_is_told_apart(lab, doc, version, error):
    lab.create([doc("a", {0: 1.0}, "x")])
    path = next(lab.path.glob("segments/*/numbers.arr"))
    raw = bytearray(path.read_bytes())
    raw[8] = version
    path.write_bytes(raw)
    with pytest.raises(error, match=f"numbers.arr: array format {version}"):
        lab.read()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ("[1]", "no format version"),
        ('{"format": 1}', "checksum does not match"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_a_damaged_manifest_is_named(lab, doc, text, message):
    lab.create([doc("a", {}, "x")])
    (lab.path / "manifest.json").write_text(text)
    with pytest.raises(IndexCorruptError, match=f"manifest.json: .*{message}"):
        lab.read()
    lab.create([doc("b", {0: 1.0}, "x")], overwrite=True)
    assert lab.read().n_documents == 1


def test_an_edited_manifest_is_noticed(lab, doc):
    lab.create([doc("a", {}, "x")])
    edited_manifest(lab, lambda body: body.update(next_number=77))
    with pytest.raises(IndexCorruptError, match="checksum does not match its content"):
        lab.read()


def test_a_missing_file_is_named(lab, doc):
    lab.create([doc("a", {0: 1.0}, "x")])
    victim = next(lab.path.glob("segments/*/learned.terms.arr"))
    victim.unlink()
    with pytest.raises(IndexCorruptError, match=r"learned.terms.arr: the manifest names this file"):
        lab.read()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (DocumentInput(""), "an id must be a non-empty string"),
        (DocumentInput("a", "\ud800"), "lone surrogate"),
        (DocumentInput("a", metadata={"x": float("nan")}), "metadata cannot be written as JSON"),
        (DocumentInput("a", metadata={"x": {1, 2}}), "metadata cannot be written as JSON"),
    ],
)
def test_what_cannot_be_stored_is_refused(lab, document, message):
    with (
        pytest.raises(InvalidArgumentError, match=message),
        CollectionWriter.create(lab.path, lab.fields()[:1]) as writer,
    ):
        writer.add([document], {"learned": SparseVectors.empty(1, 12)})
    assert not lab.path.exists()


def test_vectors_must_fit(lab, doc):
    lab.create([doc("a", {}, "x")])
    with lab.open() as writer:
        with pytest.raises(InvalidArgumentError, match="needed for learned, bm25, but given for learned"):
            writer.add([DocumentInput("b")], {"learned": SparseVectors.empty(1, 12)})
        other = lab.queries(lab.read(), [{}], ["x"])
        with pytest.raises(InvalidArgumentError, match="but field learned has 1 for 2"):
            writer.add([DocumentInput("b"), DocumentInput("c")], other)
        with pytest.raises(ModelMismatchError, match="vocabulary of 12 terms, these vectors have 13"):
            writer.add([DocumentInput("b")], {**other, "learned": SparseVectors.empty(1, 13)})
        with pytest.raises(InvalidArgumentError, match="cannot take SparseVectors"):
            writer.add([DocumentInput("b")], {**other, "bm25": SparseVectors.empty(1, 12)})


def test_empty_index_then_documents(lab, doc):
    lab.create([])
    assert lab.answer(lab.read(), {0: 1.0}) == []
    with lab.open() as writer:
        lab.add(writer, [doc("a", {0: 1.0}, "x x")])
        writer.commit()
    assert lab.read().field("bm25").average_length == 2.0
    with lab.open() as writer:
        writer.delete(["a"])
        writer.commit()
    assert lab.read().n_documents == 0
    assert not list((lab.path / "segments").iterdir())


def test_two_threads_write_the_same_files(lab, doc, make_lab, tmp_path):
    docs = [
        doc(f"d{at}", {at % 12: 1.0 + at}, f"w{at % 5} x", {"year": at, "tags": ["a", at]}) for at in range(40)
    ]
    lab.create(docs)
    other = make_lab(tmp_path / "other")
    other.create(docs, threads=2)
    assert lab.read().manifest.segments == other.read().manifest.segments


def test_a_failure_while_documents_are_written_beside_vectors_is_raised(lab, doc, monkeypatch):
    lab.create([doc("a", {0: 1.0}, "x")])

    def full(*_):
        raise ResourceError("the disk is full")

    monkeypatch.setattr("lsr.indexer.segments.write_live_documents", full)
    with pytest.raises(ResourceError, match="the disk is full"), lab.open(threads=2) as writer:
        lab.add(writer, [doc("b", {1: 1.0}, "y")])
        writer.commit()
    assert lab.read().generation == 1
