"""The table of a segment's documents: filled from memory and from other tables, never from damaged ones."""

from __future__ import annotations

import resource
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsr.indexer.columns import DocumentColumns
from lsr.indexer.documents import DocumentRow, DocumentTable
from lsr.indexer.storage import FileStorage
from lsr.indexer.tables import new_table

from lsr.errors import IndexCorruptError, ResourceError

texts = st.text("aé\0\n'%", max_size=3)
rows = st.lists(st.builds(DocumentRow, texts, texts, texts, texts), max_size=6)


def write(path, documents):
    with new_table(FileStorage(), path) as table:
        table.append(DocumentColumns.of_rows(documents))
    return path


@given(parts=st.lists(st.tuples(rows, st.booleans()), max_size=5))
@settings(max_examples=60, deadline=None)
def test_a_table_holds_what_was_appended_in_that_order(parts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("a place %20? #")  # signs that mean something in an address
    with new_table(FileStorage(), folder / "whole.sqlite") as table:
        for at, (documents, from_table) in enumerate(parts):
            if from_table:
                table.append_table(write(folder / f"{at}.sqlite", documents), len(documents))
            else:
                table.append(DocumentColumns.of_rows(documents))
    expected = [row for documents, _ in parts for row in documents]
    assert table.n_documents == len(expected)
    read = DocumentTable(folder / "whole.sqlite", len(expected))
    assert list(read.rows()) == expected
    assert [each for part in read.metadata() for each in part] == [row.metadata for row in expected]
    assert read.check() == []
    assert not list(folder.glob("*.scratch"))


DAMAGE = {
    "a document is missing": "DELETE FROM documents WHERE position = 1",
    "two are missing": "DELETE FROM documents WHERE position < 2",
    "one lies outside": "UPDATE documents SET position = -1 WHERE position = 2",
    "a column is no text": "UPDATE documents SET title = x'00' WHERE position = 1",
    "a column is missing": "ALTER TABLE documents DROP COLUMN text",
    "the table is missing": "ALTER TABLE documents RENAME TO others",
    "two at one position": "ALTER TABLE documents RENAME TO others; CREATE VIEW documents AS"
    " SELECT 1 AS position, id, title, text, metadata FROM others",
}


@pytest.mark.parametrize("statements", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_table_is_not_copied(tmp_path, statements):
    source = write(tmp_path / "source.sqlite", [DocumentRow(f"d{at}", "", "", "{}") for at in range(3)])
    connection = sqlite3.connect(source)
    connection.executescript(statements)
    connection.close()
    require_refused(tmp_path, source)


@pytest.mark.parametrize("cut", ["everywhere", "to half its pages", "away"])
def test_a_broken_file_is_not_copied(tmp_path, cut):
    documents = [DocumentRow(f"d{at}", "t" * 90, "", "{}") for at in range(300)]
    source = write(tmp_path / "source.sqlite", documents)
    whole = source.read_bytes()
    if cut == "away":
        source.unlink()
    else:
        source.write_bytes(b"\x55" * len(whole) if cut == "everywhere" else whole[: len(whole) // 8192 * 4096])
    require_refused(tmp_path, source, n_documents=300)


def require_refused(folder, source, n_documents=3):
    with (
        pytest.raises(IndexCorruptError, match=r"source\.sqlite: the documents cannot be read"),
        new_table(FileStorage(), folder / "target.sqlite") as table,
    ):
        table.append(DocumentColumns.of_rows([DocumentRow("before", "", "", "{}")]))
        table.append_table(source, n_documents)
    assert not (folder / "target.sqlite").exists()


@pytest.mark.parametrize("copied", [True, False])
def test_a_disk_that_takes_no_more_is_no_damage(tmp_path, copied):
    """A limit on the size of files stands for it; SQLite gets the same answer to a write."""
    documents = [DocumentRow(f"d{at}", "t" * 3000, "", "{}") for at in range(2000)]  # more than SQLite keeps
    source = write(tmp_path / "source.sqlite", documents)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
        with (
            pytest.raises(ResourceError, match=r"target\.sqlite: the documents cannot be written"),
            new_table(FileStorage(), tmp_path / "target.sqlite") as table,
        ):
            if copied:
                table.append_table(source, len(documents))
            else:
                table.append(DocumentColumns.of_rows(documents))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "target.sqlite").exists()
