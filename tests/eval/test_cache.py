"""The vector cache against the plain function it stands in for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsr.eval.cache import CachedBatch, VectorCache, default_cache_folder

from lsr.errors import ResourceError
from lsr.vectors import SparseVectors

SIZE = 300


class Counting:
    """Encodes a text as the counts of its characters; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> tuple[SparseVectors, npt.NDArray[np.bool_]]:
        self.asked += texts
        rows = [{ord(char) % SIZE: float(text.count(char)) for char in text} for text in texts]
        return SparseVectors.from_id_dicts(rows, SIZE), np.array([len(text) > 5 for text in texts])


def same(batch: CachedBatch, texts: Sequence[str]) -> bool:
    vectors, truncated = Counting()(texts)
    return (
        np.array_equal(batch.vectors.indptr, vectors.indptr)
        and np.array_equal(batch.vectors.terms, vectors.terms)
        and np.array_equal(batch.vectors.weights, vectors.weights)
        and np.array_equal(batch.truncated, truncated)
    )


@settings(max_examples=40, deadline=None)
@given(requests=st.lists(st.lists(st.text("abcdé ", max_size=8), max_size=6), max_size=5))
def test_gives_what_the_encoder_gives_and_asks_once(
    tmp_path_factory: pytest.TempPathFactory, requests: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    encode = Counting()
    for texts in requests:
        assert same(VectorCache(folder).vectors("id", "document", texts, encode, SIZE), texts)
    assert len(encode.asked) == len(set(encode.asked)) == len({text for texts in requests for text in texts})


def test_identity_and_side_are_kept_apart(tmp_path: Path) -> None:
    cache, encode = VectorCache(tmp_path), Counting()
    for identity, side in [("one", "document"), ("one", "query"), ("two", "document")]:
        assert cache.vectors(identity, side, ["abc"], encode, SIZE).n_found == 0  # type: ignore[arg-type]
    assert cache.vectors("one", "query", ["abc", "new"], encode, SIZE).n_found == 1
    assert encode.asked == ["abc", "abc", "abc", "new"]


@pytest.mark.parametrize("kept", [0, 10, 63, 64, 80, 100, -1])
def test_a_torn_file_costs_only_its_last_block(tmp_path: Path, kept: int) -> None:
    first, second = ["abc", "de"], ["abcdef", "xyz", ""]
    encode = Counting()
    VectorCache(tmp_path).vectors("id", "document", first, encode, SIZE)
    path = next(tmp_path.glob("*.vectors"))
    whole_first = path.stat().st_size
    VectorCache(tmp_path).vectors("id", "document", second, encode, SIZE)
    torn = path.stat().st_size - 1 if kept == -1 else kept
    os.truncate(path, torn)
    for _ in range(2):
        batch = VectorCache(tmp_path).vectors("id", "document", first + second, encode, SIZE)
        assert same(batch, first + second)
    again = second if torn >= whole_first else first + second
    assert sorted(encode.asked) == sorted(first + second + again)


def test_damaged_bytes_are_encoded_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts, encode = ["abc", "de"], Counting()
    VectorCache(tmp_path).vectors("id", "document", texts, encode, SIZE)
    path = next(tmp_path.glob("*.vectors"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 0xFF
    path.write_bytes(content)
    assert same(VectorCache(tmp_path).vectors("id", "document", texts, encode, SIZE), texts)
    assert "damaged" in caplog.text
    assert VectorCache(tmp_path).vectors("id", "document", texts, encode, SIZE).n_found == 2


def test_a_file_of_something_else_is_started_anew(tmp_path: Path) -> None:
    encode = Counting()
    VectorCache(tmp_path).vectors("id", "document", ["abc"], encode, SIZE)
    path = next(tmp_path.glob("*.vectors"))
    path.write_bytes(b"something else, longer than a header " * 9)
    assert same(VectorCache(tmp_path).vectors("id", "document", ["abc"], encode, SIZE), ["abc"])


def test_two_caches_on_one_folder_see_each_other(tmp_path: Path) -> None:
    one, two, encode = VectorCache(tmp_path), VectorCache(tmp_path), Counting()
    one.vectors("id", "document", ["a"], encode, SIZE)
    two.vectors("id", "document", ["b"], encode, SIZE)
    assert one.vectors("id", "document", ["b", "a"], encode, SIZE).n_found == 2


def test_the_files_used_longest_ago_make_room(tmp_path: Path) -> None:
    encode = Counting()
    for age, identity in enumerate(["new", "old", "older"]):
        VectorCache(tmp_path).vectors(identity, "document", ["abc" * 100], encode, SIZE)
        latest = max(tmp_path.glob("*.vectors"), key=lambda path: path.stat().st_mtime_ns)
        os.utime(latest, (1_000_000 - age, 1_000_000 - age))
    size = latest.stat().st_size
    cache = VectorCache(tmp_path, max_bytes=3 * size)
    cache.vectors("another", "document", ["abc" * 100], encode, SIZE)
    assert len(list(tmp_path.glob("*.vectors"))) == 3
    assert cache.vectors("old", "document", ["abc" * 100], encode, SIZE).n_found == 1
    assert cache.vectors("older", "document", ["abc" * 100], encode, SIZE).n_found == 0


def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="--no-cache"):
        VectorCache(tmp_path / "file").vectors("id", "query", ["a"], Counting(), SIZE)


def test_default_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "lsr" / "vectors"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_folder() == Path.home() / ".cache" / "lsr" / "vectors"
