"""Which positions of a text are pooled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lsr.encoders.composition import PositionsName
from lsr.encoders.tokens import Frame, IntArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Positions:
    """A rule that gives each text one run of positions.

    all: every token; inner: all but special tokens; first: the first token ([CLS] in BERT); last: the last;
    second-copy: the second writing of an echoed text.
    """

    name: PositionsName = "all"
    frame: Frame = field(default_factory=Frame)

    def ranges(self, lengths: IntArray) -> tuple[IntArray, IntArray]:
        """First position and the one behind the last, int64, shape (texts,) each; a run may be empty."""
        zeros = np.zeros_like(lengths)
        frame = self.frame
        if self.name == "all":
            return zeros, lengths
        if self.name == "first":
            return zeros, np.minimum(lengths, 1)
        if self.name == "last":
            return np.maximum(lengths - 1, 0), lengths
        if self.name == "inner":
            return zeros + frame.before, np.maximum(lengths - frame.after, frame.before)
        around = frame.before + frame.prompt
        copies = np.maximum(lengths - around - frame.after, 0)
        return around + copies // 2, around + copies

    def marked(self, lengths: IntArray) -> npt.NDArray[np.bool_]:
        """Whether each token of texts laid end to end takes part, shape (total,)."""
        starts, stops = self.ranges(lengths)
        place = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return (place >= np.repeat(starts, lengths)) & (place < np.repeat(stops, lengths))

    def pooled(self, lengths: IntArray, device: torch.device) -> Pooled:
        import torch

        starts, stops = self.ranges(lengths)
        widest = max(1, int((stops - starts).max()))
        counted = np.arange(widest) < (stops - starts)[:, None]
        index = np.minimum(starts[:, None] + np.arange(widest), np.maximum(stops - 1, 0)[:, None])
        whole = bool(counted.all() and np.all(starts == 0) and np.all(stops == lengths))
        return Pooled(torch.from_numpy(index).to(device), torch.from_numpy(counted).to(device), whole)


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """The chosen positions of a batch, in a rectangle.

    index:   int64, (texts, widest); behind a text's own run its last position is repeated, so that a maximum
        needs no mask
    counted: bool, (texts, widest): False for repeats
    whole: every position of the batch, and no padding
    """

    index: Tensor
    counted: Tensor
    whole: bool

    def gather(self, hidden: Tensor) -> Tensor:
        """(texts, length, width) to (texts, widest, width)."""
        if self.whole:
            return hidden
        return hidden.gather(1, self.index.unsqueeze(-1).expand(-1, -1, hidden.shape[-1]))

    def clear_empty(self, pooled: Tensor) -> Tensor:
        """Zero the rows of texts without a single position."""
        empty = ~self.counted.any(dim=1)
        if bool(empty.any()):
            pooled[empty] = 0
        return pooled
