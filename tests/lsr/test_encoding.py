"""Sharded encodings against encoding all at once: after kills, damage and changes of the collection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lsr.data.documents import Document

from lsr.encoders.base import EncoderInfo, EncodeStatistics, TermSpan
from lsr.encoders.workers import OneProcess
from lsr.encoding import EncodingSummary, encode_to_shards, read_shards
from lsr.errors import InputError, ModelMismatchError, SourceNotFoundError
from lsr.forecast import Forecast
from lsr.vectors import SparseVectors, UInt32Array
from lsr.vocabulary import Vocabulary


class LetterEncoder:
    """Counts letters, and remembers what it was asked for."""

    def __init__(self, identity: str = "letters") -> None:
        self.vocabulary = Vocabulary("abcdefghijklmnopqrstuvwxyz")
        self.asked: list[str] = []
        self._identity = identity

    @property
    def statistics(self) -> EncodeStatistics:
        return EncodeStatistics(texts=len(self.asked))

    def encode_documents(self, texts: Sequence[str]) -> SparseVectors:
        self.asked.extend(texts)
        rows = [{ord(c) - 97: float(text.count(c)) for c in text if c.isalpha()} for text in texts]
        return SparseVectors.from_id_dicts(rows, 26)

    def encode_queries(self, texts: Sequence[str]) -> SparseVectors:
        return self.encode_documents(texts)

    def spans(self, text: str) -> list[TermSpan]:
        return []

    def sources(self, text: str, terms: UInt32Array) -> list[tuple[int, int] | None]:
        return [None] * len(terms)

    def describe(self) -> EncoderInfo:
        return EncoderInfo("letters", self._identity, "letters", 0, 0, "none", 0, 26, "", "float32", "none")


def collection(n: int) -> list[Document]:
    return [Document(f"d{at}", "xyz"[at % 3] * (at % 7) + chr(97 + at % 24)) for at in range(n)]


def run(documents: Sequence[Document], folder: Path, encoder: LetterEncoder | None = None) -> EncodingSummary:
    return encode_to_shards(documents, folder, OneProcess(encoder or LetterEncoder()), shard_documents=4)


def assert_holds(folder: Path, documents: Sequence[Document]) -> None:
    parts = list(read_shards(folder))
    assert [name for ids, _ in parts for name in ids] == [document.id for document in documents]
    expected = LetterEncoder().encode_documents([document.encoder_text() for document in documents])
    found = SparseVectors.concatenate([vectors for _, vectors in parts])
    for name in ("indptr", "terms", "weights"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_a_folder_holds_what_encoding_gives(tmp_path: Path) -> None:
    documents = collection(10)
    assert run(documents, tmp_path) == EncodingSummary(documents=10, encoded=10, reused=0, shards=3)
    assert_holds(tmp_path, documents)


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    documents = collection(10)

    def killed() -> Iterator[Document]:
        yield from documents[:9]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(killed(), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not finished"):
        list(read_shards(tmp_path))
    encoder = LetterEncoder()
    assert run(documents, tmp_path, encoder) == EncodingSummary(10, encoded=2, reused=8, shards=3)
    assert encoder.asked == [document.encoder_text() for document in documents[8:]]
    assert_holds(tmp_path, documents)


def test_known_texts_are_taken_over_when_the_collection_shifts(tmp_path: Path) -> None:
    run(collection(10), tmp_path)
    changed = [Document("new", "qqq"), *collection(10)[:5], *collection(10)[6:]]
    encoder = LetterEncoder()
    summary = run(changed, tmp_path, encoder)
    assert encoder.asked == ["qqq"]
    assert (summary.encoded, summary.reused) == (1, 9)
    assert_holds(tmp_path, changed)
    assert len(list(tmp_path.glob("shard-*"))) == 3  # those of the first run are gone


def test_a_damaged_shard_is_encoded_again(tmp_path: Path) -> None:
    documents = collection(10)
    run(documents, tmp_path)
    damaged = sorted(tmp_path.glob("shard-*"))[1]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(bytes(content))
    with pytest.raises(InputError, match="missing or damaged"):
        list(read_shards(tmp_path))
    assert run(documents, tmp_path).encoded in (2, 4)
    assert_holds(tmp_path, documents)


def test_another_encoders_folder_is_refused(tmp_path: Path) -> None:
    run(collection(3), tmp_path)
    with pytest.raises(ModelMismatchError, match="another encoder"):
        run(collection(3), tmp_path, LetterEncoder("other"))
    with pytest.raises(ModelMismatchError, match=r"another encoder or side \(documents\)"):
        encode_to_shards(collection(3), tmp_path, OneProcess(LetterEncoder()), side="query")


def test_queries_have_folders_too(tmp_path: Path) -> None:
    encode_to_shards(collection(3), tmp_path, OneProcess(LetterEncoder()), side="query")
    assert_holds(tmp_path, collection(3))


def test_no_documents_and_no_folder(tmp_path: Path) -> None:
    assert run([], tmp_path / "empty") == EncodingSummary(0, 0, 0, 0)
    assert list(read_shards(tmp_path / "empty")) == []
    with pytest.raises(SourceNotFoundError, match=r"no encoding.json"):
        list(read_shards(tmp_path / "nowhere"))
    (tmp_path / "encoding.json").write_text("[]")
    with pytest.raises(InputError, match="not a ledger"):
        list(read_shards(tmp_path))


def test_shards_are_half_a_minutes_work_and_a_later_run_cuts_alike(tmp_path: Path) -> None:
    documents = collection(600)
    first = encode_to_shards(documents, tmp_path, OneProcess(LetterEncoder()))
    assert first.shards == 2  # 256, to measure, and the rest
    (tmp_path / "encoding.json").write_text((tmp_path / "encoding.json").read_text())
    encoder = LetterEncoder()
    again = encode_to_shards(documents, tmp_path, OneProcess(encoder), shard_documents=100)
    assert (again.shards, again.reused, encoder.asked) == (2, 600, [])


def test_a_slow_models_shards_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("lsr.encoding.time.perf_counter", lambda: now[0])

    class Slow(LetterEncoder):
        def encode_documents(self, texts: Sequence[str]) -> SparseVectors:
            now[0] += 2.0 * len(texts)
            return super().encode_documents(texts)

    said: list[Forecast] = []
    summary = encode_to_shards(
        collection(300), tmp_path, OneProcess(Slow()), expected=300, on_forecast=said.append
    )
    assert summary.shards == 1 + 3  # 256, then 16 at a time
    assert said[0].documents_per_second == pytest.approx(0.5)
    assert said[0].seconds == pytest.approx(88)


def test_expansions_are_read_where_the_encoder_asks_for_them(tmp_path: Path) -> None:
    class Reading(LetterEncoder):
        def describe(self) -> EncoderInfo:
            return replace(super().describe(), expansion_field="expansion")

    encoder = Reading()
    documents = [Document("a", "abc", metadata={"expansion": ["xy", "z"]}), Document("b", "abc")]
    encode_to_shards(documents, tmp_path, OneProcess(encoder))
    assert encoder.asked == ["abc xy z", "abc"]
