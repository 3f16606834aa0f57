"""Indexes of earlier formats: opened or upgraded, checked and searched, with the answers of their day."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from lsr.indexer.collection import Collection
from lsr.indexer.documents import DocumentInput
from lsr.indexer.manifest import FORMAT, OLDEST_FORMAT
from lsr.indexer.upgrading import MIGRATIONS, upgrade
from lsr.indexer.verify import verify_index
from lsr.indexer.writer import CollectionWriter

from lsr.vectors import SparseVectors, TermCounts

HERE = Path(__file__).parent


@pytest.fixture
def golden() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_golden", HERE / "make_golden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unpacked(version: int, folder: Path) -> Path:
    with zipfile.ZipFile(HERE / f"index-{version}.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(params=range(min(MIGRATIONS), FORMAT + 1))
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Of every version; one that is not read any more is upgraded first."""
    folder = unpacked(request.param, tmp_path / "index")
    if request.param < OLDEST_FORMAT:
        assert upgrade(folder).after == FORMAT
    return folder


def expected_of(index: Path) -> list[object]:
    """All versions hold the same documents; version 0 was not released and has no answers of its own."""
    version = json.loads((index / "manifest.json").read_text())["format"]
    answers: list[object] = json.loads((HERE / f"index-{version}.json").read_text())
    return answers


def test_answers_are_those_of_the_release_that_wrote_it(index: Path, golden: ModuleType) -> None:
    assert verify_index(index, full=True).problems == []
    answers = json.loads(json.dumps(golden.answers(Collection.open(index))))
    assert answers == expected_of(index)
    assert any(answer["hits"] for answer in answers)


def test_it_can_be_changed_and_merged(index: Path, golden: ModuleType) -> None:
    with CollectionWriter.open(index) as writer:
        before = golden.answers(Collection.open(index))
        bags = [writer.vocabulary("counted").ids_adding(["later"])]
        vectors = SparseVectors.empty(1, len(golden.TERMS))
        writer.add(
            [DocumentInput("late")],
            {**dict.fromkeys(golden.STORAGES, vectors), "counted": TermCounts.from_bags(bags)},
        )
        writer.commit()
        writer.delete(["late"])
        writer.commit()
        writer.merge()
    assert golden.answers(Collection.open(index)) == before
    assert verify_index(index, full=True).problems == []


def test_what_is_written_today_answers_the_same(index: Path, golden: ModuleType, tmp_path: Path) -> None:
    golden.write(tmp_path / "today")
    answers = golden.answers(Collection.open(tmp_path / "today"))
    assert json.loads(json.dumps(answers)) == expected_of(index)
