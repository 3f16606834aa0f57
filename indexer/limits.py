"""What a writer may hold, from the memory it is given."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_MEMORY = 1 << 30

# Shares of the memory given to a writer. A pending document is held once; its shard is written in pieces.
# Building a segment took 9 to 11 bytes of resident memory a non-zero, mapped files and lists together (4.6 to
# 32 million of them, one thread and two); 16 leaves room.
PENDING_SHARE = 0.2
LIST_BYTES_PER_NNZ = 16

# An interrupted build loses at most the work of this long.
CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class WriterLimits:
    """waiting_bytes: of documents held in memory before they go to disk
    waiting_seconds:  and for how long; infinity in a build that cannot be resumed
    segment_nonzeros: in the largest field of a segment
    """

    waiting_bytes: float
    waiting_seconds: float
    segment_nonzeros: int

    @classmethod
    def of(cls, memory: int, *, resumable: bool) -> WriterLimits:
        return cls(
            waiting_bytes=memory * PENDING_SHARE,
            waiting_seconds=CHECKPOINT_SECONDS if resumable else float("inf"),
            segment_nonzeros=max(memory // LIST_BYTES_PER_NNZ, 1),
        )

    @property
    def resumable(self) -> bool:
        return self.waiting_seconds < float("inf")
