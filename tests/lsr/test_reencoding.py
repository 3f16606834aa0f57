"""Re-encoding: a second index by another model, what is written meanwhile, and the alias."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lsr.indexer.aliases import point, target
from lsr.indexer.collection import Collection
from lsr.indexer.storage import FileStorage
from lsr.indexer.verify import verify_index
from lsr.indexer.writer import CollectionWriter

from lsr.errors import IndexExistsError, IndexLockedError, InvalidArgumentError, UnfinishedBuildError
from lsr.indexing import COUNTED, LEARNED, DocumentEncoder, IndexPlan
from lsr.pipeline import Pipeline
from lsr.reencoding import reencode
from lsr.requests import SearchRequest

if TYPE_CHECKING:
    from lsr.data.documents import Document

TERMS = ("open", "read", "file", "other")


class OtherModel:
    """What encodes; ``meanwhile`` happens at the first document."""

    def __init__(self, encoder: Any, meanwhile: Callable[[], object] = lambda: None) -> None:
        self._encoder = encoder
        self._meanwhile = [meanwhile]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode_documents(self, texts: Sequence[str]) -> Any:
        while self._meanwhile:
            self._meanwhile.pop()()
        return self._encoder.encode_documents(texts)


@pytest.fixture
def new_model(hand_encoder: Callable[..., Any]) -> Callable[..., DocumentEncoder]:
    def make(meanwhile: Callable[[], object] = lambda: None) -> DocumentEncoder:
        plan = IndexPlan("other", {LEARNED: 1.0, COUNTED: 1.0})
        return DocumentEncoder(plan, encoder=OtherModel(hand_encoder("another", TERMS), meanwhile))  # type: ignore[arg-type]

    return make


@pytest.fixture
def live(tmp_path: Path, build_index: Callable[..., Pipeline], small_documents: Sequence[Document]) -> Path:
    build_index(tmp_path / "old", small_documents)
    point(tmp_path / "live", tmp_path / "old")
    return tmp_path / "live"


def changed(index: Path, added: Sequence[tuple[str, str]], deleted: Sequence[str] = ()) -> None:
    """Change the old index with its own model's rows left empty: only texts matter to what comes."""
    from lsr.indexer.documents import DocumentInput

    from lsr.vectors import SparseVectors, TermCounts

    with CollectionWriter.open(index) as writer:
        documents = [DocumentInput(name, text) for name, text in added]
        vectors = {
            "learned": SparseVectors.empty(len(added), 10),
            "bm25": TermCounts.from_bags([writer.vocabulary("bm25").ids_adding(["w"]) for _ in added]),
        }
        writer.add(documents, vectors)
        writer.delete(list(deleted))
        writer.commit()


def texts(index: Path) -> dict[str, str]:
    return {document.id: document.text for document in Collection.open(index).all_documents()}


def test_the_new_index_has_the_documents_in_order_and_the_alias_names_it(
    live: Path, tmp_path: Path, new_model: Callable[..., DocumentEncoder], small_documents: Sequence[Document]
) -> None:
    summary = reencode(live, tmp_path / "new", new_model(), alias=live)
    collection = Collection.open(live)

    assert target(live) == tmp_path / "new"
    assert (summary.documents, summary.caught_up, summary.replaced) == (5, 0, str(tmp_path / "old"))
    assert [document.id for document in collection.all_documents()] == [each.id for each in small_documents]
    assert [document.title for document in collection.all_documents()] == [
        each.title for each in small_documents
    ]
    assert collection.field("learned").encoder["identity"] == "another"
    assert not (tmp_path / "new.source").exists()
    assert len(texts(tmp_path / "old")) == 5


def test_what_is_written_meanwhile_is_caught_up_with(
    live: Path, tmp_path: Path, new_model: Callable[..., DocumentEncoder]
) -> None:
    def meanwhile() -> None:
        changed(live, [("read", "another text"), ("new", "brand new")], ["date"])
        changed(live, [("gone", "soon")])
        changed(live, [], ["gone", "empty"])
        with CollectionWriter.open(live) as writer:
            writer.merge(full=True)

    summary = reencode(live, tmp_path / "new", new_model(meanwhile), alias=live)

    assert texts(live) == texts(tmp_path / "old")
    assert list(texts(live)) == ["zip/a b#1%", "open", "read", "new"]
    assert summary.caught_up == 4  # two gone, two written


def test_an_index_that_was_built_anew_meanwhile_is_caught_up_with(
    live: Path, tmp_path: Path, new_model: Callable[..., DocumentEncoder], build_index: Callable[..., Pipeline]
) -> None:
    """Its numbers begin at 0 again, so the same number may be another document."""
    from lsr.data.documents import Document

    again = [Document("read", "a changed text"), Document("other", "read"), Document("date", "Parse a date.")]
    reencode(
        live,
        tmp_path / "new",
        new_model(lambda: build_index(tmp_path / "old", again, overwrite=True)),
        alias=live,
    )

    assert texts(live) == {"read": "a changed text", "other": "read", "date": "Parse a date."}


def interrupted() -> None:
    raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_from_the_same_state(
    live: Path, tmp_path: Path, new_model: Callable[..., DocumentEncoder]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        reencode(live, tmp_path / "new", new_model(interrupted), alias=live)
    assert target(live) == tmp_path / "old"
    changed(live, [("new", "brand new")])
    summary = reencode(live, tmp_path / "new", new_model(), alias=live, resume=True)

    assert (summary.caught_up, summary.documents) == (1, 6)
    assert texts(live) == texts(tmp_path / "old")


class Killed(BaseException):
    """The process ended here."""


@contextmanager
def killed_after(steps: int) -> Iterator[None]:
    """Let a run end after so many steps of storage; removing a folder takes one for each half of its files."""
    left = steps

    def step() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    def stepped(perform: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object) -> object:
            step()
            return perform(*arguments)

        return wrapped

    def removed(storage: FileStorage, path: Path) -> None:
        step()
        files = sorted(each for each in path.rglob("*") if each.is_file())
        for file in files[: len(files) // 2]:
            file.unlink()
        if files:
            step()
        remove(storage, path)

    remove = FileStorage.remove
    names = ("make_folder", "create", "adopt", "rename", "link", "point", "sync_folder")
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(FileStorage, name, stepped(getattr(FileStorage, name)))
        patch.setattr(FileStorage, "remove", removed)
        yield


@pytest.mark.parametrize("aliased", [True, False])
def test_a_run_that_is_killed_anywhere_is_resumed_and_leaves_nothing(
    live: Path, tmp_path: Path, new_model: Callable[..., DocumentEncoder], aliased: bool
) -> None:
    """At every step, also between the commit and the end of the build, the swap and the end of the source."""
    alias, old, new = live if aliased else None, tmp_path / "old", tmp_path / "new"
    wanted, steps, done = texts(old), int(aliased), False
    while not done:
        try:
            with killed_after(steps):
                reencode(old, new, new_model(), alias=alias)
            done = True
        except Killed:
            assert verify_index(old, full=True).sound
            assert texts(live) == wanted
            try:
                reencode(old, new, new_model(), alias=alias, resume=True)
            except IndexExistsError:  # without an alias, all was done but for leaving
                assert not aliased
        assert verify_index(new, full=True).sound
        assert texts(new) == wanted
        assert target(live) == (new if aliased else old)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["live", "new", "old"], steps
        assert not (new / "building").exists(), steps
        shutil.rmtree(new)
        point(live, old)
        steps += 3  # an odd number: the run with an alias stops at others than the one without
    assert steps > 50


def test_a_run_that_is_refused_leaves_the_source_of_an_unfinished_one(
    live: Path, tmp_path: Path, new_model: Callable[..., DocumentEncoder]
) -> None:
    """A run that forgot --resume may not take away what --resume needs."""
    with pytest.raises(KeyboardInterrupt):
        reencode(live, tmp_path / "new", new_model(interrupted), alias=live)
    changed(live, [("new", "brand new")])
    with pytest.raises(UnfinishedBuildError, match="--resume"):
        reencode(live, tmp_path / "new", new_model(), alias=live)
    reencode(live, tmp_path / "new", new_model(), alias=live, resume=True)
    assert texts(live) == texts(tmp_path / "old")

    for resume in (False, True):
        with pytest.raises(IndexExistsError):
            reencode(tmp_path / "old", tmp_path / "new", new_model(), resume=resume)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["live", "new", "old"]


def test_an_index_that_was_removed_and_built_anew_meanwhile_is_caught_up_with(
    live: Path, tmp_path: Path, new_model: Callable[..., DocumentEncoder], build_index: Callable[..., Pipeline]
) -> None:
    """It begins at generation 1 again, so the number alone does not tell."""
    from lsr.data.documents import Document

    def built_anew() -> None:
        shutil.rmtree(tmp_path / "old")
        build_index(tmp_path / "old", [Document("other", "read")])

    reencode(live, tmp_path / "new", new_model(built_anew), alias=live)

    assert texts(live) == {"other": "read"}


def test_an_alias_that_was_swapped_meanwhile_is_not_turned_away(
    live: Path, tmp_path: Path, new_model: Callable[..., DocumentEncoder], build_index: Callable[..., Pipeline]
) -> None:
    build_index(tmp_path / "third", [])
    with pytest.raises(InvalidArgumentError, match=r"names .*third, not .*old"):
        reencode(live, tmp_path / "new", new_model(lambda: point(live, tmp_path / "third")), alias=live)
    assert target(live) == tmp_path / "third"


def test_while_somebody_writes_the_index_is_made_but_the_alias_stays(
    live: Path, tmp_path: Path, new_model: Callable[..., DocumentEncoder]
) -> None:
    with CollectionWriter.open(live), pytest.raises(IndexLockedError):
        reencode(live, tmp_path / "new", new_model(), alias=live)
    assert target(live) == tmp_path / "old"

    changed(live, [("late", "written before the second run")])
    summary = reencode(live, tmp_path / "new", new_model(), alias=live, resume=True)
    assert (target(live), summary.caught_up) == (tmp_path / "new", 1)


def test_an_alias_of_another_index_is_not_turned_away(
    live: Path, tmp_path: Path, new_model: Callable[..., DocumentEncoder], build_index: Callable[..., Pipeline]
) -> None:
    build_index(tmp_path / "third", [])
    with pytest.raises(InvalidArgumentError, match=r"names .*old, not .*third"):
        reencode(tmp_path / "third", tmp_path / "new", new_model(), alias=live)
    assert not (tmp_path / "new").exists()


def test_vectors_without_texts_cannot_be_encoded_again(
    tmp_path: Path, new_model: Callable[..., DocumentEncoder], build_index: Callable[..., Pipeline]
) -> None:
    from lsr.data.documents import Document

    build_index(tmp_path / "bare", [Document("a", ""), Document("b", " ")])
    with pytest.raises(InvalidArgumentError, match="holds vectors without texts"):
        reencode(tmp_path / "bare", tmp_path / "new", new_model())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare"]


def test_a_pipeline_goes_over_with_the_models_of_the_new_index(
    live: Path,
    tmp_path: Path,
    new_model: Callable[..., DocumentEncoder],
    hand_encoder: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models = {"by hand": hand_encoder(), "another": hand_encoder("another", TERMS)}
    monkeypatch.setattr("lsr.fields._load", lambda recorded, *_, **__: models[str(recorded["identity"])])
    before = Pipeline.open(live)
    reencode(live, tmp_path / "new", new_model(), alias=live)
    after = before.at(before.collection.refresh())

    request = SearchRequest("read", fields={"learned": 1.0}, explain=True)
    assert [hit.id for hit in after.search(request).hits] == [hit.id for hit in before.search(request).hits]
    assert after.collection.field("learned").n_terms == len(TERMS)
    assert after.at(after.collection).encoders["learned"] is after.encoders["learned"]
