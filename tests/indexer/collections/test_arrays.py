from __future__ import annotations

import errno
import os

import numpy as np
import pytest
from lsr.indexer.arrays import ArrayWriter, check_array, open_array, write_array
from lsr.indexer.storage import FileStorage, explained

from lsr.errors import IndexCorruptError, IndexFormatError, IndexReadOnlyError, ResourceError

DTYPES = ("u1", "u2", "u4", "u8", "i8", "f2", "f4", "f8")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [0, 1, 1000, 100_000])
@pytest.mark.parametrize("load", ["map", "memory"])
def test_arrays_come_back(tmp_path, dtype, count, load):
    values = (np.arange(count) % 251).astype(dtype)
    checksum = write_array(FileStorage(), tmp_path / "x.arr", values)
    back = open_array(tmp_path / "x.arr", load=load)
    assert back.dtype == np.dtype(dtype)
    assert np.array_equal(back, values)
    assert not back.flags.writeable
    assert check_array(tmp_path / "x.arr") == checksum
    assert (tmp_path / "x.arr").read_bytes()[-64:] == bytes(64)


def test_pieces_make_one_array(tmp_path):
    writer = ArrayWriter(FileStorage(), tmp_path / "x.arr", np.uint32)
    for piece in ([1, 2], [], [3]):
        writer.append(np.array(piece, np.int64))
    writer.close()
    assert open_array(tmp_path / "x.arr").tolist() == [1, 2, 3]


def test_a_mapped_array_outlives_its_file(tmp_path):
    values = np.arange(100_000)
    write_array(FileStorage(), tmp_path / "x.arr", values)
    mapped = open_array(tmp_path / "x.arr")
    (tmp_path / "x.arr").unlink()
    assert np.array_equal(mapped, values)


def test_every_flipped_bit_is_found(tmp_path):
    path = tmp_path / "x.arr"
    write_array(FileStorage(), path, np.array([1, 2, 3], np.uint16))
    good = path.read_bytes()
    for at in range(len(good) * 8):
        raw = bytearray(good)
        raw[at // 8] ^= 1 << at % 8
        path.write_bytes(raw)
        with pytest.raises(IndexFormatError, match=r"x\.arr: "):
            check_array(path)


@pytest.mark.parametrize("size", [0, 10, 63, 64, 128, 133])
def test_a_truncated_file_is_not_opened(tmp_path, size):
    path = tmp_path / "x.arr"
    write_array(FileStorage(), path, np.array([1, 2, 3], np.uint16))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(IndexCorruptError, match=r"x\.arr: .*restore the index from a snapshot"):
        open_array(path)


@pytest.mark.parametrize(
    ("number", "error", "message"),
    [
        (errno.ENOSPC, ResourceError, "keeps its last committed state; free some space"),
        (errno.EDQUOT, ResourceError, "free some space"),
        (errno.EFBIG, ResourceError, "test_what.*limit on the size of files"),
        (errno.EROFS, IndexReadOnlyError, "cannot write here"),
        (errno.EACCES, IndexReadOnlyError, "change its permissions"),
        (errno.EMFILE, ResourceError, "limit on open files"),
    ],
)
def test_what_the_system_refuses_is_told_in_words(tmp_path, number, error, message):
    with pytest.raises(error, match=message), explained(tmp_path):
        raise OSError(number, os.strerror(number))


def test_other_refusals_stay_what_they_are(tmp_path):
    with pytest.raises(OSError, match="Input/output"), explained(tmp_path):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
