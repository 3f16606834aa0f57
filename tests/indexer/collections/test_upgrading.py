"""How an upgrade of the format happens; tests/compat has real indexes of earlier versions and their answers."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from lsr.indexer import upgrading
from lsr.indexer.collection import Collection
from lsr.indexer.locking import WriterLock
from lsr.indexer.manifest import FORMAT, manifest_checksum
from lsr.indexer.storage import FileStorage
from lsr.indexer.upgrading import MIGRATIONS, upgrade
from lsr.indexer.verify import verify_index

from lsr.errors import (
    IndexCorruptError,
    IndexLockedError,
    IndexNotFoundError,
    IndexTooNewError,
    IndexTooOldError,
)

GOLDEN_0 = Path(__file__).parents[2] / "compat" / "index-0.zip"


@pytest.fixture
def old(tmp_path):
    with zipfile.ZipFile(GOLDEN_0) as archive:
        archive.extractall(tmp_path / "old")
    return tmp_path / "old"


def bytes_of(path):
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file() and p.name != "lock"}


def renumbered(path, version):
    body = json.loads((path / "manifest.json").read_text())
    body["format"] = version
    body["checksum"] = manifest_checksum(body)
    (path / "manifest.json").write_text(json.dumps(body))


def test_an_old_index_is_refused_with_the_way_out_then_upgraded(old):
    with pytest.raises(IndexTooOldError, match=r"index format 0, but .* Rewrite it with `lsr upgrade "):
        Collection.open(old)
    report = upgrade(old)
    assert (report.before, report.after, report.generation) == (0, FORMAT, 3)
    assert Collection.open(old).generation == 3
    assert verify_index(old, full=True).problems == []
    assert not (old / "building").exists()
    named = {entry.path for entry in Collection.open(old).manifest.files()}
    left = {p.relative_to(old).as_posix() for p in old.rglob("*") if p.is_file()}
    assert left == named | {"manifest.json", "lock"}


@pytest.mark.parametrize("place", ["/etc/hostname", "../../elsewhere", "segments/1/../../../elsewhere"])
def test_only_files_of_the_index_are_taken_over(old, place):
    """A path among the facts about an encoder is none of them, wherever it leads."""
    body = json.loads((old / "manifest.json").read_text())
    body["fields"][0]["encoder"]["table"] = {"path": place}
    body["checksum"] = manifest_checksum(body)
    (old / "manifest.json").write_text(json.dumps(body))
    upgrade(old)
    assert Collection.open(old).fields[0].encoder["table"] == {"path": place}
    assert verify_index(old, full=True).sound


def test_the_newest_format_is_left_alone(lab, doc):
    lab.create([doc("a", {0: 1.0}, "x")])
    before = bytes_of(lab.path)
    report = upgrade(lab.path)
    assert (report.before, report.after, report.generation) == (FORMAT, FORMAT, 1)
    assert bytes_of(lab.path) == before


def test_what_cannot_be_upgraded_says_why_and_stays(lab, doc, old):
    lab.create([doc("a", {0: 1.0}, "x")])
    renumbered(lab.path, FORMAT + 1)
    with pytest.raises(IndexTooNewError, match="Upgrade the package"):
        upgrade(lab.path)
    renumbered(lab.path, min(MIGRATIONS) - 1)
    with pytest.raises(IndexTooOldError, match="no way on from"):
        upgrade(lab.path)
    with pytest.raises(IndexNotFoundError):
        upgrade(lab.path.parent / "nowhere")
    lock = WriterLock(old)
    with pytest.raises(IndexLockedError, match="another process is writing"):
        upgrade(old)
    lock.release()


@pytest.mark.parametrize("at", [30, 200])
def test_damage_is_found_before_anything_is_replaced(old, at):
    file = max(old.glob("segments/*/*.weights.arr"))
    raw = bytearray(file.read_bytes())
    raw[min(at, len(raw) - 65)] ^= 4
    file.write_bytes(raw)
    before = bytes_of(old)
    with pytest.raises(IndexCorruptError, match=file.name):
        upgrade(old)
    assert {name: raw for name, raw in bytes_of(old).items() if name.parts[0] != "building"} == before


def test_migrations_run_one_after_the_other(lab, doc, monkeypatch):
    """From two versions below: a chain, each step in a folder of its own."""
    lab.create([doc("a", {0: 1.0}, "x y"), doc("b", {0: 2.0}, "x")])
    expected = lab.answer(lab.read(), {0: 1.0}, "x")
    renumbered(lab.path, FORMAT - 2)
    seen = []

    def step(storage, source, target):
        version = json.loads((source / "manifest.json").read_text())["format"]
        seen.append(version)
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("building", "lock"))
        renumbered(target, version + 1)

    monkeypatch.setattr(upgrading, "MIGRATIONS", {FORMAT - 2: step, FORMAT - 1: step})
    assert upgrade(lab.path).before == FORMAT - 2
    assert seen == [FORMAT - 2, FORMAT - 1]
    assert lab.answer(lab.read(), {0: 1.0}, "x") == expected


class Stopped(BaseException):
    """Nothing may catch it."""


class StoppingStorage(FileStorage):
    """Ends the process, as it were, at one step."""

    def __init__(self, at):
        self.at, self.steps = at, 0

    def __getattribute__(self, name):
        if name in ("make_folder", "create", "rename", "link", "sync_folder", "remove"):
            self.steps += 1
            if self.steps == self.at:
                raise Stopped
        return super().__getattribute__(name)


def test_whenever_it_stops_the_old_index_or_the_new_one_is_there(old, tmp_path):
    total = StoppingStorage(0)
    shutil.copytree(old, tmp_path / "base")
    upgrade(old, storage=total)
    for at in range(1, total.steps, 17):
        shutil.rmtree(old)
        shutil.copytree(tmp_path / "base", old)
        with pytest.raises(Stopped):
            upgrade(old, storage=StoppingStorage(at))
        upgrade(old)
        assert verify_index(old, full=True, samples=1).problems == [], at
