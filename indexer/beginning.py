"""What a new index begins as: fields that make sense, a folder that may be used, and an empty generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lsr.indexer.building import Ledger, building_folder, read_ledger
from lsr.indexer.fields import FieldSpec
from lsr.indexer.manifest import FieldEntry, Manifest, read_manifest
from lsr.indexer.precision import as_scale
from lsr.indexer.sweeping import OWN_NAMES, highest_number

from lsr.errors import (
    IndexExistsError,
    IndexFormatError,
    IndexNotFoundError,
    InvalidArgumentError,
    UnfinishedBuildError,
)


def check_names(fields: Sequence[FieldSpec]) -> None:
    names = [spec.name for spec in fields]
    if not names or len(set(names)) != len(names):
        raise InvalidArgumentError(
            f"an index needs at least one field, each with a name of its own, not {names}", field="fields"
        )


def check_folder(folder: Path) -> None:
    """An index may be made in a new or empty folder, or in place of another index; never among other files."""
    if folder.exists() and not folder.is_dir():
        raise IndexExistsError(f"{folder}: a file of this name is in the way. Choose another path.")
    others = (
        sorted(path.name for path in folder.iterdir() if path.name not in OWN_NAMES) if folder.exists() else []
    )
    if others:
        raise IndexExistsError(
            f"{folder}: holds {others[0]!r}, which does not belong to an index; nothing was changed."
            " Choose an empty or a new folder."
        )


def require_place(folder: Path, *, overwrite: bool, resume: bool) -> None:
    """Raise what ``CollectionWriter.create`` will for a folder that is taken, before work is done for it."""
    check_folder(folder)
    generation = replaced_generation(folder, overwrite=overwrite, resume=resume)
    if not (overwrite or resume):
        require_no_unfinished(read_ledger(building_folder(folder)), generation, folder)


def require_no_unfinished(build: Ledger | None, generation: int, folder: Path) -> None:
    """Raise UnfinishedBuildError if there is a build, and it was begun at this generation."""
    if build is not None and build.generation == generation:
        raise UnfinishedBuildError(
            f"{folder}: holds an unfinished build ({build.records_done:,} records done)."
            " Continue it with `--resume`, or discard it and start again with `--overwrite`."
        )


def empty_generation(
    folder: Path, fields: Sequence[FieldSpec], settings: Mapping[str, object], *, overwrite: bool, resume: bool
) -> Manifest:
    """An empty generation to build upon: after the one to be replaced, if there is one."""
    generation = replaced_generation(folder, overwrite=overwrite, resume=resume)
    entries = tuple(_new_entry(spec) for spec in fields)
    return Manifest(generation, "", "", 0, 0, entries, settings=dict(settings))


def replaced_generation(folder: Path, *, overwrite: bool, resume: bool) -> int:
    """The number of the generation there, 0 if there is none. Raises IndexExistsError unless ``overwrite``."""
    generation = highest_number(folder / "commits") if overwrite else 0
    try:
        generation = max(generation, read_manifest(folder).generation)
        exists = True
    except IndexNotFoundError:
        exists = False
    except IndexFormatError:
        if not overwrite:
            raise
        exists = False
    if exists and not overwrite:
        done = " It is complete: there is nothing to resume." if resume else ""
        raise IndexExistsError(
            f"{folder}: an index is here already.{done} Choose another path, or replace it with `--overwrite`."
        )
    return generation


def _new_entry(spec: FieldSpec) -> FieldEntry:
    counted = spec.kind == "counted"
    return FieldEntry(
        name=spec.name,
        kind=spec.kind,
        weight=float(spec.weight),
        storage=spec.storage,
        encoder=dict(spec.encoder),
        n_terms=0 if spec.vocabulary is None else len(spec.vocabulary),
        vocabulary_fingerprint="" if spec.vocabulary is None else spec.vocabulary.fingerprint,
        vocabulary_files=(),
        k1=spec.k1,
        b=spec.b,
        scale=None if spec.scale is None else as_scale(spec.scale),
        average_length=0.0 if counted else None,
    )
