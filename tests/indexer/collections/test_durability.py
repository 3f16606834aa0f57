"""Whatever stops a writer, every acknowledged commit is found again and nothing half-done is.

``FaultyStorage`` counts the steps by which an index changes on disk and fails at a chosen one. After a
simulated power cut it also takes back what was not yet synced: contents of files, names in folders, renames
and removals.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from lsr.indexer.aliases import point
from lsr.indexer.manifest import read_manifest
from lsr.indexer.snapshots import restore, snapshot
from lsr.indexer.storage import FileStorage, explained
from lsr.indexer.verify import verify_index
from lsr.indexer.writer import CollectionWriter

from lsr.errors import IndexNotFoundError, IndexReadOnlyError, ResourceError

QUERY = {term: 0.5 + term for term in range(12)}
CUTS = ("stop", "lose", "tear")
REFUSALS = {"full": errno.ENOSPC, "read-only": errno.EROFS}


class PowerCutError(BaseException):
    """Nothing runs after this, so nothing may catch it."""


class FaultyStorage(FileStorage):
    """Fails at step ``fail_at`` in the manner of ``fault``, and at every step after it.

    stop: the process ends, everything it did is kept
    lose: what was not synced is gone
    tear: unsynced files keep half of their bytes
    full, read-only: the system refuses whatever needs space, or any change at all
    ctrl-c: interrupted there, once.
    """

    def __init__(self, root: Path, fault: str = "stop", fail_at: int | None = None) -> None:
        self.root = root
        self.trash = Path(tempfile.mkdtemp(prefix="trash", dir=root.parent))
        self.fault = fault
        self.fail_at = fail_at
        self.steps = 0
        self.unsynced_files: set[Path] = set()
        self.undo: list[tuple[Path, object]] = []  # (folder whose sync makes it final, how to take it back)

    def step(self, path: Path, *, needs_space: bool = True) -> None:
        self.steps += 1
        if self.fail_at is None or self.steps < self.fail_at:
            return
        if self.fault == "ctrl-c":
            if self.steps == self.fail_at:
                raise KeyboardInterrupt
            return
        if self.fault in CUTS:
            raise PowerCutError
        if needs_space or self.fault == "read-only":
            with explained(path):
                raise OSError(REFUSALS[self.fault], os.strerror(REFUSALS[self.fault]))

    def make_folder(self, path):
        self.step(path)
        missing = [p for p in [path, *path.parents] if not p.exists()]
        super().make_folder(path)
        for folder in missing:
            self.undo.append((folder.parent, lambda folder=folder: shutil.rmtree(folder, ignore_errors=True)))

    def create(self, path):
        self.step(path)
        self.unsynced_files.add(path)
        self.undo.append((path.parent, lambda: path.unlink(missing_ok=True)))
        return FaultyFile(self, super().create(path), path)

    def adopt(self, source, target):
        self.step(target)
        super().adopt(source, target)
        self.undo.append((target.parent, lambda: target.unlink(missing_ok=True)))

    def rename(self, source, target):
        self.step(target)
        before = target.read_bytes() if target.exists() else None
        super().rename(source, target)

        def back() -> None:
            if before is None:
                target.unlink(missing_ok=True)
            else:
                target.write_bytes(before)

        self.undo.append((target.parent, back))

    def link(self, source, target):
        self.step(target)
        super().link(source, target)
        self.undo.append((target.parent, lambda: target.unlink(missing_ok=True)))

    def point(self, alias, target):
        self.step(alias)
        before = alias.readlink() if alias.is_symlink() else None
        super().point(alias, target)

        def back() -> None:
            alias.unlink(missing_ok=True)
            if before is not None:
                alias.symlink_to(before)

        self.undo.append((alias.parent, back))

    def sync_folder(self, path):
        self.step(path, needs_space=False)
        self.undo = [(folder, back) for folder, back in self.undo if folder != path]

    def remove(self, path):
        self.step(path, needs_space=False)
        if not path.exists():
            return
        kept = self.trash / str(self.steps)
        path.rename(kept)
        self.undo.append((path.parent, lambda: path.exists() or (path.parent.exists() and kept.rename(path))))

    def cut_power(self) -> None:
        """What the disk holds after the power came back."""
        if self.fault == "tear":
            for path in self.unsynced_files:
                if path.exists():
                    os.truncate(path, path.stat().st_size // 2)
        elif self.fault == "lose":
            for path in self.unsynced_files:
                if path.exists():
                    os.truncate(path, 0)
            for _, back in reversed(self.undo):
                back()
        shutil.rmtree(self.trash, ignore_errors=True)


class FaultyFile:
    def __init__(self, storage, file, path):
        self.storage, self.file, self.path = storage, file, path

    def write(self, data):
        self.storage.step(self.path)
        self.file.write(data)

    def write_at(self, offset, data):
        self.storage.step(self.path)
        self.file.write_at(offset, data)

    def close(self):
        self.storage.step(self.path)
        self.file.close()
        self.storage.unsynced_files.discard(self.path)


def docs_of(doc, ids, weight):
    return [
        doc(f"d{at}", {at % 12: weight + at, (at + 5) % 12: 0.25}, f"w{at % 5} common", {"weight": weight})
        for at in ids
    ]


def history(lab, doc, storage, states):
    """Adds, replacements, deletions, merges; appends each acknowledged state of ids and weights to
    ``states``.
    """
    with lab.open(storage=storage) as writer:
        current = dict(states[-1])

        def acknowledged():
            states.append(dict(current))

        for ids, weight, deleted in (((3, 40, 41), 2.0, [5, 6]), ((42, 3), 3.0, [40]), ((50, 51), 1.0, [])):
            lab.add(writer, docs_of(doc, ids[:1], weight))
            writer.checkpoint()
            lab.add(writer, docs_of(doc, ids[1:], weight))
            writer.delete([f"d{at}" for at in deleted])
            following = {k: v for k, v in current.items() if k not in {f"d{at}" for at in deleted}}
            following |= {f"d{at}": weight for at in ids}
            states.append({"coming": following})
            writer.commit()
            states.pop()
            current = following
            acknowledged()
        writer.merge()
        acknowledged()
        writer.merge(full=True)
        acknowledged()


def found(lab):
    """What each document was last written with; its vector says the same."""
    collection = lab.read()
    result = {}
    for document in collection.all_documents():
        at, weight = int(document.id[1:]), document.metadata["weight"]
        _, weights = collection.vector(document.number, "learned")
        assert weight + at in weights
        result[document.id] = weight
    return result


@pytest.fixture
def base(lab, doc, tmp_path):
    lab.create(docs_of(doc, range(20), 1.0))
    shutil.copytree(lab.path, tmp_path / "base")
    return lab


def n_steps(lab, doc):
    storage = FaultyStorage(lab.path)
    history(lab, doc, storage, [{f"d{at}": 1.0 for at in range(20)}])
    return storage.steps


def fail_once(lab, doc, tmp_path, fault, fail_at):
    """One failure; then the index must be an acknowledged state, sound, and writable again."""
    shutil.rmtree(lab.path)
    shutil.copytree(tmp_path / "base", lab.path)
    storage = FaultyStorage(lab.path, fault, fail_at)
    states = [{f"d{at}": 1.0 for at in range(20)}]
    try:
        history(lab, doc, storage, states)
    except PowerCutError:
        storage.cut_power()
    except (ResourceError, IndexReadOnlyError):
        pass  # said in the user's words
    coming = states.pop()["coming"] if "coming" in states[-1] else None
    weights = found(lab)
    assert weights in [states[-1], coming], (fault, fail_at)
    report = verify_index(lab.path, full=True, samples=2)
    assert report.problems == [], (fault, fail_at, report.problems)
    with lab.open() as writer:
        lab.add(writer, docs_of(doc, [60], 1.0))
        writer.commit()
    assert found(lab) == weights | {"d60": 1.0}
    named = {entry.path for entry in read_manifest(lab.path).files()} | {"manifest.json", "lock"}
    left = {p.relative_to(lab.path).as_posix() for p in lab.path.rglob("*") if p.is_file()}
    assert left == named, (fault, fail_at)


@pytest.mark.parametrize("fault", [*CUTS, *REFUSALS])
def test_a_failure_at_some_step_loses_nothing(base, doc, tmp_path, fault):
    total = n_steps(base, doc)
    for fail_at in random.Random(fault).sample(range(1, total), 6):
        fail_once(base, doc, tmp_path, fault, fail_at)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [*CUTS, *REFUSALS])
def test_a_failure_at_any_step_loses_nothing(base, doc, tmp_path, fault):
    points = range(1, n_steps(base, doc) + 1, 6)
    assert len(points) >= 200  # during adds, commits, merges and swaps of the manifest
    for fail_at in points:
        fail_once(base, doc, tmp_path, fault, fail_at)


def test_folders_made_for_an_index_are_as_durable_as_it(make_lab, doc, tmp_path):
    """Their names have to be synced, too."""
    lab, kept, again = (
        make_lab(tmp_path / place) for place in ("new/folders/a", "snap/shots/a", "re/stored/a")
    )
    storage = FaultyStorage(tmp_path / "any", "lose")
    lab.create(docs_of(doc, range(3), 1.0), storage=storage)
    snapshot(lab.path, kept.path, storage=storage)
    restore(kept.path, again.path, storage=storage)
    storage.cut_power()
    assert found(lab) == found(kept) == found(again) == {"d0": 1.0, "d1": 1.0, "d2": 1.0}


@pytest.mark.parametrize("first_time", [True, False])
@pytest.mark.parametrize("fault", [*CUTS, *REFUSALS])
def test_an_alias_names_an_index_whatever_stops_its_swap(make_lab, doc, tmp_path, fault, first_time):
    old, new, alias = make_lab(tmp_path / "old"), make_lab(tmp_path / "new"), tmp_path / "live"
    for lab in (old, new):
        lab.create(docs_of(doc, range(3), 1.0))
    swap = FaultyStorage(tmp_path / "any")
    point(alias, new.path, storage=swap)
    assert swap.steps > 1
    for fail_at in range(1, swap.steps + 2):
        alias.unlink()
        if not first_time:
            point(alias, old.path)
        storage = FaultyStorage(tmp_path / "any", fault, fail_at)
        acknowledged = False
        with contextlib.suppress(
            PowerCutError if fault in CUTS else ResourceError if fault == "full" else IndexReadOnlyError
        ):
            point(alias, new.path, storage=storage)
            acknowledged = True
        assert acknowledged or fail_at <= swap.steps
        if fault in CUTS:
            storage.cut_power()
        named = alias.resolve() if alias.is_symlink() else None
        assert named in ([new.path] if acknowledged else [new.path, None if first_time else old.path])
        point(alias, new.path)  # nothing is in the way of the next try


def build(lab, doc, storage, *, resume):
    with CollectionWriter.create(
        lab.path, lab.fields(), source={"path": "x"}, resume=resume, storage=storage
    ) as writer:
        for start in range(writer.records_done, 20, 5):
            lab.add(writer, docs_of(doc, range(start, start + 5), 1.0))
            writer.checkpoint()
        writer.commit()


def fail_build(lab, doc, fault, fail_at):
    shutil.rmtree(lab.path, ignore_errors=True)
    storage = FaultyStorage(lab.path, fault, fail_at)
    try:
        build(lab, doc, storage, resume=False)
    except PowerCutError:
        storage.cut_power()
    except (ResourceError, IndexReadOnlyError, KeyboardInterrupt):
        pass  # said in the user's words
    try:
        lab.read()
    except IndexNotFoundError:
        build(lab, doc, FileStorage(), resume=True)
    assert found(lab) == {f"d{at}": 1.0 for at in range(20)}
    assert verify_index(lab.path, full=True, samples=2).sound


@pytest.mark.parametrize("fault", [*CUTS, *REFUSALS, "ctrl-c"])
def test_a_build_that_fails_at_some_step_resumes(lab, doc, fault):
    storage = FaultyStorage(lab.path)
    build(lab, doc, storage, resume=False)
    for fail_at in random.Random(fault).sample(range(1, storage.steps), 5):
        fail_build(lab, doc, fault, fail_at)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [*CUTS, *REFUSALS, "ctrl-c"])
def test_a_build_that_fails_at_any_step_resumes(lab, doc, fault):
    storage = FaultyStorage(lab.path)
    build(lab, doc, storage, resume=False)
    for fail_at in range(1, storage.steps + 1, 4):
        fail_build(lab, doc, fault, fail_at)


COMMITTER = """
import sys
from lsr.indexer.documents import DocumentInput
from lsr.indexer.fields import FieldSpec
from lsr.indexer.writer import CollectionWriter
from lsr.vectors import SparseVectors

with CollectionWriter.open(sys.argv[1]) as writer:
    for at in range(10_000):
        rows = SparseVectors.from_id_dicts([{at % 12: 1.0 + at}], 12)
        writer.add([DocumentInput(f"k{at}")], {"learned": rows})
        writer.commit()
        print(at, flush=True)
        if at % 4 == 3:
            writer.merge(full=at % 8 == 7)
"""


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.5, 0.9, 1.4])
def test_a_killed_process_loses_nothing_acknowledged(lab, seconds):
    with CollectionWriter.create(lab.path, lab.fields()[:1]) as writer:
        writer.commit()
    process = subprocess.Popen(
        [sys.executable, "-c", COMMITTER, str(lab.path)], stdout=subprocess.PIPE, text=True
    )
    first = process.stdout.readline()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    acknowledged = [int(line) for line in [first, *process.stdout.read().split()]]
    process.wait()
    collection = lab.read()
    ids = [document.id for document in collection.all_documents()]
    assert ids[: len(acknowledged)] == [f"k{at}" for at in acknowledged]
    assert len(ids) - len(acknowledged) in (0, 1)  # committed, but killed before it could say so
    assert verify_index(lab.path, full=True).sound
    lab.open().close()
