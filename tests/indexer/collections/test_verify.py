from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from lsr.indexer.arrays import open_array, write_array
from lsr.indexer.bruteforce import best_by_brute_force
from lsr.indexer.checksums import check_file, file_entry
from lsr.indexer.collection import Collection
from lsr.indexer.manifest import read_manifest, write_manifest
from lsr.indexer.storage import FileStorage
from lsr.indexer.verify import verify_index

from lsr.errors import IndexCorruptError, IndexLockedError, IndexNotFoundError, LsrError


@pytest.fixture
def index(lab, doc):
    lab.create(
        [
            doc(
                f"d{at}",
                {at % 12: 1.0 + at, (at * 5 + 1) % 12: 0.3},
                f"w{at % 7} all",
                {"n": at, "tag": f"t{at % 3}"},
            )
            for at in range(60)
        ]
    )
    with lab.open() as writer:
        lab.add(writer, [doc(f"d{at}", {at % 12: 2.0}, f"w{at % 5} new") for at in range(50, 80)])
        writer.delete(["d3", "d77"])
        writer.commit()
    return lab


def test_a_sound_index(index):
    report = verify_index(index.path, full=True)
    assert report.problems == []
    assert report.sound
    assert report.queries_checked == 20
    assert report.files_checked == len(list(read_manifest(index.path).files()))
    assert report.generation == 2


@pytest.fixture
def overtaking(index, doc, monkeypatch):
    """Before every file that is checked, a writer replaces the generation, so many times."""

    def overtake(times):
        left = iter(range(times))

        def late(folder, entry):
            if next(left, None) is not None:
                with index.open() as writer:
                    index.add(writer, [doc("d1", {1: 1.0}, "new")])
                    writer.commit()
                    writer.merge(full=True)
            check_file(folder, entry)

        monkeypatch.setattr("lsr.indexer.verify.check_file", late)

    return overtake


def test_a_writer_may_commit_while_an_index_is_verified(index, overtaking):
    overtaking(3)
    report = verify_index(index.path, full=True)
    assert report.problems == []
    assert report.generation == read_manifest(index.path).generation


def test_commits_that_always_come_first_end_a_verification(index, overtaking):
    overtaking(10_000)
    with pytest.raises(IndexLockedError, match="written to faster than its files can be read"):
        verify_index(index.path)


def test_damage_is_named_although_a_writer_commits(index, overtaking):
    overtaking(1)
    vocabulary = next(index.path.glob("commits/1/learned.vocabulary.arr"))
    vocabulary.write_bytes(vocabulary.read_bytes()[:-1])
    report = verify_index(index.path)
    assert report.bad_files == ["commits/1/learned.vocabulary.arr"]


def test_brute_force_is_what_search_answers(index):
    collection = index.read()
    queries = collection.prepare(index.queries(collection, [{1: 0.3, 2: 5.0}, {}], ["w1 new", "all"]))
    for at, truth in enumerate(best_by_brute_force(collection, queries, 15)):
        [hits] = collection.search_merged(queries.only(at), 15)
        assert (hits.numbers.tolist(), hits.scores.tolist()) == (truth.numbers.tolist(), truth.scores.tolist())
        assert len(hits)


def test_every_damaged_file_is_named(index, rng):
    files = sorted(entry.path for entry in read_manifest(index.path).files())
    chosen = sorted(rng.choice(files, 5, replace=False))
    for name in chosen:
        path = index.path / name
        raw = bytearray(path.read_bytes())
        raw[int(rng.integers(len(raw)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(raw)
    assert verify_index(index.path).bad_files == chosen


@pytest.mark.parametrize("damage", ["flip", "truncate"])
def test_damage_to_each_file_alone_is_named(index, rng, damage):
    files = sorted(entry.path for entry in read_manifest(index.path).files())
    assert len(files) > 50
    for name in files:
        path = index.path / name
        good = path.read_bytes()
        at = int(rng.integers(len(good)))
        flipped = good[:at] + bytes([good[at] ^ 1 << int(rng.integers(8))]) + good[at + 1 :]
        path.write_bytes(flipped if damage == "flip" else good[:at])
        assert verify_index(index.path, full=True, samples=1).bad_files == [name]
        path.write_bytes(good)


def test_missing_and_truncated_files_are_named(index):
    files = sorted(entry.path for entry in read_manifest(index.path).files())
    (index.path / files[0]).unlink()
    raw = (index.path / files[5]).read_bytes()
    (index.path / files[5]).write_bytes(raw[: len(raw) // 2])
    assert verify_index(index.path, full=True).bad_files == [files[0], files[5]]


def test_without_a_manifest_arrays_are_still_checked(index):
    path = next(index.path.glob("segments/*/numbers.arr"))
    raw = bytearray(path.read_bytes())
    raw[64] ^= 1
    path.write_bytes(raw)
    (index.path / "manifest.json").write_text("{}")
    assert verify_index(index.path).bad_files == [
        "manifest.json",
        path.relative_to(index.path).as_posix(),
    ]


def test_no_index_is_an_error(tmp_path):
    with pytest.raises(IndexNotFoundError):
        verify_index(tmp_path)


def rewrite(index, part, change):
    """Change an array of the first segment as its writer could have written it: with a checksum that fits."""
    manifest = read_manifest(index.path)
    segment = manifest.segments[0]
    [entry] = [file for file in segment.files if file.path.endswith(f"/{part}.arr")]
    path = index.path / entry.path
    values = change(index.read().segments[0].column(part))
    checksum = write_array(FileStorage(), path, values)
    files = tuple(file_entry(path, index.path, checksum) if file == entry else file for file in segment.files)
    segments = (replace(segment, files=files), *manifest.segments[1:])
    write_manifest(FileStorage(), index.path, replace(manifest, segments=segments))


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("learned.terms", lambda a: a[::-1].copy(), "terms"),
        ("learned.weights", lambda a: np.where(np.arange(len(a)) == 3, np.nan, a).astype(np.float32), "weight"),
        ("learned.weights", lambda a: a + np.float32(1.0), "lists and the documents' vectors contradict"),
        ("numbers", lambda a: a[::-1].copy(), "ascend"),
        ("id-hashes", lambda a: a ^ np.uint64(1 << 63), "hashes"),
        ("bm25.df-counts", lambda a: a + np.uint32(1), "frequencies"),
        ("bm25.indptr", lambda a: a + 1, "segments/00000001"),
        ("bm25.counts", lambda a: a + np.uint8(1), "impacts are not those of the documents' counts"),
        ("bm25.lengths", lambda a: a + np.uint32(1), "impacts are not those of the documents' counts"),
        ("learned.lists.maxima", lambda a: a * np.float32(2), "learned.lists.maxima.arr"),
        ("bm25.lists.maxima", lambda a: a * np.float32(2), "bm25.lists.maxima.arr"),
        ("metadata.numbers", lambda a: a + 1.0, "metadata.numbers.arr"),
        ("metadata.text-positions", lambda a: a[::-1].copy(), "metadata.text-positions.arr"),
    ],
)
def test_content_that_checksums_cannot_tell(index, part, change, message):
    """A writer's own mistake: files that are what was written, but wrong."""
    rewrite(index, part, change)
    report = verify_index(index.path, full=True)
    assert [p for p in report.problems if message in p.message or message in p.file], report.problems


def test_lists_that_miss_documents_are_seen_by_searching_too(index):
    rewrite(index, "learned.weights", lambda a: a + np.float32(1.0))
    problems = verify_index(index.path).problems
    assert [problem for problem in problems if "differs from brute force" in problem.message]


def test_progress_is_told_in_bytes(index):
    manifest = read_manifest(index.path)
    every = sum(file.bytes for file in manifest.files())
    segments = sum(file.bytes for segment in manifest.segments for file in segment.files)
    for full, expected in ((False, every), (True, every + segments)):
        read = []
        assert verify_index(index.path, full=full, threads=2, progress=read.append).sound
        assert sum(read) == expected


def test_more_terms_than_their_files_can_hold_are_damage(index):
    manifest = read_manifest(index.path)
    fields = tuple(replace(entry, n_terms=2**62) for entry in manifest.fields)
    write_manifest(FileStorage(), index.path, replace(manifest, fields=fields))
    with pytest.raises(IndexCorruptError, match=r"field learned has 4611686018427387904 terms, but the files"):
        index.read()


@pytest.mark.parametrize("name", ["../../elsewhere", "", "x", "00000001/.."])
def test_a_segment_id_that_is_no_number_is_damage(index, name):
    """It is a part of file names, and not all of them stand in the manifest."""
    manifest = read_manifest(index.path)
    segments = (replace(manifest.segments[0], id=name), *manifest.segments[1:])
    write_manifest(FileStorage(), index.path, replace(manifest, segments=segments))
    with pytest.raises(IndexCorruptError, match=rf"segment id {re.escape(repr(name))}"):
        index.read()


def test_a_bitmap_that_does_not_count_what_the_manifest_says_is_damage(index):
    path = next(index.path.glob("commits/2/*.live.arr"))
    words = open_array(path).copy()
    words[0] &= ~np.uint64(2)
    write_array(FileStorage(), path, words)
    with pytest.raises(IndexCorruptError, match=rf"{path.name}: does not fit its segment"):
        index.read()


def test_a_document_with_a_term_outside_the_vocabulary_cannot_be_written_on(index):
    """Checksums fit, as a hostile index's would."""
    manifest = read_manifest(index.path)
    segment = manifest.segments[0]
    [entry] = [file for file in segment.files if file.path.endswith("/bm25.terms.arr")]
    checksum = write_array(
        FileStorage(), index.path / entry.path, index.read().segments[0].column("bm25.terms") + np.uint16(900)
    )
    fitting = tuple(replace(file, checksum=checksum) if file == entry else file for file in segment.files)
    segments = (replace(segment, files=fitting), *manifest.segments[1:])
    write_manifest(FileStorage(), index.path, replace(manifest, segments=segments))
    for write in (
        lambda writer: writer.merge(full=True),
        lambda writer: writer.delete(["d5"]) and writer.commit(),
    ):
        with (
            pytest.raises(IndexCorruptError, match="field bm25: a document holds term"),
            index.open() as writer,
        ):
            write(writer)
    assert read_manifest(index.path).generation == manifest.generation


@pytest.mark.parametrize("field", ["learned", "bm25"])
@pytest.mark.parametrize(
    "change", [lambda a: a + a.dtype.type(900), lambda a: a[::-1], lambda a: a[:1].repeat(len(a))]
)
def test_damaged_terms_do_not_leave_the_index(index, field, change):
    """Exports and explanations rely on terms that rise and that the vocabulary has, or are told."""
    terms = index.read().segments[0].column(f"{field}.terms")
    write_array(
        FileStorage(), index.path / "segments" / "00000001" / f"{field}.terms.arr", change(terms).copy()
    )
    collection = index.read()
    numbers = collection.segments[0].numbers
    for read in (
        lambda: list(collection.vectors(field)),
        lambda: [collection.vector(int(number), field) for number in numbers],
        lambda: list(collection.counts("bm25")) if field == "bm25" else list(collection.vectors(field)),
    ):
        with pytest.raises(IndexCorruptError, match=rf"00000001/{field}\.terms\.arr: terms are not in order"):
            read()


def test_flipped_bytes_never_crash_opening_or_searching(index, rng):
    """Whatever a file holds, opening and searching answer or raise one of our errors."""
    files = sorted(entry.path for entry in read_manifest(index.path).files())
    for _ in range(150):
        path = index.path / str(rng.choice(files))
        good = path.read_bytes()
        raw = bytearray(good)
        if rng.random() < 0.2:
            raw = raw[: int(rng.integers(len(raw)))]
        else:
            for _ in range(int(rng.integers(1, 4))):
                raw[int(rng.integers(len(raw)))] = int(rng.integers(256))
        path.write_bytes(raw)
        try:
            collection = Collection.open(index.path)
            for load in ({1: 1.0, 5: 0.2}, {0: 3.0}):
                queries = index.queries(collection, [load], ["w1 new all"])
                [hits] = collection.search(queries, 10)
                collection.documents(hits.numbers)
                collection.get("d5")
        except LsrError:
            pass
        path.write_bytes(good)
