"""A collection encoded again, by another model, into a second index; then an alias goes over to it.

The index at hand is searched and written meanwhile. It is read from a snapshot, which costs no space and lets
an interrupted run go on; what was written since is caught up with at the end, the last of it while nobody can
write, just before the alias is swapped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lsr.errors import InvalidArgumentError
from lsr.indexing import BATCH, index_documents
from lsr.models import options_of

if TYPE_CHECKING:
    from lsr.data.documents import Document
    from lsr.forecast import Forecast
    from lsr.indexer.collection import Collection
    from lsr.indexer.documents import StoredDocument
    from lsr.indexing import DocumentEncoder

SOURCE_SUFFIX = ".source"
SAMPLED_TEXTS = 200


@dataclass(frozen=True, slots=True)
class ReencodeSummary:
    """What was made.

    caught_up: documents added, replaced or deleted in the old index while the new one was made
    truncated, split: texts longer than the model reads, and documents cut into passages
    alias:     what names the new index now; None if none was asked for
    replaced:  the index that the alias named before
    """

    path: str
    source: str
    generation: int
    documents: int
    caught_up: int
    truncated: int
    split: int
    seconds: float
    alias: str | None
    replaced: str | None


def reencode(
    index: Path,
    out: Path,
    encoder: DocumentEncoder,
    *,
    alias: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    memory: int | None = None,
    threads: int = 1,
    on_forecast: Callable[[Forecast], None] = lambda _: None,
    progress: Callable[[int], None] = lambda _: None,
) -> ReencodeSummary:
    """Make an index at ``out`` of another one's documents, encoded by ``encoder``.

    alias: make it name the new index once that is complete; the old one stays where it is
    Raises what ``index_documents`` raises; InvalidArgumentError if the index holds no texts, or the alias names
    another one than it; IndexExistsError if something else has the alias's name; IndexLockedError if somebody
    is writing to it when the alias is to be swapped: the new index is complete then, and the same command with
    ``resume`` swaps later.
    """
    from lsr.indexer.aliases import followed, point
    from lsr.indexer.beginning import require_place
    from lsr.indexer.collection import Collection
    from lsr.indexer.writer import CollectionWriter

    started = time.perf_counter()
    place = followed(index)
    _check_whole_documents(Collection.open(place))
    complete = resume and _is_complete(out, encoder)
    if complete:
        CollectionWriter.open(out).close()  # sweeps what the earlier run had no time to
    swapped = alias is not None and _names(alias, out)
    if complete and (swapped or not _source_folder(out).is_dir()):
        _forget_source(out)  # all else that it may have left
    if complete and swapped:
        return _summary(index, out, started, alias=alias)
    _check_alias(alias, place)
    complete = complete and _source_folder(out).is_dir()
    if not complete:
        require_place(followed(out), overwrite=overwrite, resume=resume)
    base = _source(place, out, resume=resume)
    if not complete:
        index_documents(
            map(_document, base.all_documents()),
            out,
            encoder,
            source={"index": str(place.resolve()), "generation": base.generation},
            resume=resume,
            overwrite=overwrite,
            memory=memory,
            threads=threads,
            expected=base.n_documents,
            on_forecast=on_forecast,
            progress=progress,
        )
    follower = _Follower(base, place, out, encoder)
    follower.catch_up()

    def finish() -> None:
        _check_alias(alias, place)  # again: another swap may have come first
        follower.catch_up()

    replaced = None if alias is None else point(alias, out, finishing=finish)
    _forget_source(out)
    return _summary(index, out, started, caught_up=follower.changed, alias=alias, replaced=replaced)


def _summary(
    index: Path,
    out: Path,
    started: float,
    *,
    caught_up: int = 0,
    alias: Path | None = None,
    replaced: Path | None = None,
) -> ReencodeSummary:
    from lsr.indexer.collection import Collection

    made = Collection.open(out)
    return ReencodeSummary(
        path=str(out),
        source=str(index),
        generation=made.generation,
        documents=made.n_documents,
        caught_up=caught_up,
        truncated=made.manifest.counts.get("truncated", 0),
        split=made.manifest.counts.get("split", 0),
        seconds=round(time.perf_counter() - started, 3),
        alias=None if alias is None else str(alias),
        replaced=None if replaced is None else str(replaced),
    )


def _check_whole_documents(collection: Collection) -> None:
    """Raise InvalidArgumentError if the source's documents went through something that is not repeated here."""
    for info in collection.fields:
        options = options_of(info.encoder)
        what = options.transform or ("--passages best" if options.of_passages else None)
        if what is not None:
            raise InvalidArgumentError(
                f"{collection.path}: it was made with {what}, which `lsr reencode` does not repeat;"
                " make the second index with `lsr index` and then use `lsr alias`",
                field="index",
            )


def language_of(collection: Collection) -> str:
    """Of the analyzer of a collection's counted field; English if it has none."""
    counted = (info.encoder.get("language") for info in collection.fields if info.kind == "counted")
    return str(next(counted, None) or "english")


class _Follower:
    """Brings the new index up to what the old one has become. ``changed`` counts documents."""

    def __init__(self, seen: Collection, index: Path, out: Path, encoder: DocumentEncoder) -> None:
        """seen: the state of the old index that the new one holds"""
        self._seen = seen
        self._index = index
        self._out = out
        self._encoder = encoder
        self.changed = 0

    def catch_up(self) -> None:
        """Until nothing is new. One commit of the new index for each time that something was."""
        from lsr.indexer.collection import Collection

        # Not by its number alone: an index that was removed and built again begins at 1, too.
        while (now := Collection.open(self._index)).manifest != self._seen.manifest:
            self._apply(now)
            self._seen = now

    def _apply(self, now: Collection) -> None:
        from lsr.indexer.writer import CollectionWriter

        with CollectionWriter.open(self._out) as writer:
            gone = list(_missing(self._seen, now))
            self.changed += writer.delete(gone)
            fresh = map(_document, _new(self._seen, now))
            while batch := list(islice(fresh, BATCH)):
                writer.add(batch, self._encoder.rows(batch, writer))
                self.changed += len(batch)
            writer.commit()


def _new(seen: Collection, now: Collection) -> Iterator[StoredDocument]:
    """Documents of ``now`` that ``seen`` does not have as they are; numbers tell where to look."""
    return (theirs for ours, theirs in _paired(seen, now) if theirs is not None and ours != theirs)


def _missing(seen: Collection, now: Collection) -> Iterator[str]:
    """Ids of documents of ``seen`` that ``now`` does not have under their number."""
    for ours, theirs in _paired(seen, now):
        if ours is not None and (theirs is None or ours.id != theirs.id) and now.number_of(ours.id) is None:
            yield ours.id


def _paired(seen: Collection, now: Collection) -> Iterator[tuple[StoredDocument | None, StoredDocument | None]]:
    """The documents of both by number, of which some are only in one."""
    left, right = seen.all_documents(), now.all_documents()
    ours, theirs = next(left, None), next(right, None)
    while ours is not None or theirs is not None:
        if theirs is None or (ours is not None and ours.number < theirs.number):
            yield ours, None
            ours = next(left, None)
        elif ours is None or theirs.number < ours.number:
            yield None, theirs
            theirs = next(right, None)
        else:
            yield ours, theirs
            ours, theirs = next(left, None), next(right, None)


def _source(index: Path, out: Path, *, resume: bool) -> Collection:
    """The index as it was when the work began: a snapshot beside the new index."""
    import numpy as np

    from lsr.indexer.collection import Collection
    from lsr.indexer.snapshots import snapshot

    kept = _source_folder(out)
    if not (resume and kept.is_dir()):
        _forget_source(out)
        snapshot(index, kept)
    base = Collection.open(kept)
    sampled = base.documents(base.sample(SAMPLED_TEXTS, np.random.default_rng(0)))
    if base.n_documents and not any(document.title.strip() or document.text.strip() for document in sampled):
        _forget_source(out)
        raise InvalidArgumentError(
            f"{index}: holds vectors without texts, so there is nothing to encode again."
            " Build the new index from the documents with `lsr index`.",
            field="index",
        )
    return base


def _source_folder(out: Path) -> Path:
    return out.with_name(out.name + SOURCE_SUFFIX)


def _forget_source(out: Path) -> None:
    """In one step as far as ``resume`` can see: one of which a part is gone would be taken for a whole one."""
    from lsr.indexer.snapshots import forget

    forget(_source_folder(out))


def _is_complete(out: Path, encoder: DocumentEncoder) -> bool:
    """Whether an earlier run made the index, so that only what follows is left to do."""
    from lsr.indexer.building import building_folder, read_ledger
    from lsr.indexer.manifest import MANIFEST_NAME, read_manifest

    if not (out / MANIFEST_NAME).exists():
        return False
    manifest, build = read_manifest(out), read_ledger(building_folder(out))
    if build is not None and build.generation == manifest.generation:
        return False
    made = {entry.name: dict(entry.encoder) for entry in manifest.fields}
    return made == {spec.name: dict(spec.encoder) for spec in encoder.field_specs()}


def _names(alias: Path, index: Path) -> bool:
    return alias.is_symlink() and alias.resolve() == index.resolve()


def _check_alias(alias: Path | None, index: Path) -> None:
    """Before anything is encoded: an alias of something else must not be turned away by mistake, and what is no
    alias cannot become one. A name that is free is fine."""
    from lsr.indexer.aliases import require_free

    if alias is None:
        return
    require_free(alias)
    if alias.is_symlink() and not _names(alias, index):
        raise InvalidArgumentError(
            f"{alias}: names {alias.resolve()}, not {index}, which is being encoded again."
            f" Name that index, or swap by hand with `lsr alias`.",
            field="alias",
        )


def _document(stored: StoredDocument) -> Document:
    from lsr.data.documents import Document

    return Document(stored.id, stored.text, stored.title, stored.metadata)
