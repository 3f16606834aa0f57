"""From texts to token ids: lengths, prompts, truncation and which positions are pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lsr.encoders.base import TermSpan
from lsr.encoders.composition import Reading

if TYPE_CHECKING:
    from tokenizers import Tokenizer

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Token ids of some texts, laid end to end without padding.

    ids:     int32, shape (total,)
    offsets: int64, shape (n + 1,): text i is ``ids[offsets[i]:offsets[i + 1]]``
    truncated: bool, shape (n,)
    """

    ids: npt.NDArray[np.int32]
    offsets: IntArray
    truncated: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], truncated: Sequence[bool]) -> Tokens:
        if len(rows) == 1:  # a lone query, which waits for every microsecond
            alone = np.array(rows[0], np.int32)
            return cls(alone, np.array([0, len(alone)], np.int64), np.array(truncated, dtype=np.bool_))
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        ids = np.fromiter((token for row in rows for token in row), np.int32, count=int(offsets[-1]))
        return cls(ids, offsets, np.array(truncated, dtype=np.bool_))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> IntArray:
        return np.diff(self.offsets)

    def row(self, index: int) -> npt.NDArray[np.int32]:
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def take(self, positions: npt.ArrayLike) -> Tokens:
        """The texts at ``positions``, in that order."""
        chosen = np.asarray(positions, dtype=np.int64)
        offsets = np.zeros(len(chosen) + 1, np.int64)
        np.cumsum(self.lengths[chosen], out=offsets[1:])
        rows = [self.row(int(at)) for at in chosen]
        ids = np.concatenate(rows) if rows else np.zeros(0, np.int32)
        return Tokens(ids, offsets, self.truncated[chosen])


class TextTokenizer:
    """A tokenizer with one side's length, prompt and special tokens.

    Wraps its own copy of a fast tokenizer, so that settings made here touch nobody else's.
    """

    def __init__(self, tokenizer: Tokenizer, reading: Reading) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.no_padding()
        if reading.length:
            self._tokenizer.enable_truncation(reading.length)
        else:
            self._tokenizer.no_truncation()
        self._reading = reading

    @classmethod
    def plain(cls, tokenizer: Tokenizer) -> TextTokenizer:
        """Whole texts without prompt or special tokens."""
        return cls(tokenizer, Reading(length=0, special_tokens=False))

    def __call__(self, texts: Sequence[str]) -> Tokens:
        encodings = self.encodings(texts)
        return Tokens.of([each.ids for each in encodings], [bool(each.overflowing) for each in encodings])

    def encodings(self, texts: Sequence[str]) -> list[Any]:
        """The tokenizer's own records, with character offsets; those count from the start of the prompt."""
        inputs = [self._reading.prompt + text for text in texts] if self._reading.prompt else list(texts)
        if self._reading.lowercase:
            inputs = [text.lower() for text in inputs]
        special = self._reading.special_tokens
        if len(inputs) == 1:  # a lone query: waking the tokenizer's thread pool costs more than the work
            return [self._tokenizer.encode(inputs[0], add_special_tokens=special)]
        return list(self._tokenizer.encode_batch(inputs, add_special_tokens=special))

    def spans(self, text: str) -> list[TermSpan]:
        """The text's tokens with their places in it, in order."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        places = zip(encoding.offsets, encoding.ids, strict=True)
        return [TermSpan(start, end, token) for (start, end), token in places]
