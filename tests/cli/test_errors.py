"""One message, the right status, and an index that stays as it was."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lsr.cli import errors, main
from lsr.cli.app import app

RunLsr = Callable[..., Any]
TreeBytes = Callable[[Path], dict[str, bytes]]

GOOD = '{"_id": "%d", "text": "fine"}'


def one_message(outcome: Any) -> str:
    """The error line; there must be exactly one, and no traceback."""
    assert outcome.status == 2
    assert "Traceback" not in outcome.err
    lines = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return str(lines[0])


SOURCES = {
    "invalid JSON at line 7": ([*(GOOD % at for at in range(6)), "{oops"], "docs.jsonl:7: "),
    "no text": (['{"_id": "a", "title": "only"}'], "docs.jsonl:1: "),
    "duplicate ids": ([GOOD % 1, GOOD % 2, GOOD % 1], "docs.jsonl:3: "),
    "nothing": ([], "no documents"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_sources_that_cannot_be_indexed(
    lsr: RunLsr, index: Path, write_lines: Callable[..., Path], tree_bytes: TreeBytes, name: str
) -> None:
    lines, says = SOURCES[name]
    before = tree_bytes(index)
    outcome = lsr("index", write_lines(lines), "-o", index, "--model", "bm25", "--overwrite")

    assert says in one_message(outcome)
    assert tree_bytes(index) == before


def test_invalid_utf8(lsr: RunLsr, index: Path, tmp_path: Path, tree_bytes: TreeBytes) -> None:
    source = tmp_path / "latin.jsonl"
    source.write_bytes(b'{"_id": "1", "text": "fine"}\n{"_id": "2", "text": "caf\xe9"}\n')
    before = tree_bytes(index)
    message = one_message(lsr("index", source, "-o", index, "--model", "bm25", "--overwrite"))

    assert "latin.jsonl:2: " in message
    assert "`iconv -f LATIN1 -t UTF-8`" in message
    assert tree_bytes(index) == before


def test_a_file_in_utf16_is_told_as_such(lsr: RunLsr, tmp_path: Path) -> None:
    source = tmp_path / "wide.jsonl"
    source.write_text('{"_id": "1", "text": "fine"}\n', encoding="utf-16")

    assert "`iconv -f UTF-16 -t UTF-8`" in one_message(lsr("index", source, "-o", tmp_path / "i"))


def test_a_broken_source_leaves_no_half_index(
    lsr: RunLsr, write_lines: Callable[..., Path], tmp_path: Path
) -> None:
    one_message(lsr("index", write_lines(["{oops"]), "-o", tmp_path / "new", "--model", "bm25"))

    assert not (tmp_path / "new").exists()


def test_a_missing_file(lsr: RunLsr, tmp_path: Path) -> None:
    message = one_message(lsr("index", tmp_path / "nowhere.jsonl", "-o", tmp_path / "i", "--model", "bm25"))

    assert "nowhere.jsonl" in message
    assert not (tmp_path / "i").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--k", "0"), "k must be 1 to"),
        (("--offset", "-1"), "offset must be 0 to"),
        (("--fields", "bm25=nan"), "finite number above 0"),
        (("--fields", "bm25=-1"), "finite number above 0"),
        (("--fields", "bm52"), "did you mean 'bm25'"),
        (("--fields", "bm25=much"), "NAME=WEIGHT"),
        (("--fields", "bm25,bm25"), "twice"),
    ],
)
def test_searches_that_make_no_sense(lsr: RunLsr, index: Path, arguments: tuple[str, ...], says: str) -> None:
    assert says in one_message(lsr("search", index, "read", *arguments))


def test_no_index_there(lsr: RunLsr, tmp_path: Path) -> None:
    assert "no index here" in one_message(lsr("search", tmp_path / "nothing", "x"))
    assert "not an index" in one_message(lsr("info", _with_file(tmp_path / "folder")))


def test_an_index_of_another_format(lsr: RunLsr, index: Path) -> None:
    manifest = json.loads((index / "manifest.json").read_text())
    (index / "manifest.json").write_text(json.dumps({**manifest, "format": 999}))

    message = one_message(lsr("search", index, "read"))
    assert "999" in message
    assert "Upgrade" in message


def test_a_manifest_cut_short(lsr: RunLsr, index: Path) -> None:
    text = (index / "manifest.json").read_text()
    (index / "manifest.json").write_text(text[: len(text) // 2])

    assert "manifest.json" in one_message(lsr("search", index, "read"))


def test_another_model_than_the_indexs(
    lsr: RunLsr, documents: Path, tmp_path: Path, hand_encoder: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str, **_: object) -> Any:
        return hand_encoder(identity=name)

    monkeypatch.setattr("lsr.encoders.loading.load_encoder", load)
    built = lsr("index", documents, "-o", tmp_path / "i", "--model", "first", "--fields", "learned,bm25")
    assert built.status == 0, built.err

    message = one_message(lsr("search", tmp_path / "i", "read", "--model", "second"))
    assert "by-hand" in message
    assert "index the documents again" in message


def test_a_model_for_an_index_that_has_none(lsr: RunLsr, index: Path) -> None:
    for option in ("--model", "--queries"):
        message = one_message(lsr("search", index, "read", option, "splade-tiny"))
        assert "indexed without a model" in message


@pytest.mark.parametrize("name", ["nowhere", "./nowhere", "../nowhere", "/nowhere", "a/b/c", "own--er/nowhere"])
def test_a_model_that_is_not_there(lsr: RunLsr, documents: Path, tmp_path: Path, name: str) -> None:
    message = one_message(lsr("index", documents, "-o", tmp_path / "i", "--model", name))

    assert message.startswith(f"error: {name}: no such folder")
    assert not (tmp_path / "i").exists()


def test_a_model_without_measured_weights_gets_its_own_field_and_says_so(
    lsr: RunLsr, documents: Path, tmp_path: Path, hand_encoder: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsr.encoders.loading.load_encoder", lambda *_, **__: hand_encoder())
    built = lsr("index", documents, "-o", tmp_path / "i", "--model", "mine")

    assert "no measured weights" in built.err
    assert "searches sum learned × 1" in built.out


def test_an_unknown_option_and_an_unknown_command(lsr: RunLsr, index: Path) -> None:
    for arguments in (("search", index, "x", "--explian"), ("serch", index), ("search",)):
        outcome = lsr(*arguments)
        assert outcome.status == 2
        assert "Traceback" not in outcome.err


def test_a_port_that_is_taken(lsr: RunLsr, index: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        message = one_message(lsr("serve", index, "--port", taken.getsockname()[1]))

    assert "--port" in message


def test_sizes_that_are_none(lsr: RunLsr, documents: Path, tmp_path: Path) -> None:
    message = one_message(lsr("index", documents, "-o", tmp_path / "i", "--memory", "lots"))

    assert "512M" in message


def test_fields_an_index_cannot_have(lsr: RunLsr, documents: Path, tmp_path: Path) -> None:
    arguments = ("index", documents, "-o", tmp_path / "i", "--model", "bm25", "--fields", "learned")

    assert "bm25" in one_message(lsr(*arguments))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(lsr: RunLsr, documents: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)

    outcome = lsr("index", documents, "-o", tmp_path / "locked" / "i", "--model", "bm25")
    assert "may write" in one_message(outcome)


def test_a_full_disk_says_what_to_do(
    lsr: RunLsr, monkeypatch: pytest.MonkeyPatch, documents: Path, tmp_path: Path
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "some/file")

    monkeypatch.setattr("lsr.indexing.index_documents", full)
    message = one_message(lsr("index", documents, "-o", tmp_path / "i", "--model", "bm25"))

    assert "some/file" in message
    assert "Free some space" in message


def test_a_fault_of_ours_is_status_1_with_a_file_to_report(
    lsr: RunLsr, monkeypatch: pytest.MonkeyPatch, index: Path
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a slip")

    monkeypatch.setattr("lsr.describing.describe", broken)
    outcome = lsr("info", index)

    assert outcome.status == 1
    assert "Traceback" not in outcome.err
    assert "a slip" in outcome.err
    report = next(word for word in outcome.err.split() if "lsr-fault-" in word)
    assert "RuntimeError: a slip" in Path(report).read_text()
    Path(report).unlink()


def test_an_interruption_is_status_130(monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lsr.describing.describe", interrupted)
    assert errors.run(app, ["info", str(index)]) == 130


def test_an_interruption_while_the_program_is_loaded_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unloadable:
        def __getattr__(self, _: str) -> Any:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "lsr.cli.app", Unloadable())
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 130


def _with_file(folder: Path) -> Path:
    folder.mkdir()
    (folder / "notes.txt").write_text("not an index")
    return folder


def test_files_that_cannot_be_written_are_named_before_the_work(
    lsr: RunLsr, documents: Path, tmp_path: Path
) -> None:
    absent, pipe = tmp_path / "absent" / "file", tmp_path / "pipe"
    os.mkfifo(pipe)
    nothing = ("--model", "no such model")
    for arguments in (("encode", documents, *nothing, "-o"), ("idf", documents, *nothing, "-o")):
        assert f"there is no folder {absent.parent}" in one_message(lsr(*arguments, absent))
        assert "is a folder; name a file" in one_message(lsr(*arguments, tmp_path))
        assert "is a device or a pipe; name a file" in one_message(lsr(*arguments, pipe))
    assert "or add --shards" in one_message(lsr("encode", documents, *nothing, "-o", tmp_path))
    assert "--report: " in one_message(lsr("eval", tmp_path, "--report", absent))
    shards = lsr("encode", documents, *nothing, "--shards", "-o", documents)
    assert f"{documents} is a file; name a folder" in one_message(shards)


def test_what_is_something_else_than_asked_for_is_told_as_such(
    lsr: RunLsr, documents: Path, tmp_path: Path
) -> None:
    assert "a file; name the BEIR folder" in one_message(lsr("eval", documents))

    imported = one_message(lsr("import", documents, "-o", tmp_path / "i"))
    assert "`lsr index` takes texts" in imported
    assert "`--format` names another form" in imported


def test_settings_of_a_server_that_make_no_sense(
    lsr: RunLsr, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--max-body: Input should be greater" in one_message(lsr("serve", index, "--max-body", "10"))
    monkeypatch.setenv("LSR_SERVER_MAX_K", "many")
    assert "LSR_SERVER_MAX_K: Input should be a valid integer" in one_message(lsr("serve", index))


def test_an_instruction_set_that_is_none(index: Path) -> None:
    """In a process of its own: the set is chosen once."""
    done = subprocess.run(
        [sys.executable, "-m", "lsr.cli", "search", str(index), "read"],
        env={**os.environ, "LSR_ISA": "abacus"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: LSR_ISA names the unknown instruction set 'abacus'")
