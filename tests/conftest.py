"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# Examples are not timed: a busy machine would fail a test that is right.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
