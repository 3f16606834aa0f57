"""Ids by their hashes: sorted search against looking at every pair."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from lsr.indexer.ids import candidates, sorted_keys

hashes = st.lists(st.sampled_from([0, 1, 2, 3, 2**63, 2**64 - 1]), max_size=12)  # few, so that they collide


@given(have=hashes, wanted=hashes)
def test_candidates_are_all_pairs_of_equal_hashes(have, wanted):
    keys = sorted_keys(np.array(have, np.uint64))
    assert list(candidates(*keys, np.array(wanted, np.uint64))) == [
        (index, position)
        for index, hash_ in enumerate(wanted)
        for position, other in enumerate(have)
        if hash_ == other
    ]
