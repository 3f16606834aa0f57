"""What a reader did, readable while it works: progress bars poll it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lsr.errors import InputError

KEPT_ERRORS = 5
KEPT_NAMES = 100


@dataclass(slots=True)
class ReadReport:
    """Counts of one pass over a source.

    read:         documents given out
    skipped:      records passed over because of ``on_error="skip"``
    first_errors: why, for the first few of them
    stopped_at:   the record that ended the pass, which ``on_error="skip"`` would have passed over
    absent:       metadata fields that were asked for and that no document given out has had
    seen:         metadata fields that documents had or could have had, while any was absent; the first few
    guessed:      what the reader took for granted about the fields, in words; empty if all were named
    bytes_total:  size of the source as it lies on disk (compressed, if it is); None for standard input
    """

    read: int = 0
    skipped: int = 0
    first_errors: list[InputError] = field(default_factory=list)
    stopped_at: InputError | None = None
    absent: tuple[str, ...] = ()
    seen: dict[str, None] = field(default_factory=dict)
    guessed: str = ""
    bytes_total: int | None = None
    _bytes_before: int = 0
    _position: Callable[[], int] | None = None

    @property
    def bytes_read(self) -> int:
        """How far into the source the reader is, in the unit of ``bytes_total``."""
        return self._bytes_before + (self._position() if self._position else 0)

    def skip(self, error: InputError) -> None:
        self.skipped += 1
        if len(self.first_errors) < KEPT_ERRORS:
            self.first_errors.append(error)

    def look_for_absent(self, metadata: Iterable[str], left: Iterable[str]) -> None:
        """A document is given out.

        metadata: the names it has; left: those that its record has besides id, title and text
        """
        had = set(metadata)
        self.absent = tuple(name for name in self.absent if name not in had)
        if len(self.seen) < KEPT_NAMES:
            self.seen.update(dict.fromkeys(left))

    def enter(self, position: Callable[[], int]) -> None:
        """A file is opened; ``position`` tells how much of it has been consumed."""
        self._position = position

    def leave(self) -> None:
        """The file that was entered is about to be closed."""
        self._bytes_before = self.bytes_read
        self._position = None
