"""The memory of a build, from what determines it; tests/slow compares a forecast with a whole build."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from lsr.indexer.limits import WriterLimits

from lsr.growth import Seen, growth

# A thousand documents of 100 bytes of text, 100 and 20 non-zeros.
SEEN = Seen(
    documents=1000,
    text_bytes=100_000,
    nonzeros={"learned": 100_000, "bm25": 20_000},
    stored_bytes={"learned": 10.0, "bm25": 14.0},
    terms=0,
    seconds=10.0,
)
HELD = 100 + 250 + 8 * 120  # a document that waits
ONCE = WriterLimits.of(1 << 30, resumable=False)
RESUMABLE = WriterLimits.of(1 << 30, resumable=True)


def test_a_small_build_holds_its_documents_and_builds_the_largest_field():
    assert growth(SEEN, 10_000, 100.0, ONCE) == 10_000 * (HELD + 100 * 10)


def test_joined_batches_count_where_the_files_are_smaller():
    reduced = replace(SEEN, stored_bytes={"learned": 7.0, "bm25": 14.0})
    assert growth(reduced, 10_000, 100.0, ONCE) == 10_000 * (HELD + 100 * 8)


def test_a_resumable_build_holds_what_a_minute_brings():
    waiting, joined = 60 * 100, 100 * 8
    assert growth(SEEN, 5000, 100.0, RESUMABLE) == 5000 * (HELD + joined)  # while all of it goes to disk
    assert growth(SEEN, 9000, 100.0, RESUMABLE) == waiting * joined + 9000 * 100 * 10  # while lists are built


@pytest.mark.parametrize("resumable", [False, True])
def test_the_memory_given_bounds_a_build_of_any_size(resumable):
    limits = WriterLimits.of(100_000_000, resumable=resumable)
    most = growth(SEEN, math.inf, 1e9, limits)
    assert most == growth(SEEN, 10**9, 1e9, limits)
    assert 50_000_000 < most < 110_000_000


def test_a_vocabulary_grows_more_slowly_than_the_documents():
    counted = replace(SEEN, terms=5000)
    more = growth(counted, 100_000, 100.0, ONCE) - growth(SEEN, 100_000, 100.0, ONCE)
    assert more == pytest.approx(300 * 5000 * (100**0.58 - 1))
    assert growth(counted, math.inf, 100.0, ONCE) == growth(SEEN, math.inf, 100.0, ONCE)
